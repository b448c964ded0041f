"""From a question to a type, in chains and with a chat model."""

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
    """A chat model that calls the tool it is bound to with given arguments; keeps what it saw."""

    seen: list = []

    def bind_tools(self, tools, **kwargs):
        self.seen.append(tools[0])
        return self

    def _generate(self, messages, *arguments, **kwargs):
        self.seen.append(messages)
        return super()._generate(messages, *arguments, **kwargs)


def saying(**arguments) -> ToolCalling:
    call = {"name": "TypeAndTopic", "args": arguments, "id": "1"}
    return ToolCalling(responses=[AIMessage("", tool_calls=[call])], seen=[])


async def test_rules_sync_async_and_batch():
    expected = ParsedQuestion(QUESTION, "dinosaur", "lived in what is now Argentina")
    assert AnswerType().invoke(QUESTION) == expected
    assert await AnswerType().ainvoke(QUESTION) == expected
    assert AnswerType().batch([QUESTION, "Why?"]) == [expected, ParsedQuestion("Why?", None, None)]
    assert [each async for each in AnswerType().astream(QUESTION)] == [expected]


async def test_a_chat_model_answers_by_structured_output():
    model = saying(type="extinct reptile", topic="Argentina")
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
def test_no_type_found_is_an_answer_of_the_model_too(arguments):
    found = AnswerType(model=saying(**arguments)).invoke("Why?")
    assert found == ParsedQuestion("Why?", None, None)


def test_a_model_that_calls_no_tool_found_no_type():
    silent = ToolCalling(responses=[AIMessage("It is blue because.")])
    assert AnswerType(model=silent).invoke("Why?").type is None


async def test_rules_stand_in_for_a_model_that_fails():
    broken = ToolCalling(responses=[])
    with pytest.raises(IndexError):
        AnswerType(model=broken).invoke(QUESTION)
    asked = AnswerType(model=broken).with_fallbacks([AnswerType()])
    assert asked.invoke(QUESTION).type == (await asked.ainvoke(QUESTION)).type == "dinosaur"


async def test_the_retriever_takes_the_answer(retriever):
    chain = AnswerType() | retriever
    found = chain.invoke("Which rivers flow through Sudan?")
    assert found == retriever.invoke("river", about="flow through Sudan")
    assert found == await chain.ainvoke("Which rivers flow through Sudan?")
    assert chain.invoke("rivers") == retriever.invoke("river")
    assert chain.invoke("Why is the sky blue?") == []
    on_topic = retriever.model_copy(update={"about": "Sudan"})
    assert on_topic.invoke(ParsedQuestion("?", "river", None)) == on_topic.invoke("river")


async def test_a_chain_falls_back_to_its_plain_retriever(retriever):
    plain = RunnableLambda(lambda question: [Document(f"plain: {question}")])
    ask_plainly = RunnableLambda(lambda asked: asked.question) | plain
    chain = AnswerType() | RunnableBranch(
        (lambda asked: asked.type is None, ask_plainly), retriever
    )
    assert chain.invoke("Which dinosaurs ate plants?")[0].id == "dinosaur"
    for found in (chain.invoke("Why?"), await chain.ainvoke("Why?")):
        assert found == [Document("plain: Why?")]


def test_it_is_traced_as_one_run_with_its_model_inside():
    runs: list[Run] = []

    class Keeper(FunctionCallbackHandler):
        def _persist_run(self, run: Run) -> None:
            runs.append(run)

    asked = AnswerType(model=saying(type="river"))
    asked.invoke(QUESTION, {"callbacks": [Keeper(lambda line: None)]})
    assert [run.name for run in runs] == ["AnswerType"]
    inner = [run.run_type for run in runs[0].child_runs[0].child_runs]
    assert "llm" in inner


def test_its_schema_is_plain_json():
    schema = json.dumps(AnswerType().get_output_schema().model_json_schema())
    assert "topic" in schema and AnswerType().get_input_schema().model_json_schema()


@pytest.mark.parametrize("given", [None, 3, ["Why?"], {"question": "Why?"}])
async def test_what_is_no_question_is_refused_by_name(given):
    for asked in (AnswerType(), AnswerType(model=saying(type="river"))):
        with pytest.raises(TypeError, match="question must be a string"):
            asked.invoke(given)
        with pytest.raises(TypeError, match="question must be a string"):
            await asked.ainvoke(given)
        with pytest.raises(ValueError, match="question is empty"):
            asked.invoke(" ")


def test_what_is_no_model_is_refused_by_name():
    with pytest.raises(ValidationError, match="model must be a chat model, not str"):
        AnswerType(model="gpt")
    with pytest.raises(ValidationError, match="model: FakeListChatModel"):
        AnswerType(model=FakeListChatModel(responses=[]))
    with pytest.raises(ValidationError, match="colour"):
        AnswerType(colour="red")
