"""Fit the Platt scaling that turns log odds into probabilities, on what a search returns.

python benchmarks/fit_scaling.py ../shared/data --cache FOLDER [--encoder FOLDER]

Logistic regression on log odds and the type's breadth, both times the information gain, over the
top documents of each type: 60, or three times the number of relevant ones if that is more. The sets
are fewnerd-dev, the boundary sets' development files and the domain sets, of at most 300 and 1,500
texts and in samples of 40 and 10, including types that no text mentions. Each set's metrics come
from a fit without it. Prints a table, then the constants of ``ranking/stages.py``, fitted on all
sets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from ablation import DOMAINS, command_line
from sklearn.linear_model import LogisticRegression

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.evaluation.encodings import encode_task
from ner_retriever_rag.evaluation.suite_measure import BINS, RELIABILITY_DEPTH, read_absent
from ner_retriever_rag.evaluation.suites import SUITES, load_suite
from ner_retriever_rag.evaluation.tasks import Task, load_task
from ner_retriever_rag.ranking.scaling import PlattScaling
from ner_retriever_rag.ranking.stages import STAGES
from ner_retriever_rag.ranking.threshold import expected_f1_threshold
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts

SIZES = (300, 1_500)  # maximum texts per set
SMALL_DRAWS = 3 * (40,) + 6 * (10,)  # texts per sample, of every set
DRAWS = (4_000, 1_000, 200, 200, *SMALL_DRAWS)  # texts per sample, of fewnerd-dev
DEV_COUNTS_FOR = 4.0  # other sets: it is the only large one
DEEP = 3  # times the number of relevant documents: what a search with k=None may return
ABSENT_COUNT_FOR = 0.5  # weight of each of the two kinds of absence relative to a set's types


class Recorder:
    """A stage in place of the scaling that records the scaling's inputs."""

    sharpens, needs_calibration = True, True

    def __init__(self, scaling: PlattScaling) -> None:
        self._scaling = scaling

    def __call__(self, query, candidates, log_odds):
        self.gain = self._scaling.gain(query, candidates, log_odds)
        self.breadth = query.scale.breadth
        return log_odds


@dataclass
class TypeResult:
    """The results for one type, one number per document.

    Attributes:
        log_odds: ``(found,)``, before scaling.
        gain: Information gain of the query.
        breadth: Breadth of the type.
        right: bool ``(found,)``, which documents are relevant.
        relevant: Number of relevant documents, found or not.
        absence: The kind of absence; empty for a type that some text mentions.
    """

    log_odds: np.ndarray
    gain: float
    breadth: float
    right: np.ndarray
    relevant: int
    absence: str = ""

    def features(self) -> np.ndarray:
        breadth = np.full(len(self.log_odds), self.breadth)
        return self.gain * np.stack([self.log_odds, breadth], axis=1)


@dataclass(eq=False)
class Corpus:
    """A set or a sample of it.

    Attributes:
        name: Name of the set.
        size: Maximum number of texts.
        drawn: Whether it is a sample of the set.
        asked: The results for every type.
    """

    name: str
    size: int
    drawn: bool
    asked: list[TypeResult]


def corpora(data: Path, cache: Path, encoder: TypeAwareEncoder) -> Iterator[Corpus]:
    """All sets and their samples, with the results for every type."""
    dev = load_task("fewnerd-dev", data)
    yield from parts_of(dev, len(dev.texts), DRAWS, cache, encoder)
    for suite in ("boundaries", "domains"):
        for size in SIZES:
            draws = SMALL_DRAWS if size == min(SIZES) else ()
            for each in load_suite(suite, data, texts=size):
                yield from parts_of(each.task, size, draws, cache, encoder)


def parts_of(
    task: Task, size: int, draws: Sequence[int], cache: Path, encoder: TypeAwareEncoder
) -> Iterator[Corpus]:
    """A set, and samples of the given numbers of its texts."""
    encoded = encode_task(encoder, task, cache, progress=True).detected
    for number, count in enumerate((size, *draws)):
        rng = np.random.default_rng(number)
        chosen = np.sort(rng.choice(len(task.texts), min(count, len(task.texts)), replace=False))
        held = InMemoryTexts(encoder, [task.texts[n] for n in chosen], [encoded[n] for n in chosen])
        yield Corpus(task.name, count, number > 0, list(type_results(task, chosen, held)))


def type_results(task: Task, chosen: np.ndarray, held: InMemoryTexts) -> Iterator[TypeResult]:
    """The results for each type that some chosen text mentions, and for absent types."""
    place = next(n for n, stage in enumerate(STAGES) if isinstance(stage, PlattScaling))
    recorder = Recorder(STAGES[place])
    stages = (*STAGES[:place], recorder)
    cases = [(query, task.relevant[label], "") for label, query in task.queries.items()]
    for absence, descriptions in read_absent().get(task.name, {}).items():
        cases += [(each, frozenset(), absence) for each in descriptions]
    for query, relevant, absence in cases:
        gold = np.isin(chosen, list(relevant))
        if absence or gold.any():
            ranked = held.rank(query, stages=stages)
            scores = np.clip(ranked.scores.astype(np.float64), 1e-9, 1 - 1e-9)
            log_odds = np.log(scores / (1 - scores))
            right, relevant = gold[ranked.order], int(gold.sum())
            yield TypeResult(log_odds, recorder.gain, recorder.breadth, right, relevant, absence)


def fit(sets: Sequence[Corpus]) -> LogisticRegression:
    """Fit the regression: all sets but fewnerd-dev count equally, and so do a set's sizes."""
    features, right, weights = [], [], []
    for corpus in sets:
        sizes = [each.size for each in sets if each.name == corpus.name]
        of_set = 1 / len(set(sizes)) / sizes.count(corpus.size)
        if corpus.name == "fewnerd-dev":
            of_set *= DEV_COUNTS_FOR
        kinds = [each.absence for each in corpus.asked]
        for each in corpus.asked:
            shown = min(max(RELIABILITY_DEPTH, DEEP * each.relevant), len(each.right))
            share = of_set * (ABSENT_COUNT_FOR if each.absence else 1.0)
            features.append(each.features()[:shown])
            right.append(each.right[:shown])
            weights.append(np.full(shown, share / kinds.count(each.absence) / max(1, shown)))
    return LogisticRegression(C=1e4).fit(
        np.concatenate(features), np.concatenate(right), sample_weight=np.concatenate(weights)
    )


def figures(sets: Sequence[Corpus], models: dict[str, LogisticRegression]) -> list[str]:
    """F1 of ``k=None``, the share of relevant documents per bin, absent types below 0.5."""
    f1, predicted, right, low = [], [], [], {"unrelated": [], "related": []}
    for corpus in sets:
        per_type = []
        for each in corpus.asked:
            scores = np.zeros(0)
            if len(each.right):
                scores = models[corpus.name].predict_proba(each.features())[:, 1]
            if each.absence:
                low[each.absence].append(max(scores, default=0.0) < 0.5)
                continue
            kept = scores >= expected_f1_threshold(scores)
            hits = (kept & each.right).sum()
            per_type.append(2 * hits / max(1, kept.sum() + each.relevant))
            predicted.append(scores[:RELIABILITY_DEPTH])
            right.append(each.right[:RELIABILITY_DEPTH])
        f1 += [np.mean(per_type)] if per_type else []
    scores, actual = np.concatenate(predicted), np.concatenate(right)
    place = np.digitize(scores, BINS[1:-1])
    within = [actual[place == each] for each in range(len(BINS) - 1)]
    bins = [f"{each.mean():.2f} of {len(each)}" if len(each) else "-" for each in within]
    shares = [f"{np.mean(each):.3f}" if each else "-" for each in low.values()]
    return [f"{np.mean(f1):.3f}", *bins, *shares]


def main() -> None:
    args, encoder = command_line(__doc__)
    sets = list(corpora(args.data, args.cache, encoder))
    names = dict.fromkeys(each.name for each in sets)
    models = {name: fit([each for each in sets if each.name != name]) for name in names}
    groups = {
        "boundary sets": [each for some in SUITES["boundaries"].groups.values() for each in some],
        "seven selection sets": DOMAINS,
        "the other seven": SUITES["domains"].groups["boundaries in training"],
    }
    dev = [each for each in sets if each.name == "fewnerd-dev"]
    rows = {
        "fewnerd-dev": [each for each in dev if not each.drawn],
        "4,000 to 10 of its texts": [each for each in dev if each.drawn],
        "40 texts of any other": [each for each in sets if each.size == 40 and each not in dev],
        "10 texts": [each for each in sets if each.size == 10 and each not in dev],
    }
    for name, some in groups.items():
        for size in SIZES:
            rows[f"{name}, {size:,} texts"] = [
                each for each in sets if each.name in some and each.size == size
            ]
    columns = [f"right at {a} to {b:g}" for a, b in pairwise(BINS)]
    print(f"| sets | F1 | {' | '.join(columns)} | unrelated below 0.5 | related |")
    print("|---" * (len(columns) + 4) + "|")
    for name, some in rows.items():
        print(f"| {name} | {' | '.join(figures(some, models))} |")
    every = fit(sets)
    slope, breadth = every.coef_[0]
    print(f"slope {slope:.3f}, per breadth {breadth / slope:.1f}, offset {every.intercept_[0]:.2f}")


if __name__ == "__main__":
    main()
