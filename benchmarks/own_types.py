"""What ``train types`` gains on types of another domain, and what it costs on all others.

Trains on the labeled sentences of a boundary set and evaluates on its other documents (its devel
file), and on a sample of Few-NERD's dev split, which has none of the types, with given spans,
through an index with default settings. ``python benchmarks/own_types.py data`` prints Markdown
rows.
"""

import random
from argparse import ArgumentParser
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from time import process_time

from ner_retriever_rag.cli.demo import SAMPLE
from ner_retriever_rag.cli.sources import FileSource
from ner_retriever_rag.encoder import TypeAwareEncoder
from ner_retriever_rag.evaluation.formats import read_lines
from ner_retriever_rag.evaluation.report import measure
from ner_retriever_rag.evaluation.systems import ByType
from ner_retriever_rag.evaluation.tasks import make_task, queries_for, read_type_names
from ner_retriever_rag.training.labelled import described, read_labelled
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.own_types import tune_types_recipe
from ner_retriever_rag.training.tune import TuneOptions


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with boundaries/ and fewnerd/")
    parser.add_argument("--sets", nargs="+", default=["bionlp13cg", "bc5cdr"])
    parser.add_argument("--labelled", nargs="+", type=int, default=[100, 400, 0], help="0: all")
    parser.add_argument("--sentences", type=int, default=3000, help="sentences of fewnerd-dev")
    parser.add_argument("--keep", type=float, default=TuneOptions().keep)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    sample = Path(str(files("ner_retriever_rag.cli") / SAMPLE))
    ordinary = [document.text for document in FileSource([sample])]
    rest = fewnerd(asked.data / "fewnerd", asked.sentences)
    before = TypeAwareEncoder.from_pretrained()
    print("| trained on | own types | F1 at 0.5 | fewnerd-dev | ten best kept | CPU s |")
    print("|---|---|---|---|---|---|")
    print(f"| nothing | | | {measured(before, rest)[0]:.3f} | 1 | |", flush=True)
    for name in asked.sets:
        own = devel(asked.data / "boundaries", name)
        print(f"| nothing | {own.name} {row(before, own)} | | | |", flush=True)
        typed = described(read_labelled(asked.data / f"boundaries/{name}-train.jsonl"), None)
        random.Random(asked.seed).shuffle(typed)
        for count in asked.labelled:
            began = process_time()
            tuned, report = tune_types_recipe(
                None,
                typed[: count or None],
                ordinary,
                held_out=0.0,
                options=replace(TuneOptions(), keep=asked.keep),
                loop=LoopOptions(steps=1, seed=asked.seed),
            )
            seconds = process_time() - began
            print(
                f"| {count or len(typed):,} of {name} | {row(tuned, own)} "
                f"| {measured(tuned, rest)[0]:.3f} | {report.answers_kept:.2f} | {seconds:.0f} |",
                flush=True,
            )


def devel(folder, name):
    typed = read_lines(folder / f"{name}-devel.jsonl")
    return make_task(f"{name}-devel", typed, queries_for(typed, None))


def fewnerd(folder, sentences):
    typed = read_lines(folder / "inter-dev.jsonl")
    queries = queries_for(typed, read_type_names(folder / "type-names.json"))
    return make_task("fewnerd-dev", random.Random(0).sample(typed, sentences), queries)


def measured(encoder, task):
    result = measure(ByType(encoder, detected=False), task)
    return result.macro("r_precision"), result.macro("f1")


def row(encoder, task):
    return " | ".join(f"{figure:.3f}" for figure in measured(encoder, task))


if __name__ == "__main__":
    main()
