"""Fit the calibration on mined mentions, including types that training never saw.

The negatives of a type description are a random sample of all mined mentions, and labels are
weighted to a prior, by default 6% positives. Ambiguous mentions, those with a kindred head noun,
are left out.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.training.fit_calibration import (
    PRIOR,
    expected_calibration_error,
    fit_line,
    prior_weights,
    shown_rows,
)
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MinedEntity

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class LabelledTypes:
    """Type descriptions with their positive and negative mentions.

    Attributes:
        phrases: The descriptions.
        members: For each description, the rows of the mentions of the type.
        others: For each description, the rows of mentions not of the type.
        unseen: For each description, whether training never saw its head noun.
    """

    phrases: list[str]
    members: list[NDArray[np.int64]]
    others: list[NDArray[np.int64]]
    unseen: list[bool]


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """Calibration quality on types seen neither in training nor in the fit.

    All metrics are weighted to the prior.

    Attributes:
        error: Expected calibration error over the mentions that a search would return: for each
            type the most similar ones, five times as many as there are positives (at least twenty).
        error_all: The same over all mentions, nearly all of which are easy negatives.
        curve: Reliability over the returned mentions: per bin, mean probability, share of true
            labels, share of weight.
        precision: Precision at a probability of at least 0.5, pooled over all types.
        recall: Recall, likewise.
        types: Number of types evaluated.
    """

    error: float
    error_all: float
    curve: list[tuple[float, float, float]]
    precision: float
    recall: float
    types: int


def label_types(
    entities: Sequence[MinedEntity],
    hierarchy: Hierarchy,
    *,
    least: int = 5,
    longest: int = 2,
    most: int = 600,
    held_out: set[str],
    drawn: int | None = None,
) -> LabelledTypes:
    """Find the types of a sample of mentions, broader types included, and their members.

    Args:
        entities: One per mention.
        hierarchy: Tells which mentions are ambiguous.
        least: Minimum number of mentions of a type.
        longest: Maximum number of words in a description; mining covers finer types too sparsely.
        most: Maximum number of types seen in training; chosen at random with a fixed seed.
        held_out: Head nouns that training never saw; all their types are included.
        drawn: How many of the mentions, counted from the first, are a random sample of what was
            mined; only these serve as negatives. By default all.
    """
    of_phrase: defaultdict[str, set[int]] = defaultdict(set)
    of_head: defaultdict[str, set[int]] = defaultdict(set)
    close: defaultdict[str, set[int]] = defaultdict(set)
    for i, entity in enumerate(entities):
        for phrase in entity.types:
            words = phrase.lower().split()
            suffixes = [
                " ".join(words[k:]) for k in range(max(0, len(words) - longest), len(words))
            ]
            for name in (*suffixes, *hierarchy.above(phrase)):
                if len(name.split()) <= longest:
                    of_phrase[name].add(i)
        for head in entity.heads:
            of_head[head].add(i)
        for head in hierarchy.not_negative(entity):
            close[head].add(i)
    unknown = held_out - hierarchy.broader_heads
    seen: list[str] = []
    unseen: list[str] = []
    for phrase, rows in sorted(of_phrase.items()):
        if len(rows) >= least and len(rows) < len(entities) / 2:
            (unseen if head_noun(phrase) in unknown else seen).append(phrase)
    random.Random(0).shuffle(seen)
    phrases = [*unseen, *seen[:most]]
    everyone = np.arange(len(entities) if drawn is None else drawn)
    found = LabelledTypes(phrases, [], [], [head_noun(p) in unknown for p in phrases])
    for phrase in phrases:
        # A mention typed only as "person" may be the "politician" asked for.
        vaguer = hierarchy.heads_above(phrase) - {head_noun(phrase)}
        doubtful = close[head_noun(phrase)].union(*(of_head[head] for head in vaguer))
        found.members.append(np.array(sorted(of_phrase[phrase])))
        found.others.append(np.setdiff1d(everyone, sorted(doubtful | of_phrase[phrase])))
    return found


def fit_calibration(
    entities: Sequence[MinedEntity],
    vectors: NDArray[np.float32],
    encode_types: Encode,
    hierarchy: Hierarchy,
    held_out: set[str],
    *,
    drawn: int | None = None,
    prior: float = PRIOR,
    background: int = 2000,
    folds: int = 4,
    seed: int = 0,
) -> tuple[Calibration, CalibrationReport]:
    """Fit on all types; report on the unseen ones, each scored by a fit that left it out.

    Args:
        entities: One per mention.
        vectors: ``(n, dim)``, the encoded mentions.
        encode_types: Encodes type descriptions.
        hierarchy: Tells which mentions are ambiguous.
        held_out: Head nouns that training never saw.
        drawn: How many of the mentions, counted from the first, are a random sample; the others
            were added as members of rare types and serve neither as negatives nor as background.
            By default all.
        prior: Assumed share of mentions that are of a queried type.
        background: Size of the background sample kept with the model, of as many types as possible.
        folds: Cross-validation folds over the unseen head nouns, for the report.
        seed: Seed for choosing the background sample.

    Raises:
        ValueError: If there are fewer than two unseen types.
    """
    labelled = label_types(entities, hierarchy, held_out=held_out, drawn=drawn)
    if sum(labelled.unseen) < 2:
        raise ValueError("calibration needs mentions of at least two types unseen in training")
    type_vectors = encode_types(labelled.phrases)
    base = vectors[diverse(entities[:drawn], background, seed)].astype(np.float16)
    cosines, labels = [], []
    for vector, members, others in zip(
        type_vectors, labelled.members, labelled.others, strict=True
    ):
        rows = np.concatenate([members, others])
        cosines.append(vectors[rows] @ vector)
        labels.append(np.arange(len(rows)) < len(members))

    def fit(types: Sequence[int]) -> Calibration:
        chosen = [cosines[i] for i in types], [labels[i] for i in types]
        return fit_line(base, type_vectors[types], *chosen, prior=prior)

    heads = [head_noun(phrase) for phrase in labelled.phrases]
    unseen = sorted({head for head, new in zip(heads, labelled.unseen, strict=True) if new})
    judged: list[int] = []
    probabilities: list[NDArray[np.float32]] = []
    for fold in (set(unseen[k::folds]) for k in range(min(folds, len(unseen)))):
        without = fit([i for i, head in enumerate(heads) if head not in fold])
        of_fold = [i for i, head in enumerate(heads) if head in fold]
        judged += of_fold
        probabilities += [without.probability(type_vectors[i], cosines[i]) for i in of_fold]
    return fit(range(len(heads))), report(probabilities, [labels[i] for i in judged], prior)


def report(
    probabilities: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.bool_]],
    prior: float,
) -> CalibrationReport:
    """Evaluate the probabilities of each type's mentions; see :class:`CalibrationReport`."""
    rows = []  # probability, label, weight, shown
    for of_type, label in zip(probabilities, labels, strict=True):
        shown = np.zeros(len(label), dtype=bool)
        shown[shown_rows(of_type, label)] = True
        rows.append((of_type, label, prior_weights(label, prior), shown))
    probability, true, weight, shown = (np.concatenate(part) for part in zip(*rows, strict=True))
    error, curve = expected_calibration_error(probability[shown], true[shown], weight[shown])
    error_all, _ = expected_calibration_error(probability, true, weight)
    over = probability >= 0.5
    hits = weight[over & true].sum()
    return CalibrationReport(
        error,
        error_all,
        curve,
        float(hits / max(weight[over].sum(), 1e-12)),
        float(hits / weight[true].sum()),
        len(labels),
    )


def diverse(entities: Sequence[MinedEntity], count: int, seed: int) -> NDArray[np.int64]:
    """Sample rows so that no head noun is much more frequent than the others."""
    order = list(range(len(entities)))
    random.Random(seed).shuffle(order)
    seen: Counter[str] = Counter()
    rank = {}
    for i in order:
        head = head_noun(entities[i].types[0])
        rank[i] = seen[head]
        seen[head] += 1
    return np.array(sorted(order, key=rank.__getitem__)[:count])
