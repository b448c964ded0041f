"""Other wordings of a type description: synonyms and definitions of WordNet.

The pair model reads the words of a description, so "car maker" and "automaker" get the same answer
only if it has learned that they mean the same.
"""

from __future__ import annotations

import random
from dataclasses import replace

from ner_retriever_rag.queries.english import singular
from ner_retriever_rag.training.judgements import Judgements, shortened
from ner_retriever_rag.training.wordnet import WordNet

_MOST_SENSES = 3  # a noun with more is ambiguous; of these, the most frequent one is meant
_GLOSS = 0.35  # probability of a definition instead of a synonym
_REWORDED = 0.35  # probability that a description gets a second wording
_ARTICLES = ("a ", "an ", "the ")


class Wordings:
    """Rewords descriptions.

    Args:
        wordnet: Source of synonyms and definitions.
    """

    def __init__(self, wordnet: WordNet) -> None:
        self._wordnet = wordnet

    def another(self, description: str, rng: random.Random) -> str | None:
        """Another wording, or None if WordNet has none; modifiers of the head noun are kept."""
        phrase = description.lower()
        for article in _ARTICLES:
            phrase = phrase.removeprefix(article)
        *modifiers, noun = phrase.split() or [""]
        whole = " ".join([*modifiers, singular(noun)])
        if sense := self._sense(whole):
            modifiers = []
        elif not (modifiers and (sense := self._sense(singular(noun)))):
            return None
        synset = self._wordnet.synsets[sense]
        if not modifiers and synset.gloss and rng.random() < _GLOSS:
            return shortened(synset.gloss, rng)
        others = [name for name in synset.names if name not in (whole, singular(noun))]
        return " ".join([*modifiers, rng.choice(others)]) if others else None

    def reworded(self, group: Judgements, rng: random.Random) -> Judgements:
        """Give some descriptions of a group a second wording, in about half of their pairs."""
        others = {
            said: self.another(said, rng)
            for said in dict.fromkeys(said for said, _ in group.pairs)
            if rng.random() < _REWORDED
        }
        return replace(
            group,
            pairs=tuple(
                (others.get(said) or said, context) if rng.random() < 0.5 else (said, context)
                for said, context in group.pairs
            ),
        )

    def _sense(self, lemma: str) -> int | None:
        senses = self._wordnet.senses.get(lemma, ())
        return senses[0] if 0 < len(senses) <= _MOST_SENSES else None
