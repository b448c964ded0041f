"""``ner-retriever probe``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from ner_retriever_rag.cli.console import Dtype, out, report_errors
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM

if TYPE_CHECKING:
    from ner_retriever_rag.evaluation.probe import TapScore


class Pooling(StrEnum):
    """As in :mod:`ner_retriever_rag.encoder.pooling`."""

    last = "last"
    mean = "mean"
    first_last = "first+last"


def probe(
    mentions: Annotated[
        Path,
        typer.Argument(help='JSON lines: {"text", "mentions": [{"start", "end", "type"}]}.'),
    ],
    backbone: Annotated[str, typer.Option(help="Backbone: a folder or a hub id.")] = MINILM,
    types: Annotated[
        int, typer.Option(min=2, help="Maximum number of types, those with the most names.")
    ] = 20,
    sample: Annotated[int, typer.Option(min=10, help="Maximum mentions per type.")] = 100,
    pairs: Annotated[
        int, typer.Option(min=1, help="Number of same-type pairs, and of cross-type pairs.")
    ] = 20_000,
    pooling: Annotated[
        Pooling, typer.Option(help="How a mention's token vectors are pooled.")
    ] = Pooling.last,
    out_folder: Annotated[
        Path, typer.Option("--out", help="Folder for probe.csv and probe.png; created if missing.")
    ] = Path("probe"),
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    memory: Annotated[
        float, typer.Option(min=0.01, help="GB for token states in flight, besides the model.")
    ] = 1.0,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, ...", show_default="the accelerator, if any")
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="Data type the backbone computes in.")] = Dtype.auto,
) -> None:
    """Find the block and tap of a backbone that separate types best.

    For every block and each of value, key, query, attention, mlp and hidden: the ROC-AUC of the
    cosine of two mentions (last tokens by default), same-type against cross-type pairs, and the
    accuracy of a linear type classifier. One pass over the sampled mentions.
    """
    from ner_retriever_rag.evaluation import probe as study
    from ner_retriever_rag.evaluation.formats import read_lines
    from ner_retriever_rag.evaluation.probe_sample import draw_sample

    with report_errors():
        try:
            texts = read_lines(mentions)
        except KeyError as error:
            raise ValueError(f"{mentions}: a line lacks {error}") from None
        drawn = draw_sample(texts, types=types, per_type=sample, seed=seed)
        out.print(
            f"{len(drawn.where):,} mentions of {len(drawn.types)} types in "
            f"{len(drawn.texts):,} texts: {', '.join(drawn.types)}"
        )
        scores = study.probe(
            backbone,
            drawn,
            pooling=pooling,
            pairs=pairs,
            seed=seed,
            memory=int(memory * 1e9),
            device=device,
            dtype=dtype,
            progress=True,
        )
        out_folder.mkdir(parents=True, exist_ok=True)
        study.write_csv(scores, out_folder / "probe.csv")
        title = f"{backbone}: {len(drawn.where):,} mentions of {len(drawn.types)} types"
        study.draw_heat_map(scores, out_folder / "probe.png", title)
        _print_scores(scores, len(drawn.types))
        out.print(f"all taps: {out_folder / 'probe.csv'}; heat map: {out_folder / 'probe.png'}")


def _print_scores(scores: list[TapScore], types: int) -> None:
    table = Table("tap", box=None, header_style="bold")
    for column in ("width", "AUC", "linear"):
        table.add_column(column, justify="right")
    for score in scores[:8]:
        table.add_row(score.tap, str(score.width), f"{score.auc:.3f}", f"{score.separability:.3f}")
    out.print(table)
    linear = max(scores, key=lambda score: score.separability)
    out.print(
        Text.assemble(
            (scores[0].tap, "bold"),
            f" tells types apart best by cosine (AUC {scores[0].auc:.3f}, chance 0.5), ",
            (linear.tap, "bold"),
            f" by a linear classifier ({linear.separability:.3f}, chance {1 / types:.3f})",
        )
    )
