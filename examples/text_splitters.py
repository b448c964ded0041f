"""Index long texts directly from the splitters of LangChain or LlamaIndex.

Needs langchain-text-splitters. python examples/text_splitters.py
"""

from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document as SourceDocument

from ner_retriever_rag import EntityIndex

TEXT = """Lake Victoria lies between Uganda, Kenya and Tanzania. It feeds the White Nile, which
leaves it at Jinja.

Kisumu is a port on its shore. Trains came there from Mombasa in 1901, and the first steamer, the
SS William Mackinnon, had been carried up in pieces.

Haplochromine fishes fill its waters, or did before the Nile perch was let in."""


def main() -> dict[str, object]:
    """Split the text with both, index the pieces, and return which piece matches."""
    langchain = RecursiveCharacterTextSplitter(
        chunk_size=200, chunk_overlap=0, add_start_index=True
    ).split_documents([Document(TEXT, metadata={"source": "victoria.txt"})])
    index = EntityIndex()
    index.add(langchain)  # LangChain documents as they are
    ship = index.search("ship", k=1)[0]

    source = SourceDocument(text=TEXT, id_="victoria.txt")
    nodes = SentenceSplitter(chunk_size=64, chunk_overlap=0).get_nodes_from_documents([source])
    other = EntityIndex()
    other.add(nodes)  # and LlamaIndex nodes
    fish = other.search("fish", k=1)[0]
    return {
        "LangChain's pieces": len(langchain),
        "ship": ship.matches[0].text,
        "begins at": ship.metadata["start_index"],
        "LlamaIndex' pieces": len(nodes),
        "fish": fish.matches[0].text,
        "of": fish.metadata["ref_doc_id"],
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value}")
