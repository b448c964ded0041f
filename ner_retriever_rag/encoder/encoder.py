"""TypeAwareEncoder: mention vectors of texts, and type descriptions in the same space."""

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
from ner_retriever_rag.encoder.names import KnownNames
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.persistence import SavableEncoder
from ner_retriever_rag.encoder.presets import find_preset
from ner_retriever_rag.encoder.prototypes import Prototypes
from ner_retriever_rag.encoder.saved import PRETRAINED, find_saved, read_saved
from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.encoder.user_names import read_names
from ner_retriever_rag.schema import Mention


class TypeAwareEncoder(SavableEncoder):
    """Encode mentions and type descriptions into one vector space.

    Combines a backbone, a mention detector, pooling and a projection head. Construction is cheap:
    the backbone is loaded once, on first use, and may be shared between threads.

    Args:
        backbone: Folder or hub id of any Hugging Face encoder or decoder.
        taps: Taps to read vectors from: ``"value@17"``, or several joined by ``+``.
        pooling: How a mention's tokens are pooled into one vector: ``"last"``, ``"mean"`` or
            ``"first+last"``.
        head: A projection head, or a folder or ``.pth`` file (or its URL) to load one from; None
            to use the pooled taps directly.
        detector: Any ``MentionDetector``. A ``SpanHead`` reads the same forward pass of this
            backbone. None uses the shipped detector, whatever the backbone.
        device: ``"cpu"``, ``"cuda"``, ...; None uses the accelerator if there is one.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``. ``"auto"`` is the checkpoint's own
            dtype on an accelerator; on the CPU, bfloat16 if the processor computes in it, else
            float32.
        window: Maximum sequence length in tokens; None for the backbone's own limit, at most 512.
            Longer texts are read in overlapping windows.
        type_template: Template that type descriptions are put into before encoding; ``{}`` is
            the placeholder.
        adaptation: safetensors file of weight deltas to merge into the backbone.
        calibration: Maps similarities to probabilities; without it the score is the cosine (0 if
            negative).
        names: Known names and their types, blended into the vectors of their mentions.
        prototypes: Prototypes that mention vectors are pulled toward.
        pair_model: Cross-encoder that re-scores the best mentions of a search in their passages.
        backbone_name: Display name of the backbone, if other than its folder or hub id.
        backbone_sha256: Refuse weights with any other digest.
        trust_remote_code: Allow code that comes with the checkpoint to run.
        load_options: Extra keyword arguments for transformers' ``from_pretrained``.

    Raises:
        ValueError: If ``taps``, ``pooling``, ``dtype`` or ``type_template`` is invalid, or the
            ``device`` is not available.
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
            source: Folder or hub id of a saved encoder; None for the default encoder shipped with
                the package.
            backbone: Folder with the backbone's weights; None to find them by the name that the
                encoder was saved with.
            detector: Replaces the encoder's own detector.
            detection: Probability, in (0, 1), from which the encoder's own detector accepts a span
                as a mention; lower finds more. None keeps the threshold it was saved with.
            names: Blend known names into vectors, if the encoder was saved with any; False uses
                context alone.
            device: As in the constructor.
            dtype: As in the constructor.
            trust_remote_code: As in the constructor.
            load_options: As in the constructor.
            revision: Branch, tag or commit of a hub id; None for its main branch.
            token: Access token for a private hub id; None for the one stored by ``hf auth login``.

        Raises:
            FileNotFoundError: If ``source`` is neither a folder nor on the hub.
            ValueError: If ``source`` holds no encoder, or one of another format; if a part is
                missing or fails its integrity check; if a folder is given with a revision; or if
                ``detection`` is out of range or the detector is not the encoder's own.
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
                    f"detection must be between 0 and 1 and needs the encoder's own detector, not "
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
        """Use the vectors of a GLiNER bi-encoder, which encodes text and labels separately.

        The index then stores the model's span vectors and is queried with its label vectors. A
        score is the ``sigmoid`` of their inner product, exactly the score that the package
        ``gliner`` gives the same span and label. The ranking stages for our own cosines are
        skipped. Topics (``about``) and examples (``Like``) are not supported: they need a vector
        of a text, or of a mention in the role of a type.

        Args:
            model: Hub id or folder of a span-level bi-encoder:
                ``"knowledgator/gliner-bi-base-v2.0"``.
            detector: Source of mentions: ``"shipped"``, ``"model"`` for the model itself, or any
                ``MentionDetector``. The model has vectors only for mentions of up to a certain
                number of words (mostly twelve); wider ones are dropped.
            labels: Labels that the model is prompted with when it detects mentions itself; they
                do not reach the index.
            threshold: Minimum score of a mention that the model detects.
            device: As in the constructor, except that None leaves the model on the CPU.
            batch_size: Text windows per forward pass.
            revision: As in ``from_pretrained``.
            token: As in ``from_pretrained``.

        Raises:
            FileNotFoundError: If ``model`` is neither a folder nor on the hub.
            ValueError: If it is another kind of GLiNER model, ``labels`` is empty, or the device is
                not available.
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
        """Build an encoder by preset name; see ``presets.PRESETS``.

        Args:
            name: ``"minilm"`` (the default) or ``"llama-3.1-8b"`` (the paper's).
            head: As in the constructor; presets that ship no head need one.
            backbone: Folder or hub id to use instead of the preset's backbone.
            options: Other arguments of the constructor, or of ``from_pretrained`` if the preset is
                a saved encoder.

        Raises:
            ValueError: If there is no such preset, or a head is missing or superfluous.
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
        """Teach the encoder names of your own; they replace what it knew about the same names.

        The fingerprint changes, so teach names before building an index.

        Args:
            names: Maps each name to its types, ``{"Haloperidol": ["antipsychotic drug"]}``; or a
                file of such a mapping: JSON, or JSON lines of ``name`` and ``types``.

        Raises:
            FileNotFoundError: If there is no such file.
            TypeError: If ``names`` is empty or does not map strings to lists of strings.
            ValueError: If a name or a type is empty, or a file does not hold such names.
        """
        if isinstance(names, str | Path):
            names = read_names(names)
        self.names = (self.names or KnownNames()).learn(names, self.encode_types)


class _GLiNEREncoder(GLiNERVectors, TypeAwareEncoder):
    """A GLiNER bi-encoder in place of backbone, taps and head."""

    head = names = prototypes = pair_model = None


def _gliner_detector(
    detector: MentionDetector | SpanHead | Literal["shipped", "model"],
) -> Any:
    """Resolve the detector; None stands for the GLiNER model itself."""
    if not isinstance(detector, str):
        return detector
    if detector not in ("shipped", "model"):
        raise ValueError(f"detector must be 'shipped', 'model' or a detector, not {detector!r}")
    return _ShippedDetector() if detector == "shipped" else None


class _ShippedDetector:
    """The default encoder's detector, loaded on first use."""

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        return default_encoder().detect(texts)


_default: TypeAwareEncoder | None = None
_default_lock = threading.Lock()


def default_encoder() -> TypeAwareEncoder:
    """Return the shipped encoder, one instance per process."""
    global _default
    with _default_lock:
        if _default is None:
            _default = TypeAwareEncoder.from_pretrained()
        return _default
