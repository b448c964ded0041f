"""How much three examples add to a description, and relevance feedback to a search, on fewnerd-dev.

python benchmarks/by_example.py --data ../shared/data

Gold spans. For each of the 10 types, three gold mentions with different names are drawn, five
times. Texts that mention one of these names are removed from the ranking and from the relevant
texts, for every system alike (residual collection), and R-Precision is averaged over types and
draws. For feedback, the top ten texts of the description are judged: three that are of the type and
three that are not go to ``refine``, and all ten are removed. Writes
benchmarks/results/by_example.md.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

import numpy as np

from ner_retriever_rag import Like, TypeAwareEncoder, refine
from ner_retriever_rag.queries import query_vectors
from ner_retriever_rag.schema import MentionMatch

DRAWS, EXAMPLES = 5, 3
WRITTEN = Path(__file__).parent / "results" / "by_example.md"
HEAD = """# By example

R-Precision on fewnerd-dev, gold spans (`python benchmarks/by_example.py`; encoder {encoder}). For
each of {types} types, three gold mentions with different names are drawn, {draws} times; texts with
one of these names are removed from the ranking and from the relevant texts, for every row alike.
The default weights are {examples} (examples) and {unlike} (counterexamples), relative to 1 for the
description; they were chosen on this set, so the figures are slightly optimistic.
"""


class Corpus:
    """Gold mentions with their vectors; stands in for an index."""

    def __init__(self, data: Path, encoder: TypeAwareEncoder) -> None:
        folder = data / "fewnerd"
        names = json.loads((folder / "type-names.json").read_text(encoding="utf-8"))
        rows = [json.loads(line) for line in (folder / "inter-dev.jsonl").open(encoding="utf-8")]
        spans = [[(m["start"], m["end"]) for m in row["mentions"]] for row in rows]
        encoded = encoder.encode([row["text"] for row in rows], spans=spans, progress=True)
        self.vectors = np.concatenate([one.vectors for one in encoded])
        self.text_of = np.repeat(np.arange(len(rows)), [len(each) for each in spans])
        self.names = [mention.text.casefold() for one in encoded for mention in one.mentions]
        self.mentions = [mention for one in encoded for mention in one.mentions]
        labels = [m["type"].split("-")[-1] for row in rows for m in row["mentions"]]
        self.labels = np.array(labels)
        self.by_name = defaultdict(list)
        for number, name in enumerate(self.names):
            self.by_name[name].append(number)
        self.queries = {
            label: names.get(label, label)
            for label in sorted(set(labels))
            if "other" not in label.lower()
        }

    def example_vector(self, encoder: TypeAwareEncoder, example: str | MentionMatch) -> np.ndarray:
        """As ``IndexedExamples``: a mention's own vector, or the mean over a name's mentions."""
        if isinstance(example, MentionMatch):
            return self.vectors[int(example.doc_id)]
        found = self.by_name[example.casefold()]
        return query_vectors.mean_vector(list(self.vectors[found]))

    def ranked(self, vector: np.ndarray) -> np.ndarray:
        """Texts ranked by their best mention."""
        best = np.full(self.text_of[-1] + 1, -2.0, dtype=np.float32)
        np.maximum.at(best, self.text_of, self.vectors @ vector)
        return np.argsort(-best, kind="stable")

    def r_precision(self, vector: np.ndarray, label: str, gone: set[int]) -> float:
        """R-Precision over the texts that are not in ``gone``."""
        relevant = set(self.text_of[self.labels == label]) - gone
        kept = [text for text in self.ranked(vector) if text not in gone]
        return sum(text in relevant for text in kept[: len(relevant)]) / len(relevant)

    def as_match(self, number: int) -> MentionMatch:
        """A mention as a search would return it, with its number as document id."""
        one = self.mentions[number]
        return MentionMatch(str(number), one.text, one.start, one.end, 1.0, 1.0)


def by_example(corpus: Corpus, encoder: TypeAwareEncoder) -> dict[str, list[float]]:
    rows = defaultdict(list)
    for label, description in corpus.queries.items():
        draw = random.Random(label)
        of_type = np.flatnonzero(corpus.labels == label)
        for _ in range(DRAWS):
            names = draw.sample(sorted({corpus.names[n] for n in of_type}), EXAMPLES)
            gone = {int(corpus.text_of[n]) for name in names for n in corpus.by_name[name]}

            def score(name, query, vectors=corpus.example_vector, gone=gone, label=label):
                vector = query_vectors.type_vector(query, encoder, vectors)
                rows[name].append(corpus.r_precision(vector, label, gone))

            score("description alone", description)
            score("3 bare names", Like(*names), query_vectors.bare_name_vector)
            score("3 names, their mentions", Like(*names))
            for weight in (0.25, 0.5, 1.0, 2.0):
                query_vectors.EXAMPLES_WEIGHT = weight
                query = Like(*names, description=description)
                score(f"description + bare names x {weight}", query, query_vectors.bare_name_vector)
                score(f"description + mentions x {weight}", query)
    return dict(sorted(rows.items()))


def feedback(corpus: Corpus, encoder: TypeAwareEncoder) -> dict[str, list[float]]:
    rows = defaultdict(list)
    for label, description in corpus.queries.items():
        before = query_vectors.type_vector(description, encoder, corpus.example_vector)
        similarities = corpus.vectors @ before
        judged = corpus.ranked(before)[:10]
        best = [
            max(np.flatnonzero(corpus.text_of == text), key=lambda n: similarities[n])
            for text in judged
        ]
        good = [corpus.as_match(n) for n in best if corpus.labels[n] == label][:3]
        bad = [corpus.as_match(n) for n in best if corpus.labels[n] != label][:3]
        gone = set(judged.tolist())
        rows["before"].append(corpus.r_precision(before, label, gone))
        for examples in (0.25, 0.5, 1.0):
            for unlike in (0.0, 0.1, 0.25, 0.5):
                query_vectors.EXAMPLES_WEIGHT, query_vectors.UNLIKE_WEIGHT = examples, unlike
                vector = query_vectors.type_vector(
                    refine(description, good, bad), encoder, corpus.example_vector
                )
                name = f"refined, {examples} relevant, {unlike} irrelevant"
                rows[name].append(corpus.r_precision(vector, label, gone))
    return rows


def table(rows: dict[str, list[float]]) -> str:
    lines = ["| | R-Precision |", "|---|---|"]
    lines += [f"| {name} | {np.mean(values):.3f} |" for name, values in rows.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=WRITTEN, help="report to write")
    arguments = parser.parse_args()
    encoder = TypeAwareEncoder.from_pretrained()
    corpus = Corpus(arguments.data, encoder)
    head = HEAD.format(
        encoder=encoder.fingerprint[:12],
        types=len(corpus.queries),
        draws=DRAWS,
        examples=query_vectors.EXAMPLES_WEIGHT,
        unlike=query_vectors.UNLIKE_WEIGHT,
    )
    examples, judged = table(by_example(corpus, encoder)), table(feedback(corpus, encoder))
    report = f"{head}\n## Three examples\n\n{examples}\n## Ten judged results\n\n{judged}"
    arguments.out.write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
