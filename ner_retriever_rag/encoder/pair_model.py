"""The pair model: reads a type description and a marked mention in its passage together.

A cross-encoder that shares the backbone. Passages and descriptions are read apart up to a block, so
what was said of a passage serves every description (PreTTR, MacAvaney et al. 2020; DeFormer, Cao et
al. 2020); then a few blocks of its own let the description's tokens look at the passage's, in which
the mention is marked. The passage does not look back, so its keys and values are made once, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

WEIGHTS, CONFIG = "pair_model.safetensors", "pair_model.json"


class PairBlock(nn.Module):
    """A transformer block (post-norm, as BERT's) whose tokens also look at a passage.

    Args:
        width: Of the residual stream.
        heads: Of attention; divides ``width``.
        inner: Width of the feed-forward layer.
    """

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.rise = nn.Linear(width, inner)
        self.fall = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.marks = nn.Embedding(2, width)  # a passage's token, outside the mention and in it
        nn.init.zeros_(self.marks.weight)

    def memory(self, passage: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of passages.

        Args:
            passage: ``(passages, tokens, width)``, what the block below said of them.
            inside: bool ``(passages, tokens)``, the mention's tokens.

        Returns:
            Two ``(passages, heads, tokens, width / heads)``.
        """
        marked = passage + self.marks(inside.long())
        return self._split(self.key(marked)), self._split(self.value(marked))

    def forward(
        self, description: Tensor, keys: Tensor, values: Tensor, allowed: Tensor, dropout: float
    ) -> Tensor:
        """The description's tokens, one block on.

        Args:
            description: ``(pairs, words, width)``.
            keys: ``(pairs, heads, tokens, width / heads)`` of each pair's passage.
            values: Likewise.
            allowed: bool ``(pairs, words + tokens)``, what is no padding.
            dropout: Share of the residual's input dropped, in training.
        """
        own_keys = self._split(self.key(description))
        own_values = self._split(self.value(description))
        looked = functional.scaled_dot_product_attention(
            self._split(self.query(description)),
            torch.cat([own_keys, keys], 2),
            torch.cat([own_values, values], 2),
            attn_mask=allowed[:, None, None, :],
        )
        looked = looked.transpose(1, 2).reshape(description.shape)
        drop = nn.functional.dropout
        x = self.attention_norm(description + drop(self.output(looked), dropout, self.training))
        inner = self.fall(functional.gelu(self.rise(x)))
        out: Tensor = self.norm(x + drop(inner, dropout, self.training))
        return out

    def _split(self, x: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        return x.view(rows, tokens, self.heads, width // self.heads).transpose(1, 2)


class PairModel(nn.Module):
    """Says of descriptions and marked mentions whether the one is of the kind of the other.

    Args:
        taps: Where passages are read, the input of each block (``["hidden@4", "hidden@5"]``);
            descriptions are read at the first of them.
        width: Of the residual stream.
        heads: Of attention.
        inner: Width of the feed-forward layers.
        scale: The log odds are ``scale * logit + offset``; fitted after training.
        offset: See ``scale``.
    """

    WEIGHTS = WEIGHTS

    def __init__(
        self,
        taps: Sequence[str],
        width: int,
        *,
        heads: int = 12,
        inner: int = 1536,
        scale: float = 1.0,
        offset: float = 0.0,
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.width, self.heads, self.inner = width, heads, inner
        self.scale, self.offset = scale, offset
        self.blocks = nn.ModuleList(PairBlock(width, heads, inner) for _ in self.taps)
        self.judge = nn.Linear(2 * width, 1)
        self.dropout = 0.1

    def forward(
        self,
        passages: Sequence[Tensor],
        inside: Tensor,
        passage_mask: Tensor,
        descriptions: Tensor,
        description_mask: Tensor,
        passage_of: Tensor,
    ) -> Tensor:
        """Logits of pairs.

        Args:
            passages: For each tap ``(passages, tokens, width)``.
            inside: bool ``(passages, tokens)``, the mention's tokens.
            passage_mask: bool ``(passages, tokens)``, what is no padding.
            descriptions: ``(pairs, words, width)``, states at the first tap.
            description_mask: bool ``(pairs, words)``.
            passage_of: int64 ``(pairs,)``, which passage each pair is about.

        Returns:
            ``(pairs,)``.
        """
        allowed = torch.cat([description_mask, passage_mask[passage_of]], 1)
        x = descriptions
        for block, passage in zip(self.blocks, passages, strict=True):
            assert isinstance(block, PairBlock)
            keys, values = block.memory(passage, inside)
            x = block(x, keys[passage_of], values[passage_of], allowed, self.dropout)
        real = description_mask.unsqueeze(-1).float()
        mean = (x * real).sum(1) / real.sum(1).clamp(min=1)
        marked = inside.unsqueeze(-1).float()
        top = (passages[-1] * marked).sum(1) / marked.sum(1).clamp(min=1)
        logits: Tensor = self.judge(torch.cat([mean, mean * top[passage_of]], -1)).squeeze(-1)
        return logits

    def start_from(self, layers: Sequence[nn.Module]) -> None:
        """Begin with the weights of a BERT's blocks, one for each block of this model."""
        for block, layer in zip(self.blocks, layers, strict=True):
            source = dict(layer.named_parameters())
            for own, theirs in _BERT.items():
                for part in ("weight", "bias"):
                    getattr(getattr(block, own), part).data.copy_(source[f"{theirs}.{part}"].data)

    def save(self, folder: str | Path, *, dtype: torch.dtype = torch.float16) -> None:
        """Write ``pair_model.safetensors`` and ``pair_model.json`` into a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.to(dtype).contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        names = ("width", "heads", "inner", "scale", "offset")
        config = {"taps": list(self.taps), **{name: getattr(self, name) for name in names}}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> PairModel:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
        """
        folder = Path(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        model = cls(config.pop("taps"), config.pop("width"), **config)
        model.load_state_dict({k: v.float() for k, v in load_file(folder / WEIGHTS).items()})
        return model.eval().requires_grad_(False)


_BERT = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "rise": "intermediate.dense",
    "fall": "output.dense",
    "norm": "output.LayerNorm",
}
