"""Choose how much the pair model's logit weighs beside a candidate's log odds.

python benchmarks/fit_reranking.py ../shared/data --cache FOLDER [--texts 300] [--encoder FOLDER]

On the sets used for scaling (fewnerd-dev, the boundary sets' development files, the domain sets)
and three samples of 40 texts of each, including types that no text mentions: metrics of several
weights, and the regression of the logit on the log odds, which tells whether both are on one scale.
The weight is a constant of ``ranking/stages.py``.
"""

import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from ablation import SMALL, command_line, corpora

from ner_retriever_rag.evaluation.metrics import r_precision
from ner_retriever_rag.evaluation.suite_measure import ABSENT
from ner_retriever_rag.queries.bounds import MANY
from ner_retriever_rag.ranking.rerank import Rerank, interpolated, to_rerank
from ner_retriever_rag.ranking.stages import STAGES
from ner_retriever_rag.ranking.threshold import expected_f1_threshold

DRAWS = 3  # samples per set
ABSENT_TYPES = 12  # per set
WEIGHTS = (0.0, 0.2, 0.35, 0.5, 0.7)  # of the logit


class Recorder:
    """A stage that records the pair model's logits and changes nothing."""

    sharpens = False
    needs_calibration = True

    def __call__(self, query, candidates, log_odds):
        self.best = to_rerank(query, log_odds, MANY)
        self.logits = query.rerank(self.best)
        self.log_odds = np.asarray(log_odds, dtype=np.float64)
        return log_odds


@dataclass
class TypeResult:
    """The results for one type: log odds of all mentions, logits of the best ones."""

    log_odds: np.ndarray
    best: np.ndarray
    logits: np.ndarray
    owner: np.ndarray
    gold: np.ndarray

    def scores(self, weight):
        """Log odds of every document, float64; -inf without a mention."""
        documents = np.full(len(self.gold), -np.inf)
        reranked = interpolated(self.log_odds, self.best, self.logits, weight)
        np.maximum.at(documents, self.owner, reranked)
        return documents


def type_results(corpus, absent):
    recorder = Recorder()
    stages = (*(stage for stage in STAGES if not isinstance(stage, Rerank)), recorder)
    found = []
    nothing = np.zeros(corpus.gold.shape[1], dtype=bool)
    cases = [*zip(corpus._queries, corpus.gold, strict=True), *((q, nothing) for q in absent)]
    for query, gold in cases:
        corpus._held.rank(query, stages=stages)
        table = corpus._held._table
        by_row = gold[corpus._held._numbers]
        found.append(
            TypeResult(recorder.log_odds, recorder.best, recorder.logits, table.owner, by_row)
        )
    return found


def regression(corpora):
    """Slope and offset of the logits, given the log odds; each corpus counts the same."""
    log_odds, logits, weights = [], [], []
    for asked in corpora:
        for each in asked:
            scored = ~np.isnan(each.logits)
            log_odds.append(each.log_odds[each.best[scored]])
            logits.append(each.logits[scored])
            weights.append(np.full(scored.sum(), 1 / len(asked)))
    log_odds, logits, weights = map(np.concatenate, (log_odds, logits, weights))
    return np.polyfit(log_odds, logits, 1, w=np.sqrt(weights))


def figures(asked, weight):
    """R-Precision, F1, reliability in three bins, absent types below 0.5."""
    precision, predicted, actual, low, f1 = [], [], [], [], []
    for each in asked:
        scores = each.scores(weight)
        sure = 1 / (1 + np.exp(-scores))
        if not each.gold.any():
            low.append(sure.max() < 0.5)
            continue
        precision.append(r_precision(scores, each.gold))
        chosen = sure >= expected_f1_threshold(sure)
        f1.append(2 * (chosen & each.gold).sum() / max(1, chosen.sum() + each.gold.sum()))
        top = np.argsort(-scores)[:60]
        predicted.append(sure[top])
        actual.append(each.gold[top])
    predicted, actual = np.concatenate(predicted), np.concatenate(actual)
    bins = [(predicted >= a) & (predicted < b) for a, b in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.01))]
    shares = [actual[b].mean() if b.any() else np.nan for b in bins]
    return [np.mean(precision), np.mean(f1), *shares, np.mean(low or [np.nan])]


def main() -> None:
    args, encoder = command_line(__doc__)
    absent = json.loads(ABSENT.read_text(encoding="utf-8"))
    every = defaultdict(list)
    for corpus in corpora(args.data, args.cache, args.texts, encoder, domains=(), draws=DRAWS):
        kinds = absent.get(corpus.name, {})
        asked = [q for names in kinds.values() for q in names[: ABSENT_TYPES // 2]]
        every[corpus.name].append(type_results(corpus, asked))
        print(corpus.name, len(every[corpus.name][-1]), flush=True)
    print("| corpora | weight | R-Precision | F1 | right at 0.5 | 0.7 | 0.9 | absent below 0.5 |")
    print("|---" * 8 + "|")
    for weight in WEIGHTS:
        whole = [figures(of_set, weight) for of_set, *_ in every.values()]
        small = [
            np.nanmean([figures(each, weight) for each in samples], axis=0)
            for _, *samples in every.values()
        ]
        for title, rows in ("sets", whole), (f"samples of {SMALL}", small):
            means = " | ".join(f"{value:.3f}" for value in np.nanmean(rows, axis=0))
            print(f"| {title} | {weight} | {means} |", flush=True)
    slope, offset = regression([each for some in every.values() for each in some])
    print(f"logit = {slope:.2f} * log odds + {offset:.2f}")


if __name__ == "__main__":
    main()
