"""Scores mentions in their passages with the pair model, and caches the logits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from cachetools import LRUCache
from numpy.typing import NDArray

from ner_retriever_rag.detection.patterns import IDENTIFIERS, find_patterns
from ner_retriever_rag.encoder.backbone.adaptation import add_deltas
from ner_retriever_rag.encoder.pair_model import PairModel, PairTokens
from ner_retriever_rag.reading.passage import Passage

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.backbone.backbone import Backbone

_CACHE_SIZE = 100_000  # logits in the cache
_BATCH = 32  # pairs per forward pass
_IN_NAMES = {"identifier", "number", "version"}  # names contain these, as "Python 3.11" does


class PairScorer:
    """Scores how well a description fits mentions, from description and passage together.

    Args:
        model: The pair model.
        load: Loads the backbone up to its topmost residual stream, for the pair model alone; called
            when the first mention is judged.
    """

    def __init__(self, model: PairModel, load: Callable[[], Backbone]) -> None:
        self._model, self._load = model, load
        self._read: tuple[Backbone, PairTokens] | None = None
        self._logit_cache: LRUCache[tuple[str, Passage], float] = LRUCache(_CACHE_SIZE)
        self._lock = threading.Lock()

    def logits(self, description: str, passages: Sequence[Passage]) -> NDArray[np.float64]:
        """Logits that mentions are of a kind, float64 ``(len(passages),)``; NaN for identifiers.

        The form of an identifier ("--no-cache", "ENOENT") says what it is, and that is in its
        vector; the pair model mistakes flags for environment variables.

        Args:
            description: The kind.
            passages: The mentions; those judged before come from the cache.
        """
        asked_of = list(dict.fromkeys(passages))
        with self._lock:
            judged = {each: self._logit_cache.get((description, each)) for each in asked_of}
        known = {each: logit for each, logit in judged.items() if logit is not None}
        new = [each for each in asked_of if each not in known]
        known.update({each: np.nan for each in new if _is_identifier(each)})
        to_score = sorted((each for each in new if each not in known), key=lambda p: len(p.text))
        for start in range(0, len(to_score), _BATCH):
            some = to_score[start : start + _BATCH]
            known.update(zip(some, self._score(description, some), strict=True))
        with self._lock:
            self._logit_cache.update({(description, each): known[each] for each in new})
        return np.asarray([known[each] for each in passages], dtype=np.float64)

    def _score(self, description: str, passages: Sequence[Passage]) -> list[float]:
        backbone, tokens = self._reader()
        with self._lock:  # fast tokenizers are not thread-safe ("Already borrowed")
            ids, mask, at = tokens([(description, passage) for passage in passages])
        with torch.inference_mode():
            top = backbone.forward(ids, mask)[backbone.top]
            states = top[torch.arange(len(top)), at].float().cpu()
            logits = states @ self._model.weight.T + self._model.bias
        found: list[float] = logits[:, 0].tolist()
        return found

    def _reader(self) -> tuple[Backbone, PairTokens]:
        with self._lock:
            if self._read is None:
                backbone = self._load()
                add_deltas(backbone.model, self._model.deltas)
                self._read = backbone, PairTokens(backbone.tokenizer)
            return self._read


def _is_identifier(mention: Passage) -> bool:
    """Whether a mention is an identifier, or has one in it that no name has."""
    for found in find_patterns(mention.text, IDENTIFIERS):
        if (found.start, found.end) == (mention.start, mention.end):
            return True
        inside = mention.start <= found.start and found.end <= mention.end
        if inside and found.kind not in _IN_NAMES:
            return True
    return False
