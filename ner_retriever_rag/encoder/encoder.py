"""TypeAwareEncoder: texts to mention vectors, and type descriptions to the same space."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

from ner_retriever_rag.detection.protocol import MentionDetector
from ner_retriever_rag.encoder.backbone.checkpoints import find_head
from ner_retriever_rag.encoder.backbone.source import BackboneSource
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.encoding import EncodingPass
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.identity import earlier_fingerprints, fingerprint
from ner_retriever_rag.encoder.names import KnownNames
from ner_retriever_rag.encoder.own_names import read_names
from ner_retriever_rag.encoder.presets import find_preset
from ner_retriever_rag.encoder.prototypes import Prototypes
from ner_retriever_rag.encoder.saved import (
    ADAPTATION,
    BACKBONE,
    PRETRAINED,
    Writer,
    find_saved,
    read_saved,
    write_saved,
)
from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.schema import Mention


class TypeAwareEncoder(EncodingPass):
    """Backbone, mention detector, pooling and projection head, as one.

    Nothing heavy happens on construction: the backbone is loaded on first use, once, and may be
    shared between threads.

    Args:
        backbone: Folder or hub id of any Hugging Face encoder or decoder.
        taps: Where vectors are read, ``"value@17"`` or several joined by ``+``.
        pooling: How a mention's tokens become one vector: ``"last"``, ``"mean"`` or
            ``"first+last"``.
        head: A projection head, a folder or ``.pth`` file (or its URL) to load one from, or None
            to use the pooled taps as they are.
        detector: Any ``MentionDetector``; a ``SpanHead`` reads the same pass of this backbone;
            None is the shipped detector, whatever the backbone.
        device: ``"cpu"``, ``"cuda"``, ...; None takes the accelerator if there is one.
        dtype: ``"float32"``, ``"bfloat16"``, ``"float16"``; ``"auto"`` is the checkpoint's own on
            an accelerator, on the CPU bfloat16 where the processor computes in it, else float32.
        window: Longest run of tokens through the backbone at once; None for its own limit, at
            most 512. Longer texts go through in overlapping windows.
        type_template: What a type description is put into before it is encoded; ``{}`` is it.
        adaptation: safetensors file of low-rank deltas to merge into the backbone.
        calibration: Turns similarities into probabilities; without it the score is the cosine
            (0 where that is negative).
        names: What names are known to be, blended into the vectors of their mentions.
        prototypes: Draw the vectors of mentions towards those of their kinds.
        backbone_name: What to call the backbone, where that is not where it lies.
        backbone_sha256: Refuse weights with another digest.
        trust_remote_code: Allow code that comes with the checkpoint to run.
        load_options: More keyword arguments for transformers' ``from_pretrained``.

    Raises:
        ValueError: If ``taps``, ``pooling``, ``dtype`` or ``type_template`` cannot be, or the
            ``device`` is not there.
        FileNotFoundError: If ``head`` does not exist.
    """

    def __init__(
        self,
        backbone: str | Path,
        taps: str | Sequence[str],
        *,
        pooling: str = "mean",
        head: ProjectionHead | str | Path | None = None,
        detector: MentionDetector | SpanHead | None = None,
        device: str | None = None,
        dtype: str = "auto",
        window: int | None = None,
        type_template: str = "{}",
        adaptation: str | Path | None = None,
        calibration: Calibration | None = None,
        names: KnownNames | None = None,
        prototypes: Prototypes | None = None,
        backbone_name: str | None = None,
        backbone_sha256: str | None = None,
        trust_remote_code: bool = False,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            BackboneSource(
                str(backbone),
                adaptation=Path(adaptation) if adaptation else None,
                sha256=backbone_sha256,
                device=device,
                dtype=dtype,
                window=window,
                trust_remote_code=trust_remote_code,
                load_options=load_options,
            ),
            taps,
            pooling=pooling,
            head=ProjectionHead.load(find_head(head)) if isinstance(head, str | Path) else head,
            detector=detector or _ShippedDetector(),
            type_template=type_template,
            calibration=calibration,
            names=names,
            prototypes=prototypes,
        )
        self.backbone_name = backbone_name or str(backbone)

    def __repr__(self) -> str:
        return f"TypeAwareEncoder({self.description})"

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        backbone: str | Path | None = None,
        detector: MentionDetector | SpanHead | None = None,
        names: bool = True,
        device: str | None = None,
        dtype: str = "auto",
        trust_remote_code: bool = False,
        load_options: dict[str, Any] | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> TypeAwareEncoder:
        """Load a saved encoder.

        Args:
            source: Folder or hub id of a saved encoder; None for the default shipped with the
                package.
            backbone: Folder with the backbone's weights, where they are not to be looked for
                under the name the encoder was saved with.
            detector: Instead of the encoder's own.
            names: Blend what names are known to be into vectors, where the encoder was saved with
                any; False goes by context alone.
            device: As in the constructor.
            dtype: As in the constructor.
            trust_remote_code: As in the constructor.
            load_options: As in the constructor.
            revision: Branch, tag or commit of a hub id; None for its main branch.
            token: For a private hub id; None for the one that ``hf auth login`` keeps.

        Raises:
            FileNotFoundError: If ``source`` is neither a folder nor on the hub.
            ValueError: If it holds no encoder, or one of another format, or a part of it is
                missing or is not the one that was saved, or a folder is given a revision.
        """
        folder = PRETRAINED if source is None else find_saved(source, revision, token)
        parts = read_saved(folder)
        if backbone is not None:
            parts |= {"backbone": backbone, "backbone_name": str(backbone)}
        if detector is not None:
            parts["detector"] = detector
        if not names:
            parts["names"] = None
        return cls(
            **parts,
            device=device,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            load_options=load_options,
        )

    @classmethod
    def from_preset(
        cls,
        name: str,
        *,
        head: ProjectionHead | str | Path | None = None,
        backbone: str | Path | None = None,
        **options: Any,
    ) -> TypeAwareEncoder:
        """Put an encoder together by name; ``presets.PRESETS`` says which there are.

        Args:
            name: ``"minilm"`` (the default) or ``"llama-3.1-8b"`` (the paper's).
            head: As in the constructor; presets that ship no head need one.
            backbone: Folder or hub id to take instead of the preset's.
            options: What else the constructor takes, or ``from_pretrained`` where the preset is
                a saved encoder.

        Raises:
            ValueError: If there is no such preset, or it needs a head, or has one already.
        """
        preset = find_preset(name)
        if preset.saved is not None:
            if head is not None:
                raise ValueError(f"preset {name} has a head of its own")
            return cls.from_pretrained(preset.saved, backbone=backbone, **options)
        if head is None:
            raise ValueError(f"preset {name} needs head=, a path or URL: {preset.head}")
        return cls(
            backbone or preset.backbone, preset.taps, pooling=preset.pooling, head=head, **options
        )

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
        parts = (self.head, self.calibration, detector, self.names, self.prototypes)
        writers: list[Writer] = [part.save for part in parts if part is not None]
        if inside:
            writers.append(lambda aside: self.source.pack(self.all_taps, aside / BACKBONE))
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

    def learn_names(self, names: Mapping[str, Sequence[str]] | str | Path) -> None:
        """Teach the encoder names of your own; what it knew of the same names gives way.

        The fingerprint changes: teach before an index is made.

        Args:
            names: Name to what it is, ``{"Haloperidol": ["antipsychotic drug"]}``, or a file of it:
                JSON, or JSON lines of ``name`` and ``types``.

        Raises:
            FileNotFoundError: If there is no such file.
            TypeError: If it does not map strings to lists of strings.
            ValueError: If it is empty, or a name or a type in it is.
        """
        if isinstance(names, str | Path):
            names = read_names(names)
        self.names = (self.names or KnownNames()).learn(names, self.encode_types)

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
        return self.backbone_name + " adapted" * bool(self.source.adaptation)


class _ShippedDetector:
    """The default encoder's detector, loaded when first asked."""

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        return default_encoder().detect(texts)


_default: TypeAwareEncoder | None = None
_default_lock = threading.Lock()


def default_encoder() -> TypeAwareEncoder:
    """The shipped encoder, one for the whole process."""
    global _default
    with _default_lock:
        if _default is None:
            _default = TypeAwareEncoder.from_pretrained()
        return _default
