"""The probe: where in a backbone the type of a mention can be read off.

The study of arXiv 2509.04011 for any backbone and any typed mentions: at every block and every
tap, how well the cosine of two mentions (last tokens by default) separates same-type from
cross-type pairs (ROC-AUC), and how well a linear classifier separates the types.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ner_retriever_rag._imports import require
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.checkpoints import find_checkpoint
from ner_retriever_rag.encoder.backbone.taps import KINDS
from ner_retriever_rag.encoder.backbone.windows import tokenize
from ner_retriever_rag.encoder.pooling import pool
from ner_retriever_rag.evaluation.probe_sample import MIN_NAMES, Pairs, Sample, draw_pairs

_FOLDS = MIN_NAMES // 2
# Rows of the heat map, from the input of a block to its output.
_ROWS = ("value", "key", "query", "attention", "mlp", "hidden")


@dataclass(frozen=True, slots=True)
class TapScore:
    """How well one tap separates types.

    Attributes:
        tap: The tap as written, such as ``"value@17"``.
        kind: Its kind, ``"value"``.
        block: Its block, 17.
        width: Dimension of its vectors.
        auc: ROC-AUC of the cosine, same-type against cross-type pairs; 0.5 is chance.
        separability: Balanced accuracy of a linear classifier on names it has not seen; chance is
            one over the number of types.
    """

    tap: str
    kind: str
    block: int
    width: int
    auc: float
    separability: float


def all_taps(source: str) -> list[str]:
    """List every tap of a backbone: six kinds at every block, and ``hidden@0``."""
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(source).get_text_config()
    blocks = int(config.num_hidden_layers)
    inside = [kind for kind in KINDS if kind != "hidden"]
    taps = [f"{kind}@{block}" for block in range(blocks) for kind in inside]
    return taps + [f"hidden@{block}" for block in range(blocks + 1)]


def read_sample(
    backbone: Backbone,
    sample: Sample,
    *,
    pooling: str = "last",
    memory: int = 1 << 30,
    progress: bool = False,
) -> dict[str, NDArray[np.float16]]:
    """Read every mention at all taps of a backbone, in one pass.

    Memory besides the model: the sample's own vectors (mentions x sum of widths x 2 bytes) and at
    most ``memory`` for the token states in flight, unless a single text takes more.

    Args:
        backbone: A backbone with the taps to compare.
        sample: The mentions.
        pooling: How a mention's token vectors are pooled; the paper uses ``"last"``.
        memory: Bytes for token states.
        progress: Show a progress bar.

    Returns:
        For each tap float16 ``(n, width)``, every vector scaled to a root mean square of 1, which
        fits float16 whatever the model's scale and leaves cosines unchanged.
    """
    of_text: dict[int, list[int]] = defaultdict(list)
    for row, (text, _, _) in enumerate(sample.where):
        of_text[text].append(row)
    kept: dict[str, NDArray[np.float16]] = {}
    bar = tqdm(total=len(sample.texts), unit="text", desc="reading", disable=not progress)
    chunks = _chunks(backbone, sample.texts, memory, kept)
    with bar:
        for numbers in chunks:
            read = backbone.read([sample.texts[number] for number in numbers])
            for number, states in zip(numbers, read, strict=True):
                rows = of_text[number]
                spans = [sample.where[row][1:] for row in rows]
                for tap, vectors in states.taps.items():
                    pooled = _scaled(pool(vectors, states.offsets, spans, pooling))
                    if tap not in kept:
                        shape = len(sample.where), pooled.shape[1]
                        kept[tap] = np.zeros(shape, dtype=np.float16)
                    kept[tap][rows] = pooled
                bar.update()
    return kept


def _chunks(
    backbone: Backbone,
    texts: Sequence[str],
    memory: int,
    kept: dict[str, NDArray[np.float16]],
) -> Iterator[list[int]]:
    """Yield indices of texts to read together; the first alone, to learn the taps' widths."""
    yield [0]
    # Token states are briefly held twice, by batch and by text, in float32.
    bytes_per_token = 2 * 4 * sum(vectors.shape[1] for vectors in kept.values())
    chunk: list[int] = []
    held = 0
    for number in range(1, len(texts)):
        size = bytes_per_token * len(tokenize(backbone.tokenizer, [texts[number]])[0].ids)
        if chunk and held + size > memory:
            yield chunk
            chunk, held = [], 0
        chunk.append(number)
        held += size
    if chunk:
        yield chunk


def _scaled(vectors: Tensor) -> NDArray[np.float16]:
    root_mean_square = vectors.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-12)
    scaled: NDArray[np.float16] = (vectors / root_mean_square).to(torch.float16).numpy()
    return scaled


def pair_auc(vectors: NDArray[np.float16], pairs: Pairs) -> float:
    """ROC-AUC of the cosine of pairs as a predictor of the same type."""
    left, right, same = pairs
    unit = vectors.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    cosines = (unit @ unit.T)[left, right]
    return float(require("sklearn.metrics", extra="eval").roc_auc_score(same, cosines))


def separability(vectors: NDArray[np.float16], labels: NDArray[np.int64], seed: int = 0) -> float:
    """Balanced accuracy of a linear classifier, in five-fold cross-validation.

    Ridge regression on standardized features. The penalty is the vectors' width, which makes it
    equally strong for narrow and wide taps.
    """
    linear_model = require("sklearn.linear_model", extra="eval")
    selection = require("sklearn.model_selection", extra="eval")
    scaler = require("sklearn.preprocessing", extra="eval").StandardScaler()
    classifier = linear_model.RidgeClassifier(alpha=float(vectors.shape[1]))
    scores = selection.cross_val_score(
        require("sklearn.pipeline", extra="eval").make_pipeline(scaler, classifier),
        vectors.astype(np.float32),
        labels,
        cv=selection.StratifiedKFold(_FOLDS, shuffle=True, random_state=seed),
        scoring="balanced_accuracy",
    )
    return float(np.mean(scores))


def probe(
    source: str | Path,
    sample: Sample,
    *,
    pooling: str = "last",
    pairs: int = 20_000,
    seed: int = 0,
    memory: int = 1 << 30,
    device: str | None = None,
    dtype: str = "auto",
    progress: bool = False,
) -> list[TapScore]:
    """Score every tap of a backbone on the same mentions and pairs.

    Args:
        source: Folder or hub id of the backbone.
        sample: Mentions, from :func:`ner_retriever_rag.evaluation.probe_sample.draw_sample`.
        pooling: See :func:`read_sample`.
        pairs: Number of same-type pairs, and of cross-type pairs.
        seed: Seed of the pairs and the folds.
        memory: Bytes for token states, see :func:`read_sample`.
        device: As for ``Backbone``.
        dtype: As for ``Backbone``.
        progress: Show progress bars.

    Returns:
        The taps' scores, best AUC first.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If the architecture is unknown.
    """
    require("sklearn", extra="eval")  # fail before the slow part
    folder = find_checkpoint(source)
    backbone = Backbone(folder, all_taps(str(folder)), device=device, dtype=dtype)
    vectors = read_sample(backbone, sample, pooling=pooling, memory=memory, progress=progress)
    drawn = draw_pairs(sample, pairs, seed)
    scores = []
    for tap, of_tap in tqdm(vectors.items(), unit="tap", desc="scoring", disable=not progress):
        kind, _, block = tap.partition("@")
        auc, accuracy = pair_auc(of_tap, drawn), separability(of_tap, sample.labels, seed)
        scores.append(TapScore(tap, kind, int(block), of_tap.shape[1], auc, accuracy))
    return sorted(scores, key=lambda score: -score.auc)


def write_csv(scores: Sequence[TapScore], path: str | Path) -> None:
    """Write the scores as CSV, one tap per line."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(TapScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def draw_heat_map(scores: Sequence[TapScore], path: str | Path, title: str = "") -> None:
    """Draw AUC and separability by kind of tap and block, with the best tap of each framed.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    require("matplotlib", extra="eval").use("Agg")
    pyplot = require("matplotlib.pyplot", extra="eval")
    blocks = max(score.block for score in scores) + 1
    figure, axes = pyplot.subplots(2, 1, figsize=(2.5 + 0.45 * blocks, 5.6), sharex=True)
    panels = {"auc": "ROC-AUC of pairs", "separability": "linear separability"}
    for axis, (name, heading) in zip(axes, panels.items(), strict=True):
        grid = np.full((len(_ROWS), blocks), np.nan)
        for score in scores:
            grid[_ROWS.index(score.kind), score.block] = getattr(score, name)
        image = axis.imshow(grid, aspect="auto", cmap="viridis")
        best = np.unravel_index(np.nanargmax(grid), grid.shape)
        frame = (best[1] - 0.5, best[0] - 0.5)
        axis.add_patch(pyplot.Rectangle(frame, 1, 1, fill=False, edgecolor="red", linewidth=2))
        if blocks <= 16:
            middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
            for (row, column), value in np.ndenumerate(grid):
                if not np.isnan(value):
                    colour = "black" if value > middle else "white"
                    axis.text(
                        column, row, f"{value:.2f}", ha="center", va="center", color=colour, size=8
                    )
        axis.set_yticks(range(len(_ROWS)), _ROWS)
        axis.set_title(heading, size=10)
        figure.colorbar(image, ax=axis, pad=0.02)
    axes[-1].set_xlabel("block (hidden@n: after n blocks)")
    figure.suptitle(title, size=11)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
