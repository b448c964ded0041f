"""Options of the ``train`` commands, and the settings built from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ner_retriever_rag.training.adapt import AdaptOptions
    from ner_retriever_rag.training.development import DevelopmentTask
    from ner_retriever_rag.training.loop import LoopOptions
    from ner_retriever_rag.training.train_head import HeadOptions

PRESET_DEFAULT = "the preset's"

MinedFolder = Annotated[Path, typer.Argument(help="Folder that `train mine` wrote.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the encoder; created if missing.")]
BackboneName = Annotated[str, typer.Option(help="Backbone: a folder or a hub id.")]
AdaptationFile = Annotated[Path | None, typer.Option(help="Low-rank deltas, from `train adapt`.")]
Start = Annotated[Path | None, typer.Option(help="Folder of an adapted encoder to start from.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Development = Annotated[
    Path | None,
    typer.Option(help="Annotated sentences to evaluate on during training, never trained on."),
]
WordNetFolder = Annotated[
    Path | None, typer.Option(help="Folder of WordNet's noun files, for broader types.")
]
AnnotatedSets = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of SET.jsonl.gz files with names.json; NAME,NAME@FOLDER for some."),
]
Sparse = Annotated[
    str,
    typer.Option(help="Comma-separated names of sets that annotate only one family of entities."),
]
Cache = Annotated[Path | None, typer.Option(help="Folder for features of the frozen backbone.")]


@dataclass(frozen=True, slots=True)
class Run:
    """Options of every training run."""

    work: Annotated[
        Path | None, typer.Option(help="Folder for checkpoint and plot; a run there is resumed.")
    ] = None
    seed: Seed = 0

    def loop(self, steps: int = 1, evaluate_every: int = 200) -> LoopOptions:
        """Build the options of the training loop."""
        from ner_retriever_rag.training.loop import LoopOptions

        return LoopOptions(
            steps=steps, seed=self.seed, folder=self.work, evaluate_every=evaluate_every
        )


@dataclass(frozen=True, slots=True)
class DevelopmentData:
    """Data to evaluate on during training."""

    development: Development = None
    names: Annotated[Path | None, typer.Option(help="JSON of query texts by label.")] = None

    def task(self, limit: int | None = None) -> DevelopmentTask | None:
        """Load the sentences; None if there are none.

        Raises:
            ValueError: If there are sentences but no query texts for their labels.
        """
        from ner_retriever_rag.training.development import DevelopmentTask

        if self.development is None:
            return None
        if self.names is None:
            raise ValueError("--development needs --names, the JSON of labels to query texts")
        return DevelopmentTask.load(self.development, self.names, limit)


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Settings of a projection head: a preset and overrides."""

    preset: Annotated[
        str, typer.Option(help="Settings to start from: ours, or paper (arXiv 2509.04011).")
    ] = "ours"
    hidden: Annotated[
        int | None,
        typer.Option(min=0, help="Hidden width; 0 for a linear head.", show_default=PRESET_DEFAULT),
    ] = None
    dim: Annotated[
        int | None, typer.Option(min=1, help="Output width.", show_default=PRESET_DEFAULT)
    ] = None
    loss: Annotated[
        str | None, typer.Option(help="info_nce or triplet.", show_default=PRESET_DEFAULT)
    ] = None
    pooling: Annotated[
        str | None, typer.Option(help="last, mean or first+last.", show_default=PRESET_DEFAULT)
    ] = None
    batch: Annotated[
        int | None, typer.Option(min=2, help="Pairs per step.", show_default=PRESET_DEFAULT)
    ] = None
    learning_rate: Annotated[float | None, typer.Option(min=0.0, show_default=PRESET_DEFAULT)] = (
        None
    )

    def options(self) -> HeadOptions:
        """Build the options of the head.

        Raises:
            ValueError: If there is no such preset or pooling.
        """
        from ner_retriever_rag.training.train_head import preset_options

        layers = None if self.hidden is None else (self.hidden,) if self.hidden else ()
        return preset_options(**{**asdict(self), "hidden": layers})


@dataclass(frozen=True, slots=True)
class AdaptSettings:
    """Settings of the deltas and the linear head trained with them."""

    rank: Annotated[int, typer.Option(min=0, help="Rank of the deltas; 0 for full rank.")] = 32
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Peak learning rate of deltas.")] = (
        1e-3
    )
    first_block: Annotated[int, typer.Option(min=0, help="First block to adapt.")] = 2
    text_weight: Annotated[
        float, typer.Option(min=0.0, help="Weight of the loss that keeps the text vector.")
    ] = 4.0
    text_share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of texts that this loss is computed on.")
    ] = 0.34
    span_noise: Annotated[
        float,
        typer.Option(
            "--loose", min=0.0, max=1.0, help="Share of mentions made a word too wide or narrow."
        ),
    ] = 0.15
    interpolation: Annotated[
        float,
        typer.Option(
            "--share",
            min=0.0,
            max=1.0,
            help="Interpolation from --start (0) to the trained weights (1).",
        ),
    ] = 1.0
    types: Annotated[
        int, typer.Option(min=128, help="Type descriptions per step, for 128 mentions.")
    ] = 224
    dim: Annotated[int, typer.Option(min=1, help="Output width.")] = 128

    def options(self) -> AdaptOptions:
        """Build the options of the adaptation."""
        from ner_retriever_rag.training.adapt import AdaptOptions

        return AdaptOptions(**asdict(self))
