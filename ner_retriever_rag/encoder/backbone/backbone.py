"""The backbone: a Hugging Face transformer that ends at its last tap.

One forward pass reads every tap. Blocks and modules after the last tap are removed before the
weights are loaded, so they are neither computed nor read from disk.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ner_retriever_rag.encoder.backbone.devices import best_device, check_device, resolve_dtype
from ner_retriever_rag.encoder.backbone.memory import batch_tokens, in_halves
from ner_retriever_rag.encoder.backbone.packed_bert import (
    PackedTokenizer,
    load_packed_bert,
    reads_as_bert,
)
from ner_retriever_rag.encoder.backbone.readers import TapReader
from ner_retriever_rag.encoder.backbone.states import MergedText, TokenStates
from ner_retriever_rag.encoder.backbone.taps import parse_taps
from ner_retriever_rag.encoder.backbone.windows import (
    Tokens,
    Window,
    batch_by_tokens,
    padded_length,
    special_tokens,
    split_windows,
    tokenize,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DEFAULT_WINDOW = 512
_TOKENS_HELD = 16_384  # tokens to read before texts are handed on


class Backbone:
    """A transformer cut after its last tap.

    Args:
        source: Folder of a Hugging Face checkpoint, encoder or decoder.
        taps: ``"value@17"``, several joined by ``+``, or a list of them.
        device: ``"cpu"``, ``"cuda"``, ...; None uses the accelerator if there is one.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``. ``"auto"`` is the checkpoint's own
            dtype on an accelerator; on the CPU, bfloat16 if the processor computes in it, else
            float32.
        window: Maximum sequence length in tokens, special tokens included; longer texts are split.
            None: the model's own limit, at most 512.
        overlap: Tokens shared by neighboring windows. None: 64, or a quarter of a small window.
        adaptation: safetensors file of weight deltas to merge, or None.
        trust_remote_code: Allow code that comes with the checkpoint to run.
        load_options: Extra keyword arguments for ``from_pretrained`` (``quantization_config``,
            ``device_map``, ``revision``, ...).

    Raises:
        ValueError: If a tap, the window or the tokenizer does not fit the model, the checkpoint
            lacks weights that the taps need, or the device is not available.
        OSError: If the checkpoint cannot be found.
    """

    def __init__(
        self,
        source: str | Path,
        taps: str | Sequence[str],
        *,
        device: str | None = None,
        dtype: str = "auto",
        window: int | None = None,
        overlap: int | None = None,
        adaptation: str | Path | None = None,
        trust_remote_code: bool = False,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        check_device(device)
        self.source = str(source)
        self.taps = parse_taps(taps)
        self.device = torch.device(device or best_device())
        self._lock = threading.Lock()
        dtype = resolve_dtype(dtype, device, lambda: Path(self.source))
        options = {"trust_remote_code": trust_remote_code, **(load_options or {})}
        self.tokenizer: Any
        self.model: Any
        if not load_options and reads_as_bert(self.source, self.taps):
            self.tokenizer = PackedTokenizer(self.source)
            self.model, anatomy = load_packed_bert(self.source, self.taps, getattr(torch, dtype))
        else:
            # transformers takes seconds to import.
            from ner_retriever_rag.encoder.backbone.cutting import load_cut_model, load_tokenizer

            self.tokenizer = load_tokenizer(self.source, trust_remote_code)
            self.model, anatomy = load_cut_model(
                self.source, self.taps, getattr(torch, dtype), options
            )
        if "device_map" in options or "quantization_config" in options:
            self.device = self.model.device  # where accelerate has placed the embeddings
        else:
            cast("nn.Module", self.model).to(self.device)
        if adaptation is not None:
            from ner_retriever_rag.encoder.backbone.adaptation import merge_adaptation

            merge_adaptation(self.model, adaptation)
        # On the CPU, threads may run the model concurrently. The hooks of device_map, which move
        # weights, do not allow that, and custom code may not be thread-safe either.
        alone = self.device.type != "cpu" or "device_map" in options or trust_remote_code
        self._turn = threading.Lock() if alone else nullcontext()
        self._reader = TapReader(self.model, self.taps, anatomy)
        self._prefix, self._suffix = special_tokens(self.tokenizer)
        self._window = self._window_size(window)
        self._size = self._window - len(self._prefix) - len(self._suffix)
        self._overlap = overlap = min(64, self._size // 4) if overlap is None else overlap
        if not 0 <= overlap < self._size:
            raise ValueError(f"overlap ({overlap}) must be smaller than the window ({self._size})")

    @property
    def block_count(self) -> int:
        """Number of blocks of the full model, including those cut off."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def top(self) -> str:
        """Tap of the topmost residual stream, ``hidden@N``; text vectors are read from it."""
        return f"hidden@{self.block_count}"

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return int(self.model.config.get_text_config().hidden_size)

    @property
    def window(self) -> int:
        """Maximum sequence length in tokens, special tokens included."""
        return self._window

    def read(self, texts: Sequence[str]) -> Iterator[TokenStates]:
        """Run texts through the backbone and yield their token states, in order.

        Args:
            texts: Any number of strings; they are read about 16,000 tokens at a time.
        """
        held: list[Tokens] = []
        for start in range(0, len(texts), 256):
            for tokens in self._tokenize(texts[start : start + 256]):
                held.append(tokens)
                if sum(len(each.ids) for each in held) >= _TOKENS_HELD:
                    yield from self._read_held(held)
                    held = []
        yield from self._read_held(held)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Read the taps of one padded batch; gradients flow if they are enabled.

        Args:
            input_ids: int64 ``(batch, tokens)``, padded on the right.
            attention_mask: ``(batch, tokens)``, 1 for tokens and 0 for padding.

        Returns:
            For each tap ``(batch, tokens, width)``, in the model's dtype.
        """
        with self._turn:
            return self._reader.run(
                input_ids=input_ids.to(self.device),
                attention_mask=attention_mask.to(self.device),
            )

    def _tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        with self._lock:  # fast tokenizers are not thread-safe ("Already borrowed")
            return tokenize(self.tokenizer, texts)

    def _read_held(self, held: Sequence[Tokens]) -> Iterator[TokenStates]:
        """Read a few texts: run all their windows in batches, then merge those of each text."""
        merged = [MergedText(len(tokens.ids)) for tokens in held]
        special = len(self._prefix) + len(self._suffix)
        windows = [
            window
            for text, tokens in enumerate(held)
            if len(tokens.ids) + special
            for window in split_windows(text, len(tokens.ids), self._size, self._overlap)
        ]
        budget = batch_tokens(self.model, self.device, self._window)
        for batch in batch_by_tokens(windows, budget):
            for on_cpu, part in in_halves(lambda some: self._taps(some, held), batch):
                for row, window in enumerate(part):
                    merged[window.text].take(
                        window, {tap: vectors[row] for tap, vectors in on_cpu.items()},
                        len(self._prefix), special, self.top,
                    )  # fmt: skip
        for tokens, text in zip(held, merged, strict=True):
            yield TokenStates(tokens.offsets, text.taps, text.text_vector())

    def _taps(self, batch: Sequence[Window], held: Sequence[Tokens]) -> dict[str, Tensor]:
        """Taps of a batch of windows, float32 on the CPU."""
        with torch.inference_mode():
            read = self.forward(*self._pad(batch, held))
            return {tap: vectors.float().cpu() for tap, vectors in read.items()}

    def _pad(self, batch: Sequence[Window], held: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Input ids and attention mask of a batch of windows, padded on the right."""
        rows = [
            [*self._prefix, *held[window.text].ids[window.start : window.end], *self._suffix]
            for window in batch
        ]
        longest = padded_length(max(map(len, rows)), self._window)
        ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.as_tensor(np.asarray(tokens))
            mask[row, : len(tokens)] = 1
        return ids, mask

    def _window_size(self, window: int | None) -> int:
        """Check the window against the model's limit, or choose one; special tokens count."""
        limit = _model_limit(self.model, self.tokenizer)
        if window is None:
            return min(limit, _DEFAULT_WINDOW)
        if not len(self._prefix) + len(self._suffix) < window <= limit:
            raise ValueError(f"window ({window}) must be positive and at most {limit}")
        return window


def _model_limit(model: PreTrainedModel, tokenizer: Any) -> int:
    """Longest input that the model's positions and the tokenizer's own limit allow."""
    config: Any = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or sys.maxsize
    for module in model.modules():
        # RoBERTa's positions start at padding_idx + 1.
        positions = getattr(module, "position_embeddings", None)
        if isinstance(positions, nn.Embedding) and positions.padding_idx is not None:
            limit = min(limit, positions.num_embeddings - positions.padding_idx - 1)
    return int(min(limit, tokenizer.model_max_length))
