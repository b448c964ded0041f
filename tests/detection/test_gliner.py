"""GLiNER as a detector: a stand-in with its interface, and gliner2 with random weights."""

import inspect

import pytest
from tiny import TEXTS

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.detection import GLiNERDetector, MentionDetector


class FakeGLiNER:
    """Answers like gliner2: for each text, a list of spans per label."""

    def batch_extract_entities_long(self, texts, labels, **options):
        self.labels, self.options = labels, options
        return [{"entities": self.entities(text)} for text in texts]

    def entities(self, text):
        if not text.startswith("Oslo"):
            return {"place": [], "person": []}
        return {
            "place": [self.span(text, "Norway", 0.7), self.span(text, "Oslo", 0.6)],
            "person": [self.span(text, "Oslo", 0.9), self.span(text, " the ", 0.5)],
            "sign": [self.span(text, ".", 0.9)],
        }

    def span(self, text, name, confidence):
        start = text.index(name)
        return {"text": name, "confidence": confidence, "start": start, "end": start + len(name)}


def test_spans_of_all_labels_become_unique_mentions():
    model = FakeGLiNER()
    detector = GLiNERDetector(model, labels=["place", "person"], threshold=0.4, batch_size=3)
    assert isinstance(detector, MentionDetector)
    found = detector.detect(TEXTS)
    assert [len(mentions) for mentions in found] == [0, 3, 0, 0, 0]
    assert [(each.text, each.score) for each in found[1]] == [
        ("Oslo", 0.9), ("the", 0.5), ("Norway", 0.7),
    ]  # fmt: skip
    assert model.labels == ["place", "person"]
    assert model.options == {
        "batch_size": 3, "threshold": 0.4, "include_confidence": True, "include_spans": True,
    }  # fmt: skip
    assert detector.detect([]) == []


@pytest.mark.parametrize("labels", [[], "person"])
def test_labels_must_be_a_non_empty_list(labels):
    with pytest.raises(ValueError, match="labels"):
        GLiNERDetector(FakeGLiNER(), labels=labels)


def test_stand_in_has_the_real_interface():
    gliner2 = pytest.importorskip("gliner2", reason="needs the extra [gliner]")
    pytest.importorskip("peft", reason="needs gliner2[local], from the extra [gliner]")
    true = inspect.signature(gliner2.SpanExtractor.batch_extract_entities_long).parameters
    assert list(true)[1:3] == ["texts", "entity_types"]
    assert {"batch_size", "threshold", "include_confidence", "include_spans"} <= set(true)


def test_gliner_with_random_weights(tiny_gliner, tiny_checkpoint):
    texts = [*TEXTS, "", "Oslo and Norway " * 300]
    detector = GLiNERDetector(str(tiny_gliner), labels=["person", "place"], threshold=0.3)
    found = detector.detect(texts)
    assert any(found) and not found[5]
    assert any(each.start > 4_000 for each in found[6])
    for text, mentions in zip(texts, found, strict=True):
        assert mentions == sorted(mentions, key=lambda each: (each.start, each.end))
        for each in mentions:
            assert text[each.start : each.end] == each.text
            assert 0.3 <= each.score <= 1
    encoder = TypeAwareEncoder(tiny_checkpoint, "value@1", detector=detector)
    again = encoder.encode(TEXTS)[0].mentions
    assert [(m.start, m.end) for m in again] == [(m.start, m.end) for m in found[0]]
    assert [m.score for m in again] == pytest.approx([m.score for m in found[0]], abs=1e-5)


def test_missing_checkpoint_raises_oserror(tmp_path):
    pytest.importorskip("gliner2", reason="needs the extra [gliner]")
    pytest.importorskip("peft", reason="needs gliner2[local], from the extra [gliner]")
    with pytest.raises(OSError):
        GLiNERDetector(str(tmp_path))
