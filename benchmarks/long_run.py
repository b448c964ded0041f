"""A long add: memory and open files over time, Ctrl-C in its midst, and the same call again.

python benchmarks/long_run.py [--documents 200000] [--drawn] [--out benchmarks/results/long-run]

Made-up documents of one sentence go through ``EntityIndex.add`` as a stream, each time in a process
of its own: the first gets SIGINT when six tenths are written; what it had written is looked for;
the second goes on to the end; the third finds everything unchanged. The last line says how fast it
skips. With ``--drawn`` narrow vectors are drawn by chance instead of encoded, which leaves the
index's own part: wide ones would hide what else grows. Needs a /proc, and matplotlib for the
picture.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import ner_retriever_rag
from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.check import check
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION
from ner_retriever_rag.index.writing import BATCH
from ner_retriever_rag.schema import EncodedText, Mention

INTERRUPTED = 0.6  # of the documents are written when the first process gets SIGINT
NAMES = "Nile Oslo Peru Lima Kyoto Malta Elbe Ghana Quito Turin Lagos Delhi Cairo Riga".split()
SENTENCES = [
    "It rained in {} for {} days.",
    "The road to {} was closed {} times.",
    "Ships came from {} with {} crates of tea.",
    "{} was last visited {} weeks ago.",
]


def made_up(size: int) -> Iterator[Document]:
    """Documents that are all different, and the same every time."""
    for number in range(size):
        name = NAMES[number // len(SENTENCES) % len(NAMES)]
        text = SENTENCES[number % len(SENTENCES)].format(name, number)
        yield Document(text, id=f"d{number}", metadata={"page": number, "source": "made up"})


def watched(size: int) -> Iterator[Document]:
    """The documents, with a line on this process before every batch."""
    started, processor = time.perf_counter(), time.process_time()
    for number, document in enumerate(made_up(size)):
        # Asked for this one, `add` has written all whole batches before it.
        if number % BATCH == 0:
            status = Path("/proc/self/status").read_text()
            line = {
                "written": number,
                "seconds": time.perf_counter() - started,
                "processor": time.process_time() - processor,
                "rss": int(status.partition("VmRSS:")[2].split()[0]) / 1024,
                "files": len(os.listdir("/proc/self/fd")),
            }
            print(json.dumps(line), flush=True)
        yield document


class Drawn:
    """Stands for an encoder: a sentence's name is its mention, vectors are drawn by chance."""

    fingerprint, description, dim, dtype = "drawn", "vectors drawn by chance", 16, "float32"

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


def work(folder: str, size: int, encoder: Any) -> None:
    """Add everything; in a process of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells take it from background jobs
    with EntityIndex(folder, encoder=encoder) as index:
        started, processor = time.perf_counter(), time.process_time()
        try:
            report = index.add(watched(size))
        except KeyboardInterrupt:
            print(json.dumps({"interrupted": index.count()}), flush=True)
            return
        line = {
            "added": report.added,
            "unchanged": report.unchanged,
            "mentions": report.mentions,
            "seconds": time.perf_counter() - started,
            "processor": time.process_time() - processor,
        }
        print(json.dumps(line), flush=True)


def run(
    folder: Path, size: int, drawn: bool, stop_at: int | None = None
) -> tuple[list[dict], dict]:
    """Add everything in another process; its lines while it worked, and the last one."""
    command = [sys.executable, __file__, "--work", str(folder), "--documents", str(size)]
    command += ["--drawn"] if drawn else []
    lines: list[dict] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            if len(lines) % 50 == 1:
                print(line, end="", file=sys.stderr, flush=True)
            if stop_at is not None and lines[-1].get("written", 0) >= stop_at:
                process.send_signal(signal.SIGINT)
                stop_at = None
    assert process.returncode == 0, f"the writer ended with {process.returncode}"
    return lines[:-1], lines[-1]


def missing(folder: Path, reported: int, encoder: Any) -> int:
    """How many of the first documents, reported as written, are not in the index as they were."""
    with EntityIndex(folder, encoder=encoder) as index:
        there = {document.id: document for document in index.documents()}
    return sum(there.get(each.id) != each for each in made_up(reported))


def picture(runs: dict[str, list[dict]], path: Path) -> None:
    """Draw memory and open files over time, a panel a process."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(runs), sharey="row", figsize=(11, 5), squeeze=False)
    for column, (name, lines) in enumerate(runs.items()):
        seconds = [line["seconds"] for line in lines]
        for row, key in enumerate(("rss", "files")):
            axes[row][column].plot(seconds, [line[key] for line in lines])
            axes[row][column].set_ylim(bottom=0)
        axes[0][column].set_title(name, fontsize=10)
        axes[1][column].set_xlabel("seconds")
    axes[0][0].set_ylabel("resident memory, MiB")
    axes[1][0].set_ylabel("open files")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def row(name: str, lines: list[dict]) -> str:
    """One process as a row: memory and files after a tenth of its time, and at its end."""
    early, last = lines[len(lines) // 10], lines[-1]
    most = max(line["files"] for line in lines)
    return (
        f"| {name} | {lines[0]['written']:,} to {last['written']:,} | {last['seconds']:,.0f} | "
        f"{last['processor']:,.0f} | {early['rss']:,.0f} at {early['written']:,} | "
        f"{last['rss']:,.0f} | {early['files']} | {last['files']} (most {most}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/long-run"))
    parser.add_argument("--drawn", action="store_true", help="vectors by chance, none encoded")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size, drawn = arguments.documents, arguments.drawn
    encoder: Any = Drawn() if drawn else ner_retriever_rag.TypeAwareEncoder.from_pretrained()
    if arguments.work:
        work(arguments.work, size, encoder)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"
        first, interrupted = run(folder, size, drawn, stop_at=int(INTERRUPTED * size))
        lost = missing(folder, first[-1]["written"], encoder)
        second, resumed = run(folder, size, drawn)
        third, again = run(folder, size, drawn)
        sound = check(folder, DEFAULT_COLLECTION, encoder).sound
    runs = {"until Ctrl-C": first, "resumed": second, "once more": third}
    arguments.out.with_suffix(".json").write_text(json.dumps(runs))
    picture(runs, arguments.out.with_suffix(".png"))
    print("| process | documents | s | processor s | MiB early | MiB last | files early | last |")
    print("|---|---|---|---|---|---|---|---|")
    for name, lines in runs.items():
        print(row(name, lines))
    print(
        f"\nCtrl-C: {first[-1]['written']:,} reported, {interrupted['interrupted']:,} there, "
        f"{lost} missing or changed."
    )
    print(
        f"Resumed: {resumed['unchanged']:,} unchanged, {resumed['added']:,} added, "
        f"{resumed['mentions']:,} mentions. `ner-retriever check`: "
        f"{'sound' if sound else 'NOT SOUND'}."
    )
    for what in ("seconds", "processor"):
        print(f"Skipped: {again['unchanged'] / again[what]:,.0f} a second ({what}).")


if __name__ == "__main__":
    main()
