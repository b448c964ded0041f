"""Training pairs for the pair model from the labels of annotated texts.

Negatives are other labels of the same guideline, and detected mentions that no label marks.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.reading.passage import WIDTH
from ner_retriever_rag.training.annotated_sets import AnnotatedSet, passages_of
from ner_retriever_rag.training.judgements import Detect, Judgements, varied
from ner_retriever_rag.training.mined import MentionContext

# Cosines of descriptions: from ALIKE on they may mean the same, below FAR they cannot.
ALIKE, FAR = 0.75, 0.3


class LabelSource:
    """Judged pairs from the labels of annotated texts.

    Args:
        sets: The sets; those with fewer than two named labels are skipped.
        vector_of: Unit vector of each description, to tell similar from dissimilar ones.
        size: Number of pairs drawn together.
        detect: Detects mentions in texts, annotated or not.
        passages_per_set: Number of passages per set in which to detect mentions.
    """

    def __init__(
        self,
        sets: Sequence[AnnotatedSet],
        vector_of: Mapping[str, NDArray[np.float32]],
        size: int,
        detect: Detect | None = None,
        passages_per_set: int = 150,
    ) -> None:
        self._size, self._vector_of = size, vector_of
        self._names = sorted({name for each in sets for name in each.names.values()})
        self._passages = []
        for each in sets:
            if len(each.names) < 2:
                continue
            pieces = [piece for text in each.texts for piece in passages_of(text)]
            usable: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
            for number, piece in enumerate(pieces):
                for place, (_, _, label) in enumerate(piece.mentions):
                    if label in each.names:
                        usable[label].append((number, place))
            if not usable:
                continue
            unmarked: list[MentionContext] = []
            if detect is not None:
                some = pieces[:: max(1, len(pieces) // passages_per_set)]
                for piece, spans in zip(some, detect([p.text for p in some]), strict=True):
                    for start, end in spans:
                        if not any(a < end and b > start for a, b, _ in piece.mentions):
                            unmarked.append(MentionContext(piece.text, start, end))
            self._passages.append((each, pieces, dict(usable), unmarked))

    def draw(self, rng: random.Random) -> Judgements:
        """Draw a group of pairs: first a set, then a label, then a text."""
        weights = [len(usable) ** 0.5 for _, _, usable, _ in self._passages]
        of, pieces, usable, unmarked = rng.choices(self._passages, weights)[0]
        label = rng.choice(list(usable))
        if rng.random() < 0.5:
            return self._of_label(of, label, pieces, usable, unmarked, rng)
        number, place = rng.choice(usable[label])
        piece = pieces[number]
        start, end, _ = piece.mentions[place]
        overlapping = self._overlapping_names(of, piece, start, end)
        right = of.names[label]
        cooccurring = {of.names[o] for _, _, o in piece.mentions if o in of.names} - overlapping
        others = [n for n in of.names.values() if n not in overlapping]
        wrong = self._unlike(
            right, rng.sample(sorted(cooccurring), min(3, len(cooccurring))), ALIKE
        )
        near = rng.sample(others, min(4, len(others)))
        wrong += [n for n in self._unlike(right, near, ALIKE) if n not in wrong]
        wrong = wrong[: self._size - 3]
        far = self._unlike(right, rng.sample(self._names, min(24, len(self._names))), FAR)
        wrong += [n for n in far if n not in wrong][: self._size - 1 - len(wrong)]
        context = MentionContext(piece.text, start, end).cropped(WIDTH)
        return Judgements.of_mention(
            context, [varied(right, rng)], [varied(each, rng) for each in wrong]
        )

    def _of_label(
        self,
        of: AnnotatedSet,
        label: str,
        pieces: Sequence[TypedText],
        usable: Mapping[str, list[tuple[int, int]]],
        unmarked: Sequence[MentionContext],
        rng: random.Random,
    ) -> Judgements:
        """Mentions of a label against others of its set and passage, unmarked ones, other sets'."""
        name = of.names[label]

        def mention(number: int, place: int) -> MentionContext:
            start, end, _ = pieces[number].mentions[place]
            return MentionContext(pieces[number].text, start, end)

        chosen = rng.sample(usable[label], min(1 + (rng.random() < 0.5), len(usable[label])))
        number = chosen[0][0]
        places = [(number, place) for place in range(len(pieces[number].mentions))]
        places = rng.sample(places, min(3, len(places)))
        others = [each for each in usable if each != label]
        for other in rng.choices(others, k=3) if others else ():
            places.append(rng.choice(usable[other]))
        wrong = []
        for n, place in dict.fromkeys(places):
            start, end, _ = pieces[n].mentions[place]
            kinds = self._overlapping_names(of, pieces[n], start, end)
            if kinds and all(self._unlike(name, [kind], ALIKE) for kind in kinds):
                wrong.append(mention(n, place))
        wrong += rng.sample(unmarked, min(2, len(unmarked)))
        for other_set, theirs, places_of, _ in rng.choices(self._passages, k=2 * self._size):
            if len(chosen) + len(wrong) >= self._size:
                break
            other = rng.choice(list(places_of))
            n, place = rng.choice(places_of[other])
            start, end, _ = theirs[n].mentions[place]
            kinds = self._overlapping_names(other_set, theirs[n], start, end)
            if all(self._unlike(name, [kind], FAR) for kind in kinds):
                wrong.append(MentionContext(theirs[n].text, start, end))
        right = [mention(*each) for each in chosen]
        return Judgements.of_description(varied(name, rng), right, wrong[: self._size - len(right)])

    @staticmethod
    def _overlapping_names(of: AnnotatedSet, piece: TypedText, start: int, end: int) -> set[str]:
        """Label names of the mentions that overlap a span."""
        return {
            of.names[label]
            for a, b, label in piece.mentions
            if a < end and b > start and label in of.names
        }

    def _unlike(self, right: str, names: Sequence[str], least: float) -> list[str]:
        vector = self._vector_of[right]
        return [n for n in names if float(self._vector_of[n] @ vector) < least]
