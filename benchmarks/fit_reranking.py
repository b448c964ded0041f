"""Fit how the pair model's logit and a candidate's log odds are combined.

python benchmarks/fit_reranking.py ../shared/data --cache FOLDER [--texts 300] [--encoder FOLDER]

Logistic regression on log odds and logit over the documents that a search returns; candidates not
scored by the pair model keep their log odds. Fitted on the sets used for scaling (fewnerd-dev, the
boundary sets' development files, the domain sets) and on three samples of 40 texts of each,
including types that no text mentions; each set's metrics come from a fit without it and its
samples. Prints the constants of ``ranking/stages.py``.
"""

import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from ablation import SMALL, command_line, corpora
from sklearn.linear_model import LogisticRegression

from ner_retriever_rag.evaluation.metrics import r_precision
from ner_retriever_rag.evaluation.suite_measure import ABSENT
from ner_retriever_rag.ranking.rerank import Rerank, to_rerank
from ner_retriever_rag.ranking.stages import STAGES
from ner_retriever_rag.ranking.threshold import expected_f1_threshold

TOP = 150  # candidates reranked per type
DRAWS = 3  # samples per set
ABSENT_TYPES = 12  # per set
FIRST = (0.5, 1.0)  # initial weights for choosing a document's best candidate


class Recorder:
    """A stage that records the pair model's logits and changes nothing."""

    sharpens = False
    needs_calibration = True

    def __call__(self, query, candidates, log_odds):
        best = to_rerank(query, log_odds, TOP)
        logits = query.rerank(best)
        scored = ~np.isnan(logits)
        self.best, self.logits = best[scored], logits[scored]
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

    def documents(self, weights):
        """Log odds and logit of each judged document's best mention, and whether it is relevant."""
        own, judged = weights
        score = own * self.log_odds[self.best] + judged * self.logits
        order = np.argsort(-score, kind="stable")
        _, first = np.unique(self.owner[self.best][order], return_index=True)
        chosen = order[first]
        at = self.best[chosen]
        return self.log_odds[at], self.logits[chosen], self.gold[self.owner[at]]

    def scores(self, weights):
        """Log odds of every document, float64; -inf without a mention."""
        own, judged = weights
        stacked = self.log_odds.copy()
        stacked[self.best] = own * self.log_odds[self.best] + judged * self.logits
        documents = np.full(len(self.gold), -np.inf)
        np.maximum.at(documents, self.owner, stacked)
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


def fit(corpora):
    """The regression's two weights."""
    weights = FIRST
    for _ in range(3):
        rows = []
        for asked in corpora:
            for each in asked:
                odds, logits, right = each.documents(weights)
                rows.append(np.stack([odds, logits, right, np.full(len(odds), 1 / len(asked))]))
        odds, logits, right, weight = np.concatenate(rows, axis=1)
        model = LogisticRegression(C=100.0, fit_intercept=False).fit(
            np.stack([odds, logits], 1), right, sample_weight=weight
        )
        weights = tuple(model.coef_[0].tolist())
    return weights


def figures(asked, weights):
    """R-Precision before and after, F1, reliability in three bins, absent types below 0.5."""
    before, after, predicted, actual, low, f1 = [], [], [], [], [], []
    for each in asked:
        scores = each.scores(weights)
        sure = 1 / (1 + np.exp(-scores))
        if not each.gold.any():
            low.append(sure.max() < 0.5)
            continue
        plain = np.full(len(each.gold), -np.inf)
        np.maximum.at(plain, each.owner, each.log_odds)
        before.append(r_precision(plain, each.gold))
        after.append(r_precision(scores, each.gold))
        chosen = sure >= expected_f1_threshold(sure)
        f1.append(2 * (chosen & each.gold).sum() / max(1, chosen.sum() + each.gold.sum()))
        top = np.argsort(-scores)[:60]
        predicted.append(sure[top])
        actual.append(each.gold[top])
    predicted, actual = np.concatenate(predicted), np.concatenate(actual)
    bins = [(predicted >= a) & (predicted < b) for a, b in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.01))]
    shares = [actual[b].mean() if b.any() else np.nan for b in bins]
    return [np.mean(before), np.mean(after), np.mean(f1), *shares, np.mean(low or [np.nan])]


def main() -> None:
    args, encoder = command_line(__doc__)
    absent = json.loads(ABSENT.read_text(encoding="utf-8"))
    every = defaultdict(list)
    for corpus in corpora(args.data, args.cache, args.texts, encoder, domains=(), draws=DRAWS):
        kinds = absent.get(corpus.name, {})
        asked = [q for names in kinds.values() for q in names[: ABSENT_TYPES // 2]]
        every[corpus.name].append(type_results(corpus, asked))
        print(corpus.name, len(every[corpus.name][-1]), flush=True)
    print("| set | R-Precision before | after | F1 | right at 0.5 | 0.7 | 0.9 | absent below 0.5 |")
    print("|---" * 8 + "|")
    whole, small = [], []
    for name, (of_set, *samples) in every.items():
        weights = fit([each for other, some in every.items() if other != name for each in some])
        whole.append(figures(of_set, weights))
        small.append(np.nanmean([figures(each, weights) for each in samples], axis=0))
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in whole[-1])} |", flush=True)
    for title, rows in ("mean", whole), (f"mean of samples of {SMALL}", small):
        print(f"| {title} | {' | '.join(f'{value:.3f}' for value in np.nanmean(rows, axis=0))} |")
    weights = fit([each for some in every.values() for each in some])
    print("own, judged:", *(f"{value:.3f}" for value in weights))


if __name__ == "__main__":
    main()
