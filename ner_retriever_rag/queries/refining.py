"""Query refinement by relevance feedback."""

from __future__ import annotations

from collections.abc import Sequence

from ner_retriever_rag.queries.query import Example, Leaf, Like
from ner_retriever_rag.schema import DocumentMatch, MentionMatch, require_text


def refine(
    query: Leaf,
    relevant: Sequence[Example | DocumentMatch] = (),
    irrelevant: Sequence[Example | DocumentMatch] = (),
) -> Like:
    """Move a query toward relevant results and away from irrelevant ones.

    Args:
        query: A type description, or an earlier ``Like`` (its examples are kept).
        relevant: Results of a search, or names; a document stands for its best match.
        irrelevant: Likewise.

    Returns:
        A query for the next search.

    Raises:
        ValueError: If both lists are empty, or a document has no match.
        TypeError: If the query is not a single type, or an argument is not a list, or holds
            anything but results and names.
    """
    if not isinstance(query, str | Like):
        raise TypeError(f"query must be a string or a Like, not {type(query).__name__}")
    for name, given in (("relevant", relevant), ("irrelevant", irrelevant)):
        if isinstance(given, str | MentionMatch | DocumentMatch):
            raise TypeError(f"{name} must be a list of results or names, not a single one")
    if not relevant and not irrelevant:
        raise ValueError("nothing to refine with: give relevant or irrelevant results, or both")
    before = query if isinstance(query, Like) else None
    examples = [*(before.examples if before else ()), *map(_as_example, relevant)]
    unlike = [*(before.unlike if before else ()), *map(_as_example, irrelevant)]
    description = query.description if isinstance(query, Like) else require_text(query, "query")
    return Like(*examples, description=description, unlike=unlike)


def _as_example(result: Example | DocumentMatch) -> Example:
    if not isinstance(result, DocumentMatch):
        return result
    if not result.matches:
        raise ValueError(f"document {result.doc_id!r} has no match to refine with")
    return result.matches[0]
