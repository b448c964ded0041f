"""Source of a backbone: where its weights are, and whether they are the right ones."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.encoder.backbone.checkpoints import find_checkpoint, weights_digest
from ner_retriever_rag.encoder.backbone.devices import check_device, resolve_dtype
from ner_retriever_rag.encoder.backbone.packed import is_packed, write_packed

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.backbone.backbone import Backbone

# Load options for location and authentication: none of them changes a vector.
_PLACES = {
    "cache_dir",
    "device_map",
    "force_download",
    "local_files_only",
    "max_memory",
    "offload_folder",
    "proxies",
    "token",
}


@dataclass(eq=False)
class BackboneSource:
    """A backbone that has not been loaded: where to load it from, and how.

    Attributes:
        name: Folder or hub id.
        adaptation: safetensors file of weight deltas to merge, or None.
        sha256: Expected digest of the weights; None accepts any.
        device: As for ``Backbone``.
        dtype: As for ``Backbone``.
        window: As for ``Backbone``.
        trust_remote_code: As for ``Backbone``.
        load_options: As for ``Backbone``.

    Raises:
        ValueError: If the device is not available.
    """

    name: str
    adaptation: Path | None = None
    sha256: str | None = None
    device: str | None = None
    dtype: str = "auto"
    window: int | None = None
    trust_remote_code: bool = False
    load_options: dict[str, Any] | None = None
    _folder: Path | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        check_device(self.device)

    @property
    def folder(self) -> Path:
        """Folder of the checkpoint; fetched from the hub if needed."""
        with self._lock:
            if self._folder is None:
                self._folder = find_checkpoint(self.name)
            return self._folder

    def digest(self) -> str:
        """Sha256 of the weights; computed from the files unless it was given."""
        if self.sha256 is None:
            self.sha256 = weights_digest(self.folder)
        return self.sha256

    @property
    def is_packed(self) -> bool:
        """Whether it is a packed folder, as bundled with saved encoders."""
        return is_packed(self.name)

    @property
    def is_saved_whole(self) -> bool:
        """Whether it is packed and has nothing to merge, so that saving it again is a copy."""
        return self.is_packed and self.adaptation is None

    def eager(self) -> BackboneSource:
        """Return the same backbone, loaded by transformers with eager attention."""
        options = {**(self.load_options or {}), "attn_implementation": "eager"}
        return replace(self, load_options=options)

    def adaptation_digest(self) -> str | None:
        """Sha256 of the deltas, if there are any."""
        return sha256(self.adaptation.read_bytes()).hexdigest() if self.adaptation else None

    def reference(self) -> dict[str, str]:
        """The values that a saved encoder records about a backbone that it does not contain."""
        return {"name": self.name, "sha256": self.digest()}

    def vector_options(self) -> dict[str, Any]:
        """Load options that may change vectors (quantization, a revision)."""
        options = (self.load_options or {}).items()
        return {name: value for name, value in options if name not in _PLACES}

    def resolved_dtype(self) -> str:
        """Compute dtype of the backbone, with ``"auto"`` resolved for this machine."""
        return resolve_dtype(self.dtype, self.device, lambda: self.folder)

    def load(self, taps: Iterable[str]) -> Backbone:
        """Load the backbone up to its last tap.

        Raises:
            FileNotFoundError: If it cannot be found.
            ValueError: If the weights are not the expected ones.
        """
        # Imported late: an index opens, and is checked, without the backbone.
        from ner_retriever_rag.encoder.backbone.backbone import Backbone

        if self.sha256 and (found := weights_digest(self.folder)) != self.sha256:
            raise ValueError(
                f"the weights of backbone {self.name} in {self.folder} have sha256 {found}, but "
                f"this encoder was made for {self.sha256}"
            )
        return Backbone(
            self.folder,
            list(dict.fromkeys(taps)),
            device=self.device,
            dtype=self.resolved_dtype(),
            window=self.window,
            adaptation=self.adaptation,
            trust_remote_code=self.trust_remote_code,
            load_options=self.load_options,
        )

    def pack(self, taps: Iterable[str], folder: Path) -> None:
        """Write the backbone, packed, into a folder, created if needed: cut, with deltas merged.

        Raises:
            ValueError: If it needs custom code or load options.
        """
        if self.is_saved_whole:
            copytree(self.name, folder)
            return
        if self.trust_remote_code or self.load_options:
            raise ValueError(
                f"backbone {self.name} cannot be written: it is loaded with custom code or "
                "options; save the encoder without backbone=True"
            )
        # Loaded by transformers, which can also write it.
        whole = replace(self.eager(), device="cpu", dtype="float32").load(taps)
        write_packed(whole.model, whole.tokenizer, folder)
