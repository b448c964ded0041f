"""Results for prompts, and the search as an agent's tool."""

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import ValidationError

from ner_retriever_rag import AnyOf
from ner_retriever_rag.langchain import (
    EntityDocumentIndex,
    NERTypeRetriever,
    create_entity_type_tool,
    render_context,
)


class Scripted(FakeMessagesListChatModel):
    """A chat model that says what it is given to say; keeps what it was shown."""

    seen: list = []
    tools: list = []

    def bind_tools(self, tools, **kwargs):
        self.tools.extend(tools)
        return self

    def _generate(self, messages, *arguments, **kwargs):
        self.seen.append(messages)
        return super()._generate(messages, *arguments, **kwargs)


def calling(**arguments) -> AIMessage:
    call = {"name": "find_by_entity_type", "args": arguments, "id": "1"}
    return AIMessage("", tool_calls=[call])


@pytest.fixture(scope="module")
def tiny(tiny_encoder) -> NERTypeRetriever:
    return NERTypeRetriever.from_texts(
        ["Oslo is a city.", "The Nile is long."], ids=["oslo", "nile"], encoder=tiny_encoder, k=1
    )


def test_context_names_what_was_found(retriever):
    text = render_context(retriever.invoke("dinosaur", k=2))
    first, second = text.split("\n\n")
    assert first.startswith("[1] Stegosaurus lived in the late Jurassic and ate plants.\nMentions:")
    score = retriever.invoke("dinosaur")[0].metadata["score"]
    assert f"Stegosaurus ({score:.2f})" in first
    assert second.startswith("[2] ")


def test_context_labels_several_types_and_names_each_name_once():
    matches = [
        {"text": "the\nNile", "start": 0, "end": 8, "score": 0.9, "type": "river"},
        {"text": "The Nile", "start": 20, "end": 28, "score": 0.5, "type": "river"},
        {"text": "The Nile", "start": 20, "end": 28, "score": 0.25, "type": "lake"},
    ]
    document = Document("the\nNile, by The Nile", metadata={"ner_matches": matches})
    other = Document(" Another retriever's. ")
    assert render_context([document, other], metadata_prefix="ner_") == (
        "[1] the\nNile, by The Nile\nMentions: the Nile (river, 0.90), The Nile (lake, 0.25)\n\n"
        "[2] Another retriever's."
    )
    assert render_context([]) == ""


async def test_tool_answers_with_names_for_the_model_and_documents_beside(retriever):
    tool = create_entity_type_tool(retriever)
    call = {"name": tool.name, "args": {"type": "river"}, "id": "1", "type": "tool_call"}
    message = tool.invoke(call)
    assert isinstance(message, ToolMessage)
    assert message.artifact == retriever.invoke("river")
    assert message.content == render_context(message.artifact)
    assert await tool.ainvoke(call) == message
    few = tool.invoke({**call, "args": {"type": "river", "about": "Sudan", "k": 1}})
    assert few.artifact == retriever.invoke("river", about="Sudan", k=1)
    assert len(few.artifact) == 1


def test_tool_tells_the_model_what_its_arguments_are(tiny):
    tool = create_entity_type_tool(tiny, name="find", description="Finds pages of our wiki.")
    assert (tool.name, tool.description) == ("find", "Finds pages of our wiki.")
    schema = tool.tool_call_schema.model_json_schema()
    assert schema["required"] == ["type"] and schema["properties"].keys() == {"type", "about", "k"}
    assert all(each["description"] for each in schema["properties"].values())


def test_tool_keeps_the_retrievers_fields(tiny):
    picky = tiny.model_copy(update={"where": {"none": "such"}})
    tool = create_entity_type_tool(picky)
    assert tool.invoke({"type": "city"}) == "No text was found that mentions entities of this kind."
    assert len(create_entity_type_tool(tiny).func("city")[1]) == 1
    assert len(create_entity_type_tool(tiny).func("city", k=2)[1]) == 2
    prefixed = tiny.model_copy(update={"metadata_prefix": "ner_"})
    assert "Mentions: " in create_entity_type_tool(prefixed).invoke({"type": "city"})
    as_index = EntityDocumentIndex(index=tiny.index)
    assert "Mentions: " in create_entity_type_tool(as_index).invoke({"type": "city"})


def test_tool_refuses_bad_arguments_by_name(tiny, documents):
    tool = create_entity_type_tool(tiny)
    for arguments, name in (({}, "type"), ({"type": " "}, "type"), ({"type": "city", "k": 0}, "k")):
        with pytest.raises(ValidationError, match=name):
            tool.invoke(arguments)
    with pytest.raises(TypeError, match="retriever must be a NERTypeRetriever, not a .*EntityInd"):
        create_entity_type_tool(tiny.index)


def test_agent_finds_by_type(retriever):
    says = [calling(type="dinosaur", k=1), AIMessage("Stegosaurus.")]
    model = Scripted(responses=says, seen=[], tools=[])
    agent = create_agent(model, [create_entity_type_tool(retriever)])
    state = agent.invoke({"messages": [HumanMessage("Which dinosaurs do our pages mention?")]})
    *_, found, answer = state["messages"]
    assert answer.content == "Stegosaurus."
    assert found.artifact == retriever.invoke("dinosaur", k=1)
    assert "Mentions: Stegosaurus" in found.content
    assert model.seen[1][-1].content == found.content  # the model was shown it
    assert model.tools[0].name == "find_by_entity_type"


async def test_agent_is_told_of_its_mistakes(tiny, monkeypatch):
    says = [calling(k=3), calling(type="city", about="?"), AIMessage("Sorry.")]
    model = Scripted(responses=says, seen=[])

    def fails(*_, **__):
        raise ValueError("about: the encoder has no text vectors")

    monkeypatch.setattr(type(tiny.index), "search", fails)
    agent = create_agent(model, [create_entity_type_tool(tiny)])
    state = await agent.ainvoke({"messages": [HumanMessage("?")]})
    first, second = (each for each in state["messages"] if isinstance(each, ToolMessage))
    assert first.status == second.status == "error"
    assert "type" in first.content and second.content.startswith("about: the encoder")
    with pytest.raises(ValueError, match="no text vectors"):
        tiny.invoke(AnyOf("city"))
