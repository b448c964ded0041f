"""Any text cut into sentences and passages, and any answer of a model placed in a text.

NER_EXAMPLES=20000 for more of the drawn texts.
"""

import os

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ner_retriever_rag.detection.alignment import MARKS, align, mark_for
from ner_retriever_rag.reading.sentences import passages, sentence_spans

DRAWN = settings(max_examples=int(os.environ.get("NER_EXAMPLES", "100")), deadline=None)
PIECES = [
    ". ", "! ", "?\n", '." ', "A.", "J. ", "Dr. ", "St. ", " | ", "\r\n", "\u2028", "\x1c", "\x85",
    "\u00a0", "(", ")", "Oslo", "e\u0301", "Inc. ", "3.5 ", "東京。", "İ", "ﬀ", "\u200b", "🚀",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=30).map("".join)
MARKED = ["##", "@@", "#", "@", "##Oslo##", "@@Oslo", " ##", "\n"]
ANSWERS = st.lists(st.sampled_from([*PIECES, *MARKED]), max_size=30).map("".join)


@DRAWN
@given(TEXTS)
@example("A. " * 40)
def test_sentences_follow_one_another_and_leave_nothing_out(text):
    end = 0
    for start, after in sentence_spans(text):
        assert end <= start < after <= len(text)
        assert text[start:after] == text[start:after].strip()
        # Between two there is white space, and what closes a sentence.
        assert not any(char.isalnum() for char in text[end:start])
        end = after
    assert not any(char.isalnum() for char in text[end:])


@DRAWN
@given(TEXTS, st.integers(1, 40))
def test_passages_are_no_longer_than_asked_for(text, longest):
    end = 0
    for start, after in passages(text, longest):
        assert end <= start < after <= len(text)
        assert after - start <= longest
        assert not any(char.isalnum() for char in text[end:start])
        end = after
    assert not any(char.isalnum() for char in text[end:])


@DRAWN
@given(ANSWERS, TEXTS)
@example("##İ## ##ﬀ##", "i̇ ff")
@example(" ##\u2028##", "")
def test_whatever_a_model_answers_spans_are_of_the_text(answer, text):
    spans = align(answer, text, MARKS[0])
    assert spans == sorted(set(spans))
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(text[start:end].strip() for start, end in spans)


@DRAWN
@given(TEXTS, st.integers(0, 20), st.integers(1, 8))
def test_a_faithful_copy_marks_what_it_marks(text, start, length):
    end = min(len(text), start + length)
    name = text[start:end]
    mark = mark_for(text)
    if not name or not name.isalnum() or mark[0] in text:
        return
    copy = f"{text[:start]}{mark}{name}{mark}{text[end:]}"
    assert (start, end) in align(copy, text, mark)
