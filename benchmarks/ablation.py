"""Which ranking stages are worth keeping. Prints tables; results/ablation.md has the decisions.

python benchmarks/ablation.py ../shared/data --cache FOLDER [--texts 300] [--encoder FOLDER]

Each stage is left out in turn, on the sets used for selection (fewnerd-dev, the boundary sets'
development files, seven domain sets): R-Precision over texts, F1 of ``k=None``, and the expected
calibration error of document scores (15 bins). Then the least useful stage is removed for good and
everything is measured again, until removing another one would cost 0.003 or more, or more than
0.002 of mean R-Precision or F1 in total. Stages that change the order are judged by R-Precision,
the others by F1 and the calibration error. Texts are encoded once and cached; the rest is
arithmetic.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder import default_encoder
from ner_retriever_rag.evaluation.encodings import encode_task
from ner_retriever_rag.evaluation.metrics import r_precision
from ner_retriever_rag.evaluation.suites import load_suite
from ner_retriever_rag.evaluation.tasks import Task, load_task
from ner_retriever_rag.ranking.judged import JudgedEvidence
from ner_retriever_rag.ranking.query import Stage
from ner_retriever_rag.ranking.rerank import Rerank
from ner_retriever_rag.ranking.scaling import PlattScaling
from ner_retriever_rag.ranking.stages import STAGES
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts

DOMAINS = ("skillspan", "court", "maintie", "earnings", "psytar", "litbank", "re3d")
SMALL = 40  # texts of a sample
BINS = 15
MIN_GAIN, MAX_TOTAL_LOSS = 0.003, 0.002
FIGURES = ("R-Precision", "F1", "ECE")


class Corpus:
    """A task's encoded texts, its types, and the relevant texts of each."""

    def __init__(self, task: Task, encoder: TypeAwareEncoder, cache: Path) -> None:
        self.name, self._queries = task.name, list(task.queries.values())
        encoded = encode_task(encoder, task, cache, progress=True).detected
        self._held = InMemoryTexts(encoder, task.texts, encoded)
        self.gold = np.zeros((len(task.queries), len(task.texts)), dtype=bool)
        for row, label in enumerate(task.queries):
            self.gold[row, list(task.relevant[label])] = True

    def figures(self, stages: Sequence[Stage]) -> np.ndarray:
        """R-Precision, F1 and calibration error with a list of stages."""
        per_type, predicted, actual = [], [], []
        for query, gold in zip(self._queries, self.gold, strict=True):
            found = self._held.rank(query, stages=stages)
            places = np.full(len(gold), -np.inf)
            places[found.order] = -np.arange(len(found.order))
            scores = np.zeros(len(gold))
            scores[found.order] = found.scores
            chosen = scores >= found.threshold
            hits = int((chosen & gold).sum())
            f1 = 2 * hits / max(1, int(chosen.sum() + gold.sum()))
            per_type.append((r_precision(places, gold), f1))
            predicted.append(scores)
            actual.append(gold)
        error = calibration_error(np.concatenate(predicted), np.concatenate(actual))
        return np.array([*np.mean(per_type, axis=0), error])


def calibration_error(predicted: np.ndarray, actual: np.ndarray) -> float:
    """The expected calibration error over bins of equal width."""
    place = np.minimum((predicted * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, actual - predicted, BINS)
    return float(np.abs(gaps).sum() / len(predicted))


def drawn(task: Task, texts: int, rng: np.random.Generator) -> Task:
    """A random sample of a task's texts, with the types that occur in it."""
    chosen = np.sort(rng.choice(len(task.texts), min(texts, len(task.texts)), replace=False))
    new = {int(old): place for place, old in enumerate(chosen)}
    relevant = {
        label: frozenset(new[n] for n in numbers if n in new)
        for label, numbers in task.relevant.items()
    }
    queries = {label: query for label, query in task.queries.items() if relevant[label]}
    some = [task.texts[n] for n in chosen], [task.spans[n] for n in chosen]
    return Task(task.name, *some, queries, relevant)


def corpora(
    data: Path,
    cache: Path,
    texts: int,
    encoder: TypeAwareEncoder,
    *,
    domains: Sequence[str] = DOMAINS,
    draws: int = 0,
) -> list[Corpus]:
    """The sets used for selection, each followed by samples of 40 of its texts.

    Args:
        data: Folder of the data.
        cache: Folder of cached encodings.
        texts: Maximum texts per set.
        encoder: The encoder.
        domains: The domain sets; empty for all.
        draws: Samples per set.
    """
    rng = np.random.default_rng(3)
    tasks = [drawn(load_task("fewnerd-dev", data), texts, rng)]
    tasks += [each.task for each in load_suite("boundaries", data, texts=texts)]
    tasks += [each.task for each in load_suite("domains", data, sets=domains, texts=texts)]
    samples = [[task, *(drawn(task, SMALL, rng) for _ in range(draws))] for task in tasks]
    return [Corpus(task, encoder, cache) for of_set in samples for task in of_set]


def measured(sets: Sequence[Corpus], stages: Sequence[Stage]) -> np.ndarray:
    """Metrics of all sets, ``(sets, 3)``."""
    return np.stack([each.figures(stages) for each in sets])


def worth(whole: np.ndarray, without: np.ndarray, stage: Stage) -> float:
    """What a stage gains on average in the metrics it is judged by."""
    gain = (whole - without).mean(axis=0) * [1, 1, -1]
    return float(max(gain[1:]) if isinstance(stage, PlattScaling) else gain[0])


def table_of_figures(sets: Sequence[Corpus], rows: dict[str, np.ndarray]) -> str:
    """The three metrics by stage and set, to three decimals."""
    lines = [f"| | {' | '.join(each.name for each in sets)} | mean |"]
    lines.append("|---" * (len(sets) + 2) + "|")
    for name, figures in rows.items():
        cells = [" ".join(f"{value:.3f}" for value in row) for row in figures]
        cells.append(" ".join(f"{value:.3f}" for value in figures.mean(axis=0)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def command_line(description: str) -> tuple[argparse.Namespace, TypeAwareEncoder]:
    """Parse the command line, which the fitting scripts share, and load the encoder."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=300, help="maximum texts per set")
    parser.add_argument("--encoder", help="a saved encoder instead of the shipped one")
    args = parser.parse_args()
    encoder = TypeAwareEncoder.from_pretrained(args.encoder) if args.encoder else default_encoder()
    return args, encoder


def main() -> None:
    args, encoder = command_line(__doc__)
    sets = corpora(args.data, args.cache, args.texts, encoder)
    stages = [each for each in STAGES if not isinstance(each, Rerank | JudgedEvidence)]
    first = measured(sets, stages).mean(axis=0)
    print(f"{args.texts} texts per set at most, detected mentions, {encoder.description}")
    print(f"each cell: {', '.join(FIGURES)}\n")
    while len(stages) > 1:
        whole = measured(sets, stages)
        rows, gains = {"all": whole}, []
        for stage in stages:
            without = measured(sets, [each for each in stages if each is not stage])
            rows[f"without {type(stage).__name__}"] = without
            gains.append(worth(whole, without, stage))
        print(table_of_figures(sets, rows))
        least = int(np.argmin(gains))
        fewer = [each for each in stages if each is not stages[least]]
        lost = first - measured(sets, fewer).mean(axis=0)
        if gains[least] >= MIN_GAIN or max(lost[:2]) > MAX_TOTAL_LOSS:
            break
        print(f"{type(stages[least]).__name__} gains {gains[least]:.4f}: removed.\n")
        stages = fewer
    print(f"Kept: {', '.join(type(each).__name__ for each in stages)}.")


if __name__ == "__main__":
    main()
