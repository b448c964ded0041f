"""A packed BERT that needs only torch and tokenizers.

Importing transformers takes longer than everything else up to a first answer. The shipped backbone
is a BERT, so it is built here: its modules have the names of transformers' ``BertModel``, so it
takes the same weights and gives the same hidden states (arXiv 1810.04805). Any other backbone, and
one whose projections are read, is loaded by transformers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.packed import is_packed, read_packed
from ner_retriever_rag.encoder.backbone.taps import Anatomy, Tap, check_taps, find_anatomy

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"


def reads_as_bert(folder: str | Path, taps: Sequence[Tap]) -> bool:
    """Whether a folder holds a packed BERT and only hidden states of blocks are read."""
    if not is_packed(folder) or any(tap.kind != "hidden" or not tap.block for tap in taps):
        return False
    config = _read(folder, _CONFIG)
    plain = config.get("position_embedding_type", "absolute") == "absolute"
    return (
        plain
        and config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and (Path(folder) / _TOKENIZER).is_file()
    )


class BertConfig:
    """A BERT's ``config.json``, by attribute.

    Args:
        values: Contents of the file.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def get_text_config(self) -> BertConfig:
        """Return itself: the model is text-only."""
        return self


class PackedBert(nn.Module):
    """A BERT encoder without pooler.

    Args:
        config: The model's configuration.
        blocks: Number of blocks to build.
    """

    def __init__(self, config: Any, blocks: int) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": _empty_embedding(config.vocab_size, width),
                "position_embeddings": _empty_embedding(config.max_position_embeddings, width),
                "token_type_embeddings": _empty_embedding(config.type_vocab_size, width),
                "LayerNorm": nn.LayerNorm(width, config.layer_norm_eps),
            }
        )
        self._blocks = [_Block(config) for _ in range(blocks)]
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(self._blocks)})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute the topmost hidden states.

        Args:
            input_ids: int64 ``(batch, tokens)``.
            attention_mask: ``(batch, tokens)``, 1 for tokens and 0 for padding.

        Returns:
            ``(batch, tokens, width)``.
        """
        by = self.embeddings
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        kinds = torch.zeros_like(input_ids)
        states: Tensor = by["word_embeddings"](input_ids) + by["token_type_embeddings"](kinds)
        states = by["LayerNorm"](states + by["position_embeddings"](places))
        real = attention_mask.bool()
        mask = None if bool(real.all()) else real[:, None, None, :]
        for block in self._blocks:
            states = block(states, mask)
        return states

    @property
    def dtype(self) -> torch.dtype:
        """Compute dtype."""
        return next(self.parameters()).dtype

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings."""
        return self.embeddings["word_embeddings"]

    def set_input_embeddings(self, embeddings: nn.Module) -> None:
        """Use the word embeddings of another model."""
        self.embeddings["word_embeddings"] = embeddings


class _Block(nn.Module):
    """Self-attention and feed-forward, each with its residual sum and layer norm."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        self._heads = config.num_attention_heads
        projections = {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict(projections), "output": _ResidualOutput(width, width, eps)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = _ResidualOutput(inner, width, eps)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Hidden states of the block, ``(batch, tokens, width)``; ``mask`` is False for padding."""
        batch, tokens, width = states.shape
        query, key, value = (
            projection(states).view(batch, tokens, self._heads, -1).transpose(1, 2)
            for projection in self.attention["self"].values()  # type: ignore[operator]
        )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        seen = seen.transpose(1, 2).reshape(batch, tokens, width)
        states = self.attention["output"](seen, states)
        summed: Tensor = self.output(functional.gelu(self.intermediate["dense"](states)), states)
        return summed


class _ResidualOutput(nn.Module):
    """A projection added to the residual stream, and the layer norm of the sum."""

    def __init__(self, width: int, out: int, eps: float) -> None:
        super().__init__()
        self.dense = nn.Linear(width, out)
        self.LayerNorm = nn.LayerNorm(out, eps)

    def forward(self, inner: Tensor, states: Tensor) -> Tensor:
        summed: Tensor = self.LayerNorm(self.dense(inner) + states)
        return summed


class PackedTokenizer:
    """A saved fast tokenizer with the call interface of transformers.

    Args:
        folder: Contains ``tokenizer.json`` and its configuration.
    """

    def __init__(self, folder: str | Path) -> None:
        settings = _read(folder, "tokenizer_config.json")
        self._tokenizer = Tokenizer.from_file(str(Path(folder) / _TOKENIZER))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.model_max_length = int(settings.get("model_max_length", sys.maxsize))
        self.pad_token_id = self._tokenizer.token_to_id(settings.get("pad_token", "[PAD]"))

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        add_special_tokens: bool = True,
        return_special_tokens_mask: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """Tokenize one text or several.

        Args:
            texts: The text or texts.
            add_special_tokens: Whether to add the special tokens around a text.
            return_special_tokens_mask: Whether to return which tokens these are.

        Returns:
            ``input_ids``, ``offset_mapping`` (characters, end exclusive) and, if requested,
            ``special_tokens_mask``; of one text, or a list with one entry per text.
        """
        alone = isinstance(texts, str)
        read = self._tokenizer.encode_batch(
            [texts] if alone else list(texts), add_special_tokens=add_special_tokens
        )
        found: dict[str, list[Any]] = {
            "input_ids": [each.ids for each in read],
            "offset_mapping": [each.offsets for each in read],
        }
        if return_special_tokens_mask:
            found["special_tokens_mask"] = [each.special_tokens_mask for each in read]
        return {name: rows[0] for name, rows in found.items()} if alone else found


def _empty_embedding(rows: int, width: int) -> nn.Embedding:
    """An uninitialized embedding; to initialize it randomly, torch would import its compiler."""
    empty = torch.empty(rows, width)
    embedding: nn.Embedding = nn.Embedding.from_pretrained(empty)  # type: ignore[no-untyped-call]
    return embedding


def load_packed_bert(
    folder: str | Path, taps: Sequence[Tap], dtype: torch.dtype
) -> tuple[PackedBert, Anatomy | None]:
    """Load a packed BERT up to its last tap.

    Args:
        folder: The packed backbone.
        taps: Hidden states.
        dtype: Compute dtype.

    Returns:
        The model, frozen and in eval mode, and its anatomy.

    Raises:
        ValueError: If a tap is not in the model, or the folder lacks weights for one.
    """
    config = BertConfig(_read(folder, _CONFIG))
    with torch.device("meta"):
        whole = PackedBert(config, config.num_hidden_layers)  # type: ignore[attr-defined]
        anatomy = find_anatomy(whole)
        check_taps(whole, anatomy, taps)
        model = PackedBert(config, max(tap.block for tap in taps))
    wanted = model.state_dict().keys()
    weights = read_packed(folder, wanted.__contains__)
    if missing := sorted(wanted - weights.keys()):
        raise ValueError(f"{folder} lacks weights that the taps need: {', '.join(missing[:5])}")
    model.load_state_dict({name: value.to(dtype) for name, value in weights.items()}, assign=True)
    return model.eval().requires_grad_(False), anatomy


def _read(folder: str | Path, name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((Path(folder) / name).read_text(encoding="utf-8"))
    return values
