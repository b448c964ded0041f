"""Judging mentions in their passages by the pair model, with what was read and said remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from cachetools import LRUCache
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ner_retriever_rag.encoder.backbone.states import TokenStates
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.pooling import token_ranges
from ner_retriever_rag.reading.passage import Passage

_PASSAGES = 512  # whose states are remembered: about 40 MB
_JUDGEMENTS = 100_000
_TOGETHER = 32  # pairs judged at once

Read = Callable[[Sequence[str]], Iterator[TokenStates]]


class PairJudge:
    """Says how well a description fits mentions, from description and passage together.

    Args:
        model: The pair model.
        read: Reads texts with the backbone that the model shares.
    """

    def __init__(self, model: PairModel, read: Read) -> None:
        self.model, self._read = model.eval(), read
        self._passages: LRUCache[Passage, tuple[list[Tensor], Tensor]] = LRUCache(_PASSAGES)
        self._judged: LRUCache[tuple[str, Passage], float] = LRUCache(_JUDGEMENTS)
        self._lock = threading.Lock()

    def logits(self, description: str, passages: Sequence[Passage]) -> NDArray[np.float64]:
        """The model's logits that mentions are of a kind, float64 ``(len(passages),)``.

        Args:
            description: The kind.
            passages: The mentions; those judged or read before cost little.
        """
        asked_of = list(dict.fromkeys(passages))
        with self._lock:
            judged = {each: self._judged.get((description, each)) for each in asked_of}
        known = {each: logit for each, logit in judged.items() if logit is not None}
        new = sorted((each for each in asked_of if each not in known), key=lambda p: len(p.text))
        if new:
            (asked,) = self._read([description])
            for start in range(0, len(new), _TOGETHER):
                some = new[start : start + _TOGETHER]
                for passage, logit in zip(some, self._judge(asked, some), strict=True):
                    known[passage] = logit
            with self._lock:
                self._judged.update({(description, each): known[each] for each in new})
        return np.asarray([known[each] for each in passages], dtype=np.float64)

    def _judge(self, asked: TokenStates, passages: Sequence[Passage]) -> list[float]:
        states = self._states(passages)
        taps = range(len(self.model.taps))
        said = asked.taps[self.model.taps[0]].expand(len(passages), -1, -1)
        if not said.shape[1]:
            return [0.0] * len(passages)
        lengths = torch.tensor([len(inside) for _, inside in states])
        with torch.inference_mode():
            logits = self.model(
                [
                    pad_sequence([s[tap].float() for s, _ in states], batch_first=True)
                    for tap in taps
                ],
                pad_sequence([inside for _, inside in states], batch_first=True),
                torch.arange(int(lengths.max()))[None, :] < lengths[:, None],
                said,
                torch.ones(said.shape[:2], dtype=torch.bool),
                torch.arange(len(passages)),
            )
        found: list[float] = logits.tolist()
        return found

    def _states(self, passages: Sequence[Passage]) -> list[tuple[list[Tensor], Tensor]]:
        """What the backbone says of passages, float16 by tap, and which tokens are a mention's."""
        with self._lock:
            kept = {each: self._passages.get(each) for each in passages}
        known = {each: states for each, states in kept.items() if states is not None}
        new = [each for each in passages if each not in known]
        for passage, states in zip(new, self._read([p.text for p in new]), strict=True):
            inside = torch.zeros(len(states), dtype=torch.bool)
            if len(states):
                first, after = token_ranges(states.offsets, [(passage.start, passage.end)])
                inside[int(first[0]) : int(after[0])] = True
            known[passage] = [states.taps[tap].half() for tap in self.model.taps], inside
        with self._lock:
            self._passages.update({each: known[each] for each in new})
        return [known[each] for each in passages]
