"""Search latency over 10,000 to a million mentions, and recall against exact search.

python benchmarks/scale.py [--mentions 10000 100000 1000000] [--plot benchmarks/results/scale.png]
    [--vectors vectors.npy [--texts texts.txt]]

The mention table is written to a temporary folder and memory-mapped from there like an index's,
with sixteen mentions per document. The resulting documents are not fetched from Chroma, filters are
not evaluated by it, and descriptions are encoded beforehand, so the figures are of the search
itself. Each of 120 types is queried once, 10 ms after the previous one. Recall is measured against
an exhaustive scan.

With --vectors, mentions resemble those of a file, float32 (n, dim), which is computed from the
lines of --texts if it does not exist: each mention is one of its vectors and, if there are more
mentions than vectors, a copy with three tenths of another one added. Without it, they are random
unit vectors, the hard case: nothing stands out, and no few dimensions carry the variance.
"""

import argparse
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ner_retriever_rag import Document, TypeAwareEncoder
from ner_retriever_rag.candidates.cells import LARGE, Cells
from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.candidates.table_files import load_table, save_table
from ner_retriever_rag.candidates.tables import FixedTable
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.search.facets import count_facets
from ner_retriever_rag.search.search import Search
from ner_retriever_rag.storage.records import StoredDocument

PER_DOCUMENT, NAME = 16, b"Name of it"
QUERIES, PAUSE, RECALL_EVERY = 120, 0.01, 8  # the last: one type in this many is used for recall
NOISE = np.float32(0.3)
TIED = 0.001  # score tolerance within which a document is as good as the last exact one


def mention_vectors(mentions: int, dim: int, real: np.ndarray | None) -> np.ndarray:
    """Unit vectors: random, or those of real mentions and perturbed copies of them."""
    rng = np.random.default_rng(0)
    if real is None:
        vectors = rng.standard_normal((mentions, dim), dtype=np.float32)
    else:
        vectors = np.resize(real, (mentions, dim))
        more = max(0, mentions - len(real))
        vectors[len(real) :] += NOISE * real[rng.integers(0, len(real), more)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def synthetic_table(vectors: np.ndarray, names: int) -> MentionTable:
    """A mention table with the given vectors and number of names, assigned in rotation."""
    rng, documents = np.random.default_rng(0), len(vectors) // PER_DOCUMENT
    mentions = documents * PER_DOCUMENT
    vectors = vectors[:mentions]
    starts = np.tile(np.arange(PER_DOCUMENT, dtype=np.int32) * 20, documents)
    return MentionTable(
        [f"d{n:08d}" for n in range(documents)],
        ["v"] * documents,
        np.ones(documents, dtype=np.bool_),
        np.arange(documents + 1) * PER_DOCUMENT,
        starts,
        starts + len(NAME),
        rng.integers(0, 2**32, mentions, dtype=np.uint32),
        np.arange(mentions, dtype=np.uint64) % np.uint64(names) << np.uint64(24),
        np.zeros((mentions, 2), dtype=np.uint64),
        rng.random(mentions, dtype=np.float32),
        np.frombuffer(NAME * mentions, np.uint8),
        np.arange(mentions)[:, None] * len(NAME) + [0, len(NAME)],
        vectors,
        Cells.make(vectors) if mentions > LARGE else None,
    )


def encoded(encoder: TypeAwareEncoder, path: Path) -> np.ndarray:
    """The vectors of the mentions in the lines of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return np.concatenate([text.vectors for text in encoder.encode(lines, progress=True)])


def milliseconds(call, arguments) -> tuple[float, float]:
    """Median and 99th percentile of the latency."""
    taken = []
    for argument in arguments:
        time.sleep(PAUSE)
        started = time.perf_counter()
        call(argument)
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken)), float(np.percentile(taken, 99))


def searching(table: MentionTable, encoder: TypeAwareEncoder) -> Search:
    """A search over a table whose documents are not stored anywhere and never change."""
    versions = dict(zip(table.doc_ids, table.versions, strict=True))
    store = SimpleNamespace(
        changed=lambda versions: set(),
        fetch=lambda ids: {i: StoredDocument(i, versions[i], [], Document("x", i)) for i in ids},
        document_ids=lambda where: table.doc_ids[:: where["every"]],
        writes_paused=nullcontext,
        judgements=lambda: [],
    )
    return Search(store, FixedTable(table, "r"), encoder)


def measured(table: MentionTable, encoder: TypeAwareEncoder, types: list[str]) -> dict:
    """Latency of searches and of facets, and recall."""
    search = searching(table, encoder)
    bounds = {
        "10 documents": Bounds.check(k=10),
        "not sharpened": Bounds.check(k=10, sharpen=False),
        "of 10% of them": Bounds.check(k=10, where={"every": 10}),
        "of 1% of them": Bounds.check(k=10, where={"every": 100}),
        "100 documents": Bounds.check(k=100),
        "1,000 documents": Bounds.check(k=1000),
        "10, exact": Bounds.check(k=10, exact=True),
    }
    ten = bounds["10 documents"]
    found = {"first search": milliseconds(lambda each: search.documents([each], ten), types[:1])}
    for name, each in bounds.items():
        some = types if each.stop <= 100 and not each.exact else types[:24]
        search.documents(types[:3], each)
        found[name] = milliseconds(lambda one, each=each: search.documents([one], each), some)
    found["10 mentions"] = milliseconds(lambda each: search.mentions(each, ten), types)
    off = []
    for name, where in (("", None), (" of 10%", {"every": 10}), (" of 1%", {"every": 100})):
        wanted, right, tied = (dict.fromkeys((10, 100, 1000), 0) for _ in range(3))
        for each in types[::RECALL_EVERY]:
            all_of_them = Bounds.check(k=1000, where=where, exact=True)
            exact = {m.doc_id: m.score for m in search.documents([each], all_of_them)[0]}
            for k in wanted:
                some = search.documents([each], Bounds.check(k=k, where=where))[0]
                last = list(exact.values())[:k][-1] - TIED
                right[k] += len({match.doc_id for match in some} & set(list(exact)[:k]))
                tied[k] += sum(exact.get(match.doc_id, 0) >= last for match in some)
                wanted[k] += min(k, len(exact))
                if k == 10 and where is None:
                    off += [abs(m.score - exact[m.doc_id]) for m in some if m.doc_id in exact]
        found["recall" + name] = {k: right[k] / wanted[k] for k in wanted}
        found["recall, or tied" + name] = {k: tied[k] / wanted[k] for k in wanted}
    found["score error"] = {"mean": np.mean(off), "greatest": np.max(off)}
    every = np.ones(len(table.doc_ids), dtype=np.bool_)
    started = time.perf_counter()
    scores_of = partial(search.scores_of_kind, kinds=encoder.kinds, table=table)
    count_facets(table, encoder.kinds, every, scores_of, n=30, examples=5, least_score=0.1)
    found["facets, s"] = time.perf_counter() - started
    return found


def cells(found: dict) -> list[tuple[str, str]]:
    """The measurements as text."""
    return [
        (
            name,
            " / ".join(f"{value:.4f}" for value in each.values())
            if isinstance(each, dict)
            else f"{each[0]:.1f} ({each[1]:.1f})"
            if isinstance(each, tuple)
            else f"{each:.2f}",
        )
        for name, each in found.items()
    ]


def plot(results: dict[int, dict], path: str) -> None:
    """Plot latency and recall over the number of mentions."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (times, recall) = pyplot.subplots(1, 2, figsize=(9, 3.5))
    sizes = list(results)
    for name in ("10 documents", "of 1% of them", "1,000 documents"):
        medians, slow = zip(*(results[size][name] for size in sizes), strict=True)
        (line,) = times.plot(sizes, medians, marker="o", label=name)
        times.plot(sizes, slow, marker=".", linestyle=":", color=line.get_color())
    times.set(xscale="log", yscale="log", xlabel="mentions", ylabel="ms (dotted: 99th percentile)")
    times.legend(frameon=False)
    for k in (10, 100, 1000):
        recall.plot(
            sizes, [results[size]["recall"][k] for size in sizes], marker="o", label=f"at {k:,}"
        )
    recall.set(xscale="log", xlabel="mentions", ylabel="recall against exact", ylim=(0.9, 1.01))
    recall.legend(frameon=False, loc="lower left")
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mentions", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--plot", help="file of the plot, *.png")
    parser.add_argument("--vectors", type=Path, help="vectors of real mentions, *.npy")
    parser.add_argument("--texts", type=Path, help="texts to compute them from, one per line")
    arguments = parser.parse_args()
    encoder = TypeAwareEncoder.from_pretrained()
    real = None
    if arguments.vectors:
        if not arguments.vectors.exists():
            np.save(arguments.vectors, encoded(encoder, arguments.texts))
        real = np.load(arguments.vectors)
    types = list(encoder.kinds.names[:: len(encoder.kinds.names) // QUERIES][:QUERIES])
    encoder.encode_types(types)
    results = {}
    for size in arguments.mentions:
        with tempfile.TemporaryDirectory() as folder:
            vectors = mention_vectors(size, encoder.dim, real)
            if real is not None and encoder.prototypes is not None:
                vectors = encoder.prototypes.pull(vectors)
            save_table(
                synthetic_table(vectors, size if real is None else len(real)),
                "r",
                Path(folder) / "table",
            )
            _, table = load_table(Path(folder) / "table")
            results[size] = measured(table, encoder, types)
            print(f"{size:,}", *cells(results[size]), sep="\n  ", flush=True)
    print("\n| mentions |", " | ".join(f"{size:,}" for size in results), "|")
    print("|---|", "---|" * len(results), sep="")
    for row in zip(*(cells(each) for each in results.values()), strict=True):
        print("|", " | ".join([row[0][0], *(cell for _, cell in row)]), "|")
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
