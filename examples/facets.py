"""List the kinds of entity in a corpus, and the kinds of a single mention.

python examples/facets.py
"""

from ner_retriever_rag import EntityIndex

TEXTS = [
    "Stegosaurus had plates along its back.",
    "Triceratops had three horns on its skull.",
    "The Nile flows north through Sudan and Egypt.",
    "The Danube passes Vienna, Budapest and Belgrade.",
    "The Rhine flows past Basel and Cologne.",
]


def main() -> dict[str, object]:
    """Count the kinds in an index, and return those of one mention."""
    index = EntityIndex()
    index.add(TEXTS)
    facets = index.facets(n=5)  # ner-retriever facets FOLDER
    kinds = index.encoder.types_of(TEXTS[0], (0, len("Stegosaurus")), n=3)
    return {"facets": facets, "Stegosaurus": kinds}


if __name__ == "__main__":
    found = main()
    for facet in found["facets"]:
        print(f"{facet.type:20}{facet.mentions:4}   {', '.join(facet.examples)}")
    print("Stegosaurus is a", ", a ".join(f"{kind} ({p:.2f})" for kind, p in found["Stegosaurus"]))
