"""Entities of an index: joined, explained, merged, split, and remembered."""

import re

import numpy as np
import pytest
from hashed import HashedEncoder, vector

from ner_retriever_rag import Document, EntityIndex, ShardedIndex
from ner_retriever_rag.index import entities
from ner_retriever_rag.schema import EncodedText, Mention

# Text in brackets is a mention; the document's last word is its meaning.
TEXTS = {
    "a": "[John T. Doe] and [J. Doe] are one, and [Doe] again, in basketball",
    "b": "[John Doe] and his shoes, in basketball",
    "c": "[John Doe] and his proofs, in statistics",
    "d": "[Lumenary Inc.] and its chips, in business",
    "e": "[Lumenary] and its chips, in business",
    "f": "[lumenary] and its light, in optics",
}
MEANINGS = {name: n for n, name in enumerate(("basketball", "statistics", "business", "optics"))}


class MeaningEncoder(HashedEncoder):
    """Vectors given by the document's last word, all slightly similar to a person's."""

    fingerprint = "meant"

    def encode(self, texts, spans=None):
        return [self._encode_text(text, given) for text, given in zip(texts, spans, strict=True)]

    def encode_types(self, descriptions):
        return np.stack([meaning_vector(each) for each in descriptions])

    def _encode_text(self, text, spans):
        mentions = [Mention(text[start:end], start, end) for start, end in spans]
        vectors = np.stack([meaning_vector(text.rsplit(" ", 1)[1])] * len(mentions))
        return EncodedText(mentions, vectors, vector(text, 8))


def meaning_vector(word):
    found = np.zeros(16, dtype=np.float32)
    found[15] = 0.3
    if word in MEANINGS:
        found[MEANINGS[word]] = 1
    return found / np.linalg.norm(found)


def fill(index):
    documents, spans = [], []
    for doc_id, marked in TEXTS.items():
        text, places = "", []
        for part in re.split(r"(\[.*?\])", marked):
            if part.startswith("["):
                places.append((len(text), len(text) + len(part) - 2))
            text += part.strip("[]")
        documents.append(Document(text, doc_id))
        spans.append(places)
    index.add(documents, spans=spans)
    return index


def entity_rows(index, **options):
    listed = index.entities("person", k=20, sharpen=False, **options)
    return {(each.name, *each.documents) for each in listed}


@pytest.fixture
def index():
    return fill(EntityIndex(encoder=MeaningEncoder()))


DOE_ENTITIES = {("John T. Doe", "a", "b"), ("John Doe", "c")}
LUMENARY_ENTITIES = {("Lumenary", "d", "e"), ("lumenary", "f")}


def test_entities_are_joined_and_say_why(index):
    assert entity_rows(index) == DOE_ENTITIES | LUMENARY_ENTITIES
    joined = {each.name: each.joined for each in index.entities("person", sharpen=False)}
    assert joined["John T. Doe"] == dict.fromkeys(["Doe", "J. Doe", "John Doe"], "short form")
    assert joined["Lumenary"] == {"Lumenary Inc.": "legal form"}
    apart = entity_rows(index, join=False)
    assert {("John T. Doe", "a"), ("Doe", "a"), ("John Doe", "b", "c")} <= apart


def test_one_good_mention_brings_in_the_other_names(index, monkeypatch):
    monkeypatch.setattr(entities, "_MENTIONS_PER_ENTITY", 1)  # at first only the best mention
    best = index.entities("business", k=1, sharpen=False)
    assert best[0].documents == ["d", "e"] and best[0].mentions == 2


def test_merge_and_split_are_persistent(tmp_path):
    with fill(EntityIndex(tmp_path, encoder=MeaningEncoder())) as index:
        index.merge("John Doe")
        index.split("Lumenary", "Lumenary Inc.")
        assert {each for each in entity_rows(index) if "b" in each or "c" in each} == {
            ("John T. Doe", "a", "b", "c")
        }
    with EntityIndex(tmp_path, encoder=MeaningEncoder()) as again:
        assert again.decisions().merged == (("John Doe",),)
        assert {each for each in entity_rows(again) if each[0].lower() != "john t. doe"} == {
            ("Lumenary Inc.", "d"),
            ("Lumenary", "e"),
            ("lumenary", "f"),
        }
        again.add(["one more"], spans=[[(0, 3)]])  # a write keeps the decisions
        again.merge("Lumenary Inc.", "Lumenary")
        again.undecide("John Doe")
        listed = {each.name: each for each in again.entities("business", sharpen=False)}
        assert listed["Lumenary"].documents == ["d", "e", "f"]
        assert DOE_ENTITIES <= entity_rows(again)
        with pytest.raises(ValueError, match="at least 2 names"):
            again.split("Lumenary")


def test_sharded_index_joins_entities_and_keeps_decisions(tmp_path):
    places = [tmp_path / "0", tmp_path / "1"]
    with fill(ShardedIndex(places, encoder=MeaningEncoder())) as index:
        assert entity_rows(index) == DOE_ENTITIES | LUMENARY_ENTITIES
        index.merge("Lumenary", "Lumenary Inc.")
    with ShardedIndex(places, encoder=MeaningEncoder()) as again:
        assert ("Lumenary", "d", "e", "f") in entity_rows(again)
