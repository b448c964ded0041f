"""Encodings of tasks, cached on disk and given to an index as if they had just been computed.

Encoding takes minutes where a search takes milliseconds. Encodings are cached by the encoder's
fingerprint, its detector, and the texts, so a change in ranking alone reuses them.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tqdm import tqdm

from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.schema import EncodedText, Mention, Span

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.backbone.backbone import Backbone
    from ner_retriever_rag.encoder.backbone.states import TokenStates
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.evaluation.tasks import Task

_BATCH_SIZE = 64  # texts whose token states are held at a time
_FINGERPRINT_TEXTS = 8  # texts whose mentions distinguish one detector from another

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Encodings:
    """The encoded texts of a task.

    Attributes:
        detected: Texts with the mentions that the detector finds in them.
        gold: Texts with their gold mentions.
    """

    detected: list[EncodedText]
    gold: list[EncodedText]


def encode_task(
    encoder: TypeAwareEncoder, task: Task, cache: Path | None = None, *, progress: bool = False
) -> Encodings:
    """Encode the texts of a task, with detected and with gold mentions, in one pass.

    Args:
        encoder: The encoder.
        task: The texts and their gold mentions.
        cache: Folder of cached encodings; None disables caching.
        progress: Show a progress bar.
    """
    return cached(
        cache,
        "encoded",
        lambda: (task.texts, task.spans, *_identity(encoder, task.texts)),
        lambda: _encode(encoder, task, progress),
    )


def cached(cache: Path | None, kind: str, key: Callable[[], object], make: Callable[[], T]) -> T:
    """Return the cached result for a key, or compute and cache it.

    Args:
        cache: Folder of pickles, all written by this function; None disables caching.
        kind: Prefix of the file names.
        key: Returns everything the result depends on; its ``repr`` is hashed.
        make: Computes the result.
    """
    if cache is None:
        return make()
    path = cache / f"{kind}-{sha256(repr(key()).encode()).hexdigest()[:24]}.pickle"
    if path.is_file():
        with path.open("rb") as file:
            return cast(T, pickle.load(file))
    made = make()
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")  # an interrupted write leaves no file that is read
    with temporary.open("wb") as file:
        pickle.dump(made, file, protocol=pickle.HIGHEST_PROTOCOL)
    temporary.replace(path)
    return made


def _identity(encoder: TypeAwareEncoder, texts: Sequence[str]) -> tuple[object, ...]:
    """Return what distinguishes encodings of the same texts.

    The fingerprint does not cover the detector, which may be third-party. The mentions it finds in
    a few of the texts do, and so do the weights of our own detector.
    """
    some = texts[:: max(1, len(texts) // _FINGERPRINT_TEXTS)]
    found = [(m.text, m.start, m.end) for one in encoder.encode(some) for m in one.mentions]
    weights = sha256()
    if isinstance(encoder.detector, SpanHead):
        weights.update(repr(encoder.detector.threshold).encode())
        for name, value in sorted(encoder.detector.state_dict().items()):
            weights.update(name.encode() + value.float().cpu().numpy().tobytes())
    shape = [each.name for kind in (EncodedText, Mention) for each in fields(kind)]
    return encoder.fingerprint, weights.hexdigest(), found, shape


def _encode(encoder: TypeAwareEncoder, task: Task, progress: bool) -> Encodings:
    caching = copy.copy(encoder)
    found = Encodings([], [])
    with tqdm(total=len(task.texts), unit="text", desc=task.name, disable=not progress) as bar:
        for start in range(0, len(task.texts), _BATCH_SIZE):
            texts = task.texts[start : start + _BATCH_SIZE]
            spans: list[list[Span]] = task.spans[start : start + _BATCH_SIZE]
            caching._backbone = cast("Backbone", _CachingBackbone(encoder.backbone))
            found.detected.extend(caching.encode(texts))
            found.gold.extend(caching.encode(texts, spans=spans))
            bar.update(len(texts))
    return found


class _CachingBackbone:
    """A backbone that caches token states, for a second pass over the same texts."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._known: dict[str, TokenStates] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a backbone has
        return getattr(self._backbone, name)

    def read(self, texts: Sequence[str]) -> Iterator[TokenStates]:
        """As ``Backbone.read``."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._backbone.read(new), strict=True))
        return iter([self._known[text] for text in texts])


class CachedEncoder:
    """An encoder with cached encodings of some texts; an index built with it re-encodes nothing.

    Args:
        encoder: Encoder that computed them; still encodes type descriptions and everything else.
        texts: The texts.
        encoded: Encoding of each text.
    """

    def __init__(
        self, encoder: TypeAwareEncoder, texts: Sequence[str], encoded: Sequence[EncodedText]
    ) -> None:
        self._encoder = encoder
        self._known = dict(zip(texts, encoded, strict=True))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever an encoder has
        return getattr(self._encoder, name)

    def encode(self, texts: Sequence[str], *_: object, **__: object) -> list[EncodedText]:
        """Return the cached encoding of each text, whatever spans are given.

        Raises:
            KeyError: If a text is not cached.
        """
        return [self._known[text] for text in texts]


def cached_encoder(
    encoder: TypeAwareEncoder, texts: Sequence[str], encoded: Sequence[EncodedText]
) -> TypeAwareEncoder:
    """Make a :class:`CachedEncoder`, typed as the encoder it stands in for."""
    return cast("TypeAwareEncoder", CachedEncoder(encoder, texts, encoded))
