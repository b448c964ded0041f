"""Search for a type and a topic at once, and weigh them.

python examples/type_and_topic.py
"""

from ner_retriever_rag import Document, EntityIndex

DOCUMENTS = [
    Document("Giganotosaurus was dug up in Patagonia, in the south of Argentina.", id="argentina"),
    Document("Tyrannosaurus walked through the swamps of Montana.", id="montana"),
    Document("Velociraptor was found in the Gobi Desert of Mongolia.", id="mongolia"),
    Document("Buenos Aires is the largest city of Argentina.", id="city"),
]


def main() -> dict[str, list[str]]:
    """Rank by the type alone, by both, and by the text alone."""
    index = EntityIndex()
    index.add(DOCUMENTS)
    # A document's score is type_score ** (1 - w) * cosine ** w, with w = topic_weight and the
    # cosine of its text and "dinosaur found in Argentina".
    ways = {
        "type alone": {},
        "type and topic": {"about": "found in Argentina"},
        "text alone": {"about": "found in Argentina", "topic_weight": 1.0},
    }
    return {
        name: [match.doc_id for match in index.search("dinosaur", k=4, **arguments)]
        for name, arguments in ways.items()
    }


if __name__ == "__main__":
    for name, ids in main().items():
        print(f"{name:16}{', '.join(ids)}")
