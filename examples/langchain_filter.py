"""Filter another retriever's results down to the documents that mention a type.

pip install langchain-classic
python examples/langchain_filter.py
"""

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from ner_retriever_rag.langchain import EntityTypeFilter

DOCUMENTS = [
    Document("Stegosaurus had plates along its back.", id="stegosaurus"),
    Document("Bones are dug up with brushes and small hammers.", id="bones"),
    Document("Triceratops had three horns on its skull.", id="triceratops"),
    Document("The Nile flows north through Sudan and Egypt.", id="nile"),
]


class Newest(BaseRetriever):
    """Stands in for your own retriever."""

    def _get_relevant_documents(self, query, *, run_manager):
        return DOCUMENTS


def main() -> dict[str, list[str]]:
    """Filter in the order of the other retriever, and rank by type."""
    keep = EntityTypeFilter(entity_type="dinosaur", threshold=0.2)
    best = EntityTypeFilter(entity_type="river", threshold=None, top_n=1)
    return {
        name: [
            document.id
            for document in ContextualCompressionRetriever(
                base_retriever=Newest(), base_compressor=compressor
            ).invoke("what was dug up?")
        ]
        for name, compressor in (("with a dinosaur", keep), ("best for river", best))
    }


if __name__ == "__main__":
    for name, ids in main().items():
        print(f"{name}: {', '.join(ids)}")
