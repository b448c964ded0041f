"""Compare rules that score a name from its mentions: the best, the mean, or growing with count.

python benchmarks/entities.py [--data ../shared/data] [--task fewnerd-dev]

Gold mentions are grouped by name; a name is of a type if at least half of its mentions are. Prints
for each rule R-Precision over names, F1 at 0.5, and the Brier score of names with several mentions,
averaged over the types.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.encoder.names import name_key
from ner_retriever_rag.evaluation.formats import read_lines
from ner_retriever_rag.evaluation.tasks import load_task
from ner_retriever_rag.queries.bounds import Bounds


def logit(p):
    p = np.clip(p.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def grown(growth):
    """The mean log odds times a power of the number of mentions."""
    return lambda p: 1 / (1 + np.exp(-logit(p).mean() * len(p) ** growth))


RULES = {
    "best mention": np.max,
    "mean probability": np.mean,
    "any of independent ones": lambda p: 1 - np.prod(1 - p.astype(np.float64)),
    **{f"mean log-odds, n ** {growth}": grown(growth) for growth in (0, 0.1, 0.25, 0.5, 1)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--task", default="fewnerd-dev", choices=["fewnerd-dev", "fewnerd-test"])
    args = parser.parse_args()
    task = load_task(args.task, args.data)
    file = args.data / "fewnerd" / f"{args.task.replace('fewnerd', 'inter')}.jsonl"
    gold = {(t.text, start, end): of for t in read_lines(file) for start, end, of in t.mentions}
    index = EntityIndex()
    documents = [Document(text, str(number)) for number, text in enumerate(task.texts)]
    index.add(documents, spans=task.spans, progress=True)
    figures = defaultdict(list)
    for label, query in task.queries.items():
        found = index._search.mention_scores(query, Bounds.check())
        table, names = found.table, defaultdict(list)
        for n in range(len(table)):
            names[name_key(table.text(n))].append(n)
        owners = [task.texts[int(doc_id)] for doc_id in table.doc_ids]
        of = np.array([gold.get((owners[o], *table.span(n))) == label
                       for n, o in enumerate(table.owner)])  # fmt: skip
        right = np.array([of[group].mean() >= 0.5 for group in names.values()])
        several = np.array([len(group) > 1 for group in names.values()])
        for rule, score in RULES.items():
            scores = np.array([score(found.scores[group]) for group in names.values()])
            top = right[np.argsort(-scores, kind="stable")[: right.sum()]]
            predicted = scores >= 0.5
            f1 = 2 * (predicted & right).sum() / max(predicted.sum() + right.sum(), 1)
            brier = np.mean((scores[several] - right[several]) ** 2)
            figures[rule].append((top.mean(), f1, brier))
    print("| rule | R-Precision | F1 at 0.5 | Brier score, several mentions |\n|---|---|---|---|")
    for rule, rows in figures.items():
        precision, f1, brier = np.mean(rows, axis=0)
        print(f"| {rule} | {precision:.3f} | {f1:.3f} | {brier:.4f} |")


if __name__ == "__main__":
    main()
