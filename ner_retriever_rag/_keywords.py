"""Errors for keywords of other libraries that name the equivalent keyword here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, signature
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# One line of synonyms per meaning: a function accepts one of them, and errors suggest it.
_SYNONYMS = [
    line.split()
    for line in """
    k top_k n_results similarity_top_k num_results max_results limit size top_n n
    where filter filters metadata_filter metadata_filters
    score_threshold threshold min_score similarity_threshold similarity_cutoff cutoff least_score
    about topic context
    offset skip start
    query query_text query_texts query_str type entity_type
    queries query_texts types entity_types
    types entity_types labels
    path persist_directory persist_dir folder
    collection collection_name
    documents docs texts nodes
    ids id doc_ids node_ids
    """.strip().splitlines()
]
_HINTS = {
    "metadatas": "give Document(text, id=..., metadata=...) for each",
    "ids": "give Document(text, id=..., metadata=...) for each",
    "search_kwargs": "pass its contents as separate keywords",
    "embedding_function": "texts are encoded by the index's own encoder",
    "embedding": "texts are encoded by the index's own encoder",
    "search_type": "there is only one way to search",
}


def keyword_error(called: str, given: Iterable[str], accepted: Collection[str]) -> str | None:
    """Return the error message for keywords that a function does not accept.

    Args:
        called: Name of the function.
        given: The keywords passed.
        accepted: The keywords it accepts.

    Returns:
        The message, which names the right keyword if there is one; None if all are accepted.
    """
    wrong = [name for name in given if name not in accepted]
    if not wrong:
        return None
    reasons = "; ".join(f"{name!r}: {_suggestion(name, accepted)}" for name in wrong)
    return f"{called}() takes no {reasons}"


def _suggestion(name: str, accepted: Collection[str]) -> str:
    for synonyms in _SYNONYMS:
        if name in synonyms and (ours := [each for each in synonyms if each in accepted]):
            return f"it is {ours[0]}= here"
    if name in _HINTS:
        return _HINTS[name]
    if close := get_close_matches(name, accepted, n=1):
        return f"did you mean {close[0]}=?"
    return f"it takes {', '.join(accepted)}"


def keywords_of(function: Callable[..., object]) -> list[str]:
    """Names of a function's parameters that can be passed as keywords."""
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    parameters = signature(function).parameters.values()
    return [each.name for each in parameters if each.kind in kinds and each.name != "self"]


def suggest_keywords(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: the ``TypeError`` for an unknown keyword names the right one."""
    accepted = keywords_of(function)
    owner, _, name = function.__qualname__.rpartition(".")
    name = owner if name == "__init__" else name

    @wraps(function)
    def called(*args: P.args, **given: P.kwargs) -> T:
        if given and (message := keyword_error(name, given, accepted)):
            raise TypeError(message)
        return function(*args, **given)

    return called
