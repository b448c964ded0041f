"""A hash-based encoder: tests an index without a model, with equal vectors in every process."""

import re
from hashlib import sha256

import numpy as np
from unit_vectors import unit

from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.schema import EncodedText, Mention

DIM = 16


class HashedEncoder:
    """Capitalized words are mentions; vectors are the same in every process."""

    fingerprint, description, dim, dtype = "hashed", "hashes", DIM, "float32"
    calibration, judge, similarity = None, None, "cosine"
    threads = 2

    def encode(self, texts, spans=None):
        return [
            self._encode(text, None if spans is None else spans[number])
            for number, text in enumerate(texts)
        ]

    def encode_types(self, descriptions):
        return np.stack([vector(each, DIM) for each in descriptions])

    def understands(self, fingerprint):
        return fingerprint == self.fingerprint

    def score(self, _, similarities):
        return (np.asarray(similarities, dtype=np.float32) + 1) / 2

    def similarity_at(self, _, probability):
        return 2 * probability - 1

    def _encode(self, text, spans):
        if spans is None:
            spans = [found.span() for found in re.finditer(r"[A-Z]\w+", text)]
        mentions = [Mention(text[start:end], start, end) for start, end in spans]
        rows = [vector(f"{text} {each.start} {each.end}", DIM) for each in mentions]
        vectors = np.stack(rows) if rows else np.zeros((0, DIM), dtype=np.float32)
        return EncodedText(mentions, vectors, vector(text, 8))


def vector(text, width):
    seed = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
    found = np.random.default_rng(seed).normal(size=width).astype(np.float32)
    return found / np.linalg.norm(found)


class CalibratedEncoder(HashedEncoder):
    """A hashed encoder with a calibration, so that scores are probabilities."""

    calibration = Calibration(
        unit(np.stack([vector(f"sample {n}", DIM) for n in range(50)])),
        (8.0, 0.5),
        (0.0, 0.0, 0.0, 0.0, 1.0),
    )

    def score(self, type_vector, similarities):
        return self.calibration.probability(type_vector, similarities)


def assert_index_holds(index, documents):
    """Assert that an index holds exactly these documents, their mentions and vectors."""
    store, encoder = index._store, HashedEncoder()
    assert index.count() == len(documents)
    found = store.fetch(documents_by_id := {each.id: each for each in documents})
    assert {each: record.document for each, record in found.items()} == documents_by_id
    mentions, vectors = 0, store.vectors(found.values(), DIM)
    for one, document in zip(
        encoder.encode([each.text for each in documents]), documents, strict=True
    ):
        record = found[document.id]
        assert record.spans == [(each.start, each.end) for each in one.mentions]
        mentions += len(one.mentions)
        np.testing.assert_allclose(vectors[document.id], one.vectors, atol=1e-6)
    assert index.mention_count() == mentions
    assert inconsistent_row_ids(index) == set().union(*(each.leftovers() for each in stores(index)))


def inconsistent_row_ids(index):
    """Ids of mention rows that belong to no current document version, or that are missing."""
    amiss = set()
    for store in stores(index):
        records = (one for page in store.pages() for one in page)
        wanted = (each for one in records for each in one.row_ids(store.per_row))
        amiss |= set(store.row_ids()) ^ set(wanted)
    return amiss


def stores(index):
    """The stores of an index's shards, or its single store."""
    return getattr(index._store, "_stores", [index._store])


def inconsistent_documents(index):
    """Ids of documents that are not one complete version; others may be writing the index."""
    encoder, wrong = HashedEncoder(), []
    for page in index._store.pages():
        for record, one in zip(
            page, encoder.encode([each.document.text for each in page]), strict=True
        ):
            there = index._store.vectors([record], DIM).get(record.doc_id)
            if (
                there is None
                or there.shape != one.vectors.shape
                or not np.allclose(there, one.vectors, atol=1e-6)
            ):
                wrong.append(record.document.id)
    return wrong
