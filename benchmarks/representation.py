"""Compare taps, pooling, heads and widths on the frozen backbone, scored on fewnerd-dev.

python benchmarks/representation.py MINED [--data ../shared/data] [--pairs 20000]

Every row of the table is one training run on the same pairs with the same seed; the table goes to
benchmarks/results/representation.md. Never run on test or pool: this is model selection.
"""

import argparse
import tempfile
import time
from pathlib import Path

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM, find_checkpoint
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.development import DevelopmentTask
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.recipes import head_recipe
from ner_retriever_rag.training.train_head import HeadOptions

VALUES = "value@3+value@4+value@5+hidden@6"
HIDDEN = "hidden@3+hidden@4+hidden@5+hidden@6"
ATTENTION = "attention@2+attention@3+attention@4+hidden@6"
# taps, pooling, hidden widths, output width, loss
RUNS = [
    ("value@4", "mean", (512,), 128, "info_nce"),
    ("hidden@6", "mean", (512,), 128, "info_nce"),
    (VALUES, "mean", (512,), 128, "info_nce"),
    (HIDDEN, "mean", (512,), 128, "info_nce"),
    (ATTENTION, "last", (512,), 128, "info_nce"),
    (ATTENTION, "first+last", (512,), 128, "info_nce"),
    (ATTENTION, "mean", (512,), 128, "info_nce"),
    (ATTENTION, "mean", (), 128, "info_nce"),
    (ATTENTION, "mean", (512, 512), 128, "info_nce"),
    (ATTENTION, "mean", (512,), 64, "info_nce"),
    (ATTENTION, "mean", (512,), 96, "info_nce"),
    (ATTENTION, "mean", (512,), 256, "info_nce"),
    (ATTENTION, "mean", (512,), 128, "triplet"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mined")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--wordnet", type=Path)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--dev", type=int, default=6_000, help="sentences of dev to score on")
    args = parser.parse_args()
    mined = Mined.load(args.mined, MINILM, args.wordnet)
    few_nerd = args.data / "fewnerd"
    task = DevelopmentTask.load(
        few_nerd / "inter-dev.jsonl", few_nerd / "type-names.json", args.dev
    )
    lines = [
        "# Taps, pooling, head and width on the frozen backbone",
        "",
        f"`python benchmarks/representation.py`: {args.pairs:,} pairs, 4 epochs, seed 0; mean "
        f"R-Precision over the ten types of {args.dev:,} sentences of fewnerd-dev, gold spans.",
        "",
        "| taps | pooling | hidden | output | loss | R-Precision | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as cache:
        for taps, pooling, hidden, dim, loss in RUNS:
            began = time.perf_counter()
            _, history = head_recipe(
                Backbone(find_checkpoint(MINILM), taps, dtype="bfloat16"),
                mined,
                pairs=args.pairs,
                epochs=4,
                options=HeadOptions(hidden=hidden, dim=dim, loss=loss, pooling=pooling),
                loop=LoopOptions(steps=1),
                cache=Path(cache),
                development=task,
            )
            figure = history[-1]["development R-Precision"]
            widths = " ".join(map(str, hidden)) or "none"
            spent = f"{time.perf_counter() - began:.0f}"
            lines.append(
                f"| {taps} | {pooling} | {widths} | {dim} | {loss} | {figure:.3f} | {spent} |"
            )
            out = Path(__file__).parent / "results" / "representation.md"
            out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
