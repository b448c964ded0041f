"""Search on Chroma servers: bytes received by the client, latency, recall against exact search.

python benchmarks/engine.py ARTICLES... --cache FOLDER [--mentions 100000 1000000] [--shards 1 4]
    [--calls 1 32]

Starts Chroma servers on this machine and indexes the beginnings (500 characters) of articles, from
JSON Lines files with ``title`` and ``text``, until there are enough mentions. Articles are encoded
once and cached, a thousand per file, so that an interrupted run resumes (a million mentions take
half an hour). For each size and number of shards: time and bytes per mention to fill them; in a
separate process, bytes received from the servers and memory taken by opening and a first search;
then the latency of searches for ten documents, 10 ms apart, and how many of the ten are those of an
exact search over the same vectors, or as good within 0.02 of the score. With ``--calls``, the
number of calls per document written with that many shards, on 127 documents per shard.
"""

import argparse
import json
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path

import chromadb
import httpx
from scale import QUERIES, milliseconds, searching
from tqdm import tqdm

from ner_retriever_rag import Document, EntityIndex, ShardedIndex, TypeAwareEncoder
from ner_retriever_rag.candidates.mention_table import table_of
from ner_retriever_rag.evaluation.encodings import cached
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.schema import EncodedText
from ner_retriever_rag.training.articles import read_articles

CHARACTERS, ARTICLES_PER_FILE = 500, 1_000  # per article; articles per cache file
FULL_BATCH = 127  # documents
ASKED, TIED = 40, 0.02  # types queried for recall; tolerance of the score

Corpus = dict[str, EncodedText]


class Received:
    """Counts the responses that HTTP clients of this process receive, and their bytes."""

    def __init__(self) -> None:
        self.bytes = self.calls = 0
        send = httpx.Client.send

        def counted(client, *arguments, **options):
            response = send(client, *arguments, **options)
            self.bytes += len(response.read())
            self.calls += 1
            return response

        httpx.Client.send = counted


class PrecomputedEncoder:
    """The shipped encoder, but for documents that are already encoded."""

    def __init__(self, corpus: Corpus) -> None:
        self._encoder, self._corpus = TypeAwareEncoder.from_pretrained(), corpus

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode(self, texts, spans=None, **options):
        return [self._corpus[text] for text in texts]


def beginnings(sources: list[Path]):
    """The beginnings of articles, deduplicated."""
    seen = set()
    for article in chain.from_iterable(map(read_articles, sources)):
        text = f"{article.title}\n\n{article.text}"[:CHARACTERS].strip()
        if text not in seen:
            seen.add(text)
            yield text


def encoded_articles(sources: list[Path], mentions: int, cache: Path) -> Corpus:
    """Articles with at least that many mentions, and the encoding of each."""
    encoder, corpus, count = TypeAwareEncoder.from_pretrained(), {}, 0
    rest = beginnings(sources)
    with tqdm(total=mentions, unit="mention") as bar:
        while count < mentions and (texts := list(islice(rest, ARTICLES_PER_FILE))):
            key = partial(list, (encoder.fingerprint, *texts))
            found = cached(cache, "articles", key, partial(encoder.encode, texts))
            corpus.update(zip(texts, found, strict=True))
            new = sum(len(each.mentions) for each in found)
            count += new
            bar.update(new)
    return corpus


@contextmanager
def servers(count: int):
    """Start Chroma servers, each with its own folder; yield the addresses and the folders."""
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(count)]
        ports = []
        for folder in folders:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                ports.append(probe.getsockname()[1])
            command = [Path(sys.executable).with_name("chroma"), "run", "--path", folder]
            server = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(ports[-1])],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(server.wait)
            stack.callback(server.kill)
        for port in ports:
            while True:
                try:
                    chromadb.HttpClient("127.0.0.1", port)
                    break
                except Exception:
                    time.sleep(0.2)
        yield [f"http://127.0.0.1:{port}" for port in ports], folders


def opened(addresses: list[str], encoder):
    """The index on one server, or on several."""
    if len(addresses) == 1:
        return EntityIndex(addresses[0], encoder=encoder)
    return ShardedIndex(addresses, encoder=encoder)


def first_search(addresses: list[str], asked: str, answer) -> None:
    """In a separate process: bytes received and memory taken by opening and a first search."""
    encoder = TypeAwareEncoder.from_pretrained()
    encoder.encode_types([asked])
    received, before = Received(), resident()
    begun = time.perf_counter()
    opened(addresses, encoder).search(asked, k=10)
    answer.put((received.bytes, resident() - before, time.perf_counter() - begun))


def resident() -> int:
    """Resident memory of this process in bytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def exact(table, encoder, types: list[str]) -> list[dict[str, float]]:
    """The scores of the top documents of an exact search, for each type."""
    search = searching(table, encoder)
    bounds = Bounds.check(k=200, exact=True)
    return [{m.doc_id: m.score for m in search.documents([each], bounds)[0]} for each in types]


def measured(corpus: Corpus, shards: int, types: list[str]) -> dict[str, str]:
    """The measurements of one size, on that many servers."""
    encoder, rows = PrecomputedEncoder(corpus), [Document(text) for text in corpus]
    table, _ = table_of(rows, list(corpus.values()), encoder.dim)
    right, mentions = exact(table, encoder, types[:ASKED]), len(table)
    del table
    with servers(shards) as (addresses, folders):
        index = opened(addresses, encoder)
        begun = time.perf_counter()
        index.add(rows)
        filled = time.perf_counter() - begun
        disk = sum(f.stat().st_size for d in folders for f in Path(d).rglob("*") if f.is_file())
        context = multiprocessing.get_context("spawn")
        answer = context.Queue()
        process = context.Process(target=first_search, args=(addresses, types[0], answer))
        process.start()
        received, memory, first = answer.get()
        process.join()
        index.search(types[0], k=10)
        median, slow = milliseconds(lambda each: index.search(each, k=10), types)
        same = good = 0
        for each, scores in zip(types, right, strict=False):
            best = list(scores.items())[:10]
            found = index.search(each, k=10)
            same += len({m.doc_id for m in found} & {doc_id for doc_id, _ in best})
            good += sum(scores.get(m.doc_id, 0) >= best[-1][1] - TIED for m in found)
        index.close()
    return {
        "filling, ms a mention": f"{1000 * filled / mentions:.2f}",
        "on disk at the servers, bytes a mention": f"{disk / mentions:,.0f}",
        "opening and a first search: received": f"{received / 1e6:.2f} MB",
        "memory taken": f"{memory / 1e6:.0f} MB",
        "time": f"{first:.2f} s",
        "ten documents, median (99th percentile)": f"{median:.0f} ({slow:.0f}) ms",
        "of the exact ten": f"{same / 10 / ASKED:.3f}",
        "or as good within 0.02": f"{good / 10 / ASKED:.3f}",
    }


def calls(shards: int, corpus: Corpus, received: Received) -> float:
    """HTTP calls per document in one ``add``."""
    with servers(shards) as (addresses, _):
        index = opened(addresses, PrecomputedEncoder(corpus))
        rows = [Document(text) for text in islice(corpus, FULL_BATCH * shards)]
        before = received.calls
        index.add(rows)
        index.close()
        return (received.calls - before) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("articles", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--mentions", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--calls", type=int, nargs="*", default=[1, 32])
    options = parser.parse_args()
    kinds = TypeAwareEncoder.from_pretrained().kinds.names
    asked = list(kinds[:: len(kinds) // QUERIES][:QUERIES])
    columns = {}
    for size in options.mentions:
        corpus = encoded_articles(options.articles, size, options.cache)
        for shards in options.shards:
            columns[f"{size:,}, {shards}"] = measured(corpus, shards, asked)
            print(json.dumps({size: {shards: columns[f"{size:,}, {shards}"]}}), flush=True)
    if columns:
        print("| mentions, servers |", " | ".join(columns), "|")
        print("|---|", "---|" * len(columns), sep="")
        for name in next(iter(columns.values())):
            print(f"| {name} |", " | ".join(each[name] for each in columns.values()), "|")
    received = Received()
    most = 20 * FULL_BATCH * max(options.calls, default=0)
    few = encoded_articles(options.articles, most, options.cache)
    for shards in options.calls:
        print(f"calls a document with {shards} shards: {calls(shards, few, received):.3f}")


if __name__ == "__main__":
    main()
