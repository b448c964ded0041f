"""Training pairs from an encoder's own rankings: the hard negatives of the stage being reranked.

A cross-encoder has to tell apart what the first stage ranks first, so that is what it is trained
on (ANCE, Xiong et al. 2021, arXiv 2007.00808): a set's labels are searched for in its texts, and
the best mentions are judged by its annotation.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.schema import Span
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts
from ner_retriever_rag.search.reranking import passage_of
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.judgements import Judgements, varied
from ner_retriever_rag.training.label_judgements import ALIKE, FAR
from ner_retriever_rag.training.mined import MentionContext

_TOP, _TOP_ABSENT = 150, 40  # best mentions of a label, and of a label of other sets
_ABSENT = 2  # least number of other sets' labels per set
_SAME_SPAN = 0.5  # least intersection over union of a detected and a labeled span


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A description and its best mentions, judged."""

    description: str
    right: list[MentionContext]
    wrong: list[MentionContext]


class RankedSource:
    """Judged pairs of a description and the mentions that an encoder ranks first for it.

    Args:
        encoder: The encoder, with its detector.
        sets: Annotated texts. In a sparse set, mentions that no label marks are left out.
        vector_of: Unit vector of each label's name, to tell similar from dissimilar ones.
        size: Number of pairs drawn together.
        texts: Maximum number of texts per set.
        seed: Random seed of the sample of texts.

    Raises:
        ValueError: If no set has a label with right and wrong mentions among the best.
    """

    def __init__(
        self,
        encoder: TypeAwareEncoder,
        sets: Sequence[AnnotatedSet],
        vector_of: Mapping[str, NDArray[np.float32]],
        size: int,
        *,
        texts: int = 400,
        seed: int = 0,
    ) -> None:
        self._size, self._vector_of = size, vector_of
        rng = random.Random(seed)
        names = sorted({name for each in sets for name in each.names.values()})
        self._sets = []
        for each in sets:
            sample = rng.sample(each.texts, min(texts, len(each.texts)))
            strange = rng.sample(names, len(names))
            if each.names and (ranked := self._ranked(encoder, each, sample, strange)):
                self._sets.append(ranked)
        if not self._sets:
            raise ValueError("no label has right and wrong mentions among its best ones")

    def draw(self, rng: random.Random) -> Judgements:
        """Draw a set, then one of its descriptions, then some of the best mentions.

        About as many are right as wrong, so that no prior is learned: it depends on the corpus.
        """
        ranked = rng.choices(self._sets, [len(each) ** 0.5 for each in self._sets])[0]
        case = rng.choice(ranked)
        right = rng.sample(case.right, min(len(case.right), rng.randint(2, self._size - 2)))
        wrong = rng.sample(case.wrong, min(len(case.wrong), self._size - len(right)))
        return Judgements.of_description(varied(case.description, rng), right, wrong)

    def _ranked(
        self,
        encoder: TypeAwareEncoder,
        of: AnnotatedSet,
        sample: Sequence[TypedText],
        strange: Sequence[str],
    ) -> list[_Ranked]:
        """Judge the best mentions of a set's labels, and of some that none of its labels is like.

        Args:
            encoder: The encoder.
            of: The set.
            sample: The texts to search.
            strange: Label names of all sets, shuffled.
        """
        labels: dict[str, set[tuple[int, int, str]]] = {}
        for text in sample:
            labels.setdefault(text.text, set()).update(text.mentions)
        texts = list(labels)
        held = InMemoryTexts(encoder, texts, encoder.encode(texts))

        def judged(name: str, label: str | None, top: int) -> _Ranked:
            case = _Ranked(name, [], [])
            for number, span in held.best_mentions(name, top):
                text = texts[number]
                overlapping = _overlapping(labels[text], span)
                if (label, True) in overlapping:
                    case.right.append(_context(text, span))
                elif label is None and not overlapping or (label, False) in overlapping:
                    continue  # of an unknown kind, or with other boundaries
                elif self._wrong(name, of, overlapping):
                    case.wrong.append(_context(text, span))
            return case

        cases = [judged(name, label, _TOP) for label, name in sorted(of.names.items())]
        found = [case for case in cases if case.right and case.wrong]
        absent = [name for name in strange if self._unlike(name, of.names.values(), FAR)]
        cases = [judged(n, None, _TOP_ABSENT) for n in absent[: max(_ABSENT, len(found) // 4)]]
        return found + [case for case in cases if len(case.wrong) >= self._size // 2]

    def _wrong(self, name: str, of: AnnotatedSet, overlapping: set[tuple[str, bool]]) -> bool:
        """Whether a mention with these labels, or none, is certainly not of a type."""
        if not overlapping:
            return not of.sparse
        kinds = [of.names[label] for label, _ in overlapping if label in of.names]
        return bool(kinds) and self._unlike(name, kinds, ALIKE)

    def _unlike(self, name: str, others: Iterable[str], least: float) -> bool:
        own = self._vector_of[name]
        return all(float(self._vector_of[other] @ own) < least for other in others)


def _context(text: str, span: Span) -> MentionContext:
    """The passage around a mention as the reranker reads it."""
    passage = passage_of(text, *span)
    return MentionContext(passage.text, passage.start, passage.end)


def _overlapping(labeled: set[tuple[int, int, str]], span: Span) -> set[tuple[str, bool]]:
    """The labels that overlap a span, each with whether it marks (nearly) the same span."""
    found = set()
    for start, end, label in labeled:
        common = min(end, span[1]) - max(start, span[0])
        if common > 0:
            union = max(end, span[1]) - min(start, span[0])
            found.add((label, common / union >= _SAME_SPAN))
    return found
