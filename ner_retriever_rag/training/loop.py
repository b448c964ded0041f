"""The training loop: progress, checkpoints, resuming, and a plot of the metrics."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ner_retriever_rag._imports import require


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How long to train, and what to save along the way.

    Attributes:
        steps: Total number of optimizer steps.
        seed: Seeds dropout; the data of a step must depend only on the step number.
        folder: Folder for the checkpoint and the plot; None saves nothing.
        checkpoint_every: Steps between checkpoints.
        evaluate_every: Steps between evaluations; the last step is always evaluated.
        clip: Maximum gradient norm.
    """

    steps: int
    seed: int = 0
    folder: Path | None = None
    checkpoint_every: int = 100
    evaluate_every: int = 200
    clip: float = 1.0

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint file."""
        return None if self.folder is None else self.folder / "checkpoint.pt"


History = list[dict[str, float]]


def run(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    loss_at: Callable[[int], Tensor],
    options: LoopOptions,
    evaluate: Callable[[], dict[str, float]] | None = None,
) -> History:
    """Train ``module``; resume from the folder's checkpoint if there is one.

    Args:
        module: The module to train; only parameters that require a gradient are checkpointed.
        optimizer: Holds those parameters.
        schedule: Advanced once per step.
        loss_at: The loss of step n; must not depend on state that a restart would lose.
        options: Length, seed, folder.
        evaluate: Computes metrics to record next to the loss.

    Returns:
        One row of metrics per evaluation: ``step``, ``loss`` (mean since the last one), others.

    Raises:
        KeyboardInterrupt: On Ctrl-C, after a checkpoint has been written.
    """
    history: History = []
    start = 0
    if options.checkpoint and options.checkpoint.exists():
        start, history = _resume(options.checkpoint, module, optimizer, schedule)
    losses: list[float] = []
    step = start
    progress = tqdm(range(start, options.steps), initial=start, total=options.steps, unit="step")
    try:
        for step in progress:
            torch.manual_seed(options.seed * 1_000_003 + step)
            loss = loss_at(step)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            trained = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(trained, options.clip)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            progress.set_postfix(loss=f"{sum(losses[-50:]) / len(losses[-50:]):.3f}")
            done = step + 1
            if done % options.evaluate_every == 0 or done == options.steps:
                row = {"step": float(done), "loss": sum(losses) / len(losses)}
                history.append(row | (evaluate() if evaluate else {}))
                losses = []
                tqdm.write("  ".join(f"{k} {v:.4g}" for k, v in history[-1].items()))
            if options.checkpoint and (done % options.checkpoint_every == 0):
                _save(options.checkpoint, done, module, optimizer, schedule, history)
    except KeyboardInterrupt:
        if options.checkpoint:
            # The interrupted step is run again on resuming.
            _save(options.checkpoint, step, module, optimizer, schedule, history)
        raise
    if options.folder and options.checkpoint:
        _save(options.checkpoint, max(start, options.steps), module, optimizer, schedule, history)
        plot(history, options.folder / "training.png")
    return history


def _save(
    path: Path,
    step: int,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    history: History,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    trained = {n: p.detach() for n, p in module.named_parameters() if p.requires_grad}
    state = {
        "step": step,
        "module": trained,
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "history": history,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)  # a crash while writing leaves the old checkpoint intact


def _resume(
    path: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> tuple[int, History]:
    state = torch.load(path, map_location="cpu", weights_only=True)
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in state["module"].items():
            parameters[name].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return int(state["step"]), state["history"]


def plot(history: History, path: Path) -> None:
    """Plot every metric of a history over the steps.

    Raises:
        ImportError: If ``matplotlib`` is not installed.
    """
    require("matplotlib", extra="train").use("Agg")
    pyplot = require("matplotlib.pyplot", extra="train")
    names = [name for name in history[0] if name != "step"]
    figure, axes = pyplot.subplots(len(names), 1, squeeze=False, figsize=(7, 2.5 * len(names)))
    for axis, name in zip(axes[:, 0], names, strict=True):
        axis.plot([row["step"] for row in history], [row[name] for row in history], marker="o")
        axis.set_xlabel("step")
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
