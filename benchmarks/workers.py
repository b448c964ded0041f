"""Several processes on one folder: private memory and time of the first search of each.

python benchmarks/workers.py ARTICLES... --cache FOLDER [--mentions 95000] [--workers 4]

The folder holds an index of articles, as in ``benchmarks/engine.py``. Each worker loads the encoder
before it opens the index, so that the figures are of the index alone: seconds to open it and to
answer, and the growth of memory not shared with other processes (USS). All workers do so at the
same time, once before there is a table in the folder and once after. Needs /proc.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
from engine import PrecomputedEncoder, encoded_articles

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder

ASKED = "river"


def private() -> int:
    """Bytes of this process that no other process shares."""
    text = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8")
    sizes = dict(line.split()[:2] for line in text.splitlines()[1:])
    return 1024 * (int(sizes["Private_Clean:"]) + int(sizes["Private_Dirty:"]))


def worker(folder: str, barrier, answers) -> None:
    encoder = TypeAwareEncoder.from_pretrained()
    with EntityIndex(encoder=encoder) as other:  # triggers one-time imports
        other.add(["Basel lies on the Rhine."])
        other.search(ASKED)
    barrier.wait()
    before, begun = private(), time.perf_counter()
    index = EntityIndex(folder, encoder=encoder)
    index.search(ASKED)
    first, grown = time.perf_counter() - begun, private() - before
    barrier.wait()
    answers.put((first, grown, private() - before))
    index.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("articles", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--mentions", type=int, default=95_000)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    corpus = encoded_articles(options.articles, options.mentions, options.cache)
    context = multiprocessing.get_context("spawn")
    print(
        "| | first search, s | memory of its own, MB | when all have searched |\n|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        with EntityIndex(folder, encoder=PrecomputedEncoder(corpus)) as index:
            index.add([Document(text) for text in corpus])
        for what in ("no table yet", "a table is there"):
            barrier, answers = context.Barrier(options.workers), context.Queue()
            workers = [
                context.Process(target=worker, args=(folder, barrier, answers))
                for _ in range(options.workers)
            ]
            for each in workers:
                each.start()
            rows = np.array([answers.get() for _ in workers]) / [1, 1e6, 1e6]
            for each in workers:
                each.join()
            cells = [
                f"{low:.1f} to {high:.1f}"
                for low, high in zip(rows.min(0), rows.max(0), strict=True)
            ]
            print("|", " | ".join([what, *cells]), "|")


if __name__ == "__main__":
    main()
