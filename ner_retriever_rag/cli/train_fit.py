"""Components fitted to an encoder after training: calibration, prototypes, known names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ner_retriever_rag.cli.console import out, report_errors
from ner_retriever_rag.cli.train_options import MinedFolder, Seed, WordNetFolder
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.head import ProjectionHead


def calibrate(
    encoder_folder: Annotated[Path, typer.Argument(help="Folder of the encoder to calibrate.")],
    mined: MinedFolder,
    wordnet: WordNetFolder = None,
    mentions: Annotated[int, typer.Option(min=100, help="Mentions to fit on.")] = 15_000,
    seed: Seed = 0,
) -> None:
    """Fit the calibration of an encoder and store it beside the head."""
    from ner_retriever_rag.encoder.saved import add_part
    from ner_retriever_rag.training import corpus, recipes

    with report_errors():
        encoder, head = _with_head(encoder_folder)
        calibration, report = recipes.calibrate_recipe(
            encoder.source.load(encoder.taps),
            head,
            corpus.Mined.load(mined, MINILM, wordnet),
            mentions=mentions,
            seed=seed,
            pooling=encoder.pooling,
            prototypes=encoder.prototypes,
        )
        add_part(encoder_folder, calibration)
        for name, value in recipes.report_fields(report):
            out.print(f"{name}: {value}")


def prototypes(
    encoder_folder: Annotated[Path, typer.Argument(help="Folder of the encoder.")],
    mined: MinedFolder,
    mentions: Annotated[int, typer.Option(min=2, help="Mentions to cluster.")] = 100_000,
    count: Annotated[int, typer.Option(min=1, help="Number of prototypes.")] = 8_192,
    seed: Seed = 0,
) -> None:
    """Fit prototypes, the centers of similar mentions, to an encoder; calibrate it afterwards."""
    from ner_retriever_rag.encoder.saved import add_part
    from ner_retriever_rag.training.mined import load_entities
    from ner_retriever_rag.training.prototypes import prototypes_recipe

    with report_errors():
        encoder, head = _with_head(encoder_folder)
        found = prototypes_recipe(
            encoder.source.load(encoder.taps),
            head,
            load_entities(mined),
            mentions=mentions,
            count=count,
            seed=seed,
            pooling=encoder.pooling,
        )
        add_part(encoder_folder, found)
        out.print(f"{len(found):,} prototypes written to {encoder_folder}")


def names(
    mined: MinedFolder,
    encoder_folder: Annotated[
        Path, typer.Option("--encoder", help="Folder of the encoder to add the names to.")
    ],
) -> None:
    """Build the table of names that the mined definitions explain, and store it in an encoder."""
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.saved import add_part
    from ner_retriever_rag.training.names import NAMES, train_names

    with report_errors():
        encoder = TypeAwareEncoder.from_pretrained(encoder_folder, dtype="auto")
        known = train_names(mined / NAMES, encoder.encode_types)
        add_part(encoder_folder, known)
        size = (encoder_folder / known.WEIGHTS).stat().st_size
        out.print(f"{len(known):,} names ({size / 1e6:.1f} MB) written to {encoder_folder}")


def _with_head(folder: Path) -> tuple[TypeAwareEncoder, ProjectionHead]:
    """Load a saved encoder, with dtype ``"auto"``, and its head."""
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

    encoder = TypeAwareEncoder.from_pretrained(folder, dtype="auto")
    if encoder.head is None:
        raise ValueError(f"{folder} holds an encoder without a head")
    return encoder, encoder.head
