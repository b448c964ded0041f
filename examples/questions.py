"""Questions in a chain: those that ask for a type are retrieved by type, others by plain search.

python examples/questions.py
"""

from langchain_core.documents import Document
from langchain_core.runnables import RunnableBranch, RunnableLambda

from ner_retriever_rag import NERTypeRetriever
from ner_retriever_rag.langchain import AnswerType

TEXTS = [
    "Giganotosaurus hunted in what is now Argentina.",
    "Stegosaurus left its bones in Colorado.",
    "Triceratops was among the last to live in North America.",
    "Mount Etna erupted again, and Catania closed its airport.",
    "The sky looks blue because air scatters short waves of light most.",
]


def by_words(question: str) -> list[Document]:
    """Stand-in for your own retriever: the text that shares the most words with the question."""
    words = set(question.lower().rstrip("?").split())
    return [Document(max(TEXTS, key=lambda text: len(words & set(text.lower().split()))))]


def main() -> dict[str, object]:
    """Ask a question with a type and a topic, and one without a type."""
    retriever = NERTypeRetriever.from_texts(TEXTS, k=2)
    by_type = AnswerType() | retriever  # AnswerType(model=chat_model) uses a model instead

    question = RunnableLambda(lambda asked: asked.question)
    no_type = RunnableLambda(lambda asked: asked.type is None)
    either = AnswerType() | RunnableBranch((no_type, question | by_words), retriever)

    dinosaurs = "Which dinosaurs lived in what is now Argentina?"
    return {
        "asked": AnswerType().invoke(dinosaurs),
        "by type": [each.page_content for each in by_type.invoke(dinosaurs)],
        "either, with a type": either.invoke(dinosaurs)[0].page_content,
        "either, without": either.invoke("Why is the sky blue?")[0].page_content,
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value}")
