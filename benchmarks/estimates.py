"""Coverage of the intervals of `index.estimate`, and the constants that calibrate them.

python benchmarks/estimates.py ../shared/data [--names FOLDER] [--cache FOLDER] [--draws 8]
    [--out FILE]

Samples of 200 texts from sets whose annotation is exhaustive for their types (Few-NERD dev, and
five of ../shared/data/domains), each an index of its own. For each type that a text of the sample
mentions: how many texts mention it, and the expected number. Distinct entities are counted on the
set built by benchmarks/same_names.py (FOLDER is its --work): an entity's type is the head noun of
its article's first sentence. Prints the residuals' spread and quantiles, fitted on all sets, which
are the constants of ner_retriever_rag/index/estimation.py, and each set's coverage by intervals
fitted on the others.
"""

import argparse
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.evaluation.encodings import encode_task
from ner_retriever_rag.evaluation.suites import load_suite
from ner_retriever_rag.evaluation.tasks import load_task
from ner_retriever_rag.index.estimation import Residuals
from ner_retriever_rag.questions.noun_phrases import noun_phrase
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts

SETS = ("assistant", "tasteset", "mulms", "wlp", "maintie")
SIZE = 200
SPREADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4)
IS = re.compile(r"\b(?:is|was|are|were) (?:an?|the|one of the) ")


class CachingEncoder:
    """An encoder that encodes each text only once, however many indexes it goes into."""

    def __init__(self, encoder):
        self._encoder, self._known = encoder, {}

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode(self, texts, spans=None):
        keys = [(text, None if spans is None else tuple(spans[n])) for n, text in enumerate(texts)]
        new = [n for n, key in enumerate(keys) if key not in self._known]
        given = None if spans is None else [spans[n] for n in new]
        for n, one in zip(new, self._encoder.encode([texts[n] for n in new], given), strict=True):
            self._known[keys[n]] = one
        return [self._known[key] for key in keys]


def documents(data: Path, cache: Path | None, encoder, draws: int) -> dict[str, list]:
    """For each set, the expected and the true number of texts, one pair per type and sample."""
    pairs = defaultdict(list)
    tasks = [load_task("fewnerd-dev", data)]
    tasks += [each.task for each in load_suite("domains", data, sets=SETS)]
    for task in tasks:
        encoded = encode_task(encoder, task, cache, progress=True).detected
        rng = np.random.default_rng(3)
        for _ in range(draws):
            drawn = rng.choice(len(task.texts), min(SIZE, len(task.texts)), replace=False)
            held = InMemoryTexts(
                encoder, [task.texts[n] for n in drawn], [encoded[n] for n in drawn]
            )
            for label, query in task.queries.items():
                if true := int(np.isin(drawn, list(task.relevant[label])).sum()):
                    # The same sum as in ``index.estimate``.
                    expected = float(held.rank(query).scores.sum(dtype=np.float64))
                    pairs[task.name].append((expected, true))
        print(task.name, len(pairs[task.name]), "types and draws", flush=True)
    return pairs


def entities(work: Path, encoder, draws: int) -> dict[str, list[tuple[float, int]]]:
    """The same for distinct entities, in two halves."""
    rows = [json.loads(line) for line in (work / "set.jsonl").read_text().splitlines()]
    kinds = {}
    for row in rows:
        if row["id"].endswith("/0") and (found := IS.search(row["text"])):
            phrase = noun_phrase(row["text"], found.end())
            if phrase and phrase.common:
                kinds.setdefault(row["entity"], phrase.type.rsplit(" ", 1)[-1])
    pairs = defaultdict(list)
    for half in ("dev", "test"):
        these = [row for row in rows if row["half"] == half and row["entity"] in kinds]
        rng = np.random.default_rng(3)
        for _ in range(draws):
            drawn = [these[n] for n in rng.choice(len(these), SIZE, replace=False)]
            true = Counter(kinds[entity] for entity in {row["entity"] for row in drawn})
            index = EntityIndex(encoder=encoder)
            spans = [[tuple(span) for span in row["spans"]] for row in drawn]
            index.add([Document(row["text"], row["id"]) for row in drawn], spans=spans)
            for kind, count in true.items():
                if count > 1:
                    pairs[half].append((index.estimate(kind).entities.expected, count))
            index.close()
        print("entities", half, len(pairs[half]), "types and draws", flush=True)
    return pairs


def fitted(pairs, spread: float) -> Residuals:
    one = Residuals(spread, 0, 0)
    residuals = [one.residual(expected, true) for expected, true in pairs]
    low, high = np.quantile(residuals, [0.05, 0.95])
    return Residuals(spread, round(float(low), 2), round(float(high), 2))


def covered(residuals: Residuals, pairs) -> float:
    intervals = [residuals.interval(expected, SIZE) for expected, _ in pairs]
    return float(np.mean([
        low <= true <= high for (low, high), (_, true) in zip(intervals, pairs, strict=True)
    ]))  # fmt: skip


def report(what: str, pairs: dict[str, list[tuple[float, int]]]) -> list[str]:
    """Fit the spread that gives the narrowest intervals, and report their coverage."""

    def width(spread: float) -> float:
        made = fitted(everything, spread)
        return float(np.mean([(made.high - made.low) * made.width(e) for e, _ in everything]))

    everything = [pair for some in pairs.values() for pair in some]
    best = min(SPREADS, key=width)
    made = fitted(everything, best)
    lines = [
        f"{what}: {made}, all {covered(made, everything):.2f}",
        "",
        "| set | types and draws | truth / expected, median | in the others' interval |",
        "|---|---|---|---|",
    ]
    for name, own in pairs.items():
        others = [pair for other, some in pairs.items() if other != name for pair in some]
        share = covered(fitted(others, best), own)
        ratio = np.median([true / max(expected, 0.5) for expected, true in own])
        lines.append(f"| {name} | {len(own)} | {ratio:.2f} | {share:.2f} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--names", type=Path, help="the --work folder of benchmarks/same_names.py")
    parser.add_argument("--cache", type=Path, help="folder for cached encodings")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    encoder = TypeAwareEncoder.from_pretrained()
    lines = report("documents", documents(args.data, args.cache, encoder, args.draws))
    if args.names:
        lines += report("entities", entities(args.names, CachingEncoder(encoder), args.draws))
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
