"""``ner-retriever train``: mine pairs and train the parts of an encoder, into one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ner_retriever_rag.checkpoints import MINILM
from ner_retriever_rag.commands.console import errors_in_one_line, out

if TYPE_CHECKING:
    from ner_retriever_rag.training.development import DevelopmentTask
    from ner_retriever_rag.training.loop import LoopOptions

train_app = typer.Typer(
    help="Mine type pairs from text and train an encoder's parts on them.", no_args_is_help=True
)

FROZEN_TAPS = "attention@2+attention@3+attention@4+hidden@6"
ADAPTED_TAPS = "hidden@3+hidden@4+hidden@5+hidden@6"
DETECTOR_TAPS = "hidden@2+hidden@4+hidden@6"

OF_PRESET = "the preset's"
Mined = Annotated[Path, typer.Argument(help="Folder that `train mine` wrote.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the encoder; made if missing.")]
BackboneName = Annotated[str, typer.Option(help="Backbone: a folder or a hub id.")]
Adapted = Annotated[Path | None, typer.Option(help="Low-rank deltas, from `train adapt`.")]
Start = Annotated[Path | None, typer.Option(help="Folder of an adapted encoder to go on from.")]
Work = Annotated[
    Path | None, typer.Option(help="Folder for checkpoint and plot; a run there goes on.")
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Development = Annotated[
    Path | None, typer.Option(help="Marked sentences to score on the way, never trained on.")
]
Names = Annotated[Path | None, typer.Option(help="JSON of their labels to query texts.")]
WordNetFolder = Annotated[
    Path | None, typer.Option(help="Folder of WordNet's noun files, for broader types.")
]
Cache = Annotated[Path | None, typer.Option(help="Folder for features of the frozen backbone.")]


@train_app.command()
def mine(
    sources: Annotated[
        list[str],
        typer.Argument(help="JSON-lines files with title and text, or Hugging Face data sets."),
    ],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    held_out: Annotated[
        list[Path] | None, typer.Option(help="Evaluation files whose sentences are dropped.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Mine entities, contexts and types from articles."""
    from ner_retriever_rag.training.articles import HeldOut
    from ner_retriever_rag.training.mine import MiningOptions
    from ner_retriever_rag.training.mine import mine as run_mining

    with errors_in_one_line():
        counts = run_mining(
            sources,
            out_folder,
            held_out=HeldOut.from_files(held_out or []),
            options=MiningOptions(seed=seed),
        )
        for name, number in counts.items():
            out.print(f"{name}: {number:,}")


@train_app.command()
def head(
    mined: Mined,
    out_folder: Out,
    backbone: BackboneName = MINILM,
    taps: Annotated[str, typer.Option(help="Where vectors are read.")] = FROZEN_TAPS,
    adaptation: Adapted = None,
    pairs: Annotated[int, typer.Option(min=1, help="Entities to train on.")] = 120_000,
    epochs: Annotated[float, typer.Option(min=0.0)] = 4.0,
    preset: Annotated[
        str, typer.Option(help="Settings to begin with: ours, or paper (arXiv 2509.04011).")
    ] = "ours",
    hidden: Annotated[
        int | None,
        typer.Option(min=0, help="Hidden width; 0 for a linear head.", show_default=OF_PRESET),
    ] = None,
    dim: Annotated[
        int | None, typer.Option(min=1, help="Output width.", show_default=OF_PRESET)
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="info_nce or triplet.", show_default=OF_PRESET)
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(help="last, mean or first+last.", show_default=OF_PRESET)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=2, help="Pairs a step.", show_default=OF_PRESET)
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, show_default=OF_PRESET)] = None,
    development: Development = None,
    names: Names = None,
    cache: Cache = None,
    wordnet: WordNetFolder = None,
    work: Work = None,
    seed: Seed = 0,
) -> None:
    """Train a projection head on features of a frozen backbone, computed once."""
    from ner_retriever_rag.backbone import Backbone
    from ner_retriever_rag.checkpoints import find_checkpoint
    from ner_retriever_rag.encoder import TypeAwareEncoder
    from ner_retriever_rag.training import recipes
    from ner_retriever_rag.training.mined import Mined
    from ner_retriever_rag.training.train_head import preset_options

    with errors_in_one_line():
        options = preset_options(
            preset,
            hidden=None if hidden is None else (hidden,) if hidden else (),
            dim=dim,
            loss=loss,
            pooling=pooling,
            batch=batch,
            learning_rate=learning_rate,
        )
        reader = Backbone(find_checkpoint(backbone), taps, dtype="bfloat16", adaptation=adaptation)
        trained, _ = recipes.head_recipe(
            reader,
            # Whatever is trained, MiniLM says which names are alike: to a decoder all of them are.
            Mined.load(mined, MINILM, wordnet),
            pairs=pairs,
            epochs=epochs,
            options=options,
            loop=_loop(1, seed, work),
            cache=cache,
            development=_development(development, names),
        )
        encoder = TypeAwareEncoder(
            backbone, taps, pooling=options.pooling, head=trained, adaptation=adaptation
        )
        encoder.save_pretrained(out_folder)
        out.print(f"head and configuration written to {out_folder}")


@train_app.command()
def adapt(
    mined: Mined,
    out_folder: Out,
    backbone: BackboneName = MINILM,
    taps: Annotated[str, typer.Option(help="Where vectors are read.")] = ADAPTED_TAPS,
    steps: Annotated[int, typer.Option(min=1)] = 4300,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the deltas.")] = 32,
    first_block: Annotated[int, typer.Option(min=0, help="First block adapted.")] = 2,
    text_weight: Annotated[
        float, typer.Option(min=0.0, help="Weight of keeping the text vector as it was.")
    ] = 4.0,
    loose: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How often a mention is taken a word off.")
    ] = 0.15,
    dim: Annotated[int, typer.Option(min=1, help="Output width.")] = 128,
    start: Start = None,
    development: Development = None,
    names: Names = None,
    wordnet: WordNetFolder = None,
    work: Work = None,
    seed: Seed = 0,
) -> None:
    """Train low-rank deltas of the backbone together with a linear head."""
    from tempfile import TemporaryDirectory

    from ner_retriever_rag.encoder import TypeAwareEncoder
    from ner_retriever_rag.saved import ADAPTATION
    from ner_retriever_rag.training import recipes
    from ner_retriever_rag.training.adapt import AdaptOptions
    from ner_retriever_rag.training.mined import Mined

    with errors_in_one_line(), TemporaryDirectory() as scratch:
        options = AdaptOptions(
            rank=rank, first_block=first_block, text_weight=text_weight, loose=loose, dim=dim
        )
        adaptation, _ = recipes.adapt_recipe(
            backbone,
            taps,
            Mined.load(mined, backbone, wordnet),
            options=options,
            loop=_loop(steps, seed, work, evaluate_every=800),
            development=_development(development, names, limit=3000),
            start=start,
        )
        adaptation.save_deltas(deltas := Path(scratch) / ADAPTATION)
        encoder = TypeAwareEncoder(
            backbone, taps, pooling="mean", head=adaptation.head, adaptation=deltas
        )
        encoder.save_pretrained(out_folder)
        out.print(f"deltas, head and configuration written to {out_folder}")


@train_app.command()
def detector(
    boundaries: Annotated[list[Path], typer.Argument(help="Files of marked sentences.")],
    out_folder: Out,
    mined: Annotated[
        Path | None, typer.Option(help="Mined folder, for the names found in it.")
    ] = None,
    silver_sentences: Annotated[int, typer.Option(min=0)] = 12_000,
    backbone: BackboneName = MINILM,
    taps: Annotated[str, typer.Option(help="Where words are read.")] = DETECTOR_TAPS,
    adaptation: Adapted = None,
    epochs: Annotated[float, typer.Option(min=0.0)] = 4.0,
    development: Development = None,
    per_text: Annotated[
        float, typer.Option(min=0.1, help="Mentions a sentence to aim at on --development.")
    ] = 3.4,
    work: Work = None,
    seed: Seed = 0,
) -> None:
    """Train the mention detector."""
    from ner_retriever_rag.backbone import Backbone
    from ner_retriever_rag.checkpoints import find_checkpoint
    from ner_retriever_rag.training import recipes
    from ner_retriever_rag.training.marked import read_marked
    from ner_retriever_rag.training.train_detector import DetectorOptions

    with errors_in_one_line():
        trained, _, figures = recipes.detector_recipe(
            Backbone(find_checkpoint(backbone), taps, dtype="bfloat16", adaptation=adaptation),
            boundaries,
            mined / "silver.jsonl.xz" if mined else None,
            silver_sentences=silver_sentences,
            epochs=epochs,
            options=DetectorOptions(),
            loop=_loop(1, seed, work),
            development=read_marked(development)[:2500] if development else (),
            per_text=per_text,
        )
        trained.save(out_folder)
        if figures:
            out.print(f"threshold: {trained.threshold}")
            for name, value in recipes.report_fields(figures):
                out.print(f"{name}: {value}")
        out.print(f"detector written to {out_folder}")


@train_app.command()
def calibrate(
    encoder_folder: Annotated[Path, typer.Argument(help="Folder of the encoder to calibrate.")],
    mined: Mined,
    wordnet: WordNetFolder = None,
    mentions: Annotated[int, typer.Option(min=100, help="Mentions to fit on.")] = 15_000,
    seed: Seed = 0,
) -> None:
    """Fit the calibration of an encoder and store it beside the head."""
    from ner_retriever_rag.backbone import Backbone
    from ner_retriever_rag.checkpoints import find_checkpoint
    from ner_retriever_rag.encoder import TypeAwareEncoder
    from ner_retriever_rag.saved import ADAPTATION, CONFIG, read_config, write_config
    from ner_retriever_rag.training import recipes
    from ner_retriever_rag.training.mined import Mined

    with errors_in_one_line():
        encoder = TypeAwareEncoder.from_pretrained(encoder_folder)
        if encoder.head is None:
            raise ValueError(f"{encoder_folder / CONFIG}: an encoder without a head")
        adaptation = encoder_folder / ADAPTATION
        deltas = adaptation if adaptation.exists() else None
        checkpoint = find_checkpoint(encoder.backbone_name)
        backbone = Backbone(checkpoint, encoder.taps, dtype="bfloat16", adaptation=deltas)
        calibration, report = recipes.calibrate_recipe(
            backbone,
            encoder.head,
            Mined.load(mined, MINILM, wordnet),
            mentions=mentions,
            seed=seed,
            pooling=encoder.pooling,
        )
        calibration.save(encoder_folder)
        write_config(encoder_folder, {**read_config(encoder_folder), "calibration": True})
        for name, value in recipes.report_fields(report):
            out.print(f"{name}: {value}")


def _loop(steps: int, seed: int, work: Path | None, *, evaluate_every: int = 200) -> LoopOptions:
    from ner_retriever_rag.training.loop import LoopOptions

    return LoopOptions(steps=steps, seed=seed, folder=work, evaluate_every=evaluate_every)


def _development(
    path: Path | None, names: Path | None, limit: int | None = None
) -> DevelopmentTask | None:
    from ner_retriever_rag.training.development import DevelopmentTask

    if path is None:
        return None
    if names is None:
        raise ValueError("--development needs --names, the JSON of labels to query texts")
    return DevelopmentTask.load(path, names, limit)
