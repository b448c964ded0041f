"""Dense baselines by name, each queried the way its authors document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag._imports import require
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM, find_checkpoint

_TASK = "Given a type of entity, retrieve texts that mention an entity of that type"
_INSTRUCT = f"Instruct: {_TASK}\nQuery: "


@dataclass(frozen=True, slots=True)
class InputConvention:
    """Input convention of a model.

    Attributes:
        prompt: Prefix of queries; texts have none.
        end_of_text: Whether the tokenizer's end-of-text token is appended to texts and queries.
        window: Maximum input length in tokens; None for the model's own.
        padding: Side of the padding; None for the tokenizer's own.
        pooling: Pooling of the last layer's tokens; None for the model's own.
        remote_code: Whether the model needs code that comes with it.
    """

    prompt: str = ""
    end_of_text: bool = False
    window: int | None = None
    padding: str | None = None
    pooling: str | None = None
    remote_code: bool = False


# From the two model cards; a folder is recognized by its name.
CONVENTIONS = {
    "e5-mistral-7b-instruct": InputConvention(_INSTRUCT, window=4096, pooling="lasttoken"),
    "NV-Embed-v2": InputConvention(
        _INSTRUCT, end_of_text=True, window=32768, padding="right", remote_code=True
    ),
}


class DenseBaseline:
    """A sentence-transformers model and its input convention."""

    def __init__(self, model: Any, convention: InputConvention) -> None:  # noqa: ANN401 - theirs
        self.model = model
        self.convention = convention
        if convention.window:
            model.max_seq_length = convention.window
        if convention.padding:
            model.tokenizer.padding_side = convention.padding

    def queries(self, descriptions: Sequence[str]) -> NDArray[np.float32]:
        """Embed type descriptions: float32 ``(n, width)``, L2-normalized."""
        return self._encode([self.convention.prompt + each for each in descriptions])

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: float32 ``(n, width)``, L2-normalized."""
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        end = self.model.tokenizer.eos_token if self.convention.end_of_text else ""
        found: NDArray[np.float32] = self.model.encode(
            [text + end for text in texts],
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=len(texts) > 1000,
        )
        return found.astype(np.float32)


def load_baseline(name: str, *, trust_remote_code: bool = False) -> DenseBaseline:
    """Load a model.

    Args:
        name: Folder or name of a sentence-transformers model; those in ``CONVENTIONS`` are
            recognized by the last part of their name.
        trust_remote_code: Allow code that comes with the model to run.

    Raises:
        ImportError: If sentence-transformers is not installed.
        ValueError: If the model needs code that comes with it and that is not allowed.
    """
    library = require("sentence_transformers", extra="eval")
    convention = CONVENTIONS.get(name.rstrip("/").rpartition("/")[2], InputConvention())
    if convention.remote_code and not trust_remote_code:
        raise ValueError(f"{name} runs code that comes with it; allow it with trust_remote_code")
    source = str(find_checkpoint(name)) if name == MINILM else name
    if convention.pooling is None:
        return DenseBaseline(
            library.SentenceTransformer(source, trust_remote_code=trust_remote_code), convention
        )
    transformer = library.models.Transformer(source)
    width = transformer.get_embedding_dimension()
    pooling = library.models.Pooling(width, pooling_mode=convention.pooling)
    return DenseBaseline(library.SentenceTransformer(modules=[transformer, pooling]), convention)
