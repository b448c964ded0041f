"""Fit a calibration to labeled similarities, and measure its calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ner_retriever_rag.encoder.calibration import Calibration, background_statistics

PRIOR = 0.06  # share of a corpus' mentions that fit a query; chosen by k=None on fewnerd-dev


def fit_line(
    background: NDArray[np.floating],
    type_vectors: NDArray[np.float32],
    similarities: list[NDArray[np.float32]],
    labels: list[NDArray[np.bool_]],
    *,
    prior: float = PRIOR,
) -> Calibration:
    """Fit a calibration by maximum likelihood to what a search would return; types count equally.

    Args:
        background: ``(n, dim)``; see ``Calibration``.
        type_vectors: float32 ``(types, dim)``.
        similarities: For each type, the cosines of mentions.
        labels: For each type, which of these mentions are of it; both classes must occur.
        prior: Assumed share of a corpus' mentions that are of a queried type, since the true share
            is unknown; labels are weighted to it.

    Raises:
        ValueError: If a type has no positive or no negative label.
    """
    if any(known.all() or not known.any() for known in labels):
        raise ValueError("every type needs at least one positive and one negative mention")
    shown = [shown_rows(s, known) for s, known in zip(similarities, labels, strict=True)]

    def shown_of(each: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([of_type[rows] for of_type, rows in zip(each, shown, strict=True)])

    known = shown_of(labels)
    cosines = shown_of(similarities)
    weights_of_each = shown_of([prior_weights(known, prior) for known in labels])
    base = np.asarray(background, dtype=np.float32)
    rows = [background_statistics(base @ vector) for vector in type_vectors]
    statistics = torch.tensor(np.repeat(rows, [len(s) for s in shown], axis=0))
    cosine = torch.tensor(cosines, dtype=torch.float64)
    target = torch.tensor(known, dtype=torch.float64)
    share_of_each = torch.tensor(weights_of_each / len(labels))
    raw = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    weights = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([raw, weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        slopes = torch.nn.functional.softplus(raw)
        logits = (slopes[0] + slopes[1] / statistics[:, 1]) * (cosine - statistics[:, 3])
        logits = logits + statistics @ weights[:4] + weights[4]
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, target, reduction="none"
        )
        value = (each * share_of_each).sum() + 1e-6 * (weights[:4] ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    slopes = torch.nn.functional.softplus(raw).clamp(min=1e-6).tolist()
    return Calibration(base, (slopes[0], slopes[1]), tuple(weights.tolist()))


def shown_rows(similarities: NDArray[np.float32], labels: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows of the mentions that a search would return for a type: the nearest, five per positive.

    At least twenty rows are returned. Nobody looks at the probabilities further down the ranking,
    and fitting them too would cost accuracy here.
    """
    return np.argsort(-similarities)[: max(20, 5 * int(labels.sum()))]


def prior_weights(labels: NDArray[np.bool_], prior: float) -> NDArray[np.float64]:
    """Weights that sum to 1, those of the positives to ``prior``: float64 ``(n,)``."""
    true = labels.sum()
    weights: NDArray[np.float64] = np.where(
        labels, prior / max(true, 1), (1 - prior) / max(len(labels) - true, 1)
    )
    return weights


def expected_calibration_error(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.bool_],
    weights: NDArray[np.float64],
    bins: int = 10,
) -> tuple[float, list[tuple[float, float, float]]]:
    """Expected calibration error over bins of equal width.

    Returns:
        The error, and for each nonempty bin: mean probability, share of true labels, share of the
        total weight.
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    curve = []
    for chosen in (place == b for b in range(bins)):
        if (weight := weights[chosen].sum()) > 0:
            predicted = float((probabilities[chosen] * weights[chosen]).sum() / weight)
            actual = float(weights[chosen][labels[chosen]].sum() / weight)
            curve.append((predicted, actual, float(weight / weights.sum())))
    return sum(abs(predicted - actual) * share for predicted, actual, share in curve), curve
