"""spaCy pipelines as detectors: rules, an entity recognizer and a custom component."""

import pytest
from tiny import TEXTS

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.detection import MentionDetector, SpacyDetector

spacy = pytest.importorskip("spacy", reason="needs the extra [spacy]")

PATTERNS = [
    {"label": "GPE", "pattern": "Oslo"},
    {"label": "PERSON", "pattern": [{"TEXT": "Ada"}, {"TEXT": "Lovelace"}]},
    {"label": "DATE", "pattern": "Jurassic"},
]


@pytest.fixture(scope="module")
def rule_pipeline():
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns(PATTERNS)
    return pipeline


@spacy.Language.component("first_word_is_a_name", assigns=["doc.ents"])
def first_word_is_a_name(doc):
    doc.ents = [spacy.tokens.Span(doc, 0, 1, label="PERSON")] if len(doc) else []
    return doc


def test_entities_become_mentions(rule_pipeline):
    detector = SpacyDetector(rule_pipeline)
    assert isinstance(detector, MentionDetector)
    found = detector.detect([*TEXTS, "", " "])
    names = [[mention.text for mention in mentions] for mentions in found]
    assert names == [[], ["Oslo"], [], ["Ada Lovelace"], [], [], []]
    assert TEXTS[3][found[3][0].start : found[3][0].end] == "Ada Lovelace"


def test_caller_chooses_the_labels_left_out(rule_pipeline):
    (found,) = SpacyDetector(rule_pipeline, leave_out=()).detect(TEXTS[:1])
    assert [mention.text for mention in found] == ["Jurassic"]
    assert SpacyDetector(rule_pipeline, leave_out={"GPE"}).detect(TEXTS[1:2]) == [[]]


def test_pipeline_is_loaded_from_a_folder(rule_pipeline, tmp_path):
    rule_pipeline.to_disk(tmp_path / "pipeline")
    (found,) = SpacyDetector(str(tmp_path / "pipeline")).detect(TEXTS[1:2])
    assert [mention.text for mention in found] == ["Oslo"]
    with pytest.raises(OSError, match="no_such_pipeline"):
        SpacyDetector("no_such_pipeline")


def test_entity_recognizer_with_random_weights():
    pipeline = spacy.blank("en")
    recognizer = pipeline.add_pipe("ner")
    recognizer.add_label("PERSON")
    pipeline.initialize()
    for text, mentions in zip(TEXTS, SpacyDetector(pipeline).detect(TEXTS), strict=True):
        assert all(text[each.start : each.end] == each.text for each in mentions)


def test_any_component_that_sets_entities_works():
    pipeline = spacy.blank("xx")
    pipeline.add_pipe("first_word_is_a_name")
    found = SpacyDetector(pipeline).detect(["東京 is far", "Oslo is near"])
    assert [mentions[0].text for mentions in found] == ["東京", "Oslo"]


def test_texts_above_the_maximum_length_are_split_into_passages():
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns(PATTERNS)
    pipeline.max_length = 100
    text = "Nothing is said here of any town. " * 9 + "Oslo is near."
    with pytest.raises(ValueError, match="E088"):
        pipeline(text)
    (found,) = SpacyDetector(pipeline).detect([text])
    assert [(each.text, each.start) for each in found] == [("Oslo", text.index("Oslo"))]


def test_a_pipeline_without_entities_is_refused():
    pipeline = spacy.blank("en")
    with pytest.raises(ValueError, match="it has none"):
        SpacyDetector(pipeline)
    pipeline.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="sentencizer"):
        SpacyDetector(pipeline)


def test_encoder_uses_the_detector(rule_pipeline, tiny_checkpoint):
    encoder = TypeAwareEncoder(tiny_checkpoint, "value@1", detector=SpacyDetector(rule_pipeline))
    encoded = encoder.encode(TEXTS)
    assert [len(each.mentions) for each in encoded] == [0, 1, 0, 1, 0]
    assert encoded[1].vectors.shape == (1, 32)
