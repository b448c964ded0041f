"""Options that describe a query, and the query built from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ner_retriever_rag.queries.query import Query

Types = Annotated[
    str | None,
    typer.Argument(metavar="[TYPE]", help='Type description, such as "Swedish football club".'),
]
AnyOfTypes = Annotated[
    list[str] | None,
    typer.Option("--any-of", help="Another acceptable type; may be repeated."),
]
AllOfTypes = Annotated[
    list[str] | None,
    typer.Option("--all-of", help="A type the document must also mention; may be repeated."),
]
NotTypes = Annotated[
    list[str] | None,
    typer.Option("--not", help="A type the document must not mention; may be repeated."),
]
LikeNames = Annotated[
    list[str] | None,
    typer.Option("--like", help="Name of an entity of the type wanted; may be repeated."),
]
UnlikeNames = Annotated[
    list[str] | None,
    typer.Option("--unlike", help="Name of an entity of a type not wanted; may be repeated."),
]

About = Annotated[
    str | None, typer.Option(help='Topic, worded to follow the type: "found in Argentina".')
]


def result_limit(k: int | None, everything: bool, otherwise: int) -> int | None:
    """Number of results requested by ``-k`` or ``--all``; None for all of them.

    Raises:
        ValueError: If both are given.
    """
    if everything and k is not None:
        raise ValueError("give -k or --all, not both")
    return None if everything else k or otherwise


def build_query(
    wanted: str | None,
    any_of: Sequence[str] | None,
    all_of: Sequence[str] | None,
    none_of: Sequence[str] | None,
    like: Sequence[str] | None,
    unlike: Sequence[str] | None,
) -> Query:
    """Build a query: (wanted or any of any-of) and every all-of and none of not.

    Examples (like, unlike) refine the type wanted if one is given, and stand alone otherwise.

    Raises:
        ValueError: If no criterion is given, or one is empty.
    """
    from ner_retriever_rag.queries.query import AllOf, AnyOf, Like, Not

    first: list[Query] = [] if wanted is None else [wanted]
    if like or unlike:
        first = [Like(*(like or ()), description=wanted, unlike=unlike or ())]
    either: list[Query] = [*first, *(any_of or ())]
    parts: list[Query] = [AnyOf(*either)] if len(either) > 1 else either
    parts += [*(all_of or ()), *map(Not, none_of or ())]
    if not parts:
        raise ValueError(
            "nothing to search for: give a type, or --any-of, --all-of, --like or --not"
        )
    return AllOf(*parts) if len(parts) > 1 else parts[0]


def describe_query(query: Query) -> str:
    """Spell out a query for display: ``river or lake, not city``."""
    from ner_retriever_rag.queries.query import AllOf, AnyOf, Not, label

    if isinstance(query, AllOf):
        return ", ".join(map(describe_query, query.parts))
    if isinstance(query, AnyOf):
        return " or ".join(map(describe_query, query.parts))
    if isinstance(query, Not):
        return f"not {describe_query(query.part)}"
    return label(query)
