"""Annotated sentences for training the detector, including spans of unknown status."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_retriever_rag.encoder.span_head import Words
from ner_retriever_rag.evaluation.formats import TypedText, read_lines
from ner_retriever_rag.schema import Span

# Words that may be capitalized without being part of a name, besides the first of a sentence.
_FUNCTION = set(
    "the a an of and or in on at for to by with from as is was he she it his her".split()
)

# No name in any language continues across one of these words in lower case.
_SEAMS = set(
    """
    is was are were be been has had have did does can could will would may might who whom whose
    which that where when while since until because although though if but than then during after
    before between among against through under over into about its his her their it he she they
    not also became born called named known included
    """.split()
)
_SEAMS_BETWEEN = _SEAMS | set("in on at to for from with by near as or".split())


@dataclass(frozen=True, slots=True)
class AnnotatedSentence:
    """A sentence with its mentions, and with spans of unknown status.

    Attributes:
        text: The sentence.
        mentions: Character spans of the mentions.
        unknown: Character spans; a span that overlaps one and is not a mention is left out of the
            loss.
        seams: Character positions that no mention crosses, whatever else is unknown.
        partial: Whether the annotation is partial: a span that touches no mention is then weak
            evidence, and no evidence if it has a capital or a digit.
    """

    text: str
    mentions: tuple[Span, ...]
    unknown: tuple[Span, ...] = ()
    seams: tuple[int, ...] = ()
    partial: bool = False


def read_annotated(path: str | Path) -> list[AnnotatedSentence]:
    """Read ``{"text", "mentions": [{"start", "end"}]}`` lines, plain or compressed.

    Mentions with a ``seen`` count come from mining: they are known to be names, but not necessarily
    all names of the sentence, nor the longest ones. Other capitalized words, parts of the mentions,
    and lower-cased names frequent enough to be common nouns are therefore unknown. Dates are never
    mentions, whatever the annotation says; amounts of money with a currency sign always are.
    """
    return [
        _silver(row) if row.seen else AnnotatedSentence(row.text, _spans(row))
        for row in read_lines(path)
    ]


_COMMON = 60  # a lower-cased title found more often than this is a common noun


_DATE = re.compile(
    r"(?:(?:january|february|march|april|may|june|july|august|september|october|november|december|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|spring|summer|autumn|winter|century|early|mid|late|"
    r"the|of|and|to|bc|bce|ad|ce|\d{1,4}(?:s|st|nd|rd|th)?)\b[ ,\u2013-]*)+",
    re.IGNORECASE,
)
_MONEY = re.compile(r"[$€£¥₹] ?\d+(?:[.,]\d+)*(?: (?:thousand|million|billion|trillion)\b)?")


def _spans(row: TypedText) -> tuple[Span, ...]:
    """The spans of a row, without dates and with the amounts of money in its text."""
    spans = ((start, end) for start, end, _ in row.mentions)
    kept = {span for span in spans if not _DATE.fullmatch(row.text, *span)}
    return tuple(sorted(kept | {m.span() for m in _MONEY.finditer(row.text)}))


def _silver(row: TypedText) -> AnnotatedSentence:
    text = row.text
    common = {
        (start, end)
        for (start, end, _), seen in zip(row.mentions, row.seen, strict=True)
        if text[start].islower() and seen > _COMMON
    }
    unknown = list(_spans(row))
    mentions = tuple(span for span in unknown if span not in common)
    words = Words(text)
    for i, (start, end) in enumerate(zip(words.starts.tolist(), words.ends.tolist(), strict=True)):
        word = text[start:end]
        if _DATE.fullmatch(word):
            continue
        opens = words.shapes[i, 7] > 0
        if word[0].isupper() and word.lower() not in _FUNCTION and not opens or word[0].isdigit():
            unknown.append((start, end))
    return AnnotatedSentence(text, mentions, tuple(unknown), _seams(words, text, mentions), True)


def _seams(words: Words, text: str, mentions: Sequence[Span]) -> tuple[int, ...]:
    """Positions of words that no name contains; between two names, more words count as such."""
    first = min((end for _, end in mentions), default=0)
    last = max((start for start, _ in mentions), default=0)
    seams = []
    for start, end in zip(words.starts.tolist(), words.ends.tolist(), strict=True):
        inside = any(a <= start < b for a, b in mentions)
        between = first <= start < last
        if not inside and text[start:end] in (_SEAMS_BETWEEN if between else _SEAMS):
            seams.append(start)
    return tuple(seams)


def join_pairs(
    sentences: Sequence[AnnotatedSentence], rng: random.Random, share: float = 0.4
) -> list[AnnotatedSentence]:
    """Concatenate some sentences in pairs, so that no span learns to cross a full stop.

    Args:
        sentences: In any order.
        rng: Chooses the sentences.
        share: Share of the sentences that become part of a pair.
    """
    order = list(sentences)
    rng.shuffle(order)
    pairs = int(len(order) * share / 2)
    pairs_joined = []
    for first, second in zip(order[:pairs], order[pairs : 2 * pairs], strict=True):
        shift = len(first.text) + 1
        shifted = [
            tuple((start + shift, end + shift) for start, end in spans)
            for spans in (second.mentions, second.unknown)
        ]
        pairs_joined.append(
            AnnotatedSentence(
                f"{first.text} {second.text}",
                first.mentions + shifted[0],
                first.unknown + shifted[1],
                (*first.seams, shift, *(shift + seam for seam in second.seams)),
                first.partial or second.partial,
            )
        )
    return pairs_joined + order[2 * pairs :]
