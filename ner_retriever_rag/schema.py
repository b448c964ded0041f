"""Shared value types of the package: documents in, mentions and matches out."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from ner_retriever_rag import _markup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Span = tuple[int, int]  # first character and one past the last
PRIORITY_BITS = 24  # of a candidate's priority; float32 represents such integers exactly


@dataclass(frozen=True, slots=True)
class Document:
    """A text to index, with the caller's metadata.

    Attributes:
        text: The text; must contain at least one non-whitespace character.
        id: Unique within an index. Derived from the text (a hash) if None or omitted.
        metadata: Flat mapping of strings to str, int, float or bool; ``where`` filters on it.

    Raises:
        TypeError: If ``text``, ``id`` or ``metadata`` is of the wrong type.
        ValueError: If ``text`` or ``id`` is empty.
    """

    text: str
    id: str = None  # type: ignore[assignment]  # never None once made
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_text(self.text, "Document.text")
        if self.id is None:
            object.__setattr__(self, "id", sha256(self.text.encode()).hexdigest()[:32])
        require_text(self.id, "Document.id")
        if self.metadata is None:
            object.__setattr__(self, "metadata", {})
        if not isinstance(self.metadata, Mapping):
            raise TypeError(
                f"Document.metadata must be a mapping, not {type(self.metadata).__name__}"
            )


@dataclass(frozen=True, slots=True)
class Mention:
    """A span of a text that names an entity.

    Attributes:
        text: The text of the mention, equal to ``source[start:end]``.
        start: Offset of the first character in the original string.
        end: One past the last character.
        score: The detector's confidence in [0, 1]; 1.0 for spans given by the caller.
    """

    text: str
    start: int
    end: int
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class EncodedText:
    """The mentions of one text and their vectors.

    Attributes:
        mentions: Sorted by start, then end (spans given by the caller keep their order).
        vectors: float32 ``(len(mentions), dim)``, L2-normalized; row i belongs to ``mentions[i]``.
        text_vector: float32 ``(hidden,)``, L2-normalized mean of the top layer's token vectors;
            None if the backbone is cut below its top layer.
    """

    mentions: list[Mention]
    vectors: NDArray[np.float32]
    text_vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class MentionMatch:
    """A mention found for a type description.

    Attributes:
        doc_id: Id of the document that contains the mention.
        text: The mention as read: line ends become spaces, accents are composed.
            The original characters are ``document.text[start:end]``.
        start: Offset of the first character in the document's text.
        end: One past the last character.
        score: Calibrated probability in [0, 1] that the mention is of the type.
        similarity: Raw cosine between mention and type description, in [-1, 1]; with a
            third-party encoder (``TypeAwareEncoder.from_gliner``) their inner product.
        type: The type description that it was found for, one of several in a combined query.
    """

    doc_id: str
    text: str
    start: int
    end: int
    score: float
    similarity: float
    type: str = ""

    def as_row(self, *, with_type: bool = False) -> dict[str, Any]:
        """Return the match as JSON-serializable values: ``text``, ``start``, ``end``, ``score``.

        Args:
            with_type: Also include ``type``.
        """
        row = {"text": self.text, "start": self.start, "end": self.end, "score": self.score}
        return {**row, "type": self.type} if with_type else row


@dataclass(frozen=True, slots=True)
class DocumentMatch:
    """A document that mentions the type, with the matching mentions.

    Attributes:
        document: The document as it was added.
        score: Score of its best mention, in [0, 1]; for a combined query, or one with a topic,
            the parts' scores combined by the respective rule.
        matches: Its mentions that match the type, best first; empty only if the query contains
            ``Not`` and the document mentions none of the types that count in its favor.
    """

    document: Document
    score: float
    matches: list[MentionMatch]

    @property
    def doc_id(self) -> str:
        """Id of the document."""
        return self.document.id

    @property
    def text(self) -> str:
        """Text of the document."""
        return self.document.text

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The caller's metadata of the document."""
        return self.document.metadata

    @property
    def similarity(self) -> float:
        """Raw cosine of the best mention, in [-1, 1]; NaN without matches."""
        return self.matches[0].similarity if self.matches else float("nan")

    def snippet(self, width: int = 80) -> str:
        """Return the passage around the best match, on one line.

        Args:
            width: Maximum number of characters, not counting ellipses; the match itself is never
                cut.

        Returns:
            A passage cut between words, whitespace collapsed to single spaces, with an
            ellipsis on each side where the text continues; without matches, the start of the text.

        Raises:
            ValueError: If ``width`` is not positive.
        """
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width}")
        return _markup.snippet(self, width)

    def _repr_html_(self) -> str:
        """HTML for notebooks: the document's passages with every match highlighted."""
        return _markup.cards([self])


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be indexed.

    Attributes:
        document: Its id, or its position among the documents if it has none.
        reason: Why it could not be indexed.
    """

    document: str | int
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """Result of ``EntityIndex.add``.

    Attributes:
        added: Number of new documents.
        replaced: Number of documents whose id existed with other content.
        unchanged: Number of documents that existed with identical content; not encoded again.
        mentions: Number of mentions written for the added and replaced documents.
        failed: With ``errors="skip"``, the skipped documents and the reasons.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    mentions: int = 0
    failed: tuple[Failure, ...] = ()

    def __add__(self, other: AddReport) -> AddReport:
        """Return the sum of two reports."""
        return AddReport(
            self.added + other.added,
            self.replaced + other.replaced,
            self.unchanged + other.unchanged,
            self.mentions + other.mentions,
            self.failed + other.failed,
        )


@dataclass(frozen=True, slots=True)
class SyncReport(AddReport):
    """Result of ``EntityIndex.sync``.

    Attributes:
        deleted: Number of documents that no longer existed, or no longer had a text.
    """

    deleted: int = 0


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """Number of results judged for a type description.

    Attributes:
        right: Number judged to be of the type.
        wrong: Number judged not to be of the type.
    """

    right: int
    wrong: int


@dataclass(frozen=True, slots=True, eq=False)
class WordFeatures:
    """Lexical features of candidates and their surroundings, for one type description.

    Attributes:
        repetitions: bool ``(n,)``, candidates whose words all occur in the description.
        nearby_names: float32 ``(n,)``, share of the description's names that occur nearby.
        named: bool ``(n,)``, candidates with a capital or a digit, and all candidates in texts
            without capitals.
        cased: bool ``(n,)``, candidates in texts with capitals.
    """

    repetitions: NDArray[np.bool_]
    nearby_names: NDArray[np.float32]
    named: NDArray[np.bool_]
    cased: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class BackgroundSample:
    """A sample that represents the whole population of candidates.

    Attributes:
        count: Size of the population; larger than the number of candidates ranked if those are
            only a part of it.
        priorities: float32 ``(d,)``, the lowest priorities in the population.
        vectors: float32 ``(d, dim)``, vectors of the mentions with these priorities.
    """

    count: int
    priorities: NDArray[np.float32]
    vectors: NDArray[np.float32]


class Candidates(Protocol):
    """The mentions that a query is compared with, as the numeric columns that ranking needs."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """float32 ``(n, dim)``, L2-normalized."""

    @property
    def priorities(self) -> NDArray[np.float32]:
        """float32 ``(n,)`` in (0, 1], a fixed random number for each mention."""

    @property
    def background(self) -> BackgroundSample:
        """Sample of the whole population, which includes these candidates."""


def type_name(value: object) -> str:
    """Return the name of a value's class, qualified with its module unless it is a built-in."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def require_text(value: object, name: str) -> str:
    """Return ``value`` if it is a non-blank string.

    Args:
        value: The value passed by the caller.
        name: Name of the argument, for the message.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is empty or only whitespace, or cannot be encoded as UTF-8.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} is empty: give at least one non-whitespace character")
    if not is_utf8_encodable(value):
        raise ValueError(f"{name} holds half of a surrogate pair, which is not a character")
    return value


def require_spans(value: object, text: str, name: str) -> list[Span]:
    """Return the spans of a text as pairs of built-in integers, whatever integer type they had.

    Args:
        value: The value passed by the caller.
        text: The text that the spans refer to.
        name: Name of the argument, for the message.

    Raises:
        TypeError: If it is not a list of pairs of integers.
        ValueError: If a span is empty or not within the text.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of (start, end), not {type_name(value)}")
    spans = []
    for each in value:
        try:
            start, end = (int(operator.index(place)) for place in each)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: {each!r} is not (start, end), two integers") from None
        if not 0 <= start < end <= len(text):
            raise ValueError(
                f"{name}: ({start}, {end}) is not a span of a text of {len(text)} characters"
            )
        spans.append((start, end))
    return spans


def is_utf8_encodable(value: str) -> bool:
    """Whether a string can be encoded as UTF-8 (lone surrogates cannot)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
