"""Named encoder presets, for ``TypeAwareEncoder.from_preset``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ner_retriever_rag.encoder.saved import PRETRAINED


@dataclass(frozen=True, slots=True)
class Preset:
    """Recipe for an encoder.

    Attributes:
        about: One-line description.
        saved: Folder of a complete saved encoder; None to build one from the other fields.
        backbone: Hub id.
        taps: Taps that vectors are read from.
        pooling: How a mention's tokens are pooled into one vector.
        head: Where to get the matching head; quoted in the error if none is given.
    """

    about: str
    saved: Path | None = None
    backbone: str = ""
    taps: str = ""
    pooling: str = ""
    head: str = ""


PRESETS = {
    "minilm": Preset(
        about="all-MiniLM-L6-v2 with our own head and detector, shipped with the package",
        saved=PRETRAINED,
    ),
    "llama-3.1-8b": Preset(
        about="the paper's encoder (arXiv 2509.04011, section 3)",
        backbone="meta-llama/Llama-3.1-8B",
        taps="value@17",
        pooling="last",
        head="contrastive_projection_head.pth of https://github.com/ShacharOr100/ner_retriever",
    ),
}


def find_preset(name: str) -> Preset:
    """Return the preset with this name.

    Raises:
        ValueError: If there is none; the message lists those available.
    """
    if name not in PRESETS:
        known = "; ".join(f"{known}: {preset.about}" for known, preset in PRESETS.items())
        raise ValueError(f"no preset {name!r}; available: {known}")
    return PRESETS[name]
