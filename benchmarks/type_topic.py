"""How well a type and a topic together find what is of both. Set: benchmarks/type_topic/.

python benchmarks/type_topic.py [folder to keep the index in]

R-Precision and average precision over the judged articles, mean over the queries. The weight is
chosen on the queries marked "tune"; the rest are reported.
"""

import json
import sys
from pathlib import Path

import numpy as np

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.topics import TOPIC_WEIGHT

HERE = Path(__file__).parent / "type_topic"
WEIGHTS = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0]


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (HERE / name).open(encoding="utf-8")]


def quality(scores: dict[str, float], query: dict) -> tuple[float, float]:
    """R-Precision and average precision."""
    unjudged, relevant = set(query["unjudged"]), set(query["relevant"])
    ranked = sorted((i for i in scores if i not in unjudged), key=lambda i: (-scores[i], i))
    hits = np.array([i in relevant for i in ranked])
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return hits[: len(relevant)].mean(), (precision * hits).sum() / len(relevant)


def table(rows: dict[str, list[tuple[float, float]]], parts: np.ndarray) -> None:
    print(f"{'':24}{'tune':>16}{'report':>16}   (R-Precision, average precision)")
    for name, values in rows.items():
        means = [np.array(values)[parts == part].mean(0) for part in ("tune", "report")]
        print(f"{name:24}" + "".join(f"{a:10.3f}{b:6.3f}" for a, b in means))


def main() -> None:
    articles = [Document(row["text"], row["id"]) for row in lines("articles.jsonl")]
    queries = lines("queries.jsonl")
    index = EntityIndex(sys.argv[1] if sys.argv[1:] else None)
    index.add(articles, progress=True)
    everything = len(articles)
    rows: dict[str, list[tuple[float, float]]] = {}

    def add(name: str, found: dict[str, float], query: dict) -> None:
        rows.setdefault(name, []).append(quality(found, query))

    for query in queries:
        kind, topic = query["type"], query["topic"]
        texts = {
            name: index.encoder.encode([text], spans=[[]])[0].text_vector
            for name, text in (("topic", topic), ("both", f"{kind} {topic}"))
        }
        vectors = index._store.texts.vectors([document.id for document in articles])
        whole = {i: float(vector @ texts["both"]) for i, vector in vectors.items()}
        add("text vector of both", whole, query)
        of_type, on_topic = (
            {
                match.doc_id: match.score
                for match in index.search(kind, everything, about=topic, topic_weight=weight)
            }
            for weight in (0.0, 1.0)
        )
        for weight in WEIGHTS:
            scores = {i: of_type[i] ** (1 - weight) * on_topic[i] ** weight for i in of_type}
            name = {0.0: "type alone", 1.0: "topic alone"}.get(weight, f"both, weight {weight}")
            add(name, scores, query)
        found = index.search(kind, 10, about=topic)
        for match in found:  # what the index does is what is measured here
            expected = (of_type[match.doc_id] ** (1 - TOPIC_WEIGHT)) * (
                on_topic[match.doc_id] ** TOPIC_WEIGHT
            )
            assert abs(match.score - expected) < 1e-4
    print(f"{len(queries)} queries, {everything} articles, default weight {TOPIC_WEIGHT}")
    table(rows, np.array([query["part"] for query in queries]))


if __name__ == "__main__":
    main()
