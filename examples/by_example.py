"""Search by examples instead of a description, and refine a search with feedback on its results.

python examples/by_example.py
"""

from ner_retriever_rag import EntityIndex, Like, refine

TEXTS = [
    "Stegosaurus had plates along its back.",
    "Triceratops had three horns on its skull.",
    "Iguanodon walked on two legs or on four.",
    "Diplodocus swallowed stones to grind its food.",
    "The Danube passes many castles.",
    "Vienna is the capital of Austria.",
    "The Rhine passes many castles.",
    "Budapest was once two towns.",
    "Metallica formed in Los Angeles in 1981.",
]


def main() -> dict[str, list[str]]:
    """Find more of a kind by names, then by judging the results for a description."""
    index = EntityIndex()
    index.add(TEXTS)

    def texts(query: object, k: int) -> list[str]:
        return [match.text for match in index.search(query, k=k)]

    before = index.search("place", k=4)
    rivers = [match for match in before if "castles" in match.text]
    others = [match for match in before if "castles" not in match.text]
    # A result stands for its best mention; a name, "Rhine", would do as well.
    refined = refine("place", relevant=rivers or ["Rhine"], irrelevant=others)
    return {
        "like two names": texts(Like("Stegosaurus", "Triceratops"), 4),
        "with a description": texts(Like("Danube", description="river"), 2),
        "before refining": [match.text for match in before],
        "after refining": texts(refined, 2),
    }


if __name__ == "__main__":
    for name, found in main().items():
        print(name, *found, sep="\n    ")
