"""How long it takes to index paragraphs, against a plain dense index of the same.

python benchmarks/indexing.py ../shared/data/wikipedia/enwiki-intros.jsonl.xz
    [--paragraphs 10000] [--profile]
(needs: pip install sentence-transformers langchain-huggingface langchain-chroma)

From texts in memory to an index on disk with default settings, in one process: LangChain's Chroma
with sentence-transformers' all-MiniLM-L6-v2, ours, and a bare forward pass of the same tokens in
our dtype and batches. Everything is warmed on 64 texts. Read the ratios; seconds depend on the
machine.
"""

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from langchain_chroma import Chroma
from langchain_huggingface import HuggingFaceEmbeddings
from text_vector import paragraphs

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM, find_checkpoint

Texts = list[str]


def seconds(index: Callable[[Texts], object], texts: Texts) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    index(texts)
    return time.perf_counter() - started


def dense() -> Callable[[Texts], object]:
    """A plain dense index."""
    model = HuggingFaceEmbeddings(model_name=str(find_checkpoint(MINILM)))

    def index(texts: Texts) -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = Chroma("plain", model, persist_directory=folder)
            for start in range(0, len(texts), 5000):
                store.add_texts(texts[start : start + 5000])

    return index


def ours(encoder: TypeAwareEncoder) -> Callable[[Texts], object]:
    """An index by entity type."""

    def index(texts: Texts) -> None:
        with tempfile.TemporaryDirectory() as folder, EntityIndex(folder, encoder=encoder) as index:
            index.add(texts)

    return index


def bare(encoder: TypeAwareEncoder) -> Callable[[Texts], object]:
    """Nothing but the forward pass: tokens in, tapped states out."""
    backbone = encoder.backbone

    def read(texts: Texts) -> None:
        with torch.inference_mode():
            for start in range(0, len(texts), 256):
                for _ in backbone.read(texts[start : start + 256]):
                    pass

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wikipedia", type=Path)
    parser.add_argument("--paragraphs", type=int, default=10_000)
    parser.add_argument("--profile", action="store_true", help="where our time goes")
    options = parser.parse_args()
    texts = list(islice(paragraphs(options.wikipedia), options.paragraphs))
    encoder = TypeAwareEncoder.from_pretrained()
    print(f"{len(texts):,} paragraphs, {sum(map(len, texts)):,} characters; {encoder.dtype}")
    taken = {}
    for name, index in (
        ("plain dense index", dense()),
        ("index by entity type", ours(encoder)),
        ("bare forward pass", bare(encoder)),
    ):
        index(texts[:64])
        taken[name] = seconds(index, texts)
        print(f"{name}: {taken[name]:.1f} s, {len(texts) / taken[name]:.0f} a second", flush=True)
    by_type = taken["index by entity type"]
    print(f"ours / plain dense: {by_type / taken['plain dense index']:.2f}")
    print(f"ours / bare forward pass: {by_type / taken['bare forward pass']:.2f}")
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(ours(encoder), texts)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
