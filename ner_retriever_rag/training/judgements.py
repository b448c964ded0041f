"""What the pair model learns from: a marked mention with descriptions that fit and that do not.

Three sources, drawn in turn. *Labels* of marked texts, against other labels of the same guideline.
*Definitions* of mined entities, their types and what the defining sentence goes on to say, against
near types and the definitions of others of their kind. *Senses* of common nouns that have only one
in WordNet, against other senses.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.english import head_noun, plural, singular
from ner_retriever_rag.reading.passage import WIDTH
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.guidelines import MarkedSet, cut, joined_lines
from ner_retriever_rag.training.mined import MentionContext, MinedEntity
from ner_retriever_rag.training.pairs import PairSampler
from ner_retriever_rag.training.wordnet import WordNet

_PASSAGE = 420
_ALIKE, _FAR = 0.75, 0.3  # cosines of descriptions: may mean the same; cannot
_PREDICATE = re.compile(r"\b(?:is|was|are|were) (?:an?|the|one of the) ([^.;()]{12,160})")
_CLAUSE = re.compile(r",? (?:that|which|who|and|or|in|on|from|of|by|for|with|located|used|born) ")
_WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True, slots=True)
class Judgements:
    """A mention and descriptions of it.

    Attributes:
        context: The mention in its passage.
        descriptions: What is said of it.
        fits: Whether it is so, one for each.
    """

    context: MentionContext
    descriptions: tuple[str, ...]
    fits: tuple[bool, ...]


class LabelSource:
    """Judgements from the labels of marked texts.

    Args:
        sets: The sets; those with fewer than two named labels are skipped.
        vector_of: Each description's unit vector, by which near ones are told from far ones.
        groups: How many descriptions a mention gets.
    """

    def __init__(
        self, sets: Sequence[MarkedSet], vector_of: dict[str, NDArray[np.float32]], groups: int
    ) -> None:
        self._groups, self._vector_of = groups, vector_of
        self._names = sorted({name for each in sets for name in each.names.values()})
        self._passages = []
        for each in sets:
            if len(each.names) < 2:
                continue
            pieces = [p for text in each.texts for p in cut(joined_lines(text), _PASSAGE)]
            usable: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
            for number, piece in enumerate(pieces):
                for place, (_, _, label) in enumerate(piece.mentions):
                    if label in each.names:
                        usable[label].append((number, place))
            if usable:
                self._passages.append((each, pieces, dict(usable)))

    def draw(self, rng: random.Random) -> Judgements:
        """One mention, of a set, a label and a text drawn in this order."""
        weights = [len(usable) ** 0.5 for _, _, usable in self._passages]
        of, pieces, usable = rng.choices(self._passages, weights)[0]
        label = rng.choice(list(usable))
        number, place = rng.choice(usable[label])
        piece = pieces[number]
        start, end, _ = piece.mentions[place]
        touching = {
            of.names[other]
            for a, b, other in piece.mentions
            if a < end and b > start and other in of.names
        }
        right = of.names[label]
        beside = {of.names[o] for _, _, o in piece.mentions if o in of.names} - touching
        others = [n for n in of.names.values() if n not in touching]
        wrong = self._unlike(right, rng.sample(sorted(beside), min(3, len(beside))), _ALIKE)
        near = rng.sample(others, min(4, len(others)))
        wrong += [n for n in self._unlike(right, near, _ALIKE) if n not in wrong]
        wrong = wrong[: self._groups - 3]
        far = self._unlike(right, rng.sample(self._names, min(24, len(self._names))), _FAR)
        wrong += [n for n in far if n not in wrong][: self._groups - 1 - len(wrong)]
        context = MentionContext(piece.text, start, end).cropped(WIDTH)
        described = [varied(each, rng) for each in (right, *wrong)]
        return Judgements(context, tuple(described), (True, *(False for _ in wrong)))

    def _unlike(self, right: str, names: Sequence[str], least: float) -> list[str]:
        vector = self._vector_of[right]
        return [n for n in names if float(self._vector_of[n] @ vector) < least]


class DefinitionSource:
    """Judgements from what articles' first sentences say of their subjects.

    Args:
        mined: Entities and their hierarchy.
        entities: Those to draw from.
        weights: How often, in relation.
        phrases: Type descriptions to take wrong ones from.
        vectors: float32 ``(len(phrases), dim)``, theirs.
        groups: How many descriptions a mention gets.
    """

    def __init__(
        self,
        mined: Mined,
        entities: Sequence[MinedEntity],
        weights: Sequence[float],
        phrases: Sequence[str],
        vectors: NDArray[np.float32],
        groups: int,
    ) -> None:
        self._hierarchy, self._groups = mined.hierarchy, groups
        self._entities = entities
        self._cumulative = np.cumsum(weights).tolist()
        self._phrases, self._vectors = list(phrases), vectors
        self._row = {phrase.lower(): row for row, phrase in enumerate(phrases)}
        self._of_head: defaultdict[str, list[str]] = defaultdict(list)
        for phrase in phrases:
            self._of_head[head_noun(phrase)].append(phrase)
        self._predicates: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for entity in entities:
            for context in entity.contexts:
                if context.kind == "definition" and (found := predicate(context)):
                    self._predicates[head_noun(entity.types[0])].append((entity.title, found))
        self._own = dict(pair for pairs in self._predicates.values() for pair in pairs)

    def draw(self, rng: random.Random) -> Judgements:
        """One mention of an entity; where it can be, away from its definition."""
        sampler = PairSampler(self._hierarchy, rng, loose=0.1)
        entity = rng.choices(self._entities, cum_weights=self._cumulative)[0]
        away = entity.elsewhere or list(entity.contexts)
        context = rng.choice(away)
        if rng.random() < 0.1:
            context = context.loosened(rng)
        context = context.cropped(WIDTH)
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
        wrong += self._near(entity, rng, self._groups - len(right) - len(wrong))
        described = [*right, *wrong][: self._groups]
        fits = [True] * len(right) + [False] * (len(described) - len(right))
        return Judgements(context, tuple(varied(d, rng) for d in described), tuple(fits))

    def _near(self, entity: MinedEntity, rng: random.Random, count: int) -> list[str]:
        """Types that are none of its own, half of them near ones."""
        closed = self._hierarchy.not_negative(entity)
        row = self._row.get(entity.types[0].lower())
        near: list[str] = []
        if row is not None:
            order = np.argsort(-(self._vectors @ self._vectors[row]))[:400]
            near = [self._phrases[i] for i in order]
            rng.shuffle(near)
        found: list[str] = []
        for phrase in near + rng.sample(self._phrases, 40):
            if len(found) >= (count // 2 if phrase in near else count):
                if len(found) >= count:
                    break
                continue
            apart = head_noun(phrase) not in closed
            if apart and not entity.heads & self._hierarchy.heads_above(phrase):
                found.append(phrase)
        return found

    def _siblings(self, entity: MinedEntity, rng: random.Random) -> Iterator[str]:
        """Types of the same noun with another name in them: "Swedish band" for a Norwegian one."""
        phrase = rng.choice(entity.types)
        names = {w for t in entity.types for w in t.split() if w[:1].isupper()}
        same = self._of_head.get(head_noun(phrase), [])
        if names:
            for other in rng.sample(same, min(12, len(same))):
                new = {w for w in other.split() if w[:1].isupper()}
                if new and not new & names:
                    yield other


class SenseSource:
    """Judgements of common nouns that WordNet gives one sense only.

    Args:
        wordnet: The nouns.
        sentences: Running text to find them in.
        groups: How many descriptions a mention gets.
    """

    def __init__(self, wordnet: WordNet, sentences: Sequence[str], groups: int) -> None:
        self._wordnet, self._groups = wordnet, groups
        self._places: defaultdict[int, list[MentionContext]] = defaultdict(list)
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
                            of_sense = self._places[senses[0]]
                            if len(of_sense) < 8:
                                span = word.start(), last.end()
                                of_sense.append(MentionContext(sentence, *span).cropped(WIDTH))
                        break
        self._senses = list(self._places)

    def draw(self, rng: random.Random) -> Judgements:
        """One place of one noun."""
        sense = rng.choice(self._senses)
        context = rng.choice(self._places[sense])
        names = set(self._wordnet.synsets[sense].names)
        broader = self._wordnet.broader(sense)
        above = [name for name in broader if name not in names]
        gloss = self._wordnet.synsets[sense].gloss
        right = [rng.choice(above[:4])] if above else []
        if not right or rng.random() < 0.3:
            right = [shortened(gloss, rng)]
        wrong: list[str] = []
        if rng.random() < 0.25:
            wrong.append(rng.choice(sorted(names)))  # a word is no answer to itself
        while len(wrong) < self._groups - len(right):
            other = rng.choice(self._senses)
            more = [n for n in self._wordnet.broader(other) if n not in broader]
            if other != sense and more:
                gloss = self._wordnet.synsets[other].gloss
                wrong.append(rng.choice(more[:4]) if rng.random() < 0.7 else shortened(gloss, rng))
        described = tuple(varied(d, rng) for d in (*right, *wrong))
        return Judgements(context, described, (True,) * len(right) + (False,) * len(wrong))


def predicate(definition: MentionContext) -> str | None:
    """What a defining sentence says of its subject: "typical antipsychotic used to treat ..."."""
    found = _PREDICATE.search(definition.text, definition.end)
    return found[1].strip(" ,") if found else None


def shortened(text: str, rng: random.Random) -> str:
    """A description cut before one of its clauses, or whole."""
    cuts = [found.start() for found in _CLAUSE.finditer(text) if found.start() > 8]
    place = rng.choice([*cuts, len(text)]) if len(text) < 90 or not cuts else rng.choice(cuts)
    return text[:place].strip(" ,")


def varied(description: str, rng: random.Random) -> str:
    """The same description in other words: an article, a plural, a capital."""
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
