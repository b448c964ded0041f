"""A GLiNER bi-encoder in place of an encoder's backbone, taps and head.

A span-level bi-encoder scores ``sigmoid(span vector . label vector)``: the span vector does not
depend on the labels, so it can be stored and queried with any label later. Vectors are not
normalized, and the ranking stages for our own encoder's cosines are skipped, so a score is the one
that the package's ``predict_entities`` gives the same span and label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ner_retriever_rag.detection.given import Spans, given_mentions
from ner_retriever_rag.detection.gliner import EVERYTHING_NAMED
from ner_retriever_rag.detection.protocol import MentionDetector
from ner_retriever_rag.detection.spans import mentions_from_spans
from ner_retriever_rag.encoder.gliner import CONFIG as GLINER_CONFIG
from ner_retriever_rag.encoder.gliner import GLiNERModel, Words
from ner_retriever_rag.encoder.saved import CONFIG, write_saved
from ner_retriever_rag.encoder.scores import Similarity, TypeScores
from ner_retriever_rag.encoder.type_vectors import TypeVectors
from ner_retriever_rag.encoder.word_windows import WordWindow
from ner_retriever_rag.schema import EncodedText, Mention, Span, require_text, type_name

_Placed = tuple[Mention, Span]  # a mention, and the first and last word it lies in
_MAX_LOGIT = 500.0  # logits are clipped here: beyond, scores are certain and exp would overflow


class GLiNERVectors(TypeScores):
    """Encodes mentions with the text side of a GLiNER bi-encoder, types with its label side.

    Args:
        model: Hub id or folder of a span-level bi-encoder.
        detector: Finds the mentions; None for the model itself.
        labels: Labels that the model is prompted with when it detects the mentions itself.
        threshold: Minimum score of a mention that the model detects.
        batch_size: Text windows per forward pass.
        device: Device of the model; None leaves it on the CPU.
        revision: Branch, tag or commit of a hub id.
        token: Access token for a private hub id.
        digest: Refuse a model with another digest.

    Raises:
        FileNotFoundError: If there is no such model.
        TypeError: If the detector is not a ``MentionDetector``.
        ValueError: If the model is of another kind or has another digest, the device is not
            available, or ``labels`` is empty or not a list.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        detector: MentionDetector | None,
        labels: Sequence[str] = EVERYTHING_NAMED,
        threshold: float = 0.5,
        batch_size: int = 8,
        device: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        digest: str | None = None,
    ) -> None:
        TypeScores.__init__(self, None)  # all other attributes of our encoders need a backbone
        if isinstance(labels, str) or not labels:
            raise ValueError("labels must be a list of at least one type to prompt with")
        if detector is not None and not isinstance(detector, MentionDetector):
            raise TypeError(
                f"detector must be a MentionDetector: a {type_name(detector)} finds no mentions"
            )
        self._gliner = GLiNERModel(model, revision=revision, token=token, device=device)
        self._finder, self._labels, self._threshold = detector, tuple(labels), threshold
        self._batch_size = batch_size
        self._known_types = TypeVectors()
        self._digest = self._gliner.digest()
        if digest not in (None, self._digest):
            raise ValueError(
                f"the GLiNER model {self._gliner.name} is not the one that the encoder was saved "
                "with"
            )

    def __repr__(self) -> str:
        return f"TypeAwareEncoder({self.description})"

    @property
    def similarity(self) -> Similarity:
        """Inner product: a GLiNER model's vectors are compared without normalization."""
        return "inner product"

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self._gliner.dim

    @property
    def dtype(self) -> str:
        """Dtype of the vectors."""
        return "float32"

    @property
    def threads(self) -> int:
        """One encoding thread: the model uses all cores."""
        return 1

    @property
    def judge(self) -> None:
        """None: the pair model needs one of our backbones."""
        return None

    @property
    def fingerprint(self) -> str:
        """Digest of the model; changes whenever vectors would."""
        return self._digest

    def understands(self, fingerprint: str) -> bool:
        """Whether vectors stored under a fingerprint match this encoder's."""
        return fingerprint == self._digest

    @property
    def description(self) -> str:
        """One-line, human-readable description of the encoder."""
        return f"GLiNER bi-encoder {self._gliner.name}, inner product -> {self.dim}"

    def score(
        self, type_vector: NDArray[np.float32], similarities: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The model's own scores of inner products: float32 ``(n,)``, their sigmoid."""
        logits = np.clip(np.asarray(similarities, dtype=np.float64), -_MAX_LOGIT, _MAX_LOGIT)
        return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)

    def similarity_at(self, type_vector: NDArray[np.float32], score: float) -> float:
        """Inner product at which a score is reached; infinite for 0 and 1."""
        if not 0 < score < 1:
            return float("-inf") if score <= 0 else float("inf")
        return float(np.log(score / (1 - score)))

    def encode(
        self,
        texts: Sequence[str],
        spans: Sequence[Spans] | None = None,
        *,
        progress: bool = False,
    ) -> list[EncodedText]:
        """Detect (or take) the mentions of texts and encode each.

        A mention has the vector of the words it lies in, as the model splits words.

        Args:
            texts: The texts. None may be empty.
            spans: For each text the character spans of its mentions, end exclusive; None to detect
                them. Mentions found by another detector that are too wide are dropped.
            progress: Show a progress bar.

        Returns:
            One ``EncodedText`` per text, in order, without a text vector; vectors are float32
            ``(n_mentions, dim)``, not normalized.

        Raises:
            TypeError: If ``texts`` is a string or contains anything but strings.
            ValueError: If a text is empty, or a span lies outside its text, contains no word or
                more words than the model has spans for.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of strings, not one string")
        for number, text in enumerate(texts):
            require_text(text, f"texts[{number}]")
        read = [Words(text, self._gliner) for text in texts]
        if spans is None and self._finder is None:
            return self._encoded(read, None, progress)
        if spans is not None:
            known = given_mentions(texts, spans)
        else:
            assert self._finder is not None
            known = self._finder.detect(texts)
        placed = [
            self._placed(one, mentions, given=spans is not None)
            for one, mentions in zip(read, known, strict=True)
        ]
        return self._encoded(read, placed, progress)

    def encode_types(self, types: Sequence[str]) -> NDArray[np.float32]:
        """Encode labels, as written.

        Returns:
            float32 ``(len(types), dim)``, not normalized.

        Raises:
            TypeError: If ``types`` is a string or contains anything but strings.
            ValueError: If a description is empty.
        """
        if isinstance(types, str):
            raise TypeError("types must be a list of type descriptions, not one string")
        for number, description in enumerate(types):
            require_text(description, "type description" + f" {number}" * (len(types) > 1))
        vectors = self._known_types.known(types)
        new = [each for each in dict.fromkeys(types) if each not in vectors]
        fresh = dict(zip(new, self._gliner.label_vectors(new), strict=True))
        self._known_types.keep(fresh)
        found = [fresh[each] if each in fresh else vectors[each] for each in types]
        return np.stack(found) if found else np.zeros((0, self.dim), dtype=np.float32)

    def save_pretrained(self, folder: str | Path, *, backbone: bool = False) -> None:
        """Save a reference to the model and how it detects mentions; the model is not copied.

        Raises:
            ValueError: If the folder belongs to another model, or ``backbone`` is True.
        """
        if backbone:
            raise ValueError("a GLiNER model is saved by its name: leave out backbone=True")
        name = self._gliner.name
        reference = {
            "model": str(Path(name).resolve()) if Path(name).is_dir() else name,
            "revision": self._gliner.revision,
            "digest": self._digest,
            "detector": "model" if self._finder is None else "shipped",
            "labels": list(self._labels),
            "threshold": self._threshold,
        }
        write_saved(Path(folder), {"gliner": reference}, [])

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Not supported: the model has a repository of its own.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self._gliner.name} is a GLiNER model: push it with the package gliner")

    def learn_names(self, names: Mapping[str, Sequence[str]] | str | Path) -> None:
        """Not supported: a name's types cannot be blended into such vectors.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self._gliner.name} is a GLiNER model, which cannot be taught names")

    def _placed(self, read: Words, mentions: Sequence[Mention], *, given: bool) -> list[_Placed]:
        """Mentions with the words they lie in; those without a vector are dropped.

        Raises:
            ValueError: If a given mention has none.
        """
        placed = []
        for mention in mentions:
            words = read.around(mention.start, mention.end)
            if words is not None and words[1] - words[0] < self._gliner.widest:
                placed.append((mention, words))
            elif given:
                what = "no word" if words is None else f"more than {self._gliner.widest} words"
                raise ValueError(
                    f"spans: {mention.text[:60]!r} at {mention.start} holds {what}, and "
                    f"{self._gliner.name} has no vector for it"
                )
        return placed

    def _encoded(
        self, read: Sequence[Words], placed: Sequence[list[_Placed]] | None, progress: bool
    ) -> list[EncodedText]:
        """Read texts in windows; take the vectors of their mentions, or detect mentions there."""
        windows = [
            (number, window)
            for number, one in enumerate(read)
            if placed is None or placed[number]
            for window in one.windows()
        ]
        asked = self.encode_types(self._labels) if placed is None else None
        found: list[list[tuple[Mention, NDArray[np.float32]]]] = [[] for _ in read]
        steps = range(0, len(windows), self._batch_size)
        for start in tqdm(steps, unit="batch", disable=not progress):
            batch = windows[start : start + self._batch_size]
            texts = [read[number].words[each.start : each.end] for number, each in batch]
            for (number, window), vectors in zip(
                batch, self._gliner.span_vectors(texts), strict=True
            ):
                if placed is not None:
                    some = placed[number]
                else:
                    assert asked is not None
                    some = self._found(read[number], window, vectors, asked)
                for mention, (first, last) in some:
                    if window.first <= first < window.last:
                        width = min(last, window.end - 1) - first
                        found[number].append((mention, vectors[first - window.start, width]))
        if placed is None:
            for own in found:
                own.sort(key=lambda each: (each[0].start, each[0].end))
            return [self._of(own) for own in found]
        by_mention = {id(each[0]): each for own in found for each in own}
        return [self._of([by_mention[id(mention)] for mention, _ in some]) for some in placed]

    def _of(self, found: Sequence[tuple[Mention, NDArray[np.float32]]]) -> EncodedText:
        vectors = [np.zeros((0, self.dim), dtype=np.float32), *(each[None] for _, each in found)]
        return EncodedText([mention for mention, _ in found], np.concatenate(vectors))

    def _found(
        self,
        read: Words,
        window: WordWindow,
        vectors: NDArray[np.float32],
        asked: NDArray[np.float32],
    ) -> list[_Placed]:
        """Mentions that the model detects in a window; the best of those that overlap."""
        scores = self.score(asked[0], (vectors @ asked.T).max(axis=-1))
        starts, widths = np.nonzero(scores >= self._threshold)
        inside = starts + widths < len(vectors)
        starts, widths = starts[inside], widths[inside]
        taken = np.zeros(len(vectors), dtype=np.bool_)
        found: list[_Placed] = []
        for n in np.argsort(-scores[starts, widths], kind="stable").tolist():
            first, last = int(starts[n]), int(starts[n] + widths[n])
            if taken[first : last + 1].any():
                continue
            taken[first : last + 1] = True
            place = first + window.start, last + window.start
            span = read.starts[place[0]], read.ends[place[1]], float(scores[first, last - first])
            found += [(each, place) for each in mentions_from_spans(read.text, [span])]
        return found


def read_reference(folder: Path) -> dict[str, Any] | None:
    """Read what ``GLiNERVectors.save_pretrained`` wrote; None if a folder holds something else.

    Raises:
        ValueError: If it is a GLiNER model itself.
    """
    if (folder / GLINER_CONFIG).is_file():
        raise ValueError(f"{folder} is a GLiNER model: load it with TypeAwareEncoder.from_gliner")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # the error is left to the reader of our own encoders
    found: dict[str, Any] | None = config.get("gliner") if isinstance(config, dict) else None
    return found
