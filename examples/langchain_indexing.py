"""Keep an index in sync with its sources through LangChain's indexing API.

python examples/langchain_indexing.py
"""

import warnings

from langchain_core._api import LangChainBetaWarning
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.langchain import EntityDocumentIndex, NERTypeRetriever

warnings.simplefilter("ignore", LangChainBetaWarning)  # DocumentIndex is still in beta


def pages(**texts: str) -> list[Document]:
    """Create one document per source."""
    return [Document(text, metadata={"source": source}) for source, text in texts.items()]


def main() -> dict[str, object]:
    """Index two pages, then index one again unchanged and the other with a new text."""
    destination = EntityDocumentIndex(index=EntityIndex())
    records = InMemoryRecordManager(namespace="pages")
    records.create_schema()

    def update(documents: list[Document]) -> dict[str, int]:
        return index(
            documents,
            records,
            destination,
            cleanup="incremental",
            source_id_key="source",
            key_encoder="sha256",
        )

    first = update(pages(a="The Nile flows through Egypt.", b="Metallica formed in 1981."))
    second = update(pages(a="The Nile flows through Egypt.", b="Queen formed in London."))
    retriever = NERTypeRetriever(index=destination.index, k=2)
    return {
        "first": first,
        "second": second,
        "bands": [document.page_content for document in retriever.invoke("rock band")],
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value}")
