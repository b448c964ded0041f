"""Combine types in a search with AnyOf, AllOf and Not.

python examples/several_types.py
"""

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Not

DOCUMENTS = [
    Document("The Nile flows north through Sudan and Egypt.", id="nile"),
    Document("Lake Victoria is larger than any other lake in Africa.", id="victoria"),
    Document("The Rhine leaves Lake Constance near Stein.", id="rhine"),
    Document("Metallica formed in Los Angeles in 1981.", id="metallica"),
]


def main() -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Return the documents of each query, and the best name found of each type."""
    index = EntityIndex()
    index.add(DOCUMENTS)
    queries = {
        "a river or a lake": AnyOf("river", "lake"),  # score: the maximum of the two
        "a river and a lake": AllOf("river", "lake"),  # the minimum
        "a lake and no river": AllOf("lake", Not("river")),  # Not: 1 minus the score of its part
    }
    found = {}
    for name, query in queries.items():
        found[name] = []
        for match in index.search(query, k=2):
            best = {each.type: each.text for each in reversed(match.matches)}
            found[name].append((match.doc_id, best))
    return found


if __name__ == "__main__":
    for name, documents in main().items():
        print(name)
        for doc_id, best in documents:
            print(f"    {doc_id:12}{best}")
