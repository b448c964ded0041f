"""A query moved by what was right and wrong in its results."""

from __future__ import annotations

from collections.abc import Sequence

from ner_retriever_rag.queries.query import Example, Leaf, Like
from ner_retriever_rag.schema import DocumentMatch, MentionMatch, require_text


def refine(
    query: Leaf,
    relevant: Sequence[Example | DocumentMatch] = (),
    irrelevant: Sequence[Example | DocumentMatch] = (),
) -> Like:
    """Move a query towards what was relevant in its results and away from what was not.

    Args:
        query: A type description, or an earlier ``Like`` (its examples are kept).
        relevant: Results of a search, or names; a document stands for its best match.
        irrelevant: The same.

    Returns:
        A query for the next search.

    Raises:
        ValueError: If both lists are empty, or a document has no match.
        TypeError: If the query is not one type, or a list is none or holds something else.
    """
    if not isinstance(query, str | Like):
        raise TypeError(f"query must be a string or a Like, not {type(query).__name__}")
    for name, given in (("relevant", relevant), ("irrelevant", irrelevant)):
        if isinstance(given, str | MentionMatch | DocumentMatch):
            raise TypeError(f"{name} must be a list of results or names, not one of them")
    if not relevant and not irrelevant:
        raise ValueError("refine needs something in relevant or irrelevant")
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
