"""What a document costs on a cluster, and from that an estimate for very many of them.

python benchmarks/cluster.py [--documents 3000] [--target 100_000_000] [--shards 100] [--cores 256]

Unit costs are processor time, bytes on disk and bytes in memory, so that other jobs on the machine
do not count: of encoding (the shipped encoder, texts of the bundled sample), of writing to a Chroma
server (client and server; random vectors, as many mentions a document as the sample has), and of
the table that searches read. The estimate is these costs times the target, nothing else: no
network, no reading of the source, no failures.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import chromadb
import numpy as np

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.schema import EncodedText, Mention
from ner_retriever_rag.storage.size import disk_usage

SAMPLE = Path(__file__).parents[1] / "ner_retriever_rag" / "cli" / "simple-wikipedia-sample.jsonl"
TICK = os.sysconf("SC_CLK_TCK")


class RandomVectors:
    """An encoder that costs nothing: words in capitals are mentions, vectors are drawn."""

    fingerprint, description, dim, dtype = "random", "random vectors", 128, "float32"
    threads = 1

    def __init__(self):
        self._draw = np.random.default_rng(0)

    def encode(self, texts, spans=None):
        return [self._encode(text) for text in texts]

    def encode_types(self, descriptions):
        return self._unit(len(descriptions), self.dim)

    def understands(self, fingerprint):
        return fingerprint == self.fingerprint

    def score(self, _, similarities):
        return (similarities + 1) / 2

    def _encode(self, text):
        found = [(m[0], *m.span()) for m in re.finditer(r"N\w+", text)]
        mentions = [Mention(*each) for each in found]
        return EncodedText(mentions, self._unit(len(found), self.dim), self._unit(1, 384)[0])

    def _unit(self, n, width):
        rows = self._draw.standard_normal((n, width), dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def encoding(texts: int) -> dict[str, float]:
    """Processor seconds and mentions of a document."""
    encoder = TypeAwareEncoder.from_pretrained()
    rows = [json.loads(line)["text"][:500] for line in SAMPLE.open(encoding="utf-8")][:texts]
    encoder.encode(rows[:16])
    begun = time.process_time()
    found = encoder.encode(rows)
    return {
        "encode": (time.process_time() - begun) / len(rows),
        "mentions": sum(len(one.mentions) for one in found) / len(rows),
        "text": sum(len(text.encode()) for text in rows) / len(rows),
    }


def made_up(documents: int, mentions: int, size: float):
    """Documents of so many names and bytes."""
    for n in range(documents):
        names = " ".join(f"Name{(n * 7919 + m) % 99_991}" for m in range(mentions))
        yield Document(names.ljust(int(size), "x"), f"document-{n:012d}", {"n": n})


def storing(documents: int, mentions: int, size: float) -> dict[str, float]:
    """Processor seconds of client and server for a document, and what it takes."""
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [Path(sys.executable).with_name("chroma"), "run", "--path", folder]
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=quiet, stderr=quiet
        )
        try:
            wait_for(port)
            index = EntityIndex(f"http://127.0.0.1:{port}", encoder=RandomVectors())
            empty = (seconds(server.pid), resident(server.pid), disk_usage(Path(folder)))
            begun = time.process_time()
            index.add(made_up(documents, mentions, size))
            client = time.process_time() - begun
            full = (seconds(server.pid), resident(server.pid), disk_usage(Path(folder)))
            begun = time.process_time()
            table = index._tables.current()
            read = time.process_time() - begun
            columns = [value for value in vars(table).values() if isinstance(value, np.ndarray)]
            ids = [*table.doc_ids, *table.versions]
            in_table = sum(each.nbytes for each in columns) + sum(map(sys.getsizeof, ids))
        finally:
            server.kill()
            server.wait()
    served, memory, disk = (after - before for after, before in zip(full, empty, strict=True))
    found = {"client": client, "server": served, "memory": memory, "disk": disk}
    found |= {"table": in_table, "read": read}
    return {name: value / documents for name, value in found.items()}


def wait_for(port: int) -> None:
    while True:
        try:
            chromadb.HttpClient("127.0.0.1", port)
            return
        except ValueError:
            time.sleep(0.2)


def seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=3_000)
    parser.add_argument("--texts", type=int, default=256, help="encoded to see what that costs")
    parser.add_argument("--target", type=int, default=100_000_000)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--cores", type=int, default=256)
    options = parser.parse_args()
    unit = encoding(options.texts)
    unit |= storing(options.documents, round(unit["mentions"]), unit["text"])
    n, shards = options.target, options.shards
    work = unit["encode"] + unit["client"]
    lines = [
        f"| a document of {unit['text']:.0f} bytes, {unit['mentions']:.1f} mentions | unit "
        f"| {n:,} documents | each of {shards} shards |",
        "|---|---|---|---|",
        row("encoding, core time", unit["encode"], n, shards, hours),
        row("writing, at the worker", unit["client"], n, shards, hours),
        row("writing, at the server", unit["server"], n, shards, hours),
        row("on disk, at the servers", unit["disk"], n, shards, size),
        row("in memory, at the servers", unit["memory"], n, shards, size),
        row("the table, where searches run", unit["table"], n, shards, size),
        row("reading the table anew, core time", unit["read"], n, shards, hours),
        "",
        f"Indexing with {options.cores} cores for workers: {work * n / options.cores / 3600:.1f} "
        f"hours; the servers of {shards} shards keep up with one core each if writing at the "
        f"server takes no longer ({unit['server'] * n / shards / 3600:.1f} hours a shard).",
    ]
    print("\n".join(lines))


def row(what: str, unit: float, n: int, shards: int, said) -> str:
    return f"| {what} | {said(unit)} | {said(unit * n)} | {said(unit * n / shards)} |"


def hours(value: float) -> str:
    return f"{value / 3600:,.1f} h" if value > 3600 else f"{1000 * value:,.1f} ms"


def size(value: float) -> str:
    for power, name in ((1e12, "TB"), (1e9, "GB"), (1e3, "kB")):
        if value >= power:
            return f"{value / power:,.2f} {name}"
    return f"{value:.0f} bytes"


if __name__ == "__main__":
    main()
