"""GLiNER bi-encoders, through the package ``gliner`` (extra ``gliner-bi``): both sides' vectors."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ner_retriever_rag._imports import require
from ner_retriever_rag.encoder.backbone.devices import check_device
from ner_retriever_rag.encoder.word_windows import WordWindow, word_windows
from ner_retriever_rag.schema import Span

CONFIG = "gliner_config.json"
_WEIGHTS = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin")
_BATCH_LABELS = 64  # labels per forward pass
_NO_LIMIT = 1_000_000  # a tokenizer without a limit reports more than this
# Other formats of the same weights, which are not downloaded.
_OTHER_FORMATS = ["*.onnx", "onnx/*", "openvino/*", "*.msgpack", "*.h5"]


class GLiNERModel:
    """A span-level bi-encoder of ``gliner``, loaded once, on first use.

    Args:
        name: Hub id or folder.
        revision: Branch, tag or commit of a hub id.
        token: Access token for a private hub id.
        device: Device of the model; None leaves it on the CPU.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If it is of another kind, or the device is not available.

    Attributes:
        name: As given.
        revision: As given.
        dim: Dimension of the vectors.
        widest: Width of the widest span that has a vector, in words.
        longest: Maximum words per window.
    """

    def __init__(
        self,
        name: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        device: str | None = None,
    ) -> None:
        check_device(device)
        self.name, self.revision, self._device = str(name), revision, device
        self._folder = find_gliner(name, revision, token)
        config = json.loads((self._folder / CONFIG).read_text(encoding="utf-8"))
        self.dim, self.widest = int(config["hidden_size"]), int(config["max_width"])
        self.longest = int(config["max_len"])
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def model(self) -> Any:
        """The loaded ``gliner`` model.

        Raises:
            ImportError: If ``gliner`` is not installed.
        """
        with self._lock:
            if self._model is None:
                package = require("gliner", extra="gliner-bi")
                self._model = package.GLiNER.from_pretrained(
                    str(self._folder), map_location=self._device or "cpu"
                )
                self._model.eval()
            return self._model

    def digest(self) -> str:
        """Hash of weights and configuration; loads no model."""
        found = sha256()
        for path in (
            each for name in (CONFIG, *_WEIGHTS) for each in sorted(self._folder.glob(name))
        ):
            with path.open("rb") as file:
                found.update(file_digest(file, "sha256").digest())
        return found.hexdigest()[:32]

    def span_vectors(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """Vectors of all spans of texts, which are given as lists of words.

        Returns:
            For each text float32 ``(words, widest, dim)``: the span of ``n + 1`` words that starts
            with word ``i`` is at ``[i, n]``, if it ends within the text.
        """
        output = self._run(texts, ["x"])  # the label does not affect span vectors
        return [
            _array(vectors[: len(words)])
            for words, vectors in zip(texts, output.span_embeddings, strict=True)
        ]

    def label_vectors(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of labels, after the last layer of the label side: float32 ``(n, dim)``."""
        parts = [np.zeros((0, self.dim), dtype=np.float32)]
        for start in range(0, len(labels), _BATCH_LABELS):
            output = self._run([["a"]], labels[start : start + _BATCH_LABELS])
            parts.append(_array(output.prompts_embedding[0]))
        return np.concatenate(parts)

    def _run(self, texts: Sequence[Sequence[str]], labels: Sequence[str]) -> Any:
        model = self.model
        inputs = model.prepare_base_input([list(words) for words in texts])
        batch = model.collate_batch(inputs, list(labels))
        return model.run_batch(batch, return_vectors=True)


class Words:
    """A text, split into words as the model splits it.

    Args:
        text: The text.
        model: The model.

    Attributes:
        text: As given.
        words: Its words.
        starts: First character of each word.
        ends: One past its last character.
    """

    def __init__(self, text: str, model: GLiNERModel) -> None:
        self.text, self._model = text, model
        cut = list(model.model.data_processor.words_splitter(text))
        self.words = [word for word, _, _ in cut]
        self.starts = [start for _, start, _ in cut]
        self.ends = [end for _, _, end in cut]

    def around(self, start: int, end: int) -> Span | None:
        """First and last word that a character span overlaps; None if there is none."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left")) - 1
        return (first, last) if first <= last else None

    def windows(self) -> list[WordWindow]:
        """Windows in which the text is read; none for a text without words."""
        if not self.words:
            return []
        tokenizer = self._model.model.data_processor.transformer_tokenizer
        pieces, most = [1] * len(self.words), None
        if tokenizer.model_max_length < _NO_LIMIT:
            most = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
            numbers = tokenizer(
                self.words, is_split_into_words=True, add_special_tokens=False, truncation=False
            ).word_ids()
            there = [number for number in numbers if number is not None]
            pieces = np.bincount(there, minlength=len(self.words)).tolist()
        return word_windows(pieces, self._model.widest, words=self._model.longest, most=most)


def find_gliner(
    source: str | Path, revision: str | None = None, token: str | bool | None = None
) -> Path:
    """Return the folder of a span-level bi-encoder, given the folder or a hub id.

    Raises:
        FileNotFoundError: If it is neither a folder nor on the hub.
        ValueError: If it is not a span-level bi-encoder; the message says which kind it is.
    """
    folder = Path(source)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        options: dict[str, Any] = {
            "revision": revision,
            "token": token,
            "ignore_patterns": _OTHER_FORMATS,
        }
        try:
            folder = Path(snapshot_download(str(source), **options))
        except Exception as error:  # the hub client has a dozen exception types for "not found"
            raise FileNotFoundError(
                f"GLiNER model {str(source)!r} is not a folder and could not be loaded from the "
                f"Hugging Face hub: {error}"
            ) from error
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{source} is not a GLiNER model: there is no {CONFIG} in it")
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if why := _unsupported_kind(config):
        raise ValueError(
            f"{source} is {why}: only a span-level bi-encoder (such as "
            "knowledgator/gliner-bi-base-v2.0) has span vectors that can be stored"
        )
    return folder


def _unsupported_kind(config: Mapping[str, Any]) -> str | None:
    """Kind of a model whose vectors cannot be stored; None if they can."""
    if config.get("model_type") == "gliner_streaming_span":
        return "a streaming model, which reads labels and text together"
    if config.get("relations_layer") or config.get("labels_decoder"):
        return "a model of relations or of generated labels"
    if not config.get("labels_encoder"):
        return "a uni-encoder, which reads labels and text together"
    if config.get("span_mode") == "token_level":
        return "a token-level model, which scores words and not spans"
    if config.get("post_fusion_schema"):
        return "a fused (poly) encoder, whose span vectors depend on the labels"
    return None


def _array(tensor: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return found
