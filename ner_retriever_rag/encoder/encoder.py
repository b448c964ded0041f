"""TypeAwareEncoder: texts to mention vectors, and type descriptions to the same space."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ner_retriever_rag.detection.gliner import EVERYTHING_NAMED
from ner_retriever_rag.detection.protocol import MentionDetector
from ner_retriever_rag.encoder.backbone.checkpoints import find_head
from ner_retriever_rag.encoder.backbone.source import BackboneSource
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.gliner_vectors import GLiNERVectors, read_reference
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.keeping import KeptEncoder
from ner_retriever_rag.encoder.names import KnownNames
from ner_retriever_rag.encoder.own_names import read_names
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.presets import find_preset
from ner_retriever_rag.encoder.prototypes import Prototypes
from ner_retriever_rag.encoder.saved import PRETRAINED, find_saved, read_saved
from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.schema import Mention


class TypeAwareEncoder(KeptEncoder):
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
        pair_model: Judges the best mentions of a search again, in their passages.
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
        pair_model: PairModel | None = None,
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
            pair_model=pair_model,
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
        detection: float | None = None,
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
            detection: The probability from which the encoder's own detector takes a span for a
                mention, in (0, 1); lower finds more. None for the one it was saved with.
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
        if (kept := read_reference(folder)) is not None:
            found = detector or kept["detector"]
            options = {**kept, "detector": _gliner_detector(found), "device": device}
            return _GLiNEREncoder(**options, token=token)
        parts = read_saved(folder)
        if backbone is not None:
            parts |= {"backbone": backbone, "backbone_name": str(backbone)}
        if detector is not None:
            parts["detector"] = detector
        if detection is not None:
            if not isinstance(parts["detector"], SpanHead) or not 0 < detection < 1:
                raise ValueError(
                    f"detection must be between 0 and 1, and the detector the encoder's own, not "
                    f"{detection!r}"
                )
            parts["detector"].threshold = detection
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
    def from_gliner(
        cls,
        model: str | Path,
        *,
        detector: MentionDetector | Literal["shipped", "model"] = "shipped",
        labels: Sequence[str] = EVERYTHING_NAMED,
        threshold: float = 0.5,
        device: str | None = None,
        batch_size: int = 8,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> TypeAwareEncoder:
        """Take the vectors of a GLiNER bi-encoder, which keeps text and labels apart.

        An index then has its vectors of spans, and asks with its vectors of labels. A score is
        ``sigmoid`` of their inner product, exactly what the package ``gliner`` gives the same span
        and label; what ranking does with our own cosines is left out, and so are topics (``about``)
        and examples (``Like``), which need a vector of a text or of a thing as of a type.

        Args:
            model: Hub id or folder of a span-level bi-encoder:
                ``"knowledgator/gliner-bi-base-v2.0"``.
            detector: Where mentions come from: ``"shipped"``, ``"model"`` for the model itself, or
                any ``MentionDetector``. The model has vectors for mentions of up to so many words
                (twelve, mostly); wider ones are left out.
            labels: What the model is asked for where it finds mentions itself; then forgotten.
            threshold: Least score of a mention that it finds.
            device: As in the constructor; None leaves it on the CPU.
            batch_size: Windows of text through the model at once.
            revision: As in ``from_pretrained``.
            token: As in ``from_pretrained``.

        Raises:
            FileNotFoundError: If ``model`` is neither a folder nor on the hub.
            ValueError: If it is a GLiNER model of another kind, ``labels`` is empty, or the device
                is not there.
        """
        return _GLiNEREncoder(
            model,
            detector=_gliner_detector(detector),
            labels=labels,
            threshold=threshold,
            device=device,
            batch_size=batch_size,
            revision=revision,
            token=token,
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


class _GLiNEREncoder(GLiNERVectors, TypeAwareEncoder):
    """A GLiNER bi-encoder in the place of backbone, taps and head."""

    head = names = prototypes = pair_model = None


def _gliner_detector(
    detector: MentionDetector | SpanHead | Literal["shipped", "model"],
) -> Any:
    """The detector that is meant; None for the GLiNER model itself."""
    if not isinstance(detector, str):
        return detector
    if detector not in ("shipped", "model"):
        raise ValueError(f"detector must be 'shipped', 'model' or one itself, not {detector!r}")
    return _ShippedDetector() if detector == "shipped" else None


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
