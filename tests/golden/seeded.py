"""Seeded vectors for an index of about twenty thousand mentions, built in seconds.

The texts are those of ``benchmarks/type_topic``; mentions are runs of capitalized words and
numbers. The hash of a name selects its kind from the shipped vocabulary, and each of its mentions
has a vector near that kind's. Descriptions are encoded by the shipped encoder.
"""

import json
import re
import zlib
from pathlib import Path

import numpy as np

from ner_retriever_rag import Document
from ner_retriever_rag.schema import EncodedText, Mention

ARTICLES = Path(__file__).parents[2] / "benchmarks" / "type_topic" / "articles.jsonl"
_NAME = re.compile(r"\b(?:[A-Z][\w’'-]*|\d+)(?: (?:[A-Z][\w’'-]*|\d+))*")
_KINDS = 200  # the most frequent ones of the vocabulary
_NOISE = 0.9  # length of the noise added to a kind's unit vector
_TEXT_DIM = 64


class SeededEncoder:
    """The shipped encoder with synthetic mentions.

    Args:
        shipped: The shipped encoder, used for everything except ``encode``.
    """

    fingerprint, description = "seeded", "the shipped encoder with vectors made from seeds"

    def __init__(self, shipped):
        self._shipped = shipped

    def __getattr__(self, name):
        return getattr(self._shipped, name)

    def understands(self, fingerprint):
        return fingerprint == self.fingerprint

    def encode(self, texts, spans=None):
        given = spans or [None] * len(texts)
        return [self._encode(text, some) for text, some in zip(texts, given, strict=True)]

    def _encode(self, text, spans):
        if spans is None:
            spans = [found.span() for found in _NAME.finditer(text)]
        mentions = [Mention(text[start:end], start, end) for start, end in spans]
        rows = [self._vector(each, text) for each in mentions]
        vectors = np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)
        words = [_seeded(word, _TEXT_DIM) for word in re.findall(r"\w+", text.casefold())]
        return EncodedText(mentions, vectors, _unit(np.sum(words, axis=0)))

    def _vector(self, mention, text):
        kinds = self.kinds.vectors[:_KINDS]
        kind = kinds[zlib.crc32(mention.text.encode()) % len(kinds)]
        noise = _seeded(f"{mention.text} {mention.start} {text}", self.dim)
        return _unit(kind + np.float32(_NOISE) * noise)


def documents():
    """The articles, with a metadata key to filter on."""
    lines = ARTICLES.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Document(row["text"], row["id"], {"half": number % 2}) for number, row in enumerate(rows)
    ]


def _seeded(words, width):
    """A random unit vector that is the same for the same words."""
    return _unit(np.random.default_rng(zlib.crc32(words.encode())).standard_normal(width))


def _unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)
