"""Property tests: splitting any text into sentences and passages, aligning any model answer.

Set NER_EXAMPLES=20000 to draw more texts.
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
def test_sentences_are_in_order_and_cover_the_text(text):
    end = 0
    for start, after in sentence_spans(text):
        assert end <= start < after <= len(text)
        assert text[start:after] == text[start:after].strip()
        # Between two sentences there is only whitespace and closing punctuation.
        assert not any(char.isalnum() for char in text[end:start])
        end = after
    assert not any(char.isalnum() for char in text[end:])


@DRAWN
@given(TEXTS, st.integers(1, 40))
def test_passages_are_no_longer_than_the_limit(text, longest):
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
def test_spans_are_valid_whatever_a_model_answers(answer, text):
    spans = align(answer, text, MARKS[0])
    assert spans == sorted(set(spans))
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(text[start:end].strip() for start, end in spans)


@DRAWN
@given(TEXTS, st.integers(0, 20), st.integers(1, 8))
def test_span_marked_in_an_exact_copy_is_found(text, start, length):
    end = min(len(text), start + length)
    name = text[start:end]
    mark = mark_for(text)
    if not name or not name.isalnum() or mark[0] in text:
        return
    copy = f"{text[:start]}{mark}{name}{mark}{text[end:]}"
    assert (start, end) in align(copy, text, mark)
