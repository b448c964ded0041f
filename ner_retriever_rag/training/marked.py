"""Sentences with marked mentions to train the detector on, and what is not known of them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_retriever_rag.encoder.span_head import Words
from ner_retriever_rag.evaluation.formats import TypedText, read_lines
from ner_retriever_rag.schema import Span

# Words that may be capitalised without being part of a name, beside the first of a sentence.
_FUNCTION = set(
    "the a an of and or in on at for to by with from as is was he she it his her".split()
)

# No name goes on over one of these in lower case, whatever its language.
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
class MarkedSentence:
    """A sentence with its mentions, and with spans of unknown status.

    Attributes:
        text: The sentence.
        mentions: Character spans.
        unknown: Character spans; a span that overlaps one and is no mention is left out of the
            loss.
        seams: Characters that no mention reaches across, whatever else is unknown.
        partial: Whether not everything is marked: what touches no mention is then weak evidence,
            and none where it has a capital or a digit.
    """

    text: str
    mentions: tuple[Span, ...]
    unknown: tuple[Span, ...] = ()
    seams: tuple[int, ...] = ()
    partial: bool = False


def read_marked(path: str | Path) -> list[MarkedSentence]:
    """Read ``{"text", "mentions": [{"start", "end"}]}`` lines, plain or compressed.

    Mentions with a ``seen`` count come from mining: they are known to be names, but not to be all
    the names of the sentence, nor the longest; other capitalised words, parts of them and
    lower-cased names as common as nouns are therefore unknown. Dates are no mentions, whoever says
    so; sums of money with a currency's sign are.
    """
    return [
        _silver(row) if row.seen else MarkedSentence(row.text, _spans(row))
        for row in read_lines(path)
    ]


_COMMON = 60  # found more often than this, a lower-cased title is a common noun


_DATE = re.compile(
    r"(?:(?:january|february|march|april|may|june|july|august|september|october|november|december|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|spring|summer|autumn|winter|century|early|mid|late|"
    r"the|of|and|to|bc|bce|ad|ce|\d{1,4}(?:s|st|nd|rd|th)?)\b[ ,\u2013-]*)+",
    re.IGNORECASE,
)
_MONEY = re.compile(r"[$€£¥₹] ?\d+(?:[.,]\d+)*(?: (?:thousand|million|billion|trillion)\b)?")


def _spans(row: TypedText) -> tuple[Span, ...]:
    """The spans of a row without dates, and with the sums of money of its text."""
    spans = ((start, end) for start, end, _ in row.mentions)
    kept = {span for span in spans if not _DATE.fullmatch(row.text, *span)}
    return tuple(sorted(kept | {m.span() for m in _MONEY.finditer(row.text)}))


def _silver(row: TypedText) -> MarkedSentence:
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
    return MarkedSentence(text, mentions, tuple(unknown), _seams(words, text, mentions), True)


def _seams(words: Words, text: str, mentions: Sequence[Span]) -> tuple[int, ...]:
    """Where words stand that no name has; between two names of a sentence more of them do."""
    first = min((end for _, end in mentions), default=0)
    last = max((start for start, _ in mentions), default=0)
    seams = []
    for start, end in zip(words.starts.tolist(), words.ends.tolist(), strict=True):
        inside = any(a <= start < b for a, b in mentions)
        between = first <= start < last
        if not inside and text[start:end] in (_SEAMS_BETWEEN if between else _SEAMS):
            seams.append(start)
    return tuple(seams)


def joined(
    sentences: Sequence[MarkedSentence], rng: random.Random, share: float = 0.4
) -> list[MarkedSentence]:
    """Put some sentences together, two by two, so that no span learns to cross a full stop.

    Args:
        sentences: In any order.
        rng: Chooses which.
        share: Of the sentences, how many become part of a pair.
    """
    order = list(sentences)
    rng.shuffle(order)
    pairs = int(len(order) * share / 2)
    together = []
    for first, second in zip(order[:pairs], order[pairs : 2 * pairs], strict=True):
        shift = len(first.text) + 1
        moved = [
            tuple((start + shift, end + shift) for start, end in spans)
            for spans in (second.mentions, second.unknown)
        ]
        together.append(
            MarkedSentence(
                f"{first.text} {second.text}",
                first.mentions + moved[0],
                first.unknown + moved[1],
                (*first.seams, shift, *(shift + seam for seam in second.seams)),
                first.partial or second.partial,
            )
        )
    return together + order[2 * pairs :]
