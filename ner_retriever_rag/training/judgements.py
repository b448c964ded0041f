"""Training pairs for the pair model: mentions with descriptions that fit and that do not.

Every source draws groups of two forms: one mention with several descriptions or, as in search, one
description with several mentions.

- *Definitions*: types of mined entities and the predicates of their defining sentences, against
  similar types and the definitions of other entities of the same kind.
- *Senses*: common nouns that have only one sense in WordNet, against other senses.
- *Labels* of annotated texts: see ``label_judgements``.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.english import head_noun, plural, singular
from ner_retriever_rag.reading.passage import WIDTH
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.mined import MentionContext, MinedEntity
from ner_retriever_rag.training.pairs import PairSampler, TypeQuery
from ner_retriever_rag.training.wordnet import WordNet

Detect = Callable[[Sequence[str]], Iterable[Sequence[Span]]]  # finds the mentions of texts

_PREDICATE = re.compile(r"\b(?:is|was|are|were) (?:an?|the|one of the) ([^.;()]{12,160})")
_CLAUSE = re.compile(r",? (?:that|which|who|and|or|in|on|from|of|by|for|with|located|used|born) ")
_WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True, slots=True)
class Judgements:
    """A group of judged pairs.

    Attributes:
        pairs: Descriptions, each with a mention in its passage.
        fits: For each pair, whether the description fits the mention.
    """

    pairs: tuple[tuple[str, MentionContext], ...]
    fits: tuple[bool, ...]

    @classmethod
    def of_mention(
        cls, context: MentionContext, right: Sequence[str], wrong: Sequence[str]
    ) -> Judgements:
        """Pair a mention with right and wrong descriptions."""
        pairs = tuple((each, context) for each in (*right, *wrong))
        return cls(pairs, (True,) * len(right) + (False,) * len(wrong))

    @classmethod
    def of_description(
        cls, said: str, right: Sequence[MentionContext], wrong: Sequence[MentionContext]
    ) -> Judgements:
        """Pair a description with right and wrong mentions, cropped to ``WIDTH``."""
        pairs = tuple((said, each.cropped(WIDTH)) for each in (*right, *wrong))
        return cls(pairs, (True,) * len(right) + (False,) * len(wrong))


class DefinitionSource:
    """Judged pairs from what the first sentences of articles say about their subjects.

    Args:
        mined: Provides the type hierarchy.
        entities: Entities to sample from.
        weights: Relative sampling weight of each entity.
        phrases: Type descriptions to sample negatives from.
        vectors: float32 ``(len(phrases), dim)``, the vectors of ``phrases``.
        size: Number of pairs drawn together.
    """

    def __init__(
        self,
        mined: Mined,
        entities: Sequence[MinedEntity],
        weights: Sequence[float],
        phrases: Sequence[str],
        vectors: NDArray[np.float32],
        size: int,
    ) -> None:
        self._hierarchy, self._size = mined.hierarchy, size
        self._entities = entities
        self._cumulative = np.cumsum(weights).tolist()
        self._phrases, self._vectors = list(phrases), vectors
        self._row = {phrase.lower(): row for row, phrase in enumerate(phrases)}
        self._phrases_by_head: defaultdict[str, list[str]] = defaultdict(list)
        for phrase in phrases:
            self._phrases_by_head[head_noun(phrase)].append(phrase)
        self._predicates: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for entity in entities:
            for context in entity.contexts:
                if context.kind == "definition" and (found := predicate(context)):
                    self._predicates[head_noun(entity.types[0])].append((entity.title, found))
        self._own = dict(pair for pairs in self._predicates.values() for pair in pairs)
        self._entities_by_type: defaultdict[str, list[MinedEntity]] = defaultdict(list)
        for entity in entities:
            for each in entity.types[:2]:
                self._entities_by_type[each.lower()].append(entity)

    def draw(self, rng: random.Random) -> Judgements:
        """Draw pairs for an entity, with a mention outside its definition if there is one."""
        sampler = PairSampler(self._hierarchy, rng, span_noise=0.1)
        entity = rng.choices(self._entities, cum_weights=self._cumulative)[0]
        if rng.random() < 0.5:
            return self._draw_for_type(sampler.query(entity), entity, rng)
        context = self._mention(entity, rng).cropped(WIDTH)
        right = [sampler.query(entity).text]
        wrong = list(self._siblings(entity, rng))[:2]
        if (own := self._own.get(entity.title)) and rng.random() < 0.5:
            right.append(shortened(own, rng))
            rivals = self._predicates[head_noun(entity.types[0])]
            said = set(re.findall(r"\w+", own.lower()))
            for title, other in rng.sample(rivals, min(3, len(rivals))):
                brief = shortened(other, rng)
                new = set(re.findall(r"[A-Z]\w+|\d{4}", brief))
                if title != entity.title and new and not {n.lower() for n in new} & said:
                    wrong.append(brief)
        wrong += self._wrong_types(entity, rng, self._size - len(right) - len(wrong))
        wrong = wrong[: self._size - len(right)]
        return Judgements.of_mention(
            context, [varied(d, rng) for d in right], [varied(d, rng) for d in wrong]
        )

    def _draw_for_type(
        self, asked: TypeQuery, entity: MinedEntity, rng: random.Random
    ) -> Judgements:
        """Pair a type with mentions of this entity, of similar types, and of random entities."""
        phrase = asked.phrases[0]
        head, above = head_noun(phrase), self._hierarchy.heads_above(phrase)
        names = {w for w in phrase.split() if w[:1].isupper()}
        near = [self._phrases[i] for i in self._nearest(entity.types[0])]
        rng.shuffle(near)
        near_ones = [
            rng.choice(self._entities_by_type[p.lower()])
            for p in near
            if p.lower() in self._entities_by_type
        ]
        wrong: list[MentionContext] = []
        for other in near_ones[:12] + rng.choices(self._entities, k=12):
            if len(wrong) >= (self._size + 1) // 2 and other in near_ones:
                continue
            if len(wrong) >= self._size - 1:
                break
            theirs = {w for t in other.types for w in t.split() if w[:1].isupper()}
            apart = head not in self._hierarchy.not_negative(other) and not other.heads & above
            another = bool(names and theirs and not names & theirs and head in other.heads)
            if apart or another:
                wrong.append(self._mention(other, rng))
        return Judgements.of_description(
            varied(asked.text, rng), [self._mention(entity, rng)], wrong
        )

    def _mention(self, entity: MinedEntity, rng: random.Random) -> MentionContext:
        context = rng.choice(entity.elsewhere or list(entity.contexts))
        return context.perturbed(rng) if rng.random() < 0.1 else context

    def _nearest(self, phrase: str) -> list[int]:
        """Rows of the phrases nearest to a type; empty if the type is not among the phrases."""
        row = self._row.get(phrase.lower())
        if row is None:
            return []
        nearest: list[int] = np.argsort(-(self._vectors @ self._vectors[row]))[:400].tolist()
        return nearest

    def _wrong_types(self, entity: MinedEntity, rng: random.Random, count: int) -> list[str]:
        """Sample types that the entity does not have, up to half of them similar to its own."""
        closed = self._hierarchy.not_negative(entity)
        near = [self._phrases[i] for i in self._nearest(entity.types[0])]
        rng.shuffle(near)
        found: list[str] = []
        for phrase in near + rng.sample(self._phrases, min(40, len(self._phrases))):
            if len(found) >= (count // 2 if phrase in near else count):
                if len(found) >= count:
                    break
                continue
            apart = head_noun(phrase) not in closed
            if apart and not entity.heads & self._hierarchy.heads_above(phrase):
                found.append(phrase)
        return found

    def _siblings(self, entity: MinedEntity, rng: random.Random) -> Iterator[str]:
        """Types with the same head noun but another name: "Swedish band" for a Norwegian one."""
        phrase = rng.choice(entity.types)
        names = {w for t in entity.types for w in t.split() if w[:1].isupper()}
        same = self._phrases_by_head.get(head_noun(phrase), [])
        if names:
            for other in rng.sample(same, min(12, len(same))):
                new = {w for w in other.split() if w[:1].isupper()}
                if new and not new & names:
                    yield other


class SenseSource:
    """Judged pairs from common nouns that have only one sense in WordNet.

    Args:
        wordnet: Source of the nouns.
        sentences: Running text in which to find them.
        size: Number of pairs drawn together.
    """

    def __init__(self, wordnet: WordNet, sentences: Sequence[str], size: int) -> None:
        self._wordnet, self._size = wordnet, size
        self._occurrences: defaultdict[int, list[MentionContext]] = defaultdict(list)
        for sentence in sentences:
            words = list(_WORD.finditer(sentence))
            for i, word in enumerate(words):
                for more in (2, 1):
                    last = words[min(i + more, len(words)) - 1]
                    text = sentence[word.start() : last.end()]
                    lemma = " ".join([*text.split()[:-1], singular(text.split()[-1])])
                    senses = wordnet.senses.get(lemma, ())
                    if len(text.split()) == more and len(senses) == 1:
                        if wordnet.depth.get(senses[0], 0) >= 5:
                            of_sense = self._occurrences[senses[0]]
                            if len(of_sense) < 8:
                                span = word.start(), last.end()
                                of_sense.append(MentionContext(sentence, *span).cropped(WIDTH))
                        break
        self._senses = list(self._occurrences)

    def draw(self, rng: random.Random) -> Judgements:
        """Draw pairs for one noun."""
        sense = rng.choice(self._senses)
        if rng.random() < 0.5:
            return self._draw_for_broader(sense, rng)
        context = rng.choice(self._occurrences[sense])
        names = set(self._wordnet.synsets[sense].names)
        broader = self._wordnet.broader(sense)
        above = [name for name in broader if name not in names]
        gloss = self._wordnet.synsets[sense].gloss
        right = [rng.choice(above[:4])] if above else []
        if not right or rng.random() < 0.3:
            right = [shortened(gloss, rng)]
        wrong: list[str] = []
        if rng.random() < 0.25:
            wrong.append(rng.choice(sorted(names)))  # a noun does not describe itself
        while len(wrong) < self._size - len(right):
            other = rng.choice(self._senses)
            more = [n for n in self._wordnet.broader(other) if n not in broader]
            if other != sense and more:
                gloss = self._wordnet.synsets[other].gloss
                wrong.append(rng.choice(more[:4]) if rng.random() < 0.7 else shortened(gloss, rng))
        return Judgements.of_mention(
            context, [varied(d, rng) for d in right], [varied(d, rng) for d in wrong]
        )

    def _draw_for_broader(self, sense: int, rng: random.Random) -> Judgements:
        """Pair a broader term or the gloss of a noun with occurrences of it and of other nouns."""
        names = set(self._wordnet.synsets[sense].names)
        above = [name for name in self._wordnet.broader(sense) if name not in names]
        gloss = self._wordnet.synsets[sense].gloss
        said = rng.choice(above[:4]) if above and rng.random() < 0.8 else shortened(gloss, rng)
        wrong: list[MentionContext] = []
        for other in rng.choices(self._senses, k=2 * self._size):
            own = {*self._wordnet.broader(other), *self._wordnet.synsets[other].names}
            if other != sense and said not in own and len(wrong) < self._size - 1:
                wrong.append(rng.choice(self._occurrences[other]))
        right = [rng.choice(self._occurrences[sense])]
        return Judgements.of_description(varied(said, rng), right, wrong)


def predicate(definition: MentionContext) -> str | None:
    """What a defining sentence says of its subject: "typical antipsychotic used to treat ...".

    None if no predicate is found.
    """
    found = _PREDICATE.search(definition.text, definition.end)
    return found[1].strip(" ,") if found else None


def shortened(text: str, rng: random.Random) -> str:
    """Cut a description before one of its clauses, or keep all of it."""
    cuts = [found.start() for found in _CLAUSE.finditer(text) if found.start() > 8]
    place = rng.choice([*cuts, len(text)]) if len(text) < 90 or not cuts else rng.choice(cuts)
    return text[:place].strip(" ,")


def varied(description: str, rng: random.Random) -> str:
    """Vary the form of a description at random: plural, article, or capitalization."""
    draw = rng.random()
    words = description.split()
    if draw < 0.10 and len(words) <= 4 and not {"of", "or"} & set(words):
        return " ".join([*words[:-1], plural(words[-1])])
    if draw < 0.16:
        return f"{'an' if description[:1].lower() in 'aeiou' else 'a'} {description}"
    if draw < 0.20:
        return description[:1].upper() + description[1:]
    if draw < 0.23:
        return description.lower()
    return description
