"""``AnswerType``: from a question to a type, in chains and with a chat model."""

import json

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableBranch, RunnableLambda
from langchain_core.tracers.schemas import Run
from langchain_core.tracers.stdout import FunctionCallbackHandler
from pydantic import ValidationError

from ner_retriever_rag.langchain import AnswerType
from ner_retriever_rag.questions.questions import ParsedQuestion

QUESTION = "Which dinosaurs lived in what is now Argentina?"


class ToolCalling(FakeMessagesListChatModel):
    """A chat model that calls its bound tool with given arguments and records its inputs."""

    seen: list = []

    def bind_tools(self, tools, **kwargs):
        self.seen.append(tools[0])
        return self

    def _generate(self, messages, *arguments, **kwargs):
        self.seen.append(messages)
        return super()._generate(messages, *arguments, **kwargs)


def model_calling(**arguments) -> ToolCalling:
    call = {"name": "TypeAndTopic", "args": arguments, "id": "1"}
    return ToolCalling(responses=[AIMessage("", tool_calls=[call])], seen=[])


async def test_rules_answer_sync_async_and_batch_calls():
    expected = ParsedQuestion(QUESTION, "dinosaur", "lived in what is now Argentina")
    assert AnswerType().invoke(QUESTION) == expected
    assert await AnswerType().ainvoke(QUESTION) == expected
    assert AnswerType().batch([QUESTION, "Why?"]) == [expected, ParsedQuestion("Why?", None, None)]
    assert [each async for each in AnswerType().astream(QUESTION)] == [expected]


async def test_chat_model_answers_with_structured_output():
    model = model_calling(type="extinct reptile", topic="Argentina")
    asked = AnswerType(model=model)
    expected = ParsedQuestion(QUESTION, "extinct reptile", "Argentina")
    assert asked.invoke(QUESTION) == await asked.ainvoke(QUESTION) == expected
    assert model.seen[0].__name__ == "TypeAndTopic"
    assert model.seen[1][-1].content == QUESTION
    braces = "Which {things} are {{here}}?"
    assert asked.invoke(braces).question == braces


@pytest.mark.parametrize(
    "arguments", [{"type": None}, {"type": "null", "topic": "x"}, {"type": " "}, {}]
)
def test_model_may_find_no_type(arguments):
    found = AnswerType(model=model_calling(**arguments)).invoke("Why?")
    assert found == ParsedQuestion("Why?", None, None)


def test_model_without_a_tool_call_finds_no_type():
    silent = ToolCalling(responses=[AIMessage("It is blue because.")])
    assert AnswerType(model=silent).invoke("Why?").type is None


async def test_rules_are_the_fallback_of_a_failing_model():
    broken = ToolCalling(responses=[])
    with pytest.raises(IndexError):
        AnswerType(model=broken).invoke(QUESTION)
    asked = AnswerType(model=broken).with_fallbacks([AnswerType()])
    assert asked.invoke(QUESTION).type == (await asked.ainvoke(QUESTION)).type == "dinosaur"


async def test_retriever_accepts_the_parsed_question(retriever):
    chain = AnswerType() | retriever
    found = chain.invoke("Which rivers flow through Sudan?")
    assert found == retriever.invoke("river", about="flow through Sudan")
    assert found == await chain.ainvoke("Which rivers flow through Sudan?")
    assert chain.invoke("rivers") == retriever.invoke("river")
    assert chain.invoke("Why is the sky blue?") == []
    on_topic = retriever.model_copy(update={"about": "Sudan"})
    assert on_topic.invoke(ParsedQuestion("?", "river", None)) == on_topic.invoke("river")


async def test_chain_falls_back_to_a_plain_retriever(retriever):
    plain = RunnableLambda(lambda question: [Document(f"plain: {question}")])
    ask_plainly = RunnableLambda(lambda asked: asked.question) | plain
    chain = AnswerType() | RunnableBranch(
        (lambda asked: asked.type is None, ask_plainly), retriever
    )
    assert chain.invoke("Which dinosaurs ate plants?")[0].id == "dinosaur"
    for found in (chain.invoke("Why?"), await chain.ainvoke("Why?")):
        assert found == [Document("plain: Why?")]


def test_trace_is_one_run_with_the_model_inside():
    runs: list[Run] = []

    class RunRecorder(FunctionCallbackHandler):
        def _persist_run(self, run: Run) -> None:
            runs.append(run)

    asked = AnswerType(model=model_calling(type="river"))
    asked.invoke(QUESTION, {"callbacks": [RunRecorder(lambda line: None)]})
    assert [run.name for run in runs] == ["AnswerType"]
    inner = [run.run_type for run in runs[0].child_runs[0].child_runs]
    assert "llm" in inner


def test_schemas_are_json_serializable():
    schema = json.dumps(AnswerType().get_output_schema().model_json_schema())
    assert "topic" in schema and AnswerType().get_input_schema().model_json_schema()


@pytest.mark.parametrize("given", [None, 3, ["Why?"], {"question": "Why?"}])
async def test_invalid_questions_are_rejected(given):
    for asked in (AnswerType(), AnswerType(model=model_calling(type="river"))):
        with pytest.raises(TypeError, match="question must be a string"):
            asked.invoke(given)
        with pytest.raises(TypeError, match="question must be a string"):
            await asked.ainvoke(given)
        with pytest.raises(ValueError, match="question is empty"):
            asked.invoke(" ")


def test_invalid_models_are_rejected():
    with pytest.raises(ValidationError, match="model must be a chat model, not str"):
        AnswerType(model="gpt")
    with pytest.raises(ValidationError, match="model: FakeListChatModel"):
        AnswerType(model=FakeListChatModel(responses=[]))
    with pytest.raises(ValidationError, match="colour"):
        AnswerType(colour="red")
