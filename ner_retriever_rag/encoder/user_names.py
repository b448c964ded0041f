"""A user's own names and their types: validation, and reading from files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_names(path: str | Path) -> dict[str, list[str]]:
    """Read names and their types from a file.

    Args:
        path: JSON, ``{"Haloperidol": ["antipsychotic drug"]}``; or JSON lines (``.jsonl``),
            ``{"name": "Haloperidol", "types": ["antipsychotic drug"]}`` each.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is neither, or does not hold names and their types.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
            return validate_names({row["name"]: row["types"] for row in rows})
        return validate_names(json.loads(text))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not hold names and lists of their types: {error}") from error


def validate_names(names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Check that ``names`` is what :meth:`KnownNames.learn` takes, and return it.

    Raises:
        TypeError: If ``names`` is empty or does not map strings to lists of strings.
        ValueError: If a name or a type in it is empty.
    """
    if not isinstance(names, Mapping) or not names:
        raise TypeError('names must be a mapping such as {"Haloperidol": ["antipsychotic drug"]}')
    for name, types in names.items():
        if isinstance(types, str) or not all(isinstance(each, str) for each in (name, *types)):
            raise TypeError(f"the types of {name!r} must be a list of strings, not {types!r}")
        if not name.strip() or not types or not all(each.strip() for each in types):
            raise ValueError(f"a name and its types must not be empty: {name!r}, {types!r}")
    return {name: list(types) for name, types in names.items()}
