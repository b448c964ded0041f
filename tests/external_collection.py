"""Contents of a collection that is filled by someone else, and a helper to read it."""

import numpy as np

IDS = ["dino", "oslo", "nile", "ada", "cities"]
METADATA = [{"n": n, "lang": "en" if n < 3 else "de"} for n in range(5)]


def vectors(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 7)).astype(np.float32)


def content(collection):
    rows = collection.get(include=["documents", "metadatas", "embeddings"])
    columns = zip(
        rows["ids"], rows["documents"], rows["metadatas"], rows["embeddings"].tolist(), strict=True
    )
    return sorted(columns)
