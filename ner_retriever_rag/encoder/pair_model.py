"""The pair model: a cross-encoder that reads a type description and a marked mention together.

``[CLS] description [SEP] ... [ mention ] ... [SEP]`` (Nogueira and Cho 2019) goes through the
backbone with the pair model's own low-rank deltas (LoRA, Hu et al. 2021). The logit comes from
the state of the bracket after the mention (entity markers, Baldini Soares et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ner_retriever_rag.encoder.backbone.windows import special_tokens
from ner_retriever_rag.reading.passage import Passage

WEIGHTS = "pair_model.safetensors"
_WEIGHT, _BIAS = "judge.weight", "judge.bias"
_DESCRIPTION, _SIDE = 48, 72  # most tokens of a description; of a mention and of each side
_PLAIN = str.maketrans("[]", "()")  # brackets mark the mention, so they are replaced in the text


@dataclass(frozen=True, slots=True)
class PairModel:
    """Trained parameters of the pair model.

    Attributes:
        deltas: Low-rank deltas to the backbone's linear layers, as ``add_deltas`` takes them.
        weight: float32 ``(1, width)``, of the output layer.
        bias: float32 ``(1,)``, of the output layer.
    """

    deltas: dict[str, Tensor]
    weight: Tensor
    bias: Tensor

    WEIGHTS: ClassVar[str] = WEIGHTS

    def save(self, folder: str | Path) -> None:
        """Write ``pair_model.safetensors`` into a folder, created if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({**self.deltas, _WEIGHT: self.weight, _BIAS: self.bias}, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: str | Path) -> PairModel:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If the file is missing.
        """
        found = load_file(Path(folder) / WEIGHTS)
        weight, bias = found.pop(_WEIGHT), found.pop(_BIAS)
        return cls(found, weight, bias)


class PairTokens:
    """Tokenizes pairs of a description and a marked mention.

    Args:
        tokenizer: The backbone's tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._prefix, self._suffix = special_tokens(tokenizer)
        self._open, self._close = self._pieces(["[", "]"])

    def __call__(self, pairs: Sequence[tuple[str, Passage]]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokenize pairs.

        Args:
            pairs: Descriptions and mentions.

        Returns:
            Input ids and attention mask, int64 ``(pairs, tokens)``, padded on the right, and
            ``(pairs,)``, the position of the bracket after the mention.
        """
        parts = [
            (said, p.text[: p.start], p.text[p.start : p.end], p.text[p.end :]) for said, p in pairs
        ]
        pieces = self._pieces([part.translate(_PLAIN) for of_pair in parts for part in of_pair])
        rows, at = [], []
        for n in range(0, len(pieces), 4):
            said, left, mention, right = pieces[n : n + 4]
            row = [*self._prefix, *said[:_DESCRIPTION], *self._suffix, *left[-_SIDE:]]
            row += [*self._open, *mention[:_SIDE], *self._close]
            at.append(len(row) - 1)
            rows.append(torch.tensor([*row, *right[:_SIDE], *self._suffix]))
        ids = pad_sequence(rows, batch_first=True, padding_value=self._tokenizer.pad_token_id or 0)
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
        return ids, mask, torch.tensor(at)

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self._tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        return found
