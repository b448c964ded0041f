"""The recipe behind ``train types``: tune an encoder to the types of a labeled file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.kinds import kind_names
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.evaluation.metrics import r_precision
from ner_retriever_rag.evaluation.systems import ByType
from ner_retriever_rag.evaluation.tasks import Task, make_task
from ner_retriever_rag.training.features import mention_features, project, type_features
from ner_retriever_rag.training.labelled import split
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.tune import (
    Labelled,
    LinearMap,
    Preserved,
    Rows,
    TuneOptions,
    answers_kept,
    tune,
)

_HELD_OUT_SHARE = 0.2  # of the kinds and mentions to preserve, to check that they are


@dataclass(frozen=True, slots=True)
class TrainedType:
    """A type that was trained.

    Attributes:
        description: The query for the type.
        mentions: Number of mentions trained on.
        texts: Number of held-out texts that mention it.
        before: R-Precision of the original encoder over the held-out texts, with given spans.
        after: The same of the tuned encoder.
        found_before: As ``before``, with spans detected in the plain text.
        found_after: As ``after``, likewise.
    """

    description: str
    mentions: int
    texts: int
    before: float | None = None
    after: float | None = None
    found_before: float | None = None
    found_after: float | None = None

    @property
    def figures(self) -> tuple[float | None, ...]:
        """Before and after with given spans, then before and after with detected spans."""
        return self.before, self.after, self.found_before, self.found_after


@dataclass(frozen=True, slots=True)
class TypesReport:
    """The results of tuning.

    Attributes:
        types: Each type; metrics are None if no held-out text mentions it.
        held_out: Number of held-out texts.
        answers_kept: Mean share of the ten best mentions of other kinds that are still among their
            ten best; on kinds and mentions that training did not see.
        kinds: Number of other kinds in that mean.
        map_cosine: Mean cosine between the linear map's vectors and the head's, on kinds held out
            from the map's fit. The map moves vectors stored without their text (known names,
            calibration).
    """

    types: list[TrainedType]
    held_out: int
    answers_kept: float
    kinds: int
    map_cosine: float

    def means(self) -> list[float | None]:
        """Means of the metrics over the types that have any."""
        known = [each.figures for each in self.types if each.before is not None]
        return [float(np.mean(column)) for column in zip(*known, strict=True)] or [None] * 4


def tune_types_recipe(
    source: str | Path | None,
    typed: Sequence[TypedText],
    ordinary: Sequence[str],
    *,
    held_out: float,
    options: TuneOptions,
    loop: LoopOptions,
) -> tuple[TypeAwareEncoder, TypesReport]:
    """Tune a saved encoder's head to labeled types; the rest of the encoder is unchanged.

    Prototypes, known names and the calibration's background, which are stored only as vectors, are
    carried over by a linear least-squares map.

    Args:
        source: The encoder, as ``TypeAwareEncoder.from_pretrained`` accepts it.
        typed: Labeled texts with descriptions as labels; ``""`` for a mention without one.
        ordinary: Texts on general topics, whose mentions should keep their vectors.
        held_out: Share of the texts to evaluate on instead of training on them.
        options: Hyperparameters.
        loop: Provides the seed.

    Raises:
        ValueError: If the encoder has no head, or nothing is left to train on.
    """
    encoder = TypeAwareEncoder.from_pretrained(source)
    if encoder.head is None:
        raise ValueError(f"{source} holds an encoder without a head: there is nothing to tune")
    train, held = split(typed, held_out, loop.seed)
    reader = _Reader(encoder, encoder.head)
    labelled = reader.labelled(train)
    kept = reader.preserved(ordinary)
    stays, unseen = kept.excluding(labelled.types, options.close).split(_HELD_OUT_SHARE, loop.seed)
    head = tune(encoder.head, labelled, stays, encoder.score, options, loop)
    move = LinearMap(_concatenate(stays.kinds, stays.mentions, labelled.types), head)
    tuned = with_head(source, head, move)
    if tuned.prototypes is not None:  # the user's mentions may be far from all of Wikipedia's
        tuned.prototypes = tuned.prototypes.extended(project(head, labelled.mentions.features))
    report = TypesReport(
        _evaluate(encoder, tuned, held, labelled),
        len(held),
        answers_kept(unseen, head),
        len(unseen.kinds),
        move.cosine(unseen.kinds, head),
    )
    return tuned, report


def with_head(source: str | Path | None, head: ProjectionHead, move: LinearMap) -> TypeAwareEncoder:
    """Load a saved encoder with another head; its stored vectors are moved to the new space.

    Args:
        source: The encoder, as ``TypeAwareEncoder.from_pretrained`` accepts it.
        head: Replaces the encoder's own head.
        move: Maps vectors from the old head's space to the new one's.
    """
    tuned = TypeAwareEncoder.from_pretrained(source)
    tuned.head = head
    if tuned.calibration is not None:
        tuned.calibration = tuned.calibration.moved(move)
    if tuned.prototypes is not None:
        tuned.prototypes = tuned.prototypes.moved(move)
    if tuned.names is not None:
        tuned.names = tuned.names.moved(move)
        if tuned.names.learned:  # stored as text, so encode them again
            tuned.names = tuned.names.learn(tuned.names.learned, tuned.encode_types)
    return tuned


class _Reader:
    """Encodes the training data with the encoder's backbone and head."""

    def __init__(self, encoder: TypeAwareEncoder, head: ProjectionHead) -> None:
        self.encoder, self.head = encoder, head
        self.backbone: Backbone = encoder.source.load(encoder.taps)

    def labelled(self, typed: Sequence[TypedText]) -> Labelled:
        """The labeled mentions; a mention annotated with two types is of both."""
        found: dict[MentionContext, set[str]] = {}
        for each in typed:
            for start, end, description in each.mentions:
                if description:
                    context = MentionContext(each.text, start, end)
                    found.setdefault(context, set()).add(description)
        if not found:
            raise ValueError("no labelled mention is left to train on; hold out fewer texts")
        types = sorted(set().union(*found.values()))
        of = np.array([[each in its for each in types] for its in found.values()])
        return Labelled(types, self._types(types), self._mentions(list(found)), of)

    def preserved(self, texts: Sequence[str]) -> Preserved:
        """The vocabulary of kinds, and the mentions detected in texts."""
        contexts = [
            MentionContext(text, mention.start, mention.end)
            for text, mentions in zip(texts, self.encoder.detect(texts), strict=True)
            for mention in mentions
        ]
        return Preserved(self._types(kind_names()), self._mentions(contexts))

    def _mentions(self, contexts: Sequence[MentionContext]) -> Rows:
        features = mention_features(self.backbone, contexts, pooling=self.encoder.pooling)
        return Rows.from_features(features, self.head)

    def _types(self, descriptions: Sequence[str]) -> Rows:
        asked = [self.encoder.type_template.replace("{}", each) for each in descriptions]
        features = type_features(self.backbone, asked, pooling=self.encoder.pooling)
        return Rows.from_features(features, self.head)


def _concatenate(*parts: Rows) -> Rows:
    return Rows(
        np.concatenate([each.features for each in parts]),
        np.concatenate([each.vectors for each in parts]),
    )


def _evaluate(
    before: TypeAwareEncoder,
    after: TypeAwareEncoder,
    held: Sequence[TypedText],
    labelled: Labelled,
) -> list[TrainedType]:
    """R-Precision of each type on the held-out texts, through an index with default settings."""
    task = make_task("held out", held, {each: each for each in labelled.descriptions})
    figures = [
        _r_precisions(encoder, task, detected)
        for detected in (False, True)
        for encoder in (before, after)
    ]
    return [
        TrainedType(
            each, int(count), len(task.relevant.get(each, ())), *(f.get(each) for f in figures)
        )
        for each, count in zip(labelled.descriptions, labelled.of.sum(axis=0), strict=True)
    ]


def _r_precisions(encoder: TypeAwareEncoder, task: Task, detected: bool) -> dict[str, float]:
    """R-Precision of every type that a held-out text mentions."""
    if not task.queries:
        return {}
    scores = ByType(encoder, detected=detected).rank(task).scores
    found = {}
    for description, row in zip(task.queries, scores, strict=True):
        gold = np.zeros(len(row), dtype=bool)
        gold[list(task.relevant[description])] = True
        found[description] = r_precision(row, gold)
    return found
