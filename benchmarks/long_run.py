"""A long ``add``: memory and open files during it, Ctrl-C partway, and the same call again.

python benchmarks/long_run.py [--documents 200000] [--drawn] [--out benchmarks/results/long-run]

Synthetic one-sentence documents are streamed through ``EntityIndex.add``, each time in a separate
process: the first gets SIGINT after reading six tenths, and what it had written is verified; the
second runs to the end; the third finds everything unchanged. The last line reports how fast it
skips. Any process with an open index holds all of Chroma's graphs and ids in memory, so at every
tenth a copy of the index is opened by a process that adds nothing, and finally the same rows are
written to Chroma without an index. With ``--drawn``, narrow random vectors replace encoding, which
isolates the index's own part: wide ones would hide other growth. Needs /proc, and matplotlib for
the plot.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np

import ner_retriever_rag
from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.check import check
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION
from ner_retriever_rag.index.writing import BATCH
from ner_retriever_rag.schema import EncodedText, Mention
from ner_retriever_rag.storage import chroma, records
from ner_retriever_rag.storage.collection import batches

INTERRUPTED = 0.6  # share of the documents read when the first process gets SIGINT
NAMES = "Nile Oslo Peru Lima Kyoto Malta Elbe Ghana Quito Turin Lagos Delhi Cairo Riga".split()
SENTENCES = [
    "It rained in {} for {} days.",
    "The road to {} was closed {} times.",
    "Ships came from {} with {} crates of tea.",
    "{} was last visited {} weeks ago.",
]


def synthetic_documents(size: int) -> Iterator[Document]:
    """Synthetic documents, all different, and the same on every run."""
    for number in range(size):
        name = NAMES[number // len(SENTENCES) % len(NAMES)]
        text = SENTENCES[number % len(SENTENCES)].format(name, number)
        yield Document(text, id=f"d{number}", metadata={"page": number, "source": "made up"})


def resident() -> float:
    """Resident memory of this process in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def monitored(size: int, folder: Path | None = None, here: int = 0) -> Iterator[Document]:
    """Yield the documents, printing a status line of this process before every batch.

    An index in ``folder`` that already had ``here`` of them is opened by another process at every
    tenth.
    """
    started, processor = time.perf_counter(), time.process_time()
    tenth = max(1, size // 10 // BATCH) * BATCH
    for number, document in enumerate(synthetic_documents(size)):
        if number % BATCH == 0:
            line = {
                "read": number,
                "seconds": time.perf_counter() - started,
                "processor": time.process_time() - processor,
                "rss": resident(),
                "files": len(os.listdir("/proc/self/fd")),
            }
            if folder is not None and number >= here and number % tenth == 0:
                stopped = time.perf_counter()
                line["opened"] = opened(folder)
                started += time.perf_counter() - stopped
            print(json.dumps(line), flush=True)
        yield document


def opened(folder: Path) -> float:
    """Memory in MiB of another process that opens a copy of an index and adds nothing."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        shutil.copytree(folder, f"{place}/copy")
        command = [sys.executable, *sys.argv, "--part", "look", f"{place}/copy"]
        return float(subprocess.run(command, check=True, capture_output=True).stdout)


class RandomEncoder:
    """Stands in for an encoder: a sentence's name is its mention, vectors are random."""

    fingerprint, description, dim, dtype = "drawn", "vectors drawn by chance", 16, "float32"
    threads = 1

    def __init__(self) -> None:
        self._chance = np.random.default_rng(0)

    def encode(self, texts, spans=None):
        drawn = self._chance.standard_normal((len(texts), 24), dtype=np.float32)
        found = (re.search("|".join(NAMES), text) for text in texts)
        return [
            EncodedText([Mention(name[0], *name.span())], vectors[None, :16], vectors[16:])
            for name, vectors in zip(found, drawn, strict=True)
        ]

    def understands(self, fingerprint):
        return fingerprint == self.fingerprint


def look(folder: str, size: int, encoder: Any) -> float:
    """Open an index and return the memory that takes; runs in a separate process."""
    with EntityIndex(folder, encoder=encoder) as index:
        encoder.encode([document.text for document in synthetic_documents(BATCH)])
        index._store.widths()  # reads one vector from each graph
        return resident()


def write_bare(folder: str, size: int, encoder: Any) -> dict:
    """Write an index's rows to Chroma alone; runs in a separate process."""
    client = chromadb.PersistentClient(folder, chromadb.Settings(anonymized_telemetry=False))
    manifest = chroma.manifest_of(encoder)
    rows, mentions = chroma.open_collections(client, "bare", manifest, encoder.understands)
    chance = np.random.default_rng(0)
    of_text = records.text_vector(encoder.encode([next(synthetic_documents(1)).text])[0])
    widths = manifest[chroma.PER_ROW_KEY] * encoder.dim, len(of_text)
    for some in batches(monitored(size), BATCH):
        stored = [
            records.StoredDocument(each.id, records.version_of(each, None), [(1, 5)], each)
            for each in some
        ]
        wide, narrow = (
            chance.standard_normal((len(some), width), dtype=np.float32) for width in widths
        )
        mentions.upsert([each.row_ids(1)[0] for each in stored], wide)
        rows.upsert(
            [each.id for each in some],
            narrow,
            [records.row_metadata(each, None) for each in stored],
            [each.text for each in some],
        )
    return {"bare": size}


def work(folder: str, size: int, encoder: Any) -> dict:
    """Add everything; runs in a separate process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in background jobs
    with EntityIndex(folder, encoder=encoder) as index:
        here = index.count()
        started, processor = time.perf_counter(), time.process_time()
        try:
            report = index.add(monitored(size, Path(folder) if here < size else None, here))
        except KeyboardInterrupt:
            return {"interrupted": index.count()}
        return {
            "added": report.added,
            "unchanged": report.unchanged,
            "mentions": report.mentions,
            "seconds": time.perf_counter() - started,
            "processor": time.process_time() - processor,
        }


def run(part: str, folder: Path, stop_at: int | None = None) -> tuple[list[dict], dict]:
    """Run a part in another process; return its status lines and the final one."""
    command = [sys.executable, *sys.argv, "--part", part, str(folder)]
    lines: list[dict] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            if len(lines) % 50 == 1:
                print(line, end="", file=sys.stderr, flush=True)
            if stop_at is not None and lines[-1].get("read", 0) >= stop_at:
                process.send_signal(signal.SIGINT)
                stop_at = None
    assert process.returncode == 0, f"the writer ended with {process.returncode}"
    return lines[:-1], lines[-1]


def missing(folder: Path, written: int, encoder: Any) -> int:
    """How many of the first ``written`` documents are not in the index unchanged."""
    with EntityIndex(folder, encoder=encoder) as index:
        there = {document.id: document for document in index.documents()}
    return sum(there.get(each.id) != each for each in synthetic_documents(written))


def memory(lines: list[dict], key: str = "rss") -> tuple[list[int], list[float]]:
    """Documents read and the values of a key (MiB), for the lines that have it."""
    some = [line for line in lines if key in line]
    return [line["read"] for line in some], [line[key] for line in some]


def slope(lines: list[dict], key: str = "rss") -> float:
    """Bytes per document: the slope of a line fitted to all but the first tenth."""
    read, mib = memory(lines[len(lines) // 10 :], key)
    return float(np.polyfit(read, mib, 1)[0]) * 2**20


def plot(runs: dict[str, list[dict]], bare: list[dict], path: Path) -> None:
    """Plot memory and open files over the documents, one panel per process."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        2, len(runs), sharex=True, sharey="row", figsize=(11, 5), squeeze=False
    )
    for column, (name, lines) in enumerate(runs.items()):
        for row, key in enumerate(("rss", "files")):
            most = max(line[key] for each in runs.values() for line in each)
            axes[row][column].plot(*memory(lines, key), label="this process")
            axes[row][column].set_ylim(0, 1.1 * most)
        if column < 2:
            axes[0][column].plot(*memory(lines, "opened"), "o", label="the index just opened")
            axes[0][column].plot(*memory(bare), ":", label="Chroma alone, same rows")
            axes[0][column].legend(fontsize=8, loc="lower right")
        axes[0][column].set_title(f"{name} ({lines[-1]['seconds']:,.0f} s)", fontsize=10)
        axes[1][column].set_xlabel("documents")
    axes[0][0].set_ylabel("resident memory, MiB")
    axes[1][0].set_ylabel("open files")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def row(name: str, lines: list[dict]) -> str:
    """The table row of a process: memory and files after a tenth of its lines, and at its end."""
    early, last = lines[len(lines) // 10], lines[-1]
    most = max(line["files"] for line in lines)
    return (
        f"| {name} | {lines[0]['read']:,} to {last['read']:,} | {last['seconds']:,.0f} | "
        f"{last['processor']:,.0f} | {early['rss']:,.0f} at {early['read']:,} | "
        f"{last['rss']:,.0f} | {early['files']} | {last['files']} (most {most}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/long-run"))
    parser.add_argument("--drawn", action="store_true", help="random vectors instead of encoding")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)  # a process's task, and folder
    arguments = parser.parse_args()
    size = arguments.documents
    encoder: Any = (
        RandomEncoder() if arguments.drawn else ner_retriever_rag.TypeAwareEncoder.from_pretrained()
    )
    if arguments.part:
        part, folder = arguments.part
        print(
            json.dumps(
                {"work": work, "look": look, "bare": write_bare}[part](folder, size, encoder)
            )
        )
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"
        first, interrupted = run("work", folder, stop_at=int(INTERRUPTED * size))
        lost = missing(folder, interrupted["interrupted"], encoder)
        second, resumed = run("work", folder)
        third, again = run("work", folder)
        bare, _ = run("bare", Path(place) / "bare")
        sound = check(folder, DEFAULT_COLLECTION, encoder).sound
    runs = {"until Ctrl-C": first, "resumed": second, "once more": third}
    arguments.out.with_suffix(".json").write_text(json.dumps({**runs, "Chroma alone": bare}))
    plot(runs, bare, arguments.out.with_suffix(".png"))
    print("| process | documents | s | processor s | MiB early | MiB last | files early | last |")
    print("|---|---|---|---|---|---|---|---|")
    for name, lines in runs.items():
        print(row(name, lines))
    print(
        f"\nCtrl-C: {first[-1]['read']:,} read, {interrupted['interrupted']:,} written, {lost} of "
        "these missing or changed."
    )
    print(
        f"Resumed: {resumed['unchanged']:,} unchanged, {resumed['added']:,} added, "
        f"{resumed['mentions']:,} mentions. `ner-retriever check`: "
        f"{'sound' if sound else 'NOT SOUND'}."
    )
    added = [line for line in first + second if "opened" in line]
    more = [line["rss"] - line["opened"] for line in added]
    print(
        f"Bytes per document: {slope(first):,.0f} while adding, {slope(added, 'opened'):,.0f} of "
        f"an index just opened, {slope(bare):,.0f} of Chroma alone. Adding exceeds opening by "
        f"{', '.join(f'{each:.0f}' for each in more)} MiB, at successive tenths."
    )
    for what in ("seconds", "processor"):
        print(f"Skipped: {again['unchanged'] / again[what]:,.0f} per second ({what}).")


if __name__ == "__main__":
    main()
