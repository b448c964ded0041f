"""Shared by the commands: consoles, opening an index, one-line errors, JSON output."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ner_retriever_rag._markup import UNPRINTABLE, one_line

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.index.entity_index import EntityIndex
    from ner_retriever_rag.queries.taxonomy import Taxonomy

# No markup or emoji codes: the text printed comes from documents.
out = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
err = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)

IndexFolder = Annotated[Path, typer.Argument(help="Folder of the index.")]
IndexLocation = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER",
        help="Folder of the index, or the address of its server: http://localhost:8000.",
    ),
]
SavedEncoder = Annotated[
    Path | None,
    typer.Option(help="Folder of the encoder the index was built with.", show_default="shipped"),
]
Where = Annotated[str | None, typer.Option(help='Chroma metadata filter, as JSON: {"lang": "en"}.')]
TaxonomyFile = Annotated[
    Path | None,
    typer.Option(
        "--taxonomy",
        help="SKOS, OWL or .csv (columns label, broader): use its labels as types, rolled up.",
        show_default=False,
    ),
]


@contextmanager
def report_errors(when_stopped: str = "") -> Iterator[None]:
    """Turn errors that a user can fix into one line and exit code 2; Ctrl-C into 130.

    Args:
        when_stopped: Text appended to the message after Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        err.print(Text.assemble(("stopped", "yellow"), when_stopped))
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        raise
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        err.print(Text.assemble(("error: ", "bold red"), one_line(str(error))))
        raise typer.Exit(2) from None


class Dtype(StrEnum):
    """Data types that a backbone can compute in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def load_encoder(
    folder: Path | None, dtype: str = "auto", *, names: bool = True
) -> TypeAwareEncoder:
    """Load the encoder saved in a folder, or the shipped one."""
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

    return TypeAwareEncoder.from_pretrained(folder, dtype=dtype, names=names)


def open_index(folder: str, encoder: Path | None) -> EntityIndex:
    """Open an existing index, in a folder or on a server.

    Raises:
        FileNotFoundError: If there is none.
    """
    from ner_retriever_rag.index.entity_index import EntityIndex

    return EntityIndex.open(folder, encoder=load_encoder(encoder))


def display_name(location: str) -> str:
    """Display name of an index: its folder's name, or its server's address."""
    return location if location.startswith("http") else Path(location).absolute().name


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as JSON lines: the exact data, without characters that a terminal interprets."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    for row in rows:
        sys.stdout.write(as_json(row, ascii_only=not utf8) + "\n")


def as_json(row: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    r"""Serialize a row as one line of JSON, with invisible characters as ``\u`` escapes."""
    written = json.dumps(for_json(row), ensure_ascii=ascii_only)
    return UNPRINTABLE.sub(_escaped, written)


def for_json(value: Any) -> Any:
    """Convert metadata to JSON: sets to lists, bytes to hexadecimal, other types to strings."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): for_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [for_json(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)


def _escaped(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]


def parse_where(where: str | None) -> dict[str, Any] | None:
    """Parse the option ``--where``.

    Raises:
        ValueError: If it is not a JSON object.
    """
    if where is None:
        return None
    try:
        parsed = json.loads(where)
    except RecursionError:
        raise ValueError("--where is nested too deep") from None
    except ValueError as error:  # bad syntax, enormous numbers
        raise ValueError(f"--where is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ValueError("--where must be a JSON object")
    return parsed


def read_taxonomy(path: Path | None) -> Taxonomy | None:
    """Read the file given as ``--taxonomy``; raises what ``Taxonomy.read`` raises."""
    from ner_retriever_rag.queries.taxonomy import Taxonomy

    return None if path is None else Taxonomy.read(path)
