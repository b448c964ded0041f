"""What known names gain: R-Precision and time with and without them, for known and unknown names.

python benchmarks/names.py ENCODER [--data ../shared/data] [--texts 1000]

ENCODER is a saved encoder with names (`ner-retriever train names`). Relevant texts are also split
by whether a gold mention of the type has a known name: those outside the group being scored are
removed from the type's ranking. Prints Markdown.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.names import KnownNames
from ner_retriever_rag.evaluation.formats import read_lines
from ner_retriever_rag.evaluation.metrics import macro, type_metrics
from ner_retriever_rag.evaluation.systems import best_of_each
from ner_retriever_rag.evaluation.tasks import Task, load_task
from ner_retriever_rag.schema import EncodedText

Draw = Callable[[NDArray[np.float32]], NDArray[np.float32]]
FILES = {"fewnerd-dev": "inter-dev", "fewnerd-test": "inter-test"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("encoder", type=Path, help="folder of a saved encoder with names")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--texts", type=int, default=1000, help="texts to time")
    options = parser.parse_args()
    names = TypeAwareEncoder.from_pretrained(options.encoder).names
    if names is None:
        raise SystemExit(f"{options.encoder} has no known names: run `ner-retriever train names`")
    encoder = TypeAwareEncoder.from_pretrained(options.encoder, names=False)
    draw = encoder.prototypes.pull if encoder.prototypes else np.asarray
    encoder.prototypes = None  # mentions are drawn to prototypes after names are blended in
    size = (options.encoder / KnownNames.WEIGHTS).stat().st_size
    print(f"{len(names):,} names, {size / 1e6:.1f} MB; {encoder.description}\n")
    print("| task | mentions | known | answers | without | with | gain |")
    print("|---|---|---|---|---|---|---|")
    for spec in FILES:
        for row in rows(spec, encoder, names, draw, options.data):
            print(f"| {row} |")
    texts = load_task("fewnerd-dev", options.data).texts[: options.texts]
    encoded = encoder.encode(texts)
    started = time.process_time()
    encoder.encode(texts)
    without = time.process_time() - started
    started = time.process_time()
    for each in encoded:
        names.blend([m.text for m in each.mentions], each.vectors)
    more = time.process_time() - started
    print(
        f"\nEncoding {len(texts):,} texts takes {without:.2f} s of processor time without names, "
        f"{more:.3f} s ({more / without:.1%}) more with them."
    )


def rows(
    spec: str, encoder: TypeAwareEncoder, names: KnownNames, draw: Draw, data: Path
) -> Iterator[str]:
    """The table rows of one task: gold and detected mentions; all, known and unknown answers."""
    task = load_task(spec, data)
    answers = split_answers(spec, task, names, data)
    types = encoder.encode_types(list(task.queries.values()))
    for mentions, spans in (("gold", task.spans), ("detected", None)):
        encoded = encoder.encode(task.texts, spans)
        words = [m.text for each in encoded for m in each.mentions]
        vectors = np.concatenate([each.vectors for each in encoded])
        known = names.knows(words)
        before = scores(types, draw(vectors), encoded)
        after = scores(types, draw(names.blend(words, vectors)), encoded)
        for which, relevant in answers.items():
            old, new = (r_precision(s, relevant, answers["all"]) for s in (before, after))
            figures = f"{old:.4f} | {new:.4f} | {new - old:+.4f}"
            yield f"{spec} | {mentions} | {known.mean():.0%} | {which} | {figures}"


def split_answers(
    spec: str, task: Task, names: KnownNames, data: Path
) -> dict[str, list[frozenset[int]]]:
    """The relevant texts of each type: all; by a known name; only by unknown names."""
    number = {text: i for i, text in enumerate(task.texts)}
    by_known: dict[str, set[int]] = {label: set() for label in task.queries}
    for each in read_lines(data / "fewnerd" / f"{FILES[spec]}.jsonl"):
        words = [each.text[start:end] for start, end, _ in each.mentions]
        for (_, _, label), known in zip(each.mentions, names.knows(words), strict=True):
            if known and label in by_known:
                by_known[label].add(number[each.text])
    everything = [task.relevant[label] for label in task.queries]
    known_ones = [frozenset(by_known[label]) for label in task.queries]
    return {
        "all": everything,
        "known": known_ones,
        "unknown": [a - b for a, b in zip(everything, known_ones, strict=True)],
    }


def scores(
    types: NDArray[np.float32], vectors: NDArray[np.float32], encoded: list[EncodedText]
) -> NDArray[np.float32]:
    """The score of each text's best mention for each type."""
    owner = np.repeat(np.arange(len(encoded)), [len(each.mentions) for each in encoded])
    return best_of_each(types @ vectors.T, owner, len(encoded))


def r_precision(
    scores: NDArray[np.float32], relevant: list[frozenset[int]], everything: list[frozenset[int]]
) -> float:
    """Macro R-Precision; relevant texts outside the scored group are removed from the ranking."""
    figures = []
    for row, wanted, right in zip(scores, relevant, everything, strict=True):
        kept = np.setdiff1d(np.arange(len(row)), list(right - wanted))
        if wanted:
            figures.append(type_metrics(row[kept], np.searchsorted(kept, sorted(wanted)).tolist()))
    return macro(figures, "r_precision") or 0.0


if __name__ == "__main__":
    main()
