"""The sources of the pair model's training pairs, and how much of each is drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.annotated_sets import AnnotatedSet, passages_of
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.dictionaries import read_dictionaries, terms_in
from ner_retriever_rag.training.hearst import ListedType
from ner_retriever_rag.training.identifiers import identifiers_in, paragraphs_of
from ner_retriever_rag.training.judgements import DefinitionSource, Judgements, SenseSource
from ner_retriever_rag.training.label_judgements import LabelSource
from ner_retriever_rag.training.list_judgements import ListSource
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.occurrences import Kind, OccurrenceSource
from ner_retriever_rag.training.ranked_judgements import RankedSource
from ner_retriever_rag.training.roles import roles_in
from ner_retriever_rag.training.sampling import sampling_weights
from ner_retriever_rag.training.wordnet import WordNet

GROUP_SIZE = 8  # pairs drawn together
SHARES = {
    "definitions": 0.32, "senses": 0.12, "rankings": 0.22, "labels": 0.10, "lists": 0.08,
    "roles": 0.10, "dictionaries": 0.02, "identifiers": 0.04,
}  # of the groups  # fmt: skip
_SENTENCES = 30_000  # mined sentences to find common nouns and roles in
_TEXTS_PER_SET = 150  # texts of each set, likewise


class Source(Protocol):
    """A source of judged pairs."""

    def draw(self, rng: random.Random) -> Judgements:
        """Draw a group of pairs."""


@dataclass(frozen=True)
class PairSources:
    """Makes sources from an encoder and data.

    Attributes:
        encoder: Its vectors tell which descriptions are similar, its detector finds mentions that
            labels do not mark, and its rankings of the sets' texts give hard negatives.
        mined: Source of definitions.
        sets: Source of labels and of rankings; may be empty.
        wordnet: WordNet's nouns.
        lists: Lists of instances of a type.
        manuals: Folder of text files with identifiers, beside those in the sets; None for none.
        dictionaries: File of terms by kind, as ``read_dictionaries`` reads it; None for none.
        seed: Random seed of the samples of text.
    """

    encoder: TypeAwareEncoder
    mined: Mined
    sets: Sequence[AnnotatedSet]
    wordnet: WordNet
    lists: Sequence[ListedType] = ()
    manuals: str | Path | None = None
    dictionaries: str | Path | None = None
    seed: int = 0

    def make(self, only: Collection[str] = SHARES) -> list[tuple[Source, float]]:
        """The sources that there are data for, with their shares of the groups.

        Args:
            only: Names of the sources to make, of ``SHARES``.

        Raises:
            ValueError: If ``only`` has another name, or there are data for none of them.
        """
        if unknown := sorted(set(only) - SHARES.keys()):
            raise ValueError(f"no source is called {unknown[0]!r}; there are {', '.join(SHARES)}")
        sources = [
            (source, SHARES[name])
            for name in SHARES
            if name in only and (source := self._source(name)) is not None
        ]
        if not sources:
            raise ValueError(f"there are no data for {', '.join(sorted(only))}")
        return sources

    def of_labels(self, sets: Sequence[AnnotatedSet]) -> LabelSource:
        """Pairs from the labels of other sets, without negatives that no label marks."""
        return LabelSource(sets, self._vectors_of_labels(sets), GROUP_SIZE)

    def of_entities(self, entities: Sequence[MinedEntity]) -> DefinitionSource:
        """Pairs from the definitions of other entities, each as likely as the others."""
        return self._of_definitions(entities, [1.0] * len(entities))

    def _source(self, name: str) -> Source | None:
        match name:
            case "definitions":
                return self._of_definitions(self.mined.train, sampling_weights(self.mined.train))
            case "senses":
                return SenseSource(self.wordnet, self._sentences, GROUP_SIZE)
            case "rankings" if self.sets:
                return RankedSource(self.encoder, self.sets, self._vector_of, GROUP_SIZE)
            case "labels" if self.sets:
                return LabelSource(self.sets, self._vector_of, GROUP_SIZE, self._detect)
            case "lists" if lists := [e for e in self.lists if self._may_train(e.type)]:
                return ListSource(lists, self._detect, self.encoder.encode_types, GROUP_SIZE)
            case "roles":
                return self._of_kinds(roles_in(self._running_text(), self._detect))
            case "dictionaries" if self.dictionaries is not None:
                terms = read_dictionaries(self.dictionaries)
                return self._of_kinds(terms_in(self._running_text(), terms))
            case "identifiers" if self.manuals is not None:
                paragraphs = paragraphs_of(self.manuals, random.Random(self.seed))
                return self._of_kinds(
                    identifiers_in(chain(self._passages, paragraphs), self._detect)
                )
            case _:
                return None

    def _of_definitions(
        self, entities: Sequence[MinedEntity], weights: Sequence[float]
    ) -> DefinitionSource:
        phrases, vectors = self._phrases
        return DefinitionSource(self.mined, entities, weights, phrases, vectors, GROUP_SIZE)

    def _of_kinds(self, kinds: dict[str, Kind]) -> OccurrenceSource | None:
        allowed = {key: k for key, k in kinds.items() if k.occurrences and self._may_train(key)}
        try:
            return OccurrenceSource(allowed, self.encoder.encode_types, GROUP_SIZE)
        except ValueError:  # too few texts for two kinds that are unlike
            return None

    def _may_train(self, description: str) -> bool:
        return head_noun(description).lower() not in self.mined.held_out

    def _detect(self, texts: Sequence[str]) -> list[list[Span]]:
        return [[(m.start, m.end) for m in mentions] for mentions in self.encoder.detect(texts)]

    def _vectors_of_labels(self, sets: Sequence[AnnotatedSet]) -> dict[str, NDArray[np.float32]]:
        names = sorted({name for each in sets for name in each.names.values()})
        return dict(zip(names, self.encoder.encode_types(names), strict=True))

    def _running_text(self) -> Iterable[str]:
        return chain(self._sentences, self._passages)

    @cached_property
    def _phrases(self) -> tuple[list[str], NDArray[np.float32]]:
        phrases = common_phrases(self.mined.train)
        return phrases, self.encoder.encode_types(phrases)

    @cached_property
    def _vector_of(self) -> dict[str, NDArray[np.float32]]:
        return self._vectors_of_labels(self.sets)

    @cached_property
    def _sentences(self) -> list[str]:
        return running_text(self.mined, self.sets, random.Random(self.seed))

    @cached_property
    def _passages(self) -> list[str]:
        return [p.text for each in self.sets for text in each.texts for p in passages_of(text)]


def running_text(mined: Mined, sets: Sequence[AnnotatedSet], rng: random.Random) -> list[str]:
    """Draw mined sentences and beginnings of annotated texts, to find common nouns in."""
    sentences = [
        context.text
        for entity in rng.sample(mined.train, min(_SENTENCES, len(mined.train)))
        for context in entity.contexts[:1]
    ]
    for each in sets:
        texts = rng.sample(each.texts, min(_TEXTS_PER_SET, len(each.texts)))
        sentences += [text.text[:400] for text in texts]
    return sentences


def common_phrases(entities: Sequence[MinedEntity], count: int = 12_000) -> list[str]:
    """The most frequent types, their last two words and their head nouns, as written."""
    written: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for entity in entities:
        for phrase in entity.types:
            words = phrase.split()
            for grain in {phrase, " ".join(words[-2:]), words[-1]}:
                written.setdefault(grain.lower(), grain)
                seen[grain.lower()] += 1
    return [written[phrase] for phrase, _ in seen.most_common(count)]
