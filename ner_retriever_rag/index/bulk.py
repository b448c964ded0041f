"""Bulk indexing on a Ray cluster: read, encode, write to Chroma servers.

Ray Data reads the source in blocks and passes them to workers, each with its own encoder (on a GPU,
if the cluster has any) and a connection to every shard. A worker uses the ordinary ``add``, which
skips documents already stored with identical content before encoding. Processing is therefore
idempotent: repeating a block, because its worker died or the run was restarted, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ner_retriever_rag._imports import require
from ner_retriever_rag.index.sharded_index import ShardedIndex
from ner_retriever_rag.index.writing import storable_metadata
from ner_retriever_rag.queries.bounds import check_int
from ner_retriever_rag.schema import AddReport, Document, Failure
from ner_retriever_rag.storage import chroma

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

_BATCH = 512  # documents passed to a worker at once

Encoder = Callable[[], "TypeAwareEncoder"] | str | Path | None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a row that make a document; the others become its metadata.

    Attributes:
        text: Column of the text.
        id: Column of the id; None derives ids from the texts, so that duplicates are stored once.
    """

    text: str = "text"
    id: str | None = None

    def document(self, row: Mapping[str, Any]) -> Document:
        """Make a document from a row; metadata entries that cannot be stored are left out.

        Raises:
            TypeError: If the text is not a string.
            ValueError: If the text is empty, or a column is missing.
        """
        for column in filter(None, (self.text, self.id)):
            if column not in row:
                raise ValueError(f"has no column {column!r} (its columns: {', '.join(row)})")
        rest = {key: row[key] for key in row if key not in (self.text, self.id)}
        kept = storable_metadata({key: value for key, value in rest.items() if value is not None})
        return Document(row[self.text], str(row[self.id]) if self.id else None, kept)  # type: ignore[arg-type]


def bulk_index(
    source: Any,
    shards: Sequence[str],
    *,
    collection: str | None = None,
    encoder: Encoder = None,
    columns: Columns | None = None,
    workers: int | None = None,
    cpus: float = 1,
    gpus: float | None = None,
    max_batch: int | None = None,
) -> AddReport:
    """Index a large source on a Ray cluster, or on this machine if there is none.

    Args:
        source: A Ray ``Dataset``; or files for Ray to read, including folders and cloud addresses:
            ``.parquet``, ``.csv``, or JSON lines with any other extension.
        shards: Addresses of Chroma servers, one per shard; search them with
            ``ShardedIndex(shards)``.
        collection: Name of the index on each server.
        encoder: Folder or Hub id of a saved encoder, or a function that creates one in each worker;
            None for the shipped one.
        columns: The columns of the text and the id.
        workers: Number of encoding processes; None for one per GPU, or one per CPU except one,
            which is left for reading.
        cpus: Cores per worker.
        gpus: GPUs per worker; None for one, if the cluster has any.
        max_batch: As for ``EntityIndex``.

    Returns:
        The sum of the workers' reports; for a block that was processed twice, the report of its
        second run, which skips what the first one stored.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If a shard is not an address, or as ``ShardedIndex``.
        ConnectionError: If a server does not answer.
    """
    check_addresses(shards)
    ray_data = require("ray.data", extra="ray")  # restarts workers that die, by default
    options = {"collection": collection, "max_batch": max_batch}
    # Create and mark the shards here, before all workers open them at once.
    ShardedIndex(list(shards), encoder=build_encoder(encoder), **options).close()  # type: ignore[arg-type]
    workers, gpus = _resources(workers, cpus, gpus)
    blocks = _read(ray_data, source).map_batches(
        _Worker,
        fn_constructor_args=(list(shards), encoder, columns or Columns(), options),
        batch_size=_BATCH,
        batch_format="pyarrow",
        compute=ray_data.ActorPoolStrategy(size=workers),
        num_cpus=cpus,
        num_gpus=gpus,
    )
    report = AddReport()
    for row in blocks.iter_rows():
        failed = tuple(Failure(**each) for each in json.loads(row.pop("failed")))
        report += AddReport(**row, failed=failed)
    return report


class _Worker:
    """Adds blocks of rows to the shards; one per process of the pool."""

    def __init__(
        self, shards: list[str], encoder: Encoder, columns: Columns, options: dict[str, Any]
    ) -> None:
        self._index = ShardedIndex(shards, encoder=build_encoder(encoder), **options)
        self._columns = columns

    def __call__(self, rows: Any) -> dict[str, list[Any]]:
        """Add the documents of an Arrow table; return the report as one row."""
        documents: dict[str, Document] = {}
        failed: list[Failure] = []
        for number, row in enumerate(rows.to_pylist()):
            try:
                document = self._columns.document(row)
                if documents.setdefault(document.id, document) != document:
                    raise ValueError("another document of the source has the same id")
            except (TypeError, ValueError) as error:
                failed.append(Failure(str(row.get(self._columns.id or "", number)), str(error)))
        report = self._index.add(documents.values(), errors="skip")
        report += AddReport(failed=tuple(failed))
        done = asdict(report)
        # As JSON: a column of mostly empty lists has no type common to all blocks.
        done["failed"] = json.dumps(done["failed"])
        return {key: [value] for key, value in done.items()}


def check_addresses(shards: Sequence[str]) -> None:
    """Check that shards are servers, which several processes may use at once.

    Raises:
        ValueError: If they are not.
    """
    if isinstance(shards, str) or not shards or not all(map(chroma.is_address, shards)):
        raise ValueError(
            "shards must be a list of addresses of Chroma servers (http://...), since several "
            "processes use them at once; ner-retriever serve DIR serves a folder"
        )


def build_encoder(encoder: Encoder) -> TypeAwareEncoder | None:
    """Create the encoder for a worker; None for the shipped one."""
    if encoder is None:
        return None
    if callable(encoder):
        return encoder()
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

    return TypeAwareEncoder.from_pretrained(encoder)


def _read(ray_data: Any, source: Any) -> Any:
    """Return a Ray dataset as it is, or read files into one."""
    if isinstance(source, ray_data.Dataset):
        return source
    paths = [str(each) for each in ([source] if isinstance(source, str | Path) else source)]
    if not paths:
        raise ValueError("source is empty: give files, folders or a Ray dataset")
    if all(path.endswith(".parquet") for path in paths):
        return ray_data.read_parquet(paths)
    if all(path.endswith(".csv") for path in paths):
        return ray_data.read_csv(paths)
    return ray_data.read_json(paths)


def _resources(workers: int | None, cpus: float, gpus: float | None) -> tuple[int, float]:
    """The number of workers and the GPUs per worker, given the cluster's resources."""
    import ray

    if not ray.is_initialized():
        ray.init()
    there: Mapping[str, float] = ray.cluster_resources()
    if gpus is None:
        gpus = 1.0 if there.get("GPU") else 0.0
    if workers is None:
        by_gpu = there.get("GPU", 0) / gpus if gpus else float("inf")
        workers = max(1, int(min(by_gpu, (there.get("CPU", 1) - 1) / cpus)))
    return check_int("workers", workers, 1), gpus
