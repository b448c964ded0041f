"""Pooled features of mentions and type descriptions, computed once and cached on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pooling import pool
from ner_retriever_rag.training.mined import MentionContext


def mention_features(
    backbone: Backbone,
    contexts: Sequence[MentionContext],
    cache: Path | None = None,
    pooling: str = "mean",
) -> NDArray[np.float16]:
    """Pooled taps of each mention: float16 ``(n, width)``.

    Args:
        backbone: Backbone whose taps are read.
        contexts: One mention each.
        cache: Folder for the result, keyed by backbone, taps, pooling and contexts.
        pooling: How a mention's tokens are pooled into one vector.
    """
    key = [f"{c.text}\t{c.start}\t{c.end}" for c in contexts]
    spans = [(c.start, c.end) for c in contexts]
    return _cached(backbone, [c.text for c in contexts], spans, key, cache, pooling)


def type_features(
    backbone: Backbone,
    descriptions: Sequence[str],
    cache: Path | None = None,
    pooling: str = "mean",
) -> NDArray[np.float16]:
    """Taps of type descriptions, read separately and pooled in full: float16 ``(n, width)``."""
    spans = [(0, len(text)) for text in descriptions]
    return _cached(backbone, descriptions, spans, descriptions, cache, pooling)


def as_tensor(rows: NDArray[np.float16]) -> Tensor:
    """Cached features as the float32 tensor that a head takes."""
    return torch.from_numpy(np.ascontiguousarray(rows)).float()


def project(head: ProjectionHead, features: NDArray[np.float16]) -> NDArray[np.float32]:
    """Run cached features through a head: float32 ``(n, dim)``."""
    with torch.inference_mode():
        parts = [
            head(torch.from_numpy(np.array(features[i : i + 4096])).float()).numpy()
            for i in range(0, len(features), 4096)
        ]
    return np.concatenate(parts)


def _cached(
    backbone: Backbone,
    texts: Sequence[str],
    spans: Sequence[tuple[int, int]],
    key: Sequence[str],
    cache: Path | None,
    pooling: str,
) -> NDArray[np.float16]:
    taps = "+".join(map(str, backbone.taps))
    path = None
    if cache is not None:
        parts = "\n".join([backbone.source, taps, pooling, *key])
        name = hashlib.sha256(parts.encode()).hexdigest()[:24]
        path = cache / f"{name}.npy"
        if path.exists():
            found: NDArray[np.float16] = np.load(path, mmap_mode="r")
            return found
    places: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        places.setdefault(text, []).append(i)  # read each text once for all its mentions
    unique = list(places)
    features: NDArray[np.float16] | None = None
    progress = tqdm(backbone.read(unique), total=len(unique), desc=f"read {taps}", unit="text")
    for text, states in zip(unique, progress, strict=True):
        tapped = torch.cat([states.taps[tap] for tap in map(str, backbone.taps)], dim=-1)
        rows = pool(tapped, states.offsets, [spans[i] for i in places[text]], pooling)
        if features is None:
            features = np.empty((len(texts), rows.shape[1]), dtype=np.float16)
        features[places[text]] = rows.half().numpy()
    if features is None:
        raise ValueError("there are no texts to read")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, features)
    return features
