"""``ner-retriever stats``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    open_index,
    out,
    print_json,
    report_errors,
)
from ner_retriever_rag.reading.sentences import sentences

if TYPE_CHECKING:
    from ner_retriever_rag.index.entity_index import EntityIndex
    from ner_retriever_rag.storage.size import Storage


@dataclass(frozen=True, slots=True)
class SentenceIndex:
    """A dense index of the same texts: one float32 vector per sentence and nothing else.

    Attributes:
        sentences: Number of sentences (:func:`ner_retriever_rag.reading.sentences.sentences`).
        width: Vector dimension; that of E5-Mistral and NV-Embed v2, the baselines of arXiv
            2509.04011.
    """

    sentences: int
    width: int = 4_096

    @classmethod
    def of(cls, index: EntityIndex) -> SentenceIndex:
        """The sentence index for an index's documents; reads every one of them."""
        return cls(sum(1 for each in index.documents() for _ in sentences(each.text)))

    @property
    def bytes(self) -> int:
        """Size of the vectors in bytes."""
        return self.sentences * self.width * 4

    def saving(self, size: int | None) -> float | None:
        """Share of the vectors' bytes that an index of ``size`` bytes saves.

        Returns:
            1 for all, 0 for nothing, negative if it takes more than the sentence index; None if
            there is no size or no sentence.
        """
        return None if size is None or not self.sentences else 1 - size / self.bytes


def stats(
    folder: IndexLocation,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    encoder: SavedEncoder = None,
) -> None:
    """Show the contents and size of an index, next to a dense sentence index of the same texts.

    The sentence index has one 4096-dimensional float32 vector per sentence, and only its vectors
    are counted.
    """
    with report_errors():
        index = open_index(folder, encoder)
        storage, baseline = index.storage(), SentenceIndex.of(index)
        about = {"encoder": index.encoder.description, "fingerprint": index.encoder.fingerprint}
        if as_json:
            print_json([{**_figures(storage, baseline), **about}])
            return
        contents = _contents(storage, baseline) | about
        for rows in (contents, _sizes(storage), _comparison(storage, baseline)):
            table = Table(show_header=False, box=None)
            for name, value in rows.items():
                table.add_row(name, value)
            out.print(table)
            out.print()


def _contents(storage: Storage, baseline: SentenceIndex) -> dict[str, str]:
    return {
        "documents": f"{storage.documents:,}",
        "mentions": f"{storage.mentions:,}",
        "mentions a document": f"{_ratio(storage.mentions, storage.documents):.1f}",
        "sentences": f"{baseline.sentences:,}",
        "dimension": str(storage.mention_width),
    }


def _sizes(storage: Storage) -> dict[str, str]:
    sizes = {
        "texts": storage.text_bytes,
        "mention vectors": storage.mention_vector_bytes,
        "all vectors": storage.vector_bytes,
        "on disk, everything": storage.disk_bytes or 0,
    }
    return {
        name: f"{_size(size)}: {_ratio(size, storage.mentions):,.0f} bytes a mention, "
        f"{_ratio(size, storage.documents):,.0f} a document"
        for name, size in sizes.items()
    }


def _comparison(storage: Storage, baseline: SentenceIndex) -> dict[str, str]:
    rows = {f"sentence index, {baseline.width}-d vectors": _size(baseline.bytes)}
    for name, size in (
        ("saved, mention vectors", storage.mention_vector_bytes),
        ("saved, all vectors", storage.vector_bytes),
        ("saved, everything on disk", storage.disk_bytes),
    ):
        saving = baseline.saving(size)
        rows[name] = "" if saving is None else f"{saving:.1%}"
    return rows


def _figures(storage: Storage, baseline: SentenceIndex) -> dict[str, float | None]:
    return {
        "documents": storage.documents,
        "mentions": storage.mentions,
        "sentences": baseline.sentences,
        "dimension": storage.mention_width,
        "text_bytes": storage.text_bytes,
        "mention_vector_bytes": storage.mention_vector_bytes,
        "vector_bytes": storage.vector_bytes,
        "disk_bytes": storage.disk_bytes,
        "disk_bytes_per_mention": _ratio(storage.disk_bytes or 0, storage.mentions),
        "disk_bytes_per_document": _ratio(storage.disk_bytes or 0, storage.documents),
        "sentence_index_bytes": baseline.bytes,
        "saving_mention_vectors": baseline.saving(storage.mention_vector_bytes),
        "saving_vectors": baseline.saving(storage.vector_bytes),
        "saving_disk": baseline.saving(storage.disk_bytes),
    }


def _ratio(size: int, count: int) -> float:
    return size / count if count else 0.0


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
