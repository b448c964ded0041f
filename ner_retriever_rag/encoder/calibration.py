"""From cosine to probability: what a similarity means depends on the type description.

Cosines to "river" and to "person who taught a king" are not on one scale. Each description is
therefore compared with its own background: its cosines to a stored sample of mentions of all kinds.
A logistic model of the cosine and of that background, fitted on mined pairs of types that training
never saw, gives the probability that the mention is of the type.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

WEIGHTS, CONFIG = "background.safetensors", "calibration.json"
_LEAST_SPREAD = 1e-3


class Calibration:
    """A logistic model of a cosine and its type description's own background.

    The logit is ``(a + b / spread) * (similarity - peak) + c . background + d`` with positive a and
    b, so it rises with the similarity for every description.

    Args:
        background: ``(n, dim)``, L2-normalised vectors of a sample of mentions of all kinds.
        slopes: a and b, positive.
        weights: c, one for each of the background's four statistics, then d.

    Raises:
        ValueError: If a shape is wrong or a slope not positive.
    """

    WEIGHTS = WEIGHTS

    def __init__(
        self,
        background: NDArray[np.floating],
        slopes: tuple[float, float],
        weights: tuple[float, ...],
    ) -> None:
        if background.ndim != 2 or len(background) < 2:
            raise ValueError(f"background must be (n >= 2, dim), not {background.shape}")
        if min(slopes) <= 0 or len(weights) != 5:
            raise ValueError("calibration needs two positive slopes and five weights")
        self.background = np.asarray(background, dtype=np.float32)
        self.slopes = slopes
        self.weights = weights

    def probability(
        self, type_vector: NDArray[np.float32], similarities: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The probability that mentions are of a type.

        Args:
            type_vector: float32 ``(dim,)``, L2-normalised.
            similarities: float32 ``(n,)``, the mentions' cosines to it.

        Returns:
            float32 ``(n,)`` in [0, 1], rising with the similarity.
        """
        slope, offset = self._line(type_vector)
        logits = slope * np.asarray(similarities, dtype=np.float64) + offset
        return (1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)

    def similarity_at(self, type_vector: NDArray[np.float32], probability: float) -> float:
        """The cosine at which a type reaches a probability; the inverse of ``probability``.

        It may lie outside [-1, 1]: then every mention, or none, reaches it. Probabilities 0 and 1
        give minus and plus infinity.
        """
        if not 0 < probability < 1:
            return float("-inf") if probability <= 0 else float("inf")
        slope, offset = self._line(type_vector)
        return (float(np.log(probability / (1 - probability))) - offset) / slope

    def _line(self, type_vector: NDArray[np.float32]) -> tuple[float, float]:
        """Slope and offset of the logit as a function of the similarity."""
        statistics = background_statistics(self.background @ type_vector)
        slope = self.slopes[0] + self.slopes[1] / float(statistics[1])
        offset = float(np.dot(self.weights, [*statistics, 1.0])) - slope * float(statistics[3])
        return slope, offset

    @classmethod
    def fit(
        cls,
        background: NDArray[np.floating],
        type_vectors: NDArray[np.float32],
        similarities: list[NDArray[np.float32]],
        labels: list[NDArray[np.bool_]],
        *,
        prior: float = 0.03,
    ) -> Calibration:
        """Fit by maximum likelihood; every type counts the same.

        Args:
            background: ``(n, dim)``; see the class.
            type_vectors: float32 ``(types, dim)``.
            similarities: For each type the cosines of mentions.
            labels: For each type which of these mentions are of it; both kinds must be there.
            prior: The share of a corpus' mentions that are of a type asked for, which nobody knows
                beforehand. Labels are weighted to it.

        Raises:
            ValueError: If a type has no positive or no negative label.
        """
        if any(known.all() or not known.any() for known in labels):
            raise ValueError("every type needs mentions that are of it and some that are not")
        known = np.concatenate(labels)
        base = np.asarray(background, dtype=np.float32)
        rows = [background_statistics(base @ vector) for vector in type_vectors]
        statistics = torch.tensor(np.repeat(rows, [len(s) for s in similarities], axis=0))
        cosine = torch.tensor(np.concatenate(similarities), dtype=torch.float64)
        target = torch.tensor(known, dtype=torch.float64)
        share_of_each = torch.tensor(np.concatenate([prior_weights(y, prior) for y in labels]))
        share_of_each /= len(labels)
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
        return cls(base, (slopes[0], slopes[1]), tuple(weights.tolist()))

    def save(self, folder: str | Path) -> None:
        """Write ``background.safetensors`` (float16) and ``calibration.json``; make the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"background": self.background.astype(np.float16)}, folder / WEIGHTS)
        config = {"slopes": list(self.slopes), "weights": list(self.weights)}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Calibration:
        """Read what ``save`` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
        """
        folder = Path(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        background = load_file(folder / WEIGHTS)["background"]
        return cls(background, tuple(config["slopes"]), tuple(config["weights"]))


def background_statistics(similarities: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a type description's cosines to the background sample look like.

    Returns:
        float64 ``(4,)``: mean, spread (standard deviation), 90th percentile, and the peak (mean of
        the highest 1%).
    """
    ordered = np.sort(np.asarray(similarities, dtype=np.float64))
    peak = ordered[-max(1, len(ordered) // 100) :].mean()
    tenth = ordered[int(0.9 * (len(ordered) - 1))]
    return np.array([ordered.mean(), max(ordered.std(), _LEAST_SPREAD), tenth, peak])


def prior_weights(labels: NDArray[np.bool_], prior: float) -> NDArray[np.float64]:
    """Weights that sum to 1, the true ones' to ``prior``: float64 ``(n,)``."""
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
    """Mean gap between what was said and what was so, over bins of equal width.

    Returns:
        The error, and for each bin that is not empty: mean probability, share of true labels, share
        of all weight.
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    curve = []
    for chosen in (place == b for b in range(bins)):
        if (weight := weights[chosen].sum()) > 0:
            said = float((probabilities[chosen] * weights[chosen]).sum() / weight)
            so = float(weights[chosen][labels[chosen]].sum() / weight)
            curve.append((said, so, float(weight / weights.sum())))
    return sum(abs(said - so) * share for said, so, share in curve), curve
