"""Saved encoders: a folder with a configuration and the parts' weights beside it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.span_head import SpanHead

FORMAT = 1
CONFIG, ADAPTATION = "config.json", "adaptation.safetensors"
PRETRAINED = Path(__file__).parent / "pretrained"


def find_saved(source: str | Path) -> Path:
    """The folder of a saved encoder, given that or its hub id.

    Raises:
        FileNotFoundError: If it is neither a folder nor on the hub.
    """
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(source)))
    except Exception as error:  # the hub client raises a dozen kinds for "not there"
        raise FileNotFoundError(
            f"encoder {str(source)!r} is not a folder and could not be had from the Hugging Face "
            f"hub: {error}"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """A saved encoder's configuration.

    Raises:
        ValueError: If the folder holds no encoder, or one of another format.
    """
    path = folder / CONFIG
    if not path.exists():
        raise ValueError(f"{folder} holds no saved encoder: there is no {CONFIG} in it")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if config.get("format") != FORMAT:
        raise ValueError(
            f"{path} is not an encoder of format {FORMAT} (it says {config.get('format')!r})"
        )
    return config


def saved_parts(folder: Path) -> dict[str, Any]:
    """The parts of a saved encoder, as ``TypeAwareEncoder`` takes them.

    Raises:
        ValueError: If the folder holds no encoder, or one of another format.
    """
    config = read_config(folder)
    adaptation = folder / ADAPTATION
    return {
        "backbone": config["backbone"]["name"],
        "backbone_sha256": config["backbone"]["sha256"],
        "taps": config["taps"],
        "pooling": config["pooling"],
        "window": config["window"],
        "type_template": config["type_template"],
        "head": folder if config["head"] else None,
        "detector": SpanHead.load(folder) if (folder / SpanHead.WEIGHTS).exists() else None,
        "adaptation": adaptation if adaptation.exists() else None,
        "calibration": Calibration.load(folder) if config.get("calibration") else None,
    }


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write a saved encoder's configuration into a folder, made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, **config}, indent=2)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def file_digest(path: Path) -> str:
    """Sha256 of a small file."""
    return sha256(path.read_bytes()).hexdigest()
