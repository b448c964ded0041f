"""Saving an encoder: its fingerprint and description, saved folders, the hub."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from typing import Any

from ner_retriever_rag.encoder.encoding import EncodingPass
from ner_retriever_rag.encoder.identity import earlier_fingerprints, fingerprint
from ner_retriever_rag.encoder.saved import ADAPTATION, BACKBONE, Writer, write_saved
from ner_retriever_rag.encoder.span_head import SpanHead

_ADAPTED = " adapted"


class SavableEncoder(EncodingPass):
    """An encoding pass that has a name and can be saved.

    Attributes:
        backbone_name: Display name of the backbone.
    """

    backbone_name: str

    def save_pretrained(self, folder: str | Path, *, backbone: bool = False) -> None:
        """Save the encoder to a folder, for ``from_pretrained``.

        Args:
            folder: Created if needed; an encoder already there is replaced, even this very one.
            backbone: Also save the backbone, deltas merged, in float16 with large embeddings in
                int8; the folder is then self-contained. Otherwise the backbone is referenced by
                name and digest (an encoder that was saved with its backbone keeps it anyway).

        Raises:
            ValueError: If the folder belongs to another model or holds the deltas that would be
                merged, or the backbone needs custom code or load options.
        """
        inside = backbone or self.source.is_packed
        deltas = self.source.adaptation
        if inside and deltas and deltas.parent.resolve() == Path(folder).resolve():
            raise ValueError(f"{folder} holds the deltas this encoder still reads: save elsewhere")
        config = {
            "backbone": {"name": self._label} if inside else self.source.reference(),
            "taps": "+".join(self.taps),
            "pooling": self.pooling,
            "window": self.source.window,
            "type_template": self.type_template,
        }
        detector = self.detector if isinstance(self.detector, SpanHead) else None
        parts = (
            self.head,
            self.calibration,
            detector,
            self.names,
            self.prototypes,
            self.pair_model,
        )
        writers: list[Writer] = [part.save for part in parts if part is not None]
        if inside:
            taps = self.all_taps
            if self.pair_model and not self.source.is_saved_whole:
                taps.append(self.backbone.top)
            writers.append(lambda aside: self.source.pack(dict.fromkeys(taps), aside / BACKBONE))
        elif deltas:
            writers.append(lambda aside: copyfile(deltas, aside / ADAPTATION))
        write_saved(Path(folder), config, writers)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        backbone: bool = False,
        license: str | None = None,
        token: str | None = None,
        **options: Any,
    ) -> str:
        """Push the encoder to the Hugging Face hub, for ``from_pretrained("user/name")``.

        The repository is created if needed, with a model card; an existing card is kept.

        Args:
            repo_id: ``"user/name"``.
            backbone: As in ``save_pretrained``. An encoder whose backbone is a folder needs it.
            license: The license's name on the hub (``"cc-by-sa-4.0"``), for the card.
            token: None for the token stored by ``hf auth login``.
            options: Other arguments of ``huggingface_hub.ModelHubMixin.push_to_hub``: ``private``,
                ``branch``, ``create_pr``, ``commit_message``, ...

        Returns:
            URL of the commit.

        Raises:
            ValueError: As ``save_pretrained``; or if the backbone is a local folder that would not
                be pushed.
            OSError: If the hub refuses or is unreachable
                (``huggingface_hub.errors.HfHubHTTPError``).
        """
        from ner_retriever_rag.encoder.hub import push

        inside = backbone or self.source.is_packed
        return push(
            self,
            repo_id,
            lambda folder: self.save_pretrained(folder, backbone=inside),
            name=self._label,
            fingerprint=self.fingerprint,
            with_backbone=inside,
            license=license,
            token=token,
            **options,
        )

    @property
    def fingerprint(self) -> str:
        """Hash of everything the vectors depend on; changes whenever they would. Loads no model.

        The dtype is excluded: the same weights in another dtype give matching vectors.
        """
        return fingerprint(self)

    def understands(self, fingerprint: str) -> bool:
        """Whether vectors stored under a fingerprint match this encoder's.

        Also accepts fingerprints of earlier versions, which included the dtype.
        """
        return fingerprint in (self.fingerprint, *earlier_fingerprints(self))

    @property
    def dtype(self) -> str:
        """Compute dtype of the backbone: ``"float32"``, ``"bfloat16"`` or ``"float16"``."""
        return self.source.resolved_dtype()

    @property
    def description(self) -> str:
        """One-line, human-readable description of the encoder."""
        width = f" -> {self.head.dim}" if self.head else ""
        return f"{self._label} {'+'.join(self.taps)} {self.pooling}{width} {self.dtype}"

    @property
    def _label(self) -> str:
        name = self.backbone_name
        return name.removesuffix(_ADAPTED) + _ADAPTED if self.source.adaptation else name
