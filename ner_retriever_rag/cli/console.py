"""What the commands share: consoles, opening an index, errors as one line, spans in colour."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.index.entity_index import EntityIndex
    from ner_retriever_rag.schema import DocumentMatch

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

IndexFolder = Annotated[Path, typer.Argument(help="Folder of the index.")]
SavedEncoder = Annotated[
    Path | None,
    typer.Option(help="Folder of the encoder the index was made with.", show_default="shipped"),
]
Where = Annotated[
    str | None, typer.Option(help='Chroma filter on metadata, as JSON: {"lang": "en"}.')
]

_CONTEXT = 90  # characters shown on either side of a match


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn the errors a user can mend into one line and exit code 2; Ctrl-C into 130."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("[yellow]stopped[/]; what was written is kept, run the same command to go on")
        raise typer.Exit(130) from None
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        err.print(Text.assemble(("error: ", "bold red"), str(error)))
        raise typer.Exit(2) from None


class Dtype(StrEnum):
    """What a backbone can compute in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def load_encoder(folder: Path | None, dtype: str = "auto") -> TypeAwareEncoder:
    """The encoder saved in a folder, or the shipped one."""
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

    return TypeAwareEncoder.from_pretrained(folder, dtype=dtype)


def open_index(folder: Path, encoder: Path | None) -> EntityIndex:
    """Open an index that exists, with its encoder in the dtype it was made with.

    Raises:
        FileNotFoundError: If there is none in the folder.
    """
    if not (folder / "chroma.sqlite3").exists():
        raise FileNotFoundError(f"there is no index in {folder}; make one with ner-retriever index")
    from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION, EntityIndex
    from ner_retriever_rag.index.place import recorded_dtype

    dtype = recorded_dtype(folder, DEFAULT_COLLECTION)
    return EntityIndex(folder, encoder=load_encoder(encoder, dtype))


def marked(match: DocumentMatch) -> Text:
    """The part of a document around its best match, every match in it in brackets and colour."""
    first = match.matches[0]
    start, end = max(0, first.start - _CONTEXT), min(len(match.text), first.end + _CONTEXT)
    line = Text("…" if start else "")
    position = start
    for each in sorted(match.matches, key=lambda each: each.start):
        if position <= each.start and each.end <= end:
            line.append(_one_line(match.text[position : each.start]))
            line.append(f"[{_one_line(each.text)}]", style="bold green")
            position = each.end
    line.append(_one_line(match.text[position:end]))
    return line.append("…" if end < len(match.text) else "")


def print_matches(query: str, matches: Sequence[DocumentMatch]) -> None:
    """Print a type description and the documents found for it, a line each."""
    out.print(Text(query, style="bold"))
    if not matches:
        out.print("  nothing found", style="dim")
    for match in matches:
        name = str(match.metadata.get("title", match.doc_id))
        line = Text.assemble((f"  {match.score:.2f}  ", "cyan"), (name, "bold"), "  ")
        out.print(line.append(marked(match)))


def _one_line(text: str) -> str:
    return text.replace("\n", " ")


def parse_where(where: str | None) -> dict[str, Any] | None:
    """Read the option ``--where``.

    Raises:
        ValueError: If it is not a JSON object.
    """
    if where is None:
        return None
    try:
        parsed = json.loads(where)
    except json.JSONDecodeError as error:
        raise ValueError(f"--where is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ValueError("--where must be a JSON object")
    return parsed
