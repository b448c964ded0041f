"""Time to index paragraphs, compared with a plain dense index of the same paragraphs.

python benchmarks/indexing.py ../shared/data/wikipedia/enwiki-intros.jsonl.xz
    [--paragraphs 10000] [--profile]
(needs: pip install sentence-transformers langchain-huggingface langchain-chroma)

From texts in memory to an index on disk with default settings, in one process: LangChain's Chroma
with sentence-transformers' all-MiniLM-L6-v2, ours, and a bare forward pass over the same tokens in
our dtype and batch sizes. Everything is warmed up on 64 texts. The others process one half before
ours and one after, so that changes in the machine's speed affect all alike. Read the ratios;
seconds depend on the machine.
"""

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch
from langchain_chroma import Chroma
from langchain_huggingface import HuggingFaceEmbeddings
from text_vector import paragraphs

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM, find_checkpoint

PLAIN, OURS, BARE = "plain dense index", "index by entity type", "bare forward pass"
Texts = list[str]
Index = Callable[[Texts], object]


def seconds(index: Index, texts: Texts) -> float:
    """The seconds that a call takes."""
    started = time.perf_counter()
    index(texts)
    return time.perf_counter() - started


@contextmanager
def dense() -> Iterator[Index]:
    """A plain dense index."""
    model = HuggingFaceEmbeddings(model_name=str(find_checkpoint(MINILM)))
    with tempfile.TemporaryDirectory() as folder:
        store = Chroma("plain", model, persist_directory=folder)

        def index(texts: Texts) -> None:
            for start in range(0, len(texts), 5000):
                store.add_texts(texts[start : start + 5000])

        yield index


@contextmanager
def ours(encoder: TypeAwareEncoder) -> Iterator[Index]:
    """An index by entity type."""
    with tempfile.TemporaryDirectory() as folder, EntityIndex(folder, encoder=encoder) as index:
        yield index.add


@contextmanager
def bare(encoder: TypeAwareEncoder) -> Iterator[Index]:
    """Only the forward pass: tokens in, tapped states out."""
    backbone = encoder.backbone

    def read(texts: Texts) -> None:
        with torch.inference_mode():
            for start in range(0, len(texts), 256):
                for _ in backbone.read(texts[start : start + 256]):
                    pass

    yield read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wikipedia", type=Path)
    parser.add_argument("--paragraphs", type=int, default=10_000)
    parser.add_argument("--profile", action="store_true", help="also profile our indexing")
    options = parser.parse_args()
    texts = list(islice(paragraphs(options.wikipedia), options.paragraphs))
    encoder = TypeAwareEncoder.from_pretrained()
    print(f"{len(texts):,} paragraphs, {sum(map(len, texts)):,} characters; {encoder.dtype}")
    warm, first, second = texts[:64], texts[64 : len(texts) // 2], texts[len(texts) // 2 :]
    order = [(PLAIN, first), (BARE, first), (OURS, texts[64:]), (BARE, second), (PLAIN, second)]
    taken = dict.fromkeys((PLAIN, OURS, BARE), 0.0)
    with dense() as plain, ours(encoder) as typed, bare(encoder) as passing:
        index = {PLAIN: plain, OURS: typed, BARE: passing}
        for name in index:
            index[name](warm)
        for name, some in order:
            taken[name] += (spent := seconds(index[name], some))
            print(f"{name}: {len(some):,} in {spent:.1f} s", flush=True)
    for name, spent in taken.items():
        rate = (len(texts) - len(warm)) / spent
        print(f"{name}: {spent:.1f} s, {rate:.0f} a second; ours / this: {taken[OURS] / spent:.2f}")
    if options.profile:
        profile = cProfile.Profile()
        with ours(encoder) as add:
            profile.runcall(add, texts)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
