"""What the ``train`` commands can be told, and what they make of it."""

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

OF_PRESET = "the preset's"

Mined = Annotated[Path, typer.Argument(help="Folder that `train mine` wrote.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the encoder; made if missing.")]
BackboneName = Annotated[str, typer.Option(help="Backbone: a folder or a hub id.")]
Adapted = Annotated[Path | None, typer.Option(help="Low-rank deltas, from `train adapt`.")]
Start = Annotated[Path | None, typer.Option(help="Folder of an adapted encoder to go on from.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Development = Annotated[
    Path | None, typer.Option(help="Marked sentences to score on the way, never trained on.")
]
WordNetFolder = Annotated[
    Path | None, typer.Option(help="Folder of WordNet's noun files, for broader types.")
]
MarkedSets = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of SET.jsonl.gz files with names.json; NAME,NAME@FOLDER for some."),
]
Sparse = Annotated[
    str, typer.Option(help="Names, by commas, of sets that mark one family of things only.")
]
Cache = Annotated[Path | None, typer.Option(help="Folder for features of the frozen backbone.")]


@dataclass(frozen=True, slots=True)
class Run:
    """How a training runs, whatever is trained."""

    work: Annotated[
        Path | None, typer.Option(help="Folder for checkpoint and plot; a run there goes on.")
    ] = None
    seed: Seed = 0

    def loop(self, steps: int = 1, evaluate_every: int = 200) -> LoopOptions:
        """Options of the training loop."""
        from ner_retriever_rag.training.loop import LoopOptions

        return LoopOptions(
            steps=steps, seed=self.seed, folder=self.work, evaluate_every=evaluate_every
        )


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model is scored on while it is trained."""

    development: Development = None
    names: Annotated[Path | None, typer.Option(help="JSON of their labels to query texts.")] = None

    def task(self, limit: int | None = None) -> DevelopmentTask | None:
        """The sentences, read; None if there are none.

        Raises:
            ValueError: If nothing says what their labels mean.
        """
        from ner_retriever_rag.training.development import DevelopmentTask

        if self.development is None:
            return None
        if self.names is None:
            raise ValueError("--development needs --names, the JSON of labels to query texts")
        return DevelopmentTask.load(self.development, self.names, limit)


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """A projection head: a preset, and what differs from it."""

    preset: Annotated[
        str, typer.Option(help="Settings to begin with: ours, or paper (arXiv 2509.04011).")
    ] = "ours"
    hidden: Annotated[
        int | None,
        typer.Option(min=0, help="Hidden width; 0 for a linear head.", show_default=OF_PRESET),
    ] = None
    dim: Annotated[
        int | None, typer.Option(min=1, help="Output width.", show_default=OF_PRESET)
    ] = None
    loss: Annotated[
        str | None, typer.Option(help="info_nce or triplet.", show_default=OF_PRESET)
    ] = None
    pooling: Annotated[
        str | None, typer.Option(help="last, mean or first+last.", show_default=OF_PRESET)
    ] = None
    batch: Annotated[
        int | None, typer.Option(min=2, help="Pairs a step.", show_default=OF_PRESET)
    ] = None
    learning_rate: Annotated[float | None, typer.Option(min=0.0, show_default=OF_PRESET)] = None

    def options(self) -> HeadOptions:
        """The head's options.

        Raises:
            ValueError: If there is no such preset or pooling.
        """
        from ner_retriever_rag.training.train_head import preset_options

        layers = None if self.hidden is None else (self.hidden,) if self.hidden else ()
        return preset_options(**{**asdict(self), "hidden": layers})


@dataclass(frozen=True, slots=True)
class AdaptSettings:
    """Deltas and the linear head trained with them."""

    rank: Annotated[int, typer.Option(min=0, help="Rank of the deltas; 0 for full ones.")] = 32
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Highest rate of the deltas.")] = (
        1e-3
    )
    first_block: Annotated[int, typer.Option(min=0, help="First block that is adapted.")] = 2
    text_weight: Annotated[
        float, typer.Option(min=0.0, help="Weight of keeping the text vector as it was.")
    ] = 4.0
    text_share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of the texts on which it is measured.")
    ] = 0.34
    loose: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How often a mention is taken a word off.")
    ] = 0.15
    share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="How far to go from --start to what was trained."),
    ] = 1.0
    types: Annotated[int, typer.Option(min=128, help="Descriptions a step, 128 mentions.")] = 224
    dim: Annotated[int, typer.Option(min=1, help="Output width.")] = 128

    def options(self) -> AdaptOptions:
        """The adaptation's options."""
        from ner_retriever_rag.training.adapt import AdaptOptions

        return AdaptOptions(**asdict(self))
