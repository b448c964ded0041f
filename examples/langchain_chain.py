"""Retrieval by entity type in a LangChain chain. Runs offline with a fake chat model.

python examples/langchain_chain.py
"""

from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from ner_retriever_rag import NERTypeRetriever
from ner_retriever_rag.langchain import create_entity_type_tool, render_context

TEXTS = [
    "Stegosaurus had plates along its back and lived in the late Jurassic.",
    "The Nile flows north through Sudan and Egypt.",
    "Metallica formed in Los Angeles in 1981.",
    "Triceratops had three horns on its skull.",
]


def main() -> dict[str, object]:
    """Run a chain, a tool and a batch."""
    retriever = NERTypeRetriever.from_texts(TEXTS, k=2)
    prompt = ChatPromptTemplate.from_template("List every {type} in:\n{context}")
    model = FakeListChatModel(responses=["Stegosaurus and Triceratops"])
    chain = (
        {"context": retriever | render_context, "type": RunnablePassthrough()}
        | prompt
        | model
        | StrOutputParser()
    )
    tool = create_entity_type_tool(retriever)
    batch = retriever.batch(["dinosaur", "river", "band"], {"max_concurrency": 3})
    return {
        "answer": chain.invoke("dinosaur"),
        "context": (retriever | render_context).invoke("dinosaur"),
        "tool": tool.invoke({"type": "river"}),
        "batch": [documents[0].page_content for documents in batch],
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value}")
