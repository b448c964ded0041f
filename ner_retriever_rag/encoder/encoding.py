"""The encoding pass: from the backbone's token states to mentions and their vectors."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ner_retriever_rag.detection.given import Spans, given_mentions
from ner_retriever_rag.detection.patterns import (
    DESCRIPTIONS,
    IDENTIFIERS,
    find_patterns,
    kinds_of,
    with_patterns,
)
from ner_retriever_rag.detection.protocol import MentionDetector
from ner_retriever_rag.detection.spans import within_boundaries
from ner_retriever_rag.encoder.backbone.devices import best_device
from ner_retriever_rag.encoder.backbone.source import BackboneSource
from ner_retriever_rag.encoder.backbone.states import TokenStates
from ner_retriever_rag.encoder.backbone.taps import parse_taps
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.labels import spelled_out
from ner_retriever_rag.encoder.names import KnownNames
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.pair_scorer import PairScorer
from ner_retriever_rag.encoder.pieces import Known, MergedEncoding, Piece, pieces_of
from ner_retriever_rag.encoder.pooling import POOLINGS, pool
from ner_retriever_rag.encoder.prefetch import prefetch, threads_of
from ner_retriever_rag.encoder.prototypes import Prototypes
from ner_retriever_rag.encoder.scores import TypeScores
from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.encoder.type_vectors import TypeVectors
from ner_retriever_rag.reading.view import View, readable
from ner_retriever_rag.schema import EncodedText, Mention, require_text

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.backbone.backbone import Backbone

MAX_TASK_TEXTS = 128  # most texts per worker task; the progress bar advances by task
_MIN_TASK_TEXTS = 16  # up to this many texts form a single task, which uses all cores
_DETECTION_BATCH_TOKENS = 4_096  # tokens to read before detecting the mentions in them

_Read = tuple[Piece, TokenStates]
_Found = tuple[Piece, list[Mention], TokenStates, list[str | None]]  # last: kinds by pattern


class EncodingPass(TypeScores):
    """Runs the backbone, detects mentions in its token states, pools and projects them.

    Args:
        source: The backbone; loaded once, on first use, whatever the number of threads.
        taps: Taps that vectors are read from.
        pooling: How a mention's tokens are pooled into one vector.
        head: Projects pooled taps; None to use them directly.
        detector: Finds mentions. A ``SpanHead`` works on the same forward pass, and pattern
            matches (:mod:`ner_retriever_rag.detection.patterns`) are merged with its mentions.
        type_template: Template for type descriptions; ``{}`` is the placeholder.
        calibration: Maps similarities to probabilities.
        names: Known names and their types, blended into the vectors of their mentions.
        prototypes: Prototypes that mention vectors are pulled toward, as the last step.
        pair_model: Re-scores mentions in their passages.

    Raises:
        ValueError: If ``taps``, ``pooling`` or ``type_template`` is invalid.
    """

    def __init__(
        self,
        source: BackboneSource,
        taps: str | Sequence[str],
        *,
        pooling: str,
        head: ProjectionHead | None,
        detector: MentionDetector | SpanHead,
        type_template: str,
        calibration: Calibration | None,
        names: KnownNames | None,
        prototypes: Prototypes | None,
        pair_model: PairModel | None,
    ) -> None:
        super().__init__(calibration)
        if pooling not in POOLINGS:
            raise ValueError(f"pooling {pooling!r} is not one of {', '.join(POOLINGS)}")
        if "{}" not in type_template:
            raise ValueError(f"type_template {type_template!r} has no {{}} for the description")
        self.source = source
        self.taps = tuple(str(tap) for tap in parse_taps(taps))
        self.pooling = pooling
        self.head = head
        self.detector = detector
        self.type_template = type_template
        self.names = names
        self.prototypes = prototypes
        self.pair_model = pair_model
        self._type_vectors = TypeVectors()
        self._backbone: Backbone | None = None
        self._pair_scorer: PairScorer | None = None
        self._lock = threading.Lock()

    @property
    def all_taps(self) -> list[str]:
        """All taps read from the backbone: those for vectors and those of the detector."""
        of_detector = self.detector.taps if isinstance(self.detector, SpanHead) else ()
        return list(dict.fromkeys([*self.taps, *of_detector]))

    @property
    def judge(self) -> PairScorer | None:
        """Re-scores mentions in their passages; None without a pair model."""
        with self._lock:
            if self._pair_scorer is None and self.pair_model is not None:
                self._pair_scorer = PairScorer(self.pair_model, self._load_for_pairs)
            return self._pair_scorer

    def _load_for_pairs(self) -> Backbone:
        """Load a second backbone for the pair model's deltas; it shares the word embeddings."""
        loaded = self.source.load([self.backbone.top])
        loaded.model.set_input_embeddings(self.backbone.model.get_input_embeddings())
        return loaded

    @property
    def backbone(self) -> Backbone:
        """The backbone, loaded on first access."""
        with self._lock:
            if self._backbone is None:
                self._backbone = self.source.load(self.all_taps)
            return self._backbone

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self.head.dim if self.head else int(self.encode_types(["thing"]).shape[1])

    @property
    def threads(self) -> int:
        """Number of encoding threads; 1 if another detector finds the mentions."""
        device = torch.device(self.source.device or best_device())
        return threads_of(device) if isinstance(self.detector, SpanHead) else 1

    def encode(
        self,
        texts: Sequence[str],
        spans: Sequence[Spans] | None = None,
        *,
        progress: bool = False,
    ) -> list[EncodedText]:
        """Detect (or take) the mentions of texts and encode each.

        The encoder reads the readable view of a text (:mod:`ner_retriever_rag.reading.view`); spans
        refer to the text as given.

        Args:
            texts: The texts. None may be empty.
            spans: For each text the character spans of its mentions, end exclusive; None to
                detect them, in the same forward pass if the detector can.
            progress: Show a progress bar.

        Returns:
            One ``EncodedText`` per text, in order; vectors are float32 ``(n_mentions, dim)``,
            L2-normalized.

        Raises:
            TypeError: If ``texts`` is a string or contains anything but strings.
            ValueError: If a text is empty, or a span lies outside its text.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of strings, not one string")
        for number, text in enumerate(texts):
            require_text(text, f"texts[{number}]")
        given = None if spans is None else given_mentions(texts, spans)
        # Small inputs, too, are split over the threads, in parts of at least _MIN_TASK_TEXTS texts.
        task_size = min(MAX_TASK_TEXTS, max(_MIN_TASK_TEXTS, -(-len(texts) // self.threads)))
        parts = [
            (texts[start : start + task_size], given and given[start : start + task_size])
            for start in range(0, len(texts), task_size)
        ]
        encoded: list[EncodedText] = []
        with tqdm(total=len(texts), unit="text", disable=not progress) as bar:
            for _, found in prefetch(lambda part: self._encode_some(*part), parts, self.threads):
                encoded += found
                bar.update(len(found))
        return encoded

    def encode_types(self, types: Sequence[str]) -> NDArray[np.float32]:
        """Encode type descriptions into the vector space of mentions.

        Args:
            types: Free text, such as ``["dinosaur", "drug that lowers blood pressure"]``; labels
                such as ``"GPE"`` or ``"HumanSettlement"`` are spelled out first.

        Returns:
            float32 ``(len(types), dim)``, L2-normalized.

        Raises:
            TypeError: If ``types`` is a string or contains anything but strings.
            ValueError: If a description is empty or yields no tokens.
        """
        if isinstance(types, str):
            raise TypeError("types must be a list of type descriptions, not one string")
        for number, description in enumerate(types):
            require_text(description, "type description" + f" {number}" * (len(types) > 1))
        filled = [self.type_template.replace("{}", spelled_out(each.strip())) for each in types]
        if not filled:
            return np.zeros((0, self.dim), dtype=np.float32)
        vectors = self._type_vectors.known(filled)
        new = [each for each in dict.fromkeys(filled) if each not in vectors]
        for description, states in zip(new, self.backbone.read(new), strict=True):
            if not len(states):
                raise ValueError(f"type description {description!r} has no words in it")
            whole = self._pooled(states, [(0, len(description))])
            vectors[description] = self._projected(whole)[0]
        self._type_vectors.keep({each: vectors[each] for each in new})
        return np.stack([vectors[each] for each in filled])

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        """Detect the mentions of texts; an encoder is itself a ``MentionDetector``."""
        return [encoded.mentions for encoded in self.encode(texts)]

    def _encode_some(
        self, texts: Sequence[str], given: Sequence[list[Mention]] | None
    ) -> list[EncodedText]:
        """Encode a batch of texts, with the given mentions or detected ones."""
        views = [readable(text) for text in texts]
        known = self._known(views, given)
        pieces = [
            piece
            for number, (view, of_view) in enumerate(zip(views, known, strict=True))
            for piece in pieces_of(view, number, of_view)
        ]
        merged = [MergedEncoding(view, given[n] if given else None) for n, view in enumerate(views)]
        read = zip(pieces, self.backbone.read([each.text for each in pieces]), strict=True)
        for some in _chunked(read, _DETECTION_BATCH_TOKENS):
            found = self._with_mentions(some)
            vectors = self._mention_vectors(found)
            ends = np.cumsum([len(mentions) for _, mentions, _, _ in found])
            for (piece, mentions, states, _), own in zip(
                found, np.split(vectors, ends[:-1]), strict=True
            ):
                whole = merged[piece.owner]
                whole.add(piece, mentions, own, states.text_vector, len(states))
        return [each.encoded(vectors.shape[1]) for each in merged]

    def _known(
        self, views: Sequence[View], given: Sequence[list[Mention]] | None
    ) -> Sequence[Known | None]:
        """Mentions known before the pass, in view offsets: given, or from another detector."""
        if given is not None:
            return [
                [_in_view(view, mention) for mention in of_text]
                for view, of_text in zip(views, given, strict=True)
            ]
        if isinstance(self.detector, SpanHead):
            return [None] * len(views)
        read = [view.text for view in views if view.text]
        found = iter(self.detector.detect(read) if read else ())
        return [within_boundaries(view.text, next(found)) if view.text else [] for view in views]

    def _mention_vectors(self, found: Sequence[_Found]) -> NDArray[np.float32]:
        """Vectors of all mentions found, concatenated: ``(n, dim)``."""
        pooled = [
            self._pooled(states, [(mention.start, mention.end) for mention in mentions])
            for _, mentions, states, _ in found
            if mentions
        ]
        if not pooled:
            return np.zeros((0, self.dim), dtype=np.float32)
        vectors = self._projected(torch.cat(pooled))
        if self.names is not None:
            names = [mention.text for _, mentions, _, _ in found for mention in mentions]
            vectors = self.names.blend(names, self._with_forms(found, vectors, self.names))
        return vectors if self.prototypes is None else self.prototypes.pull(vectors)

    def _with_forms(
        self, found: Sequence[_Found], vectors: NDArray[np.float32], names: KnownNames
    ) -> NDArray[np.float32]:
        """Move pattern matches toward the phrase for their kind, as is done for known names.

        Args:
            found: The pieces with their mentions.
            vectors: float32 ``(n, dim)``, L2-normalized; not modified.
            names: Provides the weights. An identifier, of which the context says little, moves as
                far as a learned name; a value as far as any other known name.
        """
        kinds = [kind for *_, of_piece in found for kind in of_piece]
        known = {n: kind for n, kind in enumerate(kinds) if kind is not None}
        if not known:
            return vectors
        phrases = self.encode_types([DESCRIPTIONS[kind] for kind in known.values()])
        weights = [
            names.learned_weight if kind in IDENTIFIERS else names.weight for kind in known.values()
        ]
        blended, at = vectors.copy(), list(known)
        moved = vectors[at] + np.array(weights, dtype=np.float32)[:, None] * phrases
        blended[at] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return blended

    def _with_mentions(self, some: Sequence[_Read]) -> list[_Found]:
        """Each piece with its mentions; unknown ones are detected in all pieces at once."""
        # No mention is wanted where ``known`` is empty, so patterns are not tried either.
        patterns = [[] if piece.known == [] else find_patterns(piece.text) for piece, _ in some]
        unknown = [(piece.text, states) for piece, states in some if piece.known is None]
        learned: Iterator[list[Mention]] = iter(())
        if unknown:
            assert isinstance(self.detector, SpanHead)
            texts, read = zip(*unknown, strict=True)
            learned = iter(self.detector.mentions_of(texts, read))
        found: list[_Found] = []
        for (piece, states), forms in zip(some, patterns, strict=True):
            mentions = piece.known
            if mentions is None:
                mentions = with_patterns(piece.text, next(learned), forms)
            found.append((piece, mentions, states, kinds_of(mentions, forms)))
        return found

    def _pooled(self, states: TokenStates, spans: Spans) -> Tensor:
        """Pool spans over the taps: float32 ``(len(spans), width)``."""
        with torch.inference_mode():
            tapped = torch.cat([states.taps[tap] for tap in self.taps], dim=-1)
            return pool(tapped, states.offsets, spans, self.pooling)

    def _projected(self, pooled: Tensor) -> NDArray[np.float32]:
        """Project pooled taps: float32 ``(n, dim)``, L2-normalized."""
        with torch.inference_mode():
            head = self.head or torch.nn.functional.normalize
            vectors: NDArray[np.float32] = head(pooled).numpy()
        return vectors


def _chunked(read: Iterable[_Read], tokens: int) -> Iterator[list[_Read]]:
    """Group pieces, in order, into the smallest chunks with at least ``tokens`` tokens."""
    some: list[_Read] = []
    held = 0
    for each in read:
        some.append(each)
        held += len(each[1])
        if held >= tokens:
            yield some
            some, held = [], 0
    if some:
        yield some


def _in_view(view: View, mention: Mention) -> Mention:
    """Convert a mention from source to view: its offsets and its text there."""
    start, end = view.to_view(mention.start, mention.end)
    return Mention(view.text[start:end], start, end, mention.score)
