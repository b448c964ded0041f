"""Samples for the probe: mentions sampled by type, and pairs of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.evaluation.formats import TypedText

MIN_NAMES = 10  # per type, two for each fold of the cross-validation

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Mentions sampled for the probe, sorted by type.

    Attributes:
        texts: The texts that contain them.
        where: For each mention, the index of its text and its character span, ``(text, start,
            end)``.
        labels: int64 ``(n,)``, index of each mention's type, non-decreasing.
        types: Labels of the types.
    """

    texts: tuple[str, ...]
    where: tuple[tuple[int, int, int], ...]
    labels: NDArray[np.int64]
    types: tuple[str, ...]


def draw_sample(
    texts: Iterable[TypedText], *, types: int = 20, per_type: int = 100, seed: int = 0
) -> Sample:
    """Sample mentions, up to ``per_type`` per type, no name twice.

    The types with the most names are used, except catch-all ones (``other``, ``building-other``).
    A name is sampled once, so that no pair and no classifier can rely on the words alone.

    Args:
        texts: Texts with typed mentions.
        types: Maximum number of types.
        per_type: Maximum mentions per type.
        seed: Seed of the sample.

    Raises:
        ValueError: If fewer than two types have ten names.
    """
    rng = np.random.default_rng(seed)
    names: dict[str, dict[str, list[tuple[str, int, int]]]] = defaultdict(lambda: defaultdict(list))
    for each in texts:
        for start, end, label in each.mentions:
            if label.rpartition("-")[2].lower() != "other":
                name = each.text[start:end].casefold()
                names[label][name].append((each.text, start, end))
    ranked = sorted(names, key=lambda label: (-len(names[label]), label))
    chosen = tuple(label for label in ranked[:types] if len(names[label]) >= MIN_NAMES)
    numbers: dict[str, int] = {}
    where: list[tuple[int, int, int]] = []
    labels: list[int] = []
    taken: set[str] = set()
    # Rare types first: they can least spare a name that two types share.
    for label in reversed(chosen):
        free = sorted(set(names[label]) - taken)
        drawn = [free[i] for i in rng.permutation(len(free))[:per_type]]
        taken.update(drawn)
        for name in drawn:
            text, start, end = names[label][name][rng.integers(len(names[label][name]))]
            where.append((numbers.setdefault(text, len(numbers)), start, end))
            labels.append(chosen.index(label))
    if len(chosen) < 2 or min(np.bincount(labels)) < MIN_NAMES:
        raise ValueError(f"the probe needs at least two types with {MIN_NAMES} names each")
    order = np.argsort(labels, kind="stable")
    return Sample(tuple(numbers), tuple(where[i] for i in order), np.asarray(labels)[order], chosen)


def draw_pairs(sample: Sample, count: int, seed: int = 0) -> Pairs:
    """Sample pairs of mentions from different texts, ``count`` same-type and ``count`` cross-type.

    All types have equal weight: the types of both mentions are sampled uniformly.

    Returns:
        Row indices of the first and second mentions, and whether their types are the same.

    Raises:
        ValueError: If no such pairs are found because the mentions are in too few texts.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(sample.labels)
    starts = np.cumsum(sizes) - sizes
    text = np.asarray([number for number, _, _ in sample.where])
    lefts, rights = [], []
    for same in (True, False):
        left, right = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        for _ in range(50):  # many more rounds than any real data needs
            first = rng.integers(len(sizes), size=count)
            shift = 0 if same else rng.integers(1, len(sizes), size=count)
            second = (first + shift) % len(sizes)
            a, b = (starts[t] + (rng.random(count) * sizes[t]).astype(int) for t in (first, second))
            apart = text[a] != text[b]
            left, right = np.append(left, a[apart]), np.append(right, b[apart])
            if len(left) >= count:
                break
        else:
            raise ValueError("the mentions are in too few texts to pair them")
        lefts.append(left[:count])
        rights.append(right[:count])
    return np.concatenate(lefts), np.concatenate(rights), np.arange(2 * count) < count
