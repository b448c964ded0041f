"""A LangGraph agent that finds documents by entity type. Runs offline with a scripted model.

python examples/langchain_agent.py
"""

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage

from ner_retriever_rag import NERTypeRetriever
from ner_retriever_rag.langchain import create_entity_type_tool

TEXTS = [
    "Stegosaurus had plates along its back and lived in the late Jurassic.",
    "The Nile flows north through Sudan and Egypt.",
    "Metallica formed in Los Angeles in 1981.",
    "Triceratops had three horns on its skull.",
]


class Scripted(FakeMessagesListChatModel):
    """Returns scripted responses, in place of a chat model that calls tools."""

    def bind_tools(self, tools, **kwargs):
        return self


def main() -> dict[str, object]:
    """Let the agent look for dinosaurs, then answer."""
    retriever = NERTypeRetriever.from_texts(TEXTS, k=4)
    tool = create_entity_type_tool(
        retriever, description="Finds notes of the museum that mention entities of a kind."
    )
    arguments = {"type": "dinosaur", "k": 2}
    call = {"name": tool.name, "args": arguments, "id": "1"}
    answer = "Two: Stegosaurus and Triceratops."
    model = Scripted(responses=[AIMessage("", tool_calls=[call]), AIMessage(answer)])

    agent = create_agent(model, [tool])
    state = agent.invoke({"messages": [("human", "Which dinosaurs are in our notes?")]})
    *_, found, last = state["messages"]
    return {
        "what the model read": found.content,
        "documents": [document.page_content for document in found.artifact],
        "answer": last.content,
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}:\n{value}\n")
