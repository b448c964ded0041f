"""Queries beyond a single type description: any of, all of, not, and by example.

A query is a type description (a string) or one of the classes here, nested arbitrarily. For a
document, each type description is scored by the probability of the document's best mention, and
combinations follow fuzzy set theory (Zadeh 1965): any-of takes the maximum of its parts' scores,
all-of the minimum, not one minus its part's. So a score is still a probability of a single mention,
and a document passes a threshold with all-of if and only if every part passes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import MentionMatch, require_text

Example = str | MentionMatch
_MAX_DEPTH = 100  # maximum nesting depth
MAX_TYPES = 1_000  # types per query, or examples per type: each is compared with every mention
MAX_CHARACTERS = 2_000  # characters per description; encoding takes 0.15 seconds per 1,000


@dataclass(frozen=True, init=False)
class AnyOf:
    """Matches documents that mention at least one of several types; scored by the best one.

    Args:
        *parts: Type descriptions or other queries.

    Raises:
        ValueError: If there are none, or a description is empty.
        TypeError: If a part is not a query.

    Example:
        .. code-block:: python

            index.search(AnyOf("river", "lake"))
    """

    parts: tuple[Query, ...]

    def __init__(self, *parts: Query) -> None:
        object.__setattr__(self, "parts", _checked_parts(parts, "AnyOf"))


@dataclass(frozen=True, init=False)
class AllOf:
    """Matches documents that mention each of several types; scored by the worst one.

    Args:
        *parts: Type descriptions or other queries.

    Raises:
        ValueError: If there are none, or a description is empty.
        TypeError: If a part is not a query.

    Example:
        .. code-block:: python

            index.search(AllOf("film director", Not("award")))
    """

    parts: tuple[Query, ...]

    def __init__(self, *parts: Query) -> None:
        object.__setattr__(self, "parts", _checked_parts(parts, "AllOf"))


@dataclass(frozen=True)
class Not:
    """Matches documents that do not mention a type; scored by one minus the score of its part.

    On its own it has to scan every document, so combine it with other types in an ``AllOf``.

    Args:
        part: A type description or another query.

    Raises:
        ValueError: If the description is empty.
        TypeError: If the part is not a query.
    """

    part: Query

    def __post_init__(self) -> None:
        _checked_parts((self.part,), "Not")


@dataclass(frozen=True, init=False)
class Like:
    """Matches documents that mention entities of the same kind as some examples.

    An example's vector is the mean over the mentions in the index with its spelling (ignoring
    case), or that of the bare name if there are none. The query vector is the weighted mean of
    description, examples and, with a negative weight, counterexamples (Rocchio 1971).

    Args:
        *examples: Names, or mentions found by a search.
        description: A type description to combine with the examples.
        unlike: Counterexamples: names, or mentions found by a search.

    Raises:
        ValueError: If there is neither an example nor a description with ``unlike``, or one is
            empty or longer than 2,000 characters, or there are more than 1,000.
        TypeError: If an example is neither a name nor a ``MentionMatch``.

    Example:
        .. code-block:: python

            index.search(Like("Stegosaurus", "Triceratops"))
            index.search(Like("Bergen", "Tromsø", description="port"))
    """

    examples: tuple[Example, ...]
    description: str | None = None
    unlike: tuple[Example, ...] = ()

    def __init__(
        self,
        *examples: Example,
        description: str | None = None,
        unlike: Sequence[Example] = (),
    ) -> None:
        if isinstance(unlike, str):
            raise TypeError("unlike must be a list of examples, not one string")
        for name, given in (("examples", examples), ("unlike", unlike)):
            if len(given) > MAX_TYPES:
                raise ValueError(f"Like: {name} are {len(given):,}: at most {MAX_TYPES:,}")
            for number, example in enumerate(given):
                if not isinstance(example, MentionMatch):
                    require_query_text(example, f"Like: {name}[{number}]")
        if description is not None:
            require_query_text(description, "Like: description")
        if not examples and not (description and unlike):
            raise ValueError("Like has no examples: give at least one")
        object.__setattr__(self, "examples", tuple(examples))
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "unlike", tuple(unlike))


Leaf = str | Like
Query = str | Like | AnyOf | AllOf | Not


def check_query(query: object, name: str = "query") -> Query:
    """Return ``query`` if it is a valid query.

    Raises:
        TypeError: If it is neither a string nor one of the classes of this module.
        ValueError: If it is an empty string or one longer than 2,000 characters, or has more than
            1,000 types, or is nested more than 100 levels deep.
    """
    if not isinstance(query, Like | AnyOf | AllOf | Not):
        return require_query_text(query, name)
    # Visit each part once, with its number of occurrences, which may double with every level.
    level: dict[int, tuple[Query, int]] = {id(query): (query, 1)}
    types = 0
    for _ in range(_MAX_DEPTH + 1):
        below: dict[int, tuple[Query, int]] = {}
        for part, times in level.values():
            within = _parts(part)
            types += 0 if within else times
            for each in within:
                below[id(each)] = each, below.get(id(each), (each, 0))[1] + times
        if types > MAX_TYPES or sum(times for _, times in below.values()) > MAX_TYPES:
            break
        if not below:
            return query
        level = below
    raise ValueError(
        f"{name} is nested too deep, or has too many parts: at most {_MAX_DEPTH} queries within "
        f"one another, and {MAX_TYPES:,} types in all"
    )


def require_query_text(value: object, name: str) -> str:
    """Return ``value`` if it is a string that can be encoded at query time.

    Args:
        value: What the caller passed.
        name: The argument's name, for the error message.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is empty, longer than 2,000 characters, or not encodable as UTF-8.
    """
    text = require_text(value, name)
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{name} has {len(text):,} characters: at most {MAX_CHARACTERS:,}")
    return text


def is_combined(query: Query) -> bool:
    """Whether a query has several types, so that matches need a label."""
    return isinstance(query, AnyOf | AllOf | Not)


def label(leaf: Leaf) -> str:
    """The label of a type's matches: its description, or its examples."""
    has_description = isinstance(leaf, str) or leaf.description
    return _leaf_text(leaf) if has_description else f"like {_leaf_text(leaf)}"


def types_as_text(query: Query) -> str:
    """The positive types of a query as text, "river, lake"; empty if there are none."""
    return ", ".join(
        dict.fromkeys(_leaf_text(leaf) for leaf, wanted in _walk(query, True) if wanted)
    )


def leaves(query: Query) -> list[Leaf]:
    """The distinct types in a query, in order."""
    return list(dict.fromkeys(leaf for leaf, _ in _walk(query, True)))


def positive_leaves(query: Query) -> set[Leaf]:
    """The positive types of a query: those not negated by a ``Not``."""
    return {leaf for leaf, wanted in _walk(query, True) if wanted}


def combine(query: Query, scores: Mapping[Leaf, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Combine the scores of a query's types.

    Args:
        query: The query.
        scores: An array in [0, 1] for each type, all of one shape: of documents, or of mentions.

    Returns:
        An array of that shape.
    """
    if isinstance(query, str | Like):
        return scores[query]
    if isinstance(query, Not):
        return np.float32(1) - combine(query.part, scores)
    parts = np.stack([combine(part, scores) for part in query.parts])
    combined: NDArray[np.float32] = parts.max(0) if isinstance(query, AnyOf) else parts.min(0)
    return combined


def score_range(query: Query, highest: Mapping[Leaf, float]) -> tuple[float, float]:
    """Minimum and maximum score of a query whose types score between 0 and ``highest``."""
    if isinstance(query, str | Like):
        return 0.0, highest[query]
    if isinstance(query, Not):
        low, high = score_range(query.part, highest)
        return 1 - high, 1 - low
    lows, highs = zip(*(score_range(part, highest) for part in query.parts), strict=True)
    best = max if isinstance(query, AnyOf) else min
    return best(lows), best(highs)


def deciding_leaves(
    query: Query, scores: Mapping[Leaf, NDArray[np.float32]], *, wanted: bool = True
) -> set[Leaf]:
    """The types that determine a document's score: all parts of all-of, the best of any-of.

    Args:
        query: The query.
        scores: The document's score for each type, an array of one element.
        wanted: False within a ``Not``.
    """
    if isinstance(query, str | Like):
        return {query} if wanted else set()
    if isinstance(query, Not):
        return deciding_leaves(query.part, scores, wanted=not wanted)
    parts: Iterable[Query] = query.parts
    if isinstance(query, AnyOf) == wanted:  # De Morgan: not all-of is any-of not
        choose = max if wanted else min
        parts = [choose(parts, key=lambda part: combine(part, scores).item())]
    return set().union(*(deciding_leaves(part, scores, wanted=wanted) for part in parts))


def _leaf_text(leaf: Leaf) -> str:
    """A type's description, or the names of its examples."""
    if isinstance(leaf, str):
        return leaf
    names = (each if isinstance(each, str) else each.text for each in leaf.examples)
    return leaf.description or ", ".join(names)


def _parts(query: Query) -> tuple[Query, ...]:
    """The direct subqueries of a query."""
    match query:
        case AnyOf(parts=parts) | AllOf(parts=parts):
            return parts
        case Not(part=part):
            return (part,)
    return ()


def _walk(query: Query, wanted: bool) -> Iterator[tuple[Leaf, bool]]:
    if isinstance(query, str | Like):
        yield query, wanted
    elif isinstance(query, Not):
        yield from _walk(query.part, not wanted)
    else:
        for part in query.parts:
            yield from _walk(part, wanted)


def _checked_parts(parts: tuple[Query, ...], name: str) -> tuple[Query, ...]:
    if not parts:
        raise ValueError(f"{name} is empty: give at least one type description")
    for number, part in enumerate(parts):
        check_query(part, f"{name}: part {number}")
    return parts
