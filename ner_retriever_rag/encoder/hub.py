"""Encoders on the Hugging Face hub: pushed with a model card, loaded by name.

``huggingface_hub``'s mixin does the work. Importing it takes as long as opening an index should
take, so it is imported only on push, and the encoder is wrapped for the mixin instead of inheriting
from it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCard, ModelCardData, ModelHubMixin

from ner_retriever_rag.encoder.encoding import EncodingPass
from ner_retriever_rag.encoder.span_head import SpanHead

LIBRARY = "ner-retriever-rag"
CARD = "README.md"

_TEMPLATE = """---
{{ card_data }}
---

# {{ repo_id }}

A type-aware entity encoder: it finds the mentions in a text and encodes each into the same space as
type descriptions ("dinosaur", "drug that lowers blood pressure"). For the Python package
`ner-retriever-rag`, which indexes the vectors and searches them by type.

```python
from ner_retriever_rag import EntityIndex, TypeAwareEncoder

encoder = TypeAwareEncoder.from_pretrained("{{ repo_id }}")
index = EntityIndex("my-index", encoder=encoder)
```

| | |
|---|---|
{% for name, value in facts.items() %}| {{ name }} | {{ value }} |
{% endfor %}
Training data, evaluation results and known failures are for its authors to add here.
"""


class HubEncoder(
    ModelHubMixin,
    library_name=LIBRARY,
    tags=["named-entity-recognition", "entity-retrieval", "zero-shot"],
    model_card_template=_TEMPLATE,
):
    """Adapter that passes an encoder to ``huggingface_hub``'s mixin.

    Args:
        save: Writes the encoder into a folder.
        data: Metadata for the hub, beyond what is the same for all encoders.
        facts: Facts for the reader of the card.
        repo_id: Target repository, ``"user/name"``.
    """

    def __init__(
        self,
        save: Callable[[Path], object],
        data: dict[str, str],
        facts: dict[str, object],
        repo_id: str,
    ) -> None:
        self._save, self._data, self._facts, self._repo_id = save, data, facts, repo_id

    def _save_pretrained(self, save_directory: Path) -> None:
        self._save(save_directory)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Return the card of this encoder: how to load it, and what it consists of."""
        known: dict[str, Any] = self._hub_mixin_info.model_card_data.to_dict()  # type: ignore[no-untyped-call]
        card: ModelCard = ModelCard.from_template(
            ModelCardData(**known | self._data),
            template_str=_TEMPLATE,
            repo_id=self._repo_id,
            facts=self._facts,
            **kwargs,
        )
        return card


def push(
    encoder: EncodingPass,
    repo_id: str,
    save: Callable[[Path], object],
    *,
    name: str,
    fingerprint: str,
    with_backbone: bool,
    license: str | None,
    token: str | None,
    **options: Any,
) -> str:
    """Push an encoder; see ``TypeAwareEncoder.push_to_hub``.

    Args:
        encoder: The encoder that the card describes.
        repo_id: Target repository, ``"user/name"``.
        save: Writes the encoder into a folder.
        name: Name of its backbone.
        fingerprint: Its fingerprint.
        with_backbone: Whether the backbone is pushed along.
        license: The license's name on the hub, for the card.
        token: Access token for the hub; None for the stored one.
        options: Other keyword arguments of the mixin's ``push_to_hub``.

    Raises:
        ValueError: If it could not be loaded elsewhere, as its backbone is a local folder.
    """
    if not with_backbone and Path(encoder.source.name).exists():
        raise ValueError(
            f"the backbone is the local folder {encoder.source.name}, which others do not have: "
            "push it along with backbone=True, or create the encoder from the backbone's hub id"
        )
    # Keep an existing card: one written by hand is worth more than a generated one.
    if HfApi(token=token).file_exists(repo_id, CARD):
        ignored = options.get("ignore_patterns") or []
        options["ignore_patterns"] = [*([ignored] if isinstance(ignored, str) else ignored), CARD]
    data = {} if with_backbone else {"base_model": encoder.source.name}
    parts = {
        "projection head": encoder.head,
        "detector of mentions": isinstance(encoder.detector, SpanHead),
        "calibration (scores are probabilities)": encoder.calibration,
        "known names": encoder.names,
        "prototypes": encoder.prototypes,
    }
    facts = {
        "backbone": f"{name}, {'in this repository' if with_backbone else 'loaded by name'}",
        "taps": ", ".join(encoder.taps),
        "pooling": encoder.pooling,
        "dimension": encoder.dim,
        "parts": ", ".join(part for part, there in parts.items() if there) or "none",
        "fingerprint": fingerprint,
    }
    hub = HubEncoder(save, data | ({"license": license} if license else {}), facts, repo_id)
    return str(hub.push_to_hub(repo_id, token=token, **options))
