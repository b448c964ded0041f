"""Token states: the backbone's output for one text, merged from its windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ner_retriever_rag.encoder.backbone.windows import Window


@dataclass(frozen=True, slots=True)
class TokenStates:
    """The backbone's output for one text, windows merged and special tokens left out.

    Attributes:
        offsets: int64 ``(n, 2)``, each token's characters in the original string.
        taps: For each tap (as written, ``"value@17"``) float32 ``(n, width)`` on the CPU.
        text_vector: float32 ``(hidden,)``, mean of the top layer over all tokens, special ones
            included (as in sentence-transformers' mean pooling), not normalized; None if the top
            layer is not among the taps.
    """

    offsets: NDArray[np.int64]
    taps: dict[str, Tensor]
    text_vector: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.offsets)


class MergedText:
    """A text's token vectors, merged from the windows that own them."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.taps: dict[str, Tensor] = {}
        self._top_sum: Tensor | None = None
        self._top_count = 0

    def take(
        self, window: Window, vectors: dict[str, Tensor], prefix: int, special: int, top: str
    ) -> None:
        """Copy the tokens that a window owns; ``vectors`` are ``(padded tokens, width)`` by tap."""
        shift = prefix - window.start
        own = slice(window.own_start + shift, window.own_end + shift)
        for tap, states in vectors.items():
            if tap not in self.taps:
                self.taps[tap] = torch.empty(self.length, states.shape[-1])
            self.taps[tap][window.own_start : window.own_end] = states[own]
        if top in vectors:
            after = prefix + len(window)
            states = vectors[top]
            parts = (states[:prefix], states[own], states[after : after + special - prefix])
            total = torch.cat(parts).sum(0)
            self._top_sum = total if self._top_sum is None else self._top_sum + total
            self._top_count += sum(map(len, parts))

    def text_vector(self) -> NDArray[np.float32] | None:
        """Mean of the top layer over all tokens taken."""
        if self._top_sum is None:
            return None
        mean: NDArray[np.float32] = (self._top_sum / self._top_count).numpy()
        return mean
