"""How well search by type and topic finds documents that match both. Set: benchmarks/type_topic/.

python benchmarks/type_topic.py [--index FOLDER]

R-Precision and average precision over the judged articles, averaged over the queries. The weight is
chosen on the queries marked "tune"; the rest are for reporting. Writes
benchmarks/results/type_topic.md.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.queries.topic import TOPIC_WEIGHT

HERE = Path(__file__).parent / "type_topic"
WRITTEN = HERE.parent / "results" / "type_topic.md"
HEAD = """# Type and topic

How well `search(type, about=topic)` finds articles that are of the type *and* on the topic:
{queries} queries over {articles} beginnings of Simple English Wikipedia articles
(`benchmarks/type_topic/`), R-Precision and average precision over the judged articles, averaged
over the queries. `python benchmarks/type_topic.py`; encoder {encoder}.

The weight w of the topic (score = type score ^ (1 - w) x cosine ^ w, with the cosine of the article
and the phrase "type topic") is chosen on the half marked "tune" and is {weight} by default; the
other half is for reporting. "Plain search for the phrase" is w = 1; "topic alone" also leaves the
type out of the phrase. Relevant articles define their subject as of the type, which favors plain
search; documents that mention such things in passing are not judged here.

"""
WEIGHTS = [0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0]


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (HERE / name).open(encoding="utf-8")]


def quality(scores: dict[str, float], query: dict) -> tuple[float, float]:
    """R-Precision and average precision."""
    unjudged, relevant = set(query["unjudged"]), set(query["relevant"])
    ranked = sorted((i for i in scores if i not in unjudged), key=lambda i: (-scores[i], i))
    hits = np.array([i in relevant for i in ranked])
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return hits[: len(relevant)].mean(), (precision * hits).sum() / len(relevant)


def table(rows: dict[str, list[tuple[float, float]]], parts: np.ndarray) -> str:
    lines = ["| | tune: R-Prec | AP | report: R-Prec | AP |", "|---|---|---|---|---|"]
    for name, values in rows.items():
        means = [np.array(values)[parts == part].mean(0) for part in ("tune", "report")]
        lines.append(f"| {name} | " + " | ".join(f"{each:.3f}" for each in np.ravel(means)) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", type=Path, help="folder to keep the index in")
    parser.add_argument("--out", type=Path, default=WRITTEN, help="report to write")
    arguments = parser.parse_args()
    articles = [Document(row["text"], row["id"]) for row in lines("articles.jsonl")]
    queries = lines("queries.jsonl")
    index = EntityIndex(arguments.index)
    index.add(articles, progress=True)
    everything = len(articles)
    rows: dict[str, list[tuple[float, float]]] = {}

    def add(name: str, found: dict[str, float], query: dict) -> None:
        rows.setdefault(name, []).append(quality(found, query))

    for query in queries:
        kind, topic = query["type"], query["topic"]
        topic_vector = index.encoder.encode([topic], spans=[[]])[0].text_vector
        vectors = index._store.texts.vectors([document.id for document in articles])
        alone = {i: float(vector @ topic_vector) for i, vector in vectors.items()}
        add("topic alone", alone, query)
        of_type, on_text = (
            {
                match.doc_id: match.score
                for match in index.search(kind, everything, about=topic, topic_weight=weight)
            }
            for weight in (0.0, 1.0)
        )
        for weight in WEIGHTS:
            scores = {i: of_type[i] ** (1 - weight) * on_text[i] ** weight for i in of_type}
            name = {0.0: "type alone", 1.0: "plain search for the phrase"}.get(
                weight, f"both, weight {weight}"
            )
            add(name, scores, query)
        found = index.search(kind, 10, about=topic)
        for match in found:  # the index must compute what is measured here
            expected = (of_type[match.doc_id] ** (1 - TOPIC_WEIGHT)) * (
                on_text[match.doc_id] ** TOPIC_WEIGHT
            )
            assert abs(match.score - expected) < 1e-4
    head = HEAD.format(
        queries=len(queries),
        articles=everything,
        weight=TOPIC_WEIGHT,
        encoder=index.encoder.fingerprint[:12],
    )
    report = head + table(rows, np.array([query["part"] for query in queries]))
    arguments.out.write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
