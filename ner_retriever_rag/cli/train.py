"""``ner-retriever train``: mine pairs and train the components of an encoder in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ner_retriever_rag.cli.console import out, report_errors
from ner_retriever_rag.cli.option_groups import grouped
from ner_retriever_rag.cli.train_fit import calibrate, names, prototypes
from ner_retriever_rag.cli.train_options import (
    AdaptationFile,
    AdaptSettings,
    AnnotatedSets,
    BackboneName,
    Cache,
    Development,
    DevelopmentData,
    HeadSettings,
    MinedFolder,
    Out,
    Run,
    Seed,
    Sparse,
    Start,
    WordNetFolder,
)
from ner_retriever_rag.cli.train_types import types
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM

train_app = typer.Typer(
    help="Teach an encoder your own types, or mine text and train an encoder's components on it.",
    no_args_is_help=True,
)
train_app.command(epilog="Example: ner-retriever train types labelled.jsonl --out my-encoder")(
    types
)

FROZEN_TAPS = "attention@2+attention@3+attention@4+hidden@6"
ADAPTED_TAPS = "hidden@3+hidden@4+hidden@5+hidden@6"
DETECTOR_TAPS = "hidden@2+hidden@4+hidden@6"


@train_app.command(epilog="Example: ner-retriever train mine articles.jsonl.xz --out mined")
def mine(
    sources: Annotated[
        list[str],
        typer.Argument(help="JSON-lines files with title and text, or Hugging Face datasets."),
    ],
    out_folder: Annotated[Path, typer.Option("--out", help="Output folder.")],
    held_out: Annotated[
        list[Path] | None, typer.Option(help="Evaluation files whose sentences are excluded.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Mine entities, contexts and types from articles."""
    from ner_retriever_rag.training.articles import HeldOut
    from ner_retriever_rag.training.mine import MiningOptions
    from ner_retriever_rag.training.mine import mine as run_mining

    with report_errors():
        counts = run_mining(
            sources,
            out_folder,
            held_out=HeldOut.from_files(held_out or []),
            options=MiningOptions(seed=seed),
        )
        for name, number in counts.items():
            out.print(f"{name}: {number:,}")


@train_app.command(epilog="Example: ner-retriever train head mined --out my-encoder")
@grouped
def head(
    mined: MinedFolder,
    out_folder: Out,
    backbone: BackboneName = MINILM,
    taps: Annotated[str, typer.Option(help="Taps that vectors are read from.")] = FROZEN_TAPS,
    adaptation: AdaptationFile = None,
    pairs: Annotated[int, typer.Option(min=1, help="Number of entities to train on.")] = 120_000,
    epochs: Annotated[float, typer.Option(min=0.0)] = 4.0,
    cache: Cache = None,
    wordnet: WordNetFolder = None,
    *,
    settings: HeadSettings,
    data: DevelopmentData,
    run: Run,
) -> None:
    """Train a projection head on features of a frozen backbone, computed once."""
    from ner_retriever_rag.encoder.backbone.backbone import Backbone
    from ner_retriever_rag.encoder.backbone.checkpoints import find_checkpoint
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.training import corpus, recipes

    with report_errors():
        options = settings.options()
        reader = Backbone(find_checkpoint(backbone), taps, dtype="auto", adaptation=adaptation)
        trained, _ = recipes.head_recipe(
            reader,
            # Name similarity is MiniLM's whatever the backbone: to a decoder all names are alike.
            corpus.Mined.load(mined, MINILM, wordnet),
            pairs=pairs,
            epochs=epochs,
            options=options,
            loop=run.loop(),
            cache=cache,
            development=data.task(),
        )
        encoder = TypeAwareEncoder(
            backbone, taps, pooling=options.pooling, head=trained, adaptation=adaptation
        )
        encoder.save_pretrained(out_folder)
        out.print(f"head and configuration written to {out_folder}")


@train_app.command(epilog="Example: ner-retriever train adapt mined --out my-encoder --work run")
@grouped
def adapt(
    mined: MinedFolder,
    out_folder: Out,
    backbone: BackboneName = MINILM,
    taps: Annotated[str, typer.Option(help="Taps that vectors are read from.")] = ADAPTED_TAPS,
    steps: Annotated[int, typer.Option(min=1)] = 4300,
    start: Start = None,
    wordnet: WordNetFolder = None,
    *,
    settings: AdaptSettings,
    data: DevelopmentData,
    run: Run,
) -> None:
    """Train low-rank deltas of the backbone together with a linear head."""
    from tempfile import TemporaryDirectory

    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.saved import ADAPTATION
    from ner_retriever_rag.training import corpus, recipes

    with report_errors(), TemporaryDirectory() as scratch:
        adaptation, history = recipes.adapt_recipe(
            backbone,
            taps,
            corpus.Mined.load(mined, backbone, wordnet),
            options=settings.options(),
            loop=run.loop(steps, evaluate_every=800),
            development=data.task(limit=3000),
            start=start,
        )
        deltas = Path(scratch) / ADAPTATION
        adaptation.save_deltas(deltas)
        encoder = TypeAwareEncoder(
            backbone, taps, pooling="mean", head=adaptation.head, adaptation=deltas
        )
        encoder.save_pretrained(out_folder)
        out.print("  ".join(f"{name} {value:.4g}" for name, value in history[-1].items()))
        out.print(f"deltas, head and configuration written to {out_folder}")


@train_app.command(epilog="Example: ner-retriever train detector marked.jsonl --out my-encoder")
@grouped
def detector(
    out_folder: Out,
    boundaries: Annotated[
        list[Path] | None, typer.Argument(help="Files of annotated sentences.")
    ] = None,
    mined: Annotated[Path | None, typer.Option(help="Mined folder, for the names in it.")] = None,
    sets: AnnotatedSets = None,
    sparse: Sparse = "",
    set_characters: Annotated[
        int, typer.Option(min=1000, help="Characters of text to use from each of --sets.")
    ] = 100_000,
    silver_sentences: Annotated[int, typer.Option(min=0)] = 12_000,
    backbone: BackboneName = MINILM,
    taps: Annotated[str, typer.Option(help="Taps that words are read from.")] = DETECTOR_TAPS,
    adaptation: AdaptationFile = None,
    epochs: Annotated[float, typer.Option(min=0.0)] = 4.0,
    development: Development = None,
    per_text: Annotated[
        float, typer.Option(min=0.1, help="Target mentions per sentence on --development.")
    ] = 3.4,
    *,
    run: Run,
) -> None:
    """Train the mention detector."""
    from ner_retriever_rag.encoder.backbone.backbone import Backbone
    from ner_retriever_rag.encoder.backbone.checkpoints import find_checkpoint
    from ner_retriever_rag.encoder.saved import add_part
    from ner_retriever_rag.training import recipes
    from ner_retriever_rag.training.annotated import read_annotated
    from ner_retriever_rag.training.annotated_sets import read_folders
    from ner_retriever_rag.training.mined import load_entities
    from ner_retriever_rag.training.people import people_of
    from ner_retriever_rag.training.train_detector import DetectorOptions

    with report_errors():
        trained, _, figures = recipes.detector_recipe(
            Backbone(find_checkpoint(backbone), taps, dtype="auto", adaptation=adaptation),
            boundaries or [],
            mined / "silver.jsonl.xz" if mined else None,
            sets=read_folders(sets or [], sparse),
            set_characters=set_characters,
            silver_sentences=silver_sentences,
            people=people_of(load_entities(mined)) if mined else (),
            epochs=epochs,
            options=DetectorOptions(),
            loop=run.loop(),
            development=read_annotated(development)[:2500] if development else (),
            per_text=per_text,
        )
        add_part(out_folder, trained)
        if figures:
            out.print(f"threshold: {trained.threshold}")
            for name, value in recipes.report_fields(figures):
                out.print(f"{name}: {value}")
        out.print(f"detector written to {out_folder}")


@train_app.command(
    name="pair-model", epilog="Example: ner-retriever train pair-model my-encoder mined --sets data"
)
@grouped
def pair_model(
    encoder_folder: Annotated[Path, typer.Argument(help="Folder of the encoder.")],
    mined: MinedFolder,
    sets: AnnotatedSets = None,
    sparse: Sparse = "",
    development: AnnotatedSets = None,
    wordnet: Annotated[
        Path, typer.Option(help="Folder of WordNet's noun files, for common nouns.")
    ] = Path("/usr/share/wordnet"),
    manuals: Annotated[
        Path | None, typer.Option(help="Folder of text files with identifiers.")
    ] = None,
    dictionaries: Annotated[
        Path | None, typer.Option(help='JSON file of terms: {"drug | medication": ["ramipril"]}.')
    ] = None,
    sources: Annotated[
        str, typer.Option(help="Names of the sources of pairs, comma-separated; default all.")
    ] = "",
    steps: Annotated[int, typer.Option(min=1)] = 2400,
    continued: Annotated[
        bool, typer.Option("--continue", help="Start from the encoder's pair model.")
    ] = False,
    *,
    run: Run,
) -> None:
    """Train the pair model, which reranks candidates, and store it in an encoder."""
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.saved import add_part
    from ner_retriever_rag.training import corpus
    from ner_retriever_rag.training.annotated_sets import read_folders
    from ner_retriever_rag.training.hearst import read_lists
    from ner_retriever_rag.training.pair_recipe import pair_model_recipe
    from ner_retriever_rag.training.pair_sources import SHARES, PairSources
    from ner_retriever_rag.training.train_pair_model import PairOptions
    from ner_retriever_rag.training.wordnet import WordNet

    with report_errors():
        encoder = TypeAwareEncoder.from_pretrained(encoder_folder)
        if continued and encoder.pair_model is None:
            raise ValueError(f"{encoder_folder} holds no pair model to continue from")
        data = PairSources(
            encoder,
            corpus.Mined.load(mined, MINILM, wordnet),
            read_folders(sets or [], sparse),
            WordNet(wordnet),
            lists=list(read_lists(mined)),
            manuals=manuals,
            dictionaries=dictionaries,
            seed=run.seed,
        )
        trained, history = pair_model_recipe(
            data,
            # A trained model is soon overwritten at the rate that a new one needs.
            options=PairOptions(learning_rate=4e-4) if continued else PairOptions(),
            loop=run.loop(steps),
            only=[name for name in sources.split(",") if name] or SHARES,
            development=read_folders(development or []),
            start=encoder.pair_model if continued else None,
        )
        add_part(encoder_folder, trained)
        out.print("  ".join(f"{name} {value:.4g}" for name, value in history[-1].items()))
        out.print(f"pair model written to {encoder_folder}")


@train_app.command(
    epilog="Example: ner-retriever train labels mined --sets marked --out my-encoder"
)
@grouped
def labels(
    mined: MinedFolder,
    out_folder: Out,
    sets: AnnotatedSets = None,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder to tune; the shipped one by default.")
    ] = None,
    wordnet: WordNetFolder = None,
    pairs: Annotated[int, typer.Option(min=1, help="Mined pairs to train on as well.")] = 16_000,
    steps: Annotated[int, typer.Option(min=1)] = 200,
    seeds: Annotated[int, typer.Option(min=1, help="Number of heads to average.")] = 3,
    cache: Cache = None,
    *,
    run: Run,
) -> None:
    """Tune a head on labels from many domains; calibrate the encoder afterwards."""
    from ner_retriever_rag.training import corpus
    from ner_retriever_rag.training.annotated_sets import read_folders
    from ner_retriever_rag.training.label_recipe import label_recipe
    from ner_retriever_rag.training.train_labels import LabelOptions

    with report_errors():
        tuned = label_recipe(
            encoder,
            corpus.Mined.load(mined, MINILM, wordnet),
            read_folders(sets or []),
            pairs=pairs,
            seeds=seeds,
            options=LabelOptions(),
            loop=run.loop(steps),
            cache=cache,
        )
        tuned.save_pretrained(out_folder)
        out.print(f"encoder written to {out_folder}")


@train_app.command(
    epilog="Example: ner-retriever train joint mined --sets marked --out my-encoder --work run"
)
@grouped
def joint(
    mined: MinedFolder,
    out_folder: Out,
    sets: AnnotatedSets = None,
    boundaries: Annotated[
        list[Path] | None, typer.Option(help="More sets, of which only the boundaries are used.")
    ] = None,
    sparse: Sparse = "",
    encoder: Annotated[
        str | None, typer.Option(help="Encoder to start from; the shipped one by default.")
    ] = None,
    wordnet: WordNetFolder = None,
    articles: Annotated[
        Path | None,
        typer.Option(
            help="Articles (JSON Lines) whose paragraphs keep their text vectors.",
            show_default="mined sentences",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Backbone whose text vectors they keep; the encoder's own by default."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1)] = 900,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Threshold of the saved detector.")
    ] = 0.3,
    *,
    run: Run,
) -> None:
    """Train backbone, head and detector jointly; fit prototypes, names, calibration afterwards."""
    from ner_retriever_rag.training import corpus
    from ner_retriever_rag.training.annotated_sets import read_folders
    from ner_retriever_rag.training.joint_recipe import joint_recipe

    with report_errors():
        joint_recipe(
            encoder,
            corpus.Mined.load(mined, MINILM, wordnet),
            mined / "silver.jsonl.xz",
            read_folders(sets or [], sparse),
            read_folders(boundaries or [], sparse),
            out_folder,
            loop=run.loop(steps),
            threshold=threshold,
            wordnet=wordnet,
            articles=articles,
            teacher=teacher,
        )
        out.print(f"encoder written to {out_folder}")


train_app.command(epilog="Example: ner-retriever train calibrate my-encoder mined")(calibrate)
train_app.command(epilog="Example: ner-retriever train prototypes my-encoder mined")(prototypes)
train_app.command(epilog="Example: ner-retriever train names mined --encoder my-encoder")(names)
