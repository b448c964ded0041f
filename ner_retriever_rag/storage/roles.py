"""The role of a collection: documents, mentions, judgments, parts of long records, or not ours."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

DATABASE = "chroma.sqlite3"  # in every folder that Chroma uses
# A write's journal: the middle of its collection's name, and its key in the collection's metadata.
JOURNAL, TOUCHED = "-journal-", "ner:journal"
MENTIONS_SUFFIX, JUDGEMENTS_SUFFIX, PARTS_SUFFIX = "-mentions", "-judged", "-parts"
# A collection's role; for earlier versions it is inferred from the name (see ``role_of``).
ROLE_KEY = "ner:role"
DOCUMENTS, MENTIONS, WRITE = "documents", "mentions", "journal"
JUDGEMENTS, PARTS = "judgements", "parts"
FORMAT_KEY = "ner:format"
_SUFFIXES = {MENTIONS: MENTIONS_SUFFIX, JUDGEMENTS: JUDGEMENTS_SUFFIX, PARTS: PARTS_SUFFIX}

_COLLECTIONS = (
    "SELECT name, key FROM collections LEFT JOIN collection_metadata ON collection_id = id"
)
_ROLES = (
    "SELECT name, str_value FROM collections JOIN collection_metadata ON collection_id = id "
    "WHERE key = ?"
)


def is_interrupted(client: ClientAPI) -> bool:
    """Whether a write to any index of the database is unfinished."""
    return any(
        TOUCHED in (found := each.metadata or {})
        or (JOURNAL in each.name and FORMAT_KEY not in found)
        for each in client.list_collections()
    )


def role_of(name: str, collections: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return a collection's role; None if it does not belong to an index.

    Args:
        name: The collection's name.
        collections: The metadata of all collections, by name.
    """
    found = collections[name]
    if ROLE_KEY in found:
        return str(found[ROLE_KEY])
    if FORMAT_KEY not in found:
        return WRITE if TOUCHED in found else None
    if name.endswith(MENTIONS_SUFFIX):
        of_another = FORMAT_KEY in collections.get(name.removesuffix(MENTIONS_SUFFIX), {})
        if of_another or f"{name}{MENTIONS_SUFFIX}" not in collections:
            return MENTIONS
    return DOCUMENTS


def index_names(folder: Path) -> list[str]:
    """Return the names of the indexes in a folder, as far as readable without its lock."""
    return sorted(name for name, role in roles_in(folder).items() if role == DOCUMENTS)


def roles_in(folder: Path) -> dict[str, str | None]:
    """Return the role of each collection in a folder, as far as readable without its lock."""
    database = f"{(folder / DATABASE).resolve().as_uri()}?mode=ro"
    collections: dict[str, dict[str, Any]] = {}
    try:
        with closing(sqlite3.connect(database, uri=True)) as connection:
            for name, key in connection.execute(_COLLECTIONS):
                collections.setdefault(name, {})
                if key is not None:
                    collections[name][key] = True
            for name, role in connection.execute(_ROLES, (ROLE_KEY,)):
                collections[name][ROLE_KEY] = role
    except sqlite3.Error:  # being created, or not a database
        return {}
    return {name: role_of(name, collections) for name in collections}


def check_name(name: str) -> None:
    """Check that an index's name does not clash with another index's collections.

    Raises:
        ValueError: If it does.
    """
    own = MENTIONS_SUFFIX, JUDGEMENTS_SUFFIX, PARTS_SUFFIX
    if name.endswith(own) or re.search(f"{JOURNAL}[0-9a-f]{{32}}$", name):
        raise ValueError(
            f"collection {name!r}: names that end in {', '.join(map(repr, own))} or like a "
            "journal's are reserved for collections that an index makes itself; choose another"
        )


def check_role(name: str, role: str, existing: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that an existing collection has the role it would be used in.

    Args:
        name: The collection's name.
        role: The role it would be used in.
        existing: The metadata of all collections, by name.

    Raises:
        ValueError: If it has another role.
    """
    found = role_of(name, existing)
    if found in (role, None):  # None: not ours, so its manifest is missing too
        return
    if role == MENTIONS:
        raise ValueError(
            f"collection {name.removesuffix(MENTIONS_SUFFIX)!r} cannot be opened: its mentions "
            f"would be in {name!r}, which is an index itself; choose another name"
        )
    suffix = _SUFFIXES.get(str(found))
    index = name.removesuffix(suffix) if suffix else name.split(JOURNAL)[0]
    raise ValueError(
        f"collection {name!r} is not an index; it holds the {found} of the index {index!r}: "
        f"open collection={index!r}"
    )
