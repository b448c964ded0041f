import pytest

from ner_retriever_rag.reading.sentences import sentence_spans, sentences

TEXT = '  He said: "Go." (Nobody did.) What now?\r\n\n\tA line\u2028 another   '


def test_spans_delimit_the_sentences():
    spans = list(sentence_spans(TEXT))
    assert [TEXT[start:end] for start, end in spans] == list(sentences(TEXT))
    assert list(sentences(TEXT)) == [
        'He said: "Go.', "(Nobody did.", "What now?", "A line", "another",
    ]  # fmt: skip
    assert all(a <= b for (_, a), (b, _) in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_blank_text_has_no_sentences(text):
    assert list(sentence_spans(text)) == []
