"""Encoders on the Hugging Face hub: put there with a card, found there by name.

``huggingface_hub``'s mixin does the work. Its import takes as long as opening an index should, so
it is loaded when an encoder is pushed, and an encoder is handed to it rather than derived from it.
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

An encoder of entities by type: a text goes in, its mentions and a vector for each come out, in the
space that type descriptions ("dinosaur", "drug that lowers blood pressure") are encoded into. For
the Python package `ner-retriever-rag`, which keeps the vectors in an index and asks it by type.

```python
from ner_retriever_rag import EntityIndex, TypeAwareEncoder

encoder = TypeAwareEncoder.from_pretrained("{{ repo_id }}")
index = EntityIndex("my-index", encoder=encoder)
```

| | |
|---|---|
{% for name, value in facts.items() %}| {{ name }} | {{ value }} |
{% endfor %}
What it was trained on, what it was measured on and where it fails is for its authors to add here.
"""


class HubEncoder(
    ModelHubMixin,
    library_name=LIBRARY,
    tags=["named-entity-recognition", "entity-retrieval", "zero-shot"],
    model_card_template=_TEMPLATE,
):
    """An encoder as ``huggingface_hub``'s mixin takes it.

    Args:
        save: Writes the encoder into a folder.
        data: What the hub shall know of it, beside what it knows of all encoders.
        facts: What people shall read of it.
        repo_id: Where it goes, ``"user/name"``.
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
        """The card of this very encoder: how it is loaded, and what it is made of."""
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
    """Push an encoder; ``TypeAwareEncoder.push_to_hub`` explains.

    Args:
        encoder: What the card tells of.
        repo_id: Where it goes, ``"user/name"``.
        save: Writes it into a folder.
        name: Of its backbone.
        fingerprint: Its own.
        with_backbone: Whether the backbone goes with it.
        license: The licence's name on the hub, for the card.
        token: For the hub; None for the one that is kept.
        options: Other keywords of the mixin's ``push_to_hub``.

    Raises:
        ValueError: If it could not be loaded elsewhere: its backbone is a folder of this machine.
    """
    if not with_backbone and Path(encoder.source.name).exists():
        raise ValueError(
            f"the backbone is the folder {encoder.source.name}, which others do not have: push it "
            "along with backbone=True, or make the encoder with the backbone's hub id"
        )
    # A card that somebody has written since is worth more than one that is generated.
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
        "backbone": f"{name}, {'in this repository' if with_backbone else 'fetched by its name'}",
        "read at": ", ".join(encoder.taps),
        "pooling": encoder.pooling,
        "width of a vector": encoder.dim,
        "with": ", ".join(part for part, there in parts.items() if there) or "nothing else",
        "fingerprint": fingerprint,
    }
    hub = HubEncoder(save, data | ({"license": license} if license else {}), facts, repo_id)
    return str(hub.push_to_hub(repo_id, token=token, **options))
