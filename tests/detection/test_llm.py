"""Names marked by generative models: faithful, sloppy and hostile ones."""

import random
import re
import time
import warnings

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from test_alignment import corrupt
from tiny import TEXTS, CapitalizedWords

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.detection import LLMDetector, MentionDetector, TransformersChat
from ner_retriever_rag.reading.sentences import passages


class FakeChat(BaseChatModel):
    """A chat model whose answer is a function of the last message and the requested mark."""

    reply: object
    seen: list = []

    @property
    def _llm_type(self):
        return "fake"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.seen.append(messages)
        mark = re.search(r"with (\S\S) put", messages[0].content)[1]
        content = self.reply(messages[-1].content, mark)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=content))])


def mark_capitals(text, mark):
    for mention in reversed(CapitalizedWords().detect([text])[0]):
        marked = f"{mark}{mention.text}{mark}"
        text = text[: mention.start] + marked + text[mention.end :]
    return text


def spans(mentions):
    return [[(mention.start, mention.end) for mention in of_text] for of_text in mentions]


def test_faithful_answers_give_the_marked_mentions():
    detector = LLMDetector(FakeChat(reply=mark_capitals))
    assert isinstance(detector, MentionDetector)
    found = detector.detect(TEXTS)
    assert spans(found) == spans(CapitalizedWords().detect(TEXTS))
    for text, mentions in zip(TEXTS, found, strict=True):
        assert all(text[each.start : each.end] == each.text for each in mentions)
        assert all(each.score == 1.0 for each in mentions)


def test_prompt_holds_instructions_examples_and_the_text():
    chat = FakeChat(reply=mark_capitals, seen=[])
    LLMDetector(chat, examples=["##Ada## sat."], max_concurrency=1).detect(["C## met ##Oslo"])
    (messages,) = chat.seen
    assert [each.type for each in messages] == ["system", "human", "ai", "human"]
    assert "@@ put right before" in messages[0].content
    assert [each.content for each in messages[1:]] == ["Ada sat.", "@@Ada@@ sat.", "C## met ##Oslo"]


def test_empty_texts_are_not_sent():
    chat = FakeChat(reply=mark_capitals, seen=[])
    assert LLMDetector(chat).detect(["", "  \n"]) == [[], []]
    assert LLMDetector(chat).detect([]) == []
    assert chat.seen == []


@pytest.mark.parametrize(
    "reply",
    [
        lambda text, mark: f"Of course. The marked text:\n{mark_capitals(text, mark)}\nDone!",
        lambda text, mark: f"<think>{mark}Jurassic{mark}?</think>{mark_capitals(text, mark)}",
        lambda text, mark: mark_capitals(text, mark).lower().replace(" the ", " a "),
        lambda text, mark: [{"type": "text", "text": mark_capitals(text, mark)}],
        lambda text, mark: mark_capitals(text, mark).replace(" ", "\n"),
    ],
)
def test_sloppy_answers_lose_no_mentions(reply):
    assert spans(LLMDetector(FakeChat(reply=reply)).detect(TEXTS)) == spans(
        CapitalizedWords().detect(TEXTS)
    )


@pytest.mark.parametrize(
    "reply",
    [
        lambda text, mark: "",
        lambda text, mark: [],
        lambda text, mark: [{"type": "image_url", "image_url": "x"}],
        lambda text, mark: f"{mark}Atlantis{mark} and {mark}Ys{mark}",
        lambda text, mark: mark * 100_000,
        lambda text, mark: f"{mark}x" * 100_000,
        lambda text, mark: text[::-1],
        lambda text, mark: "<think>for ever",
    ],
)
def test_hostile_answers_only_lose_mentions(reply):
    start = time.perf_counter()
    assert LLMDetector(FakeChat(reply=reply)).detect(TEXTS) == [[]] * len(TEXTS)
    assert time.perf_counter() - start < 20


def test_randomly_corrupted_answers_never_crash():
    random_source = random.Random(3)
    chat = FakeChat(reply=lambda text, mark: corrupt(mark_capitals(text, mark), random_source))
    detector = LLMDetector(chat, max_concurrency=1)
    for _ in range(20):
        for text, mentions in zip(TEXTS, detector.detect(TEXTS), strict=True):
            assert mentions == sorted(mentions, key=lambda each: (each.start, each.end))
            assert all(text[each.start : each.end] == each.text != "" for each in mentions)


def test_error_on_one_text_only_loses_that_text():
    def reply(text, mark):
        if "Norway" in text:
            raise TimeoutError("too slow")
        return mark_capitals(text, mark)

    with pytest.warns(RuntimeWarning, match=r"failed on 1 of 5 passages.*too slow"):
        found = LLMDetector(FakeChat(reply=reply)).detect(TEXTS)
    assert [bool(mentions) for mentions in found] == [True, False, True, True, True]


@pytest.mark.parametrize("answers", [None, ["one too few"], 7])
def test_invalid_batch_result_loses_all_mentions(answers):
    class Broken:
        def batch(self, inputs, config=None, *, return_exceptions=False):
            return answers

    with pytest.warns(RuntimeWarning, match="failed on 5 of 5 passages"):
        assert LLMDetector(Broken()).detect(TEXTS) == [[]] * 5


def test_long_texts_are_split_into_passages():
    text = "\n\n".join([" ".join(TEXTS * 3)] * 3)
    chat = FakeChat(reply=mark_capitals, seen=[])
    (found,) = LLMDetector(chat, passage_characters=200).detect([text])
    assert len(chat.seen) > 9
    assert all(len(messages[-1].content) <= 200 for messages in chat.seen)
    (whole,) = CapitalizedWords().detect([text])
    assert [(each.start, each.end) for each in found] == [(each.start, each.end) for each in whole]


def test_passages_are_runs_of_sentences():
    text = "One is here. Two is there.\n" + "word " * 20 + "\n" + "x" * 70
    cut = [text[start:end] for start, end in passages(text, 30)]
    assert cut[0] == "One is here. Two is there."
    assert all(0 < len(piece) <= 30 for piece in cut)
    assert re.sub(r"\s", "", "".join(cut)) == re.sub(r"\s", "", text)
    assert list(passages("", 30)) == list(passages(" \n ", 30)) == []


def test_invalid_arguments_are_refused():
    with pytest.raises(TypeError, match="not int"):
        LLMDetector(3)
    with pytest.raises(ValueError, match="mark"):
        LLMDetector(FakeChat(reply=mark_capitals), instructions="Mark the names.")
    with pytest.raises(ValueError, match="passage_characters"):
        LLMDetector(FakeChat(reply=mark_capitals), passage_characters=0)


def test_encoder_uses_the_detector(tiny_checkpoint):
    detector = LLMDetector(FakeChat(reply=mark_capitals))
    encoder = TypeAwareEncoder(tiny_checkpoint, "value@1", detector=detector)
    (encoded,) = encoder.encode(TEXTS[:1])
    assert [mention.text for mention in encoded.mentions] == [
        "Stegosaurus",
        "Jurassic",
        "Tyrannosaurus",
    ]
    index = EntityIndex(encoder=encoder)
    assert index.add(TEXTS).mentions == sum(map(len, CapitalizedWords().detect(TEXTS)))


def test_random_transformers_generator_causes_no_failure(tiny_generator):
    detector = LLMDetector(tiny_generator)
    assert isinstance(detector.model, TransformersChat)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = detector.detect(TEXTS)
    assert len(found) == len(TEXTS)
    for text, mentions in zip(TEXTS, found, strict=True):
        assert all(text[each.start : each.end] == each.text for each in mentions)


def test_generator_answers_do_not_depend_on_the_batch(tiny_generator):
    chat = TransformersChat(str(tiny_generator), max_new_tokens=12, dtype="float32")
    turns = [[("system", "Mark."), ("human", text)] for text in TEXTS]
    together = chat.batch(turns)
    chat.batch_size = 1
    assert chat.batch(turns) == together


def test_overlong_prompt_only_loses_its_own_mentions(tiny_generator):
    chat = TransformersChat(str(tiny_generator), max_new_tokens=4)
    short, long = [("human", "Oslo")], [("human", "Oslo " * 5_000)]
    answers = chat.batch([short, long, short], return_exceptions=True)
    assert isinstance(answers[0], str)
    assert isinstance(answers[1], Exception)
    assert answers[2] == answers[0]
    with pytest.raises(type(answers[1])):
        chat.batch([long])
    with pytest.warns(RuntimeWarning, match="failed on 1 of 1"):
        assert LLMDetector(chat, instructions="{mark} " * 5_000).detect(["Oslo"]) == [[]]


def test_chat_templates_with_and_without_a_system_turn(tiny_generator):
    chat = TransformersChat(str(tiny_generator))
    messages = [("system", "Mark."), ("human", "a b"), ("ai", "##a## b"), ("human", "Oslo")]
    plain = chat.tokenizer.decode(chat._prompt_ids(messages))
    assert plain == "Mark.\n\nPassage: a b\n\nMarked: ##a## b\n\nPassage: Oslo\n\nMarked:"
    each = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    chat.tokenizer.chat_template = each + "{% if add_generation_prompt %}[assistant]{% endif %}"
    templated = chat.tokenizer.decode(chat._prompt_ids(messages))
    assert templated == "[system] Mark.\n[user] a b\n[assistant] ##a## b\n[user] Oslo\n[assistant]"
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    chat.tokenizer.chat_template = refusing + each
    templated = chat.tokenizer.decode(chat._prompt_ids(messages))
    assert templated == "[user] Mark.\n\na b\n[assistant] ##a## b\n[user] Oslo\n"


def test_a_loaded_generator_needs_its_tokenizer(tiny_generator):
    with pytest.raises(ValueError, match="tokenizer"):
        TransformersChat(TransformersChat(str(tiny_generator)).model)


def test_no_warning_without_a_failure():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LLMDetector(FakeChat(reply=mark_capitals)).detect(TEXTS)
