"""Saved encoders: a folder with the parts of an encoder, and a configuration with their digests.

``config.json`` lists every part with its sha256 and contains a digest of itself. Parts are written
to a temporary folder and moved into place, the configuration last. A folder therefore holds the old
encoder or the new one, or is refused with the name of the file that does not match. Files that the
configuration does not list are ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from safetensors import SafetensorError, safe_open

from ner_retriever_rag.encoder import calibration, head, span_head
from ner_retriever_rag.encoder.backbone import packed
from ner_retriever_rag.encoder.names import KnownNames
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.prototypes import Prototypes

FORMAT = 2
_DIGEST = "digest"  # of the configuration's other values; not written by earlier versions
CONFIG, ADAPTATION, BACKBONE = "config.json", "adaptation.safetensors", "backbone"
INSIDE = f"{BACKBONE}/{packed.WEIGHTS}"  # among the parts of a self-contained encoder
PRETRAINED = Path(__file__).parent / "pretrained"

# Required values of every configuration: type, and description for error messages.
_VALUES: dict[str, tuple[Any, str]] = {
    "backbone": (dict, "an object with a 'name'"),
    "taps": (str, "a string such as 'value@3+hidden@6'"),
    "pooling": (str, "a string"),
    "window": (int | None, "a whole number or null"),
    "type_template": (str, "a string with {} in it"),
}

Writer = Callable[[Path], object]
"""Writes files into a given folder."""


class Part(Protocol):
    """Part of an encoder saved next to the configuration: a head, detector, calibration, names."""

    def save(self, folder: Path, /) -> None:
        """Write the part into a folder."""


def find_saved(
    source: str | Path, revision: str | None = None, token: str | bool | None = None
) -> Path:
    """Return the folder of a saved encoder, given the folder or a hub id.

    Args:
        source: A folder or a hub id.
        revision: Branch, tag or commit of a hub id.
        token: Access token for a private hub id; None for the stored one.

    Raises:
        FileNotFoundError: If it is neither a folder nor on the hub.
        ValueError: If a folder is given with a revision.
    """
    if Path(source).is_dir():
        if revision is not None:
            raise ValueError(f"revision goes with a hub id, and {source} is a folder")
        return Path(source)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(source), revision=revision, token=token))
    except Exception as error:  # the hub client has a dozen exception types for "not found"
        raise FileNotFoundError(
            f"encoder {str(source)!r} is not a folder and could not be fetched from the Hugging "
            f"Face hub: {error}"
        ) from error


def read_saved(folder: Path) -> dict[str, Any]:
    """Load the parts of a saved encoder, as keyword arguments of ``TypeAwareEncoder``.

    Raises:
        ValueError: If the folder holds no encoder, or one of another format, or a part is missing
            or fails its integrity check.
    """
    config = read_config(folder)
    parts: dict[str, str | None] = config["parts"]
    for name, digest in parts.items():
        _check_part(folder / name, digest)
    return {
        "backbone": folder / BACKBONE if INSIDE in parts else config["backbone"]["name"],
        "backbone_name": config["backbone"]["name"],
        "backbone_sha256": parts.get(INSIDE) or config["backbone"].get("sha256"),
        "taps": config["taps"],
        "pooling": config["pooling"],
        "window": config["window"],
        "type_template": config["type_template"],
        "head": folder if head.WEIGHTS in parts else None,
        "detector": span_head.SpanHead.load(folder) if span_head.WEIGHTS in parts else None,
        "adaptation": folder / ADAPTATION if ADAPTATION in parts else None,
        "calibration": (
            calibration.Calibration.load(folder) if calibration.WEIGHTS in parts else None
        ),
        "names": KnownNames.load(folder) if KnownNames.WEIGHTS in parts else None,
        "prototypes": Prototypes.load(folder) if Prototypes.WEIGHTS in parts else None,
        "pair_model": PairModel.load(folder) if PairModel.WEIGHTS in parts else None,
    }


def read_config(folder: Path) -> dict[str, Any]:
    """Read a saved encoder's configuration; ``parts`` in it maps file names to sha256 digests.

    Encoders of format 1 recorded only some of their files, and no digests; digests are None.

    Raises:
        ValueError: If the folder holds no encoder, or one of another format.
    """
    path = folder / CONFIG
    if not path.exists():
        raise ValueError(f"{folder} holds no saved encoder: there is no {CONFIG} in it")
    config = _read_json(path)
    if config.get("format") in (1, FORMAT):
        _check_values(path, config)
    if config.get("format") == 1:
        config["parts"] = dict.fromkeys(_parts_of_format_1(folder, config))
    elif config.get("format") != FORMAT:
        raise ValueError(
            f"{path} is not an encoder of format {FORMAT} (its format is {config.get('format')!r})"
        )
    for name in config["parts"]:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{path}: the part {name!r} lies outside the folder")
    if config.get(_DIGEST, digest := _digest(config)) != digest:
        raise ValueError(
            f"{path} is not as it was saved (damaged or edited): save the encoder again, or take "
            f"{_DIGEST!r} out of the file if the change is intended"
        )
    return config


def write_saved(folder: Path, config: dict[str, Any], writers: Iterable[Writer]) -> None:
    """Write an encoder into a folder, replacing any encoder that was there.

    Args:
        folder: Created if needed.
        config: The configuration, without its parts.
        writers: Write the parts. The folder is unchanged until the last has finished, so they
            may read from it.

    Raises:
        ValueError: If the folder belongs to another model.
    """
    _write(folder, config, writers, kept={})


def add_part(folder: Path, part: Part) -> None:
    """Write a part into a folder; if that holds a saved encoder, add the part to it."""
    if (folder / CONFIG).exists():
        config = read_config(folder)
        _write(folder, config, [part.save], kept=config["parts"])
    else:
        part.save(folder)


def check_folder(folder: Path) -> None:
    """Raise what ``write_saved`` would raise, before the encoder to be written is computed.

    Raises:
        NotADirectoryError: If it is a file.
        ValueError: If the folder belongs to another model.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder")
    _saved_before(folder)


def _write(
    folder: Path, config: dict[str, Any], writers: Iterable[Writer], kept: dict[str, str | None]
) -> None:
    stale = _saved_before(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".saving-", dir=folder) as scratch:
        aside = Path(scratch)
        for write in writers:
            write(aside)
        written = sorted(path for path in aside.rglob("*") if path.is_file())
        names = [path.relative_to(aside).as_posix() for path in written]
        digests = {name: digest or _sha256(folder / name) for name, digest in kept.items()}
        digests |= {name: _sha256(aside / name) for name in names}
        whole = {**config, "format": FORMAT, "parts": digests}
        text = json.dumps({**whole, _DIGEST: _digest(whole)}, indent=2) + "\n"
        (aside / CONFIG).write_text(text, encoding="utf-8")
        for name in [*names, CONFIG]:
            (folder / name).parent.mkdir(exist_ok=True)
            os.replace(aside / name, folder / name)
    for name in stale - digests.keys():
        (folder / name).unlink(missing_ok=True)


def _saved_before(folder: Path) -> set[str]:
    """Parts of the encoder that a folder already holds, if any.

    Raises:
        ValueError: If the folder belongs to another model.
    """
    try:
        return set(read_config(folder)["parts"])
    except ValueError:
        pass  # no encoder, or an unreadable one
    if (folder / CONFIG).exists() and "format" not in (folder / CONFIG).read_text(encoding="utf-8"):
        raise ValueError(f"{folder} holds no saved encoder: its {CONFIG} belongs to something else")
    return set()


def _parts_of_format_1(folder: Path, config: dict[str, Any]) -> list[str]:
    parts = []
    if config["head"]:
        parts += [head.WEIGHTS, head.CONFIG]
    if config.get("calibration"):
        parts += [calibration.WEIGHTS, calibration.CONFIG]
    if (folder / span_head.WEIGHTS).exists():
        parts += [span_head.WEIGHTS, span_head.CONFIG]
    return parts + [ADAPTATION] * (folder / ADAPTATION).exists()


def _check_part(path: Path, digest: str | None) -> None:
    if not path.is_file():
        raise ValueError(f"{path} is missing: {CONFIG} lists it as part of this encoder")
    # The backbone's weights are checked on loading, which may never happen.
    if digest and path.name != packed.WEIGHTS and _sha256(path) != digest:
        raise ValueError(
            f"{path} is not the file that was saved: its sha256 is not the one in {CONFIG}"
        )
    if digest is None and path.suffix == ".json":
        _read_json(path)
    elif digest is None:
        try:
            with safe_open(path, framework="np"):
                pass
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged: {error}") from error


def _digest(config: dict[str, Any]) -> str:
    """Digest of a configuration's other values."""
    others = {key: value for key, value in config.items() if key != _DIGEST}
    return sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _check_values(path: Path, config: dict[str, Any]) -> None:
    """Check the values of a configuration, which may have been edited by hand.

    Raises:
        ValueError: If a value is missing or of another type.
    """
    digests = {} if config["format"] == 1 else {"parts": (dict, "an object of file names")}
    for key, (kinds, words) in (_VALUES | digests).items():
        if key not in config:
            raise ValueError(f"{path}: {key!r} is missing")
        if not isinstance(config[key], kinds) or isinstance(config[key], bool):
            raise ValueError(f"{path}: {key!r} must be {words}, not {config[key]!r}")
    if not isinstance(config["backbone"].get("name"), str):
        raise ValueError(f"{path}: 'backbone' must have a 'name' that is a string")
    for name, digest in config.get("parts", {}).items():
        if not isinstance(digest, str | None):
            raise ValueError(f"{path}: the digest of the part {name!r} must be a string")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it is not a JSON object")
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
