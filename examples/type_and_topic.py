"""Search for a type and a topic at once, and weight them.

python examples/type_and_topic.py
"""

from ner_retriever_rag import Document, EntityIndex

DOCUMENTS = [
    Document("Giganotosaurus was dug up in the south of Argentina.", id="argentina"),
    Document("Tyrannosaurus was dug up in the east of Montana.", id="montana"),
    Document("Mamenchisaurus was dug up in the west of China.", id="china"),
    Document("Buenos Aires is the largest city of Argentina.", id="city"),
]


def main() -> dict[str, list[str]]:
    """Rank by the type alone, by the type and two topics, and by the text alone."""
    index = EntityIndex()
    index.add(DOCUMENTS)
    # A document's score is type_score ** (1 - w) * cosine ** w, where w is topic_weight and cosine
    # is the similarity of its text and "dinosaur found in Argentina".
    ways = {
        "dinosaur": {},
        "dinosaur, found in Argentina": {"about": "found in Argentina"},
        "dinosaur, found in China": {"about": "found in China"},
        "the text alone": {"about": "found in Argentina", "topic_weight": 1.0},
    }
    return {
        name: [match.doc_id for match in index.search("dinosaur", k=4, **arguments)]
        for name, arguments in ways.items()
    }


if __name__ == "__main__":
    for name, ids in main().items():
        print(f"{name:30}{', '.join(ids)}")
