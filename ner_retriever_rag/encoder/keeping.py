"""How an encoder is kept: its fingerprint, its name, a folder that holds it, the hub."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from typing import Any

from ner_retriever_rag.encoder.encoding import EncodingPass
from ner_retriever_rag.encoder.identity import earlier_fingerprints, fingerprint
from ner_retriever_rag.encoder.saved import ADAPTATION, BACKBONE, Writer, write_saved
from ner_retriever_rag.encoder.span_head import SpanHead

_ADAPTED = " adapted"


class KeptEncoder(EncodingPass):
    """An encoding pass that has a name and can be saved.

    Attributes:
        backbone_name: What to call the backbone.
    """

    backbone_name: str

    def save_pretrained(self, folder: str | Path, *, backbone: bool = False) -> None:
        """Write the encoder into a folder, for ``from_pretrained``.

        Args:
            folder: Made if needed; an encoder that was there is replaced, this very one included.
            backbone: Write the backbone too, deltas merged, in float16 with large embeddings in
                int8: the folder then needs nothing else. Else it is kept by name and digest
                (an encoder that was saved with its backbone keeps it anyway).

        Raises:
            ValueError: If the folder is some other model's or has the deltas that would be
                merged, or the backbone needs code of its own, or options, to be loaded.
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
        """Put the encoder on the Hugging Face hub, for ``from_pretrained("user/name")``.

        A repository is made where there is none, with a model card; a card that is there stays.

        Args:
            repo_id: ``"user/name"``.
            backbone: As in ``save_pretrained``. An encoder whose backbone is a folder needs it.
            license: The licence's name on the hub (``"cc-by-sa-4.0"``), for the card.
            token: None for the one that ``hf auth login`` keeps.
            options: What else ``huggingface_hub.ModelHubMixin.push_to_hub`` takes: ``private``,
                ``branch``, ``create_pr``, ``commit_message``, ...

        Returns:
            The address of the commit.

        Raises:
            ValueError: As ``save_pretrained``; or if the backbone would stay behind in a folder of
                this machine.
            OSError: If the hub refuses or is away (``huggingface_hub.errors.HfHubHTTPError``).
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
        """Changes whenever vectors would: hash of all that they depend on. Loads no model.

        Not of the dtype: the same weights in another one give vectors that agree.
        """
        return fingerprint(self)

    def understands(self, fingerprint: str) -> bool:
        """Whether vectors that were kept under a fingerprint are as this encoder's.

        It may be one that an earlier version gave, when the dtype was part of it.
        """
        return fingerprint in (self.fingerprint, *earlier_fingerprints(self))

    @property
    def dtype(self) -> str:
        """What the backbone computes in: ``"float32"``, ``"bfloat16"`` or ``"float16"``."""
        return self.source.resolved_dtype()

    @property
    def description(self) -> str:
        """One line that tells a person which encoder this is."""
        width = f" -> {self.head.dim}" if self.head else ""
        return f"{self._label} {'+'.join(self.taps)} {self.pooling}{width} {self.dtype}"

    @property
    def _label(self) -> str:
        name = self.backbone_name
        return name.removesuffix(_ADAPTED) + _ADAPTED if self.source.adaptation else name
