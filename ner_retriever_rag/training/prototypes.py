"""Compute prototypes: the k-means centroids of mined mentions."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag._imports import require
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.prototypes import Prototypes
from ner_retriever_rag.training.features import mention_features, project
from ner_retriever_rag.training.mined import MinedEntity

_ITERATIONS = 8  # k-means iterations


def prototypes_recipe(
    backbone: Backbone,
    head: ProjectionHead,
    entities: Sequence[MinedEntity],
    *,
    mentions: int = 100_000,
    count: int = 8_192,
    seed: int = 0,
    pooling: str = "mean",
) -> Prototypes:
    """Encode mined mentions of all kinds and cluster them into prototypes.

    Args:
        backbone: Backbone with the head's taps.
        head: The projection head.
        entities: Mined entities; their types are ignored.
        mentions: Size of the random sample of mentions.
        count: Number of prototypes.
        seed: Seed of the sample and of k-means.
        pooling: The encoder's pooling.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If there are fewer mentions than prototypes.
    """
    rng = random.Random(seed)
    found = [entity for entity in entities if entity.elsewhere]
    sample = rng.sample(found, min(mentions, len(found)))
    contexts = [entity.sample_elsewhere(rng) for entity in sample]
    features = mention_features(backbone, contexts, pooling=pooling)
    return Prototypes(centroids(project(head, features), count, seed))


def centroids(vectors: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """K-means centroids: float32 ``(count, dim)``, L2-normalized.

    Args:
        vectors: float32 ``(n, dim)``, L2-normalized.
        count: Number of centroids.
        seed: Seed of the initialization.

    Raises:
        ValueError: If there are fewer vectors than centroids.
    """
    if len(vectors) < count:
        raise ValueError(f"{count} prototypes need as many mentions, not {len(vectors)}")
    cluster = require("sklearn.cluster", extra="train")
    means = cluster.KMeans(count, init="random", n_init=1, max_iter=_ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # k-means has not converged
        found: NDArray[np.float32] = means.fit(vectors).cluster_centers_
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found
