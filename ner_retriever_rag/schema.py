"""The values that flow through the package: documents in, mentions and matches out."""

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
PRIORITY_BITS = 24  # of a candidate's priority: float32 holds such numbers exactly


@dataclass(frozen=True, slots=True)
class Document:
    """A text to index, with the caller's own metadata.

    Attributes:
        text: The text; at least one character that is not white space.
        id: Unique within an index. Made from the text (a hash) when None or left out.
        metadata: Flat mapping of strings to str, int, float or bool; what ``where`` filters on.

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
        text: The words of the mention, equal to ``source[start:end]``.
        start: First character, counted in the original string.
        end: One past the last character.
        score: The detector's confidence in [0, 1]; 1.0 for spans given by the caller.
    """

    text: str
    start: int
    end: int
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class EncodedText:
    """What one text becomes: its mentions and their vectors.

    Attributes:
        mentions: In order of start, then end (spans given by the caller keep their order).
        vectors: float32 ``(len(mentions), dim)``, L2-normalised; row i belongs to ``mentions[i]``.
        text_vector: float32 ``(hidden,)``, L2-normalised mean of the top layer's token vectors;
            None where the backbone is cut below its top layer.
    """

    mentions: list[Mention]
    vectors: NDArray[np.float32]
    text_vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class MentionMatch:
    """A mention found for a type description.

    Attributes:
        doc_id: Id of the document that holds the mention.
        text: The words of the mention as they read: one space for a line end, accents composed.
            The source's own characters are ``document.text[start:end]``.
        start: First character in the document's text.
        end: One past the last character.
        score: Calibrated probability in [0, 1] that the mention is of the type.
        similarity: Raw cosine between mention and type description, in [-1, 1]; with an encoder
            from elsewhere (``TypeAwareEncoder.from_gliner``) their inner product.
        type: The type description it was found for; says which of several in a combined query.
    """

    doc_id: str
    text: str
    start: int
    end: int
    score: float
    similarity: float
    type: str = ""

    def as_row(self, *, with_type: bool = False) -> dict[str, Any]:
        """The match as plain values for JSON: ``text``, ``start``, ``end``, ``score``.

        Args:
            with_type: Put ``type`` in too.
        """
        row = {"text": self.text, "start": self.start, "end": self.end, "score": self.score}
        return {**row, "type": self.type} if with_type else row


@dataclass(frozen=True, slots=True)
class DocumentMatch:
    """A document that mentions the type, with the mentions that say so.

    Attributes:
        document: The document as it was added.
        score: Its best mention's score, in [0, 1]; of a combined query or one with a topic, what
            their rule makes of the parts' scores.
        matches: Its mentions found for the type, best first; empty only where the query says
            ``Not`` and the document mentions none of the types that count for it.
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
        """The caller's own metadata of the document."""
        return self.document.metadata

    @property
    def similarity(self) -> float:
        """The best mention's raw cosine, in [-1, 1]; NaN without any match."""
        return self.matches[0].similarity if self.matches else float("nan")

    def snippet(self, width: int = 80) -> str:
        """The passage around the best match, on one line.

        Args:
            width: How many characters at most, ellipses aside; the match itself is always whole.

        Returns:
            Words of the text, cut between words, white space runs as single spaces, with an
            ellipsis on each side where the text goes on; without any match the text's beginning.

        Raises:
            ValueError: If ``width`` is not positive.
        """
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width}")
        return _markup.snippet(self, width)

    def _repr_html_(self) -> str:
        """What a notebook shows: the document's passages, every match in them highlighted."""
        return _markup.cards([self])


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be indexed.

    Attributes:
        document: Its id, or its place among the documents where it has none.
        reason: What is wrong with it.
    """

    document: str | int
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What ``EntityIndex.add`` did.

    Attributes:
        added: Documents that were new.
        replaced: Documents whose id was there with other content.
        unchanged: Documents that were there already, word for word; not encoded again.
        mentions: Mentions written for the added and replaced documents.
        failed: With ``errors="skip"``, the documents left out and why.
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
    """What ``EntityIndex.sync`` did.

    Attributes:
        deleted: Documents that were no longer there, or had no text any more.
    """

    deleted: int = 0


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """How many answers have been judged for a type description.

    Attributes:
        right: Those that are of the type.
        wrong: Those that are not.
    """

    right: int
    wrong: int


@dataclass(frozen=True, slots=True, eq=False)
class WordFeatures:
    """What the words of candidates, and those near them, say for one type description.

    Attributes:
        repetitions: bool ``(n,)``, those without a word but the description's.
        nearby_names: float32 ``(n,)``, the share of its names that stand near by.
        named: bool ``(n,)``, those with a capital or a digit, and all of texts without capitals.
        cased: bool ``(n,)``, those of texts with capitals.
    """

    repetitions: NDArray[np.bool_]
    nearby_names: NDArray[np.float32]
    named: NDArray[np.bool_]
    cased: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class BackgroundSample:
    """All candidates there are, by a few of them.

    Attributes:
        count: How many they are, more than those that ranking sees where it sees a part.
        priorities: float32 ``(d,)``, the lowest of all.
        vectors: float32 ``(d, dim)``, of those with these priorities.
    """

    count: int
    priorities: NDArray[np.float32]
    vectors: NDArray[np.float32]


class Candidates(Protocol):
    """What ranking needs of the mentions that a query is compared with: columns of numbers."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """float32 ``(n, dim)``, L2-normalised."""

    @property
    def priorities(self) -> NDArray[np.float32]:
        """float32 ``(n,)`` in (0, 1], a random number that each mention keeps."""

    @property
    def background(self) -> BackgroundSample:
        """All candidates there are, these among them."""


def kind_of(value: object) -> str:
    """A value's class with its module, where that tells it from others of the name."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def require_text(value: object, name: str) -> str:
    """Return ``value`` if it is a string with more than white space in it.

    Args:
        value: What the caller passed.
        name: The argument's name, for the message.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is empty, white space only, or cannot be written as UTF-8.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} is empty: give at least one character that is not white space")
    if not encodable(value):
        raise ValueError(f"{name} holds half of a surrogate pair, which is no character")
    return value


def require_spans(value: object, text: str, name: str) -> list[Span]:
    """Return the spans of a text as pairs of plain integers, whatever whole numbers were given.

    Args:
        value: What the caller passed.
        text: What they are spans of.
        name: The argument's name, for the message.

    Raises:
        TypeError: If it is not a list of pairs of whole numbers.
        ValueError: If one lies outside the text or is empty.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of (start, end), not {kind_of(value)}")
    spans = []
    for each in value:
        try:
            start, end = (int(operator.index(place)) for place in each)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: {each!r} is not (start, end) in whole numbers") from None
        if not 0 <= start < end <= len(text):
            raise ValueError(
                f"{name}: ({start}, {end}) is not a span of a text of {len(text)} characters"
            )
        spans.append((start, end))
    return spans


def encodable(value: str) -> bool:
    """Whether a string can be written as UTF-8 (lone surrogates cannot)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
