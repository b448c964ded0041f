"""Tasks encoded once: cached on disk, and given to an index as if they had just been encoded.

Encoding takes minutes where a search takes milliseconds. What was encoded is kept under the
encoder's fingerprint, its detector, and the texts, so that after a change in ranking alone the same
encodings are searched.
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

_TOGETHER = 64  # texts whose token states are held
_LOOKED_AT = 8  # texts whose mentions tell one detector from another

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Encodings:
    """What the texts of a task are encoded to.

    Attributes:
        detected: Each with the mentions that the detector finds in the bare text.
        gold: Each with its gold mentions.
    """

    detected: list[EncodedText]
    gold: list[EncodedText]


def encode_task(
    encoder: TypeAwareEncoder, task: Task, cache: Path | None = None, *, progress: bool = False
) -> Encodings:
    """Encode the texts of a task, with detected and with gold mentions, in one pass.

    Args:
        encoder: What encodes them.
        task: The texts and their gold mentions.
        cache: Folder of what was encoded before; None keeps nothing.
        progress: Show a progress bar.
    """
    return kept(
        cache,
        "encoded",
        lambda: (task.texts, task.spans, *_identity(encoder, task.texts)),
        lambda: _encode(encoder, task, progress),
    )


def kept(cache: Path | None, kind: str, key: Callable[[], object], make: Callable[[], T]) -> T:
    """What was made before under the same key, or else is made now and kept.

    Args:
        cache: Folder of pickles, all written here; None keeps nothing.
        kind: What file names begin with.
        key: Gives all that the result depends on; its ``repr`` is hashed.
        make: Makes it.
    """
    if cache is None:
        return make()
    path = cache / f"{kind}-{sha256(repr(key()).encode()).hexdigest()[:24]}.pickle"
    if path.is_file():
        with path.open("rb") as file:
            return cast(T, pickle.load(file))
    made = make()
    cache.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")  # an interrupted write leaves nothing that is read
    with aside.open("wb") as file:
        pickle.dump(made, file, protocol=pickle.HIGHEST_PROTOCOL)
    aside.replace(path)
    return made


def _identity(encoder: TypeAwareEncoder, texts: Sequence[str]) -> tuple[object, ...]:
    """What tells encodings apart beside the texts.

    The fingerprint says nothing of the detector, which may be anybody's; what it finds in a few of
    the texts does, and so do the weights of ours.
    """
    some = texts[:: max(1, len(texts) // _LOOKED_AT)]
    found = [(m.text, m.start, m.end) for one in encoder.encode(some) for m in one.mentions]
    weights = sha256()
    if isinstance(encoder.detector, SpanHead):
        weights.update(repr(encoder.detector.threshold).encode())
        for name, value in sorted(encoder.detector.state_dict().items()):
            weights.update(name.encode() + value.float().cpu().numpy().tobytes())
    shape = [each.name for kind in (EncodedText, Mention) for each in fields(kind)]
    return encoder.fingerprint, weights.hexdigest(), found, shape


def _encode(encoder: TypeAwareEncoder, task: Task, progress: bool) -> Encodings:
    once = copy.copy(encoder)
    found = Encodings([], [])
    with tqdm(total=len(task.texts), unit="text", desc=task.name, disable=not progress) as bar:
        for start in range(0, len(task.texts), _TOGETHER):
            texts = task.texts[start : start + _TOGETHER]
            spans: list[list[Span]] = task.spans[start : start + _TOGETHER]
            once._backbone = cast("Backbone", _ReadOnce(encoder.backbone))
            found.detected.extend(once.encode(texts))
            found.gold.extend(once.encode(texts, spans=spans))
            bar.update(len(texts))
    return found


class _ReadOnce:
    """A backbone that remembers what it has read, for the second look at the same texts."""

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


class RecalledEncoder:
    """An encoder with cached encodings of some texts; an index made with it encodes nothing again.

    Args:
        encoder: What encoded them; encodes type descriptions, and everything else.
        texts: The texts.
        encoded: What each was encoded to.
    """

    def __init__(
        self, encoder: TypeAwareEncoder, texts: Sequence[str], encoded: Sequence[EncodedText]
    ) -> None:
        self._encoder = encoder
        self._known = dict(zip(texts, encoded, strict=True))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever an encoder has
        return getattr(self._encoder, name)

    def encode(self, texts: Sequence[str], *_: object, **__: object) -> list[EncodedText]:
        """What each text was encoded to, whatever spans are given.

        Raises:
            KeyError: If a text is not known.
        """
        return [self._known[text] for text in texts]


def recalled(
    encoder: TypeAwareEncoder, texts: Sequence[str], encoded: Sequence[EncodedText]
) -> TypeAwareEncoder:
    """A :class:`RecalledEncoder` where an encoder is expected."""
    return cast("TypeAwareEncoder", RecalledEncoder(encoder, texts, encoded))
