"""How long a search takes over 10,000 to a million mentions, and how much is read for it.

python benchmarks/scale.py [--mentions 10000 100000 1000000]

The table of mentions is made of random unit vectors, sixteen to a document, written to a temporary
folder and memory-mapped from there as an index's is; the documents that win are not fetched from
Chroma, and descriptions are encoded beforehand. So the figures are of the search itself: two
products with all vectors, what lies between, and the choice of the best ten. It is exact, so there
is no recall to report.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ner_retriever_rag import Document, TypeAwareEncoder
from ner_retriever_rag.index.bounds import Bounds
from ner_retriever_rag.index.facets import count_facets
from ner_retriever_rag.index.mention_table import MentionTable
from ner_retriever_rag.index.records import StoredDocument
from ner_retriever_rag.index.search import Search
from ner_retriever_rag.index.table_files import load_table, save_table

A_DOCUMENT, NAME = 16, b"Name of it"
TYPES = ["river", "lake", "dinosaur", "city", "film", "album", "scientist", "airport"]


def made_up(mentions: int, dim: int) -> MentionTable:
    """A table of random mentions."""
    rng, documents = np.random.default_rng(0), mentions // A_DOCUMENT
    mentions = documents * A_DOCUMENT
    vectors = rng.standard_normal((mentions, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    starts = np.tile(np.arange(A_DOCUMENT, dtype=np.int32) * 20, documents)
    return MentionTable(
        [f"d{n:08d}" for n in range(documents)],
        ["v"] * documents,
        np.ones(documents, dtype=np.bool_),
        np.arange(documents + 1) * A_DOCUMENT,
        starts,
        starts + len(NAME),
        rng.integers(0, 2**32, mentions, dtype=np.uint32),
        np.frombuffer(NAME * mentions, np.uint8),
        np.arange(mentions + 1) * len(NAME),
        vectors,
    )


def milliseconds(call, arguments) -> tuple[float, float]:
    """Median and maximum over three calls for each argument."""
    taken = []
    for argument in list(arguments) * 3:
        started = time.perf_counter()
        call(argument)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken), max(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mentions", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    encoder = TypeAwareEncoder.from_pretrained()
    encoder.encode_types(TYPES)
    print("| mentions | open, s | documents, ms | not sharpened | mentions, ms | facets, s |")
    print("|---|---|---|---|---|---|")
    for size in parser.parse_args().mentions:
        with tempfile.TemporaryDirectory() as folder:
            save_table(made_up(size, encoder.dim), "r", Path(folder) / "table")
            started = time.perf_counter()
            _, table = load_table(Path(folder) / "table")
            opened = time.perf_counter() - started
            print(f"| {size:,} | {opened:.2f} | {measured(table, encoder)} |", flush=True)


def measured(table: MentionTable, encoder: TypeAwareEncoder) -> str:
    """The times of searches and of facets, as cells."""
    nothing = SimpleNamespace(
        changed=lambda versions: set(),
        fetch=lambda ids: {i: StoredDocument(i, "v", [], Document("x", i)) for i in ids},
    )
    search = Search(nothing, SimpleNamespace(current=lambda: table), encoder)
    ten, plain = Bounds.check(k=10), Bounds.check(k=10, sharpen=False)
    cells = [
        milliseconds(lambda each: search.documents([each], ten), TYPES),
        milliseconds(lambda each: search.documents([each], plain), TYPES),
        milliseconds(lambda each: search.mentions(each, ten), TYPES),
    ]
    every = np.ones(len(table.doc_ids), dtype=np.bool_)
    started = time.perf_counter()
    count_facets(table, encoder.kinds, every, n=30, examples=5, least_score=0.1)
    facets = time.perf_counter() - started
    return " | ".join([*(f"{m:.0f} (most {most:.0f})" for m, most in cells), f"{facets:.1f}"])


if __name__ == "__main__":
    main()
