"""Fitting the calibration on mined mentions, with types that training never saw.

The negatives of a type description are the mentions of a corpus as they come: a random sample of
mined mentions, in which a type is as frequent as mining made it. Mentions that may or may not be of
the type (a kindred head noun, the same one without the modifiers asked for) are left out.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.calibration import Calibration, expected_calibration_error
from ner_retriever_rag.training.hierarchy import head_noun
from ner_retriever_rag.training.pairs import Hierarchy, MinedEntity, is_held_out

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class LabelledTypes:
    """Type descriptions with the mentions that are, and are not, of them.

    Attributes:
        phrases: The descriptions.
        members: For each the rows of the mentions that are of the type.
        others: For each the rows of those that are not.
    """

    phrases: list[str]
    members: list[NDArray[np.int64]]
    others: list[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """How well probabilities hold on types seen neither in training nor in the fit.

    Attributes:
        error: Expected calibration error over the mentions that a search would show: for each type,
            the most similar ones, five times as many as are of the type (at least twenty).
        error_all: The same over all mentions; nearly all of them are plain negatives.
        curve: Reliability over the shown ones: mean probability, share true, count, by bin.
        precision: Of the mentions at or above one half, over all types together.
        recall: Likewise.
        types: How many types were looked at.
    """

    error: float
    error_all: float
    curve: list[tuple[float, float, int]]
    precision: float
    recall: float
    types: int


def label_types(
    entities: Sequence[MinedEntity], hierarchy: Hierarchy, *, least: int = 3, most: int = 400
) -> LabelledTypes:
    """Find the held-out types of a sample of mentions, and who is of them.

    Args:
        entities: One for each mention, a random sample of what was mined.
        hierarchy: Says which mentions are doubtful.
        least: Mentions a type must have.
        most: Types at most, the choice random but fixed.
    """
    of_phrase: dict[str, set[int]] = {}
    for i, entity in enumerate(entities):
        for phrase in entity.types:
            words = phrase.lower().split()
            for start in range(len(words)):
                of_phrase.setdefault(" ".join(words[start:]), set()).add(i)
    held = {head_noun(e.types[0]) for e in entities if is_held_out(e)}
    frequent = sorted(
        p for p, rows in of_phrase.items() if len(rows) >= least and head_noun(p) in held
    )
    random.Random(0).shuffle(frequent)
    close: dict[str, set[int]] = {}
    for i, entity in enumerate(entities):
        for head in hierarchy.not_negative(entity):
            close.setdefault(head, set()).add(i)
    everyone = np.arange(len(entities))
    found = LabelledTypes([], [], [])
    for phrase in frequent[:most]:
        doubtful = set().union(*(close.get(h, set()) for h in hierarchy.heads_above(phrase)))
        found.phrases.append(phrase)
        found.members.append(np.array(sorted(of_phrase[phrase])))
        found.others.append(np.setdiff1d(everyone, sorted(doubtful | of_phrase[phrase])))
    return found


def fit_calibration(
    entities: Sequence[MinedEntity],
    vectors: NDArray[np.float32],
    encode_types: Encode,
    hierarchy: Hierarchy,
    *,
    background: int = 2000,
    seed: int = 0,
) -> tuple[Calibration, CalibrationReport]:
    """Fit on half of the held-out types and report on the other half.

    Args:
        entities: One for each mention.
        vectors: ``(n, dim)``, the encoded mentions.
        encode_types: Encodes type descriptions.
        hierarchy: Says which mentions are doubtful.
        background: Mentions kept beside the model, of as many types as possible.
        seed: Of the choice of these.

    Raises:
        ValueError: If there are too few held-out types.
    """
    labelled = label_types(entities, hierarchy)
    if len(labelled.phrases) < 4:
        raise ValueError("calibration needs at least four held-out types among the mentions")
    sample = diverse(entities, background, seed)
    type_vectors = encode_types(labelled.phrases)
    cosines, labels = [], []
    for vector, members, others in zip(
        type_vectors, labelled.members, labelled.others, strict=True
    ):
        rows = np.concatenate([members, others])
        cosines.append(vectors[rows] @ vector)
        labels.append(np.arange(len(rows)) < len(members))
    fitted = [zlib.crc32(head_noun(p).encode()) // 64 % 2 == 0 for p in labelled.phrases]
    fit = np.flatnonzero(fitted)
    test = np.flatnonzero(~np.array(fitted))
    base = vectors[sample].astype(np.float16)
    calibration = Calibration.fit(
        base, type_vectors[fit], [cosines[i] for i in fit], [labels[i] for i in fit]
    )
    return calibration, report(
        calibration, type_vectors[test], [cosines[i] for i in test], [labels[i] for i in test]
    )


def report(
    calibration: Calibration,
    type_vectors: NDArray[np.float32],
    cosines: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.bool_]],
) -> CalibrationReport:
    """Measure a calibration; see :class:`CalibrationReport`."""
    shown_p, shown_y, all_p, all_y = [], [], [], []
    for vector, cosine, label in zip(type_vectors, cosines, labels, strict=True):
        probability = calibration.probability(vector, cosine)
        shown = np.argsort(-cosine)[: max(20, 5 * int(label.sum()))]
        shown_p.append(probability[shown])
        shown_y.append(label[shown])
        all_p.append(probability)
        all_y.append(label)
    error, curve = expected_calibration_error(np.concatenate(shown_p), np.concatenate(shown_y))
    every_p, every_y = np.concatenate(all_p), np.concatenate(all_y)
    over = every_p >= 0.5
    hits = int((over & every_y).sum())
    return CalibrationReport(
        error,
        expected_calibration_error(every_p, every_y)[0],
        curve,
        hits / max(int(over.sum()), 1),
        hits / max(int(every_y.sum()), 1),
        len(cosines),
    )


def diverse(entities: Sequence[MinedEntity], count: int, seed: int) -> NDArray[np.int64]:
    """Rows of a sample in which no head noun is much more frequent than others."""
    order = list(range(len(entities)))
    random.Random(seed).shuffle(order)
    seen: Counter[str] = Counter()
    rank = {}
    for i in order:
        head = head_noun(entities[i].types[0])
        rank[i] = seen[head]
        seen[head] += 1
    return np.array(sorted(order, key=rank.__getitem__)[:count])
