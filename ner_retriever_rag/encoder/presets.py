"""Presets: encoders by a short name, for ``TypeAwareEncoder.from_preset``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ner_retriever_rag.encoder.saved import PRETRAINED


@dataclass(frozen=True, slots=True)
class Preset:
    """An encoder that can be put together by name.

    Attributes:
        about: What it is, in a line.
        saved: Folder of a saved encoder that has all parts; None to put it together from the rest.
        backbone: Hub id.
        taps: Where vectors are read.
        pooling: How a mention's tokens become one vector.
        head: Where to get the head it was made for; part of the error where none is given.
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
    """The preset of a name.

    Raises:
        ValueError: If there is none; the message lists those there are.
    """
    if name not in PRESETS:
        known = "; ".join(f"{known}: {preset.about}" for known, preset in PRESETS.items())
        raise ValueError(f"no preset {name!r}. There are {known}")
    return PRESETS[name]
