"""What a collection is for: documents, mentions, judgements, long records' parts, or not ours."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

DATABASE = "chroma.sqlite3"  # in every folder that Chroma has made its own
# A write's journal: the middle of its collection's name, and its key in that one's metadata.
JOURNAL, TOUCHED = "-journal-", "ner:journal"
MENTIONS_SUFFIX, JUDGEMENTS_SUFFIX, PARTS_SUFFIX = "-mentions", "-judged", "-parts"
# What a collection is for; earlier versions left it to be told from its name (see ``role_of``).
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
    """Whether a write to an index there began and did not end."""
    return any(
        TOUCHED in (found := each.metadata or {})
        or (JOURNAL in each.name and FORMAT_KEY not in found)
        for each in client.list_collections()
    )


def role_of(name: str, collections: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What a collection is for; None where it is none of an index.

    Args:
        name: The collection's name.
        collections: The metadata of all there are, by name.
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
    """The names of the indexes in a folder, as far as they can be read without its lock."""
    return sorted(name for name, role in roles_in(folder).items() if role == DOCUMENTS)


def roles_in(folder: Path) -> dict[str, str | None]:
    """What each collection in a folder is for, as far as can be read without its lock."""
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
    except sqlite3.Error:  # being made, or no database
        return {}
    return {name: role_of(name, collections) for name in collections}


def check_name(name: str) -> None:
    """See that no index takes a new one's collections for its own.

    Raises:
        ValueError: If one would.
    """
    own = MENTIONS_SUFFIX, JUDGEMENTS_SUFFIX, PARTS_SUFFIX
    if name.endswith(own) or re.search(f"{JOURNAL}[0-9a-f]{{32}}$", name):
        raise ValueError(
            f"collection {name!r}: names that end in {', '.join(map(repr, own))} or as a "
            "journal's are those of collections that an index makes itself; give another"
        )


def check_role(name: str, role: str, existing: Mapping[str, Mapping[str, Any]]) -> None:
    """See that a collection of an index is for what it would be used for.

    Args:
        name: The collection's name.
        role: What it would be used for.
        existing: The metadata of all there are, by name.

    Raises:
        ValueError: If it is for something else.
    """
    found = role_of(name, existing)
    if found in (role, None):  # of something else: the manifest is missing, too
        return
    if role == MENTIONS:
        raise ValueError(
            f"collection {name.removesuffix(MENTIONS_SUFFIX)!r} cannot be opened: its mentions "
            f"would be in {name!r}, which is an index itself; give another name"
        )
    suffix = _SUFFIXES.get(str(found))
    index = name.removesuffix(suffix) if suffix else name.split(JOURNAL)[0]
    raise ValueError(
        f"collection {name!r} is no index, but what the index {index!r} keeps its {found} in: "
        f"open collection={index!r}"
    )
