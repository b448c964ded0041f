"""TypeAwareEncoder: texts to mention vectors, and type descriptions to the same space."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ner_retriever_rag.detection.given import Spans, given_mentions
from ner_retriever_rag.detection.protocol import MentionDetector
from ner_retriever_rag.encoder.backbone.backbone import Backbone, resolve_dtype
from ner_retriever_rag.encoder.backbone.checkpoints import (
    find_checkpoint,
    find_head,
    weights_digest,
)
from ner_retriever_rag.encoder.backbone.states import TokenStates
from ner_retriever_rag.encoder.backbone.taps import parse_taps
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pooling import POOLINGS, pool
from ner_retriever_rag.encoder.presets import find_preset
from ner_retriever_rag.encoder.saved import (
    ADAPTATION,
    PRETRAINED,
    file_digest,
    find_saved,
    saved_parts,
    write_config,
)
from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.schema import EncodedText, Mention, require_text


class TypeAwareEncoder:
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
        dtype: ``"float32"``, ``"bfloat16"``, ``"float16"``; ``"auto"`` is float32 on the CPU and
            the checkpoint's own on an accelerator.
        window: Longest run of tokens through the backbone at once; None for its own limit, at
            most 512. Longer texts go through in overlapping windows.
        type_template: What a type description is put into before it is encoded; ``{}`` is it.
        adaptation: safetensors file of low-rank deltas to merge into the backbone.
        calibration: Turns similarities into probabilities; without it the score is the cosine
            (0 where that is negative).
        backbone_sha256: Refuse weights with another digest.
        trust_remote_code: Allow code that comes with the checkpoint to run.
        load_options: More keyword arguments for transformers' ``from_pretrained``.

    Raises:
        ValueError: If ``taps``, ``pooling``, ``dtype`` or ``type_template`` cannot be.
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
        backbone_sha256: str | None = None,
        trust_remote_code: bool = False,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        if pooling not in POOLINGS:
            raise ValueError(f"pooling {pooling!r} is not one of {', '.join(POOLINGS)}")
        if "{}" not in type_template:
            raise ValueError(f"type_template {type_template!r} has no {{}} for the description")
        self.backbone_name = str(backbone)
        self.taps = tuple(str(tap) for tap in parse_taps(taps))
        self.pooling = pooling
        self.head = ProjectionHead.load(find_head(head)) if isinstance(head, str | Path) else head
        self.window = window
        self.type_template = type_template
        self.calibration = calibration
        self._detector = detector
        self._device, self._dtype = device, dtype
        self._adaptation = Path(adaptation) if adaptation else None
        self._sha256 = backbone_sha256
        self._trust_remote_code = trust_remote_code
        self._load_options = load_options
        self._backbone: Backbone | None = None
        self._folder: Path | None = None
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"TypeAwareEncoder({self.description})"

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        backbone: str | Path | None = None,
        detector: MentionDetector | SpanHead | None = None,
        device: str | None = None,
        dtype: str = "auto",
        trust_remote_code: bool = False,
        load_options: dict[str, Any] | None = None,
    ) -> TypeAwareEncoder:
        """Load a saved encoder.

        Args:
            source: Folder or hub id of a saved encoder; None for the default shipped with the
                package.
            backbone: Folder with the backbone's weights, where they are not to be looked for
                under the name the encoder was saved with.
            detector: Instead of the encoder's own.
            device: As in the constructor.
            dtype: As in the constructor.
            trust_remote_code: As in the constructor.
            load_options: As in the constructor.

        Raises:
            FileNotFoundError: If ``source`` is neither a folder nor on the hub.
            ValueError: If it holds no encoder, or one of another format.
        """
        parts = saved_parts(PRETRAINED if source is None else find_saved(source))
        if backbone is not None:
            parts["backbone"] = backbone
        if detector is not None:
            parts["detector"] = detector
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
            name: ``"minilm"`` (the default), ``"minilm-frozen"`` (its backbone as it is) or
                ``"llama-3.1-8b"`` (the paper's).
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

    def save_pretrained(self, folder: str | Path) -> None:
        """Write all but the backbone into a folder, for ``from_pretrained``.

        Args:
            folder: Made if needed. The backbone is kept by name and digest.
        """
        folder = Path(folder)
        config = {
            "backbone": {"name": self.backbone_name, "sha256": self.backbone_sha256},
            "taps": "+".join(self.taps),
            "pooling": self.pooling,
            "window": self.window,
            "type_template": self.type_template,
            "head": self.head is not None,
            "calibration": self.calibration is not None,
        }
        write_config(folder, config)
        for part in (self.head, self.calibration, self._span_head):
            if part is not None:
                part.save(folder)
        if self._adaptation:
            copyfile(self._adaptation, folder / ADAPTATION)

    @property
    def backbone(self) -> Backbone:
        """The backbone, loaded when first asked for."""
        with self._lock:
            if self._backbone is None:
                self._backbone = self._load_backbone()
            return self._backbone

    @property
    def backbone_sha256(self) -> str:
        """Digest of the backbone's weights; read from the files unless it was given."""
        if self._sha256 is None:
            self._sha256 = weights_digest(self._checkpoint)
        return self._sha256

    @property
    def fingerprint(self) -> str:
        """Changes whenever vectors would: hash of all that they depend on. Loads no model."""
        parts = {
            "backbone": self.backbone_sha256,
            "taps": self.taps,
            "pooling": self.pooling,
            "window": self.window,
            "dtype": self.dtype,
            "type_template": self.type_template,
            "head": self.head.digest() if self.head else None,
            "adaptation": file_digest(self._adaptation) if self._adaptation else None,
            "load_options": repr(self._load_options),
        }
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def dtype(self) -> str:
        """What the backbone computes in: ``"float32"``, ``"bfloat16"`` or ``"float16"``."""
        return resolve_dtype(self._dtype, self._device, lambda: self._checkpoint)

    @property
    def description(self) -> str:
        """One line that tells a person which encoder this is."""
        adapted = " adapted" if self._adaptation else ""
        width = f" -> {self.head.dim}" if self.head else ""
        taps = "+".join(self.taps)
        return f"{self.backbone_name}{adapted} {taps} {self.pooling}{width} {self.dtype}"

    def encode(
        self,
        texts: Sequence[str],
        spans: Sequence[Spans] | None = None,
        *,
        progress: bool = False,
    ) -> list[EncodedText]:
        """Find (or take) the mentions of texts and encode each.

        Args:
            texts: The texts. None may be empty.
            spans: For each text the character spans of its mentions, end exclusive; None to
                detect them, in the same pass where the detector can.
            progress: Show a progress bar.

        Returns:
            One ``EncodedText`` a text, in order; vectors are float32 ``(n_mentions, dim)``,
            L2-normalised.

        Raises:
            TypeError: If ``texts`` is a string or holds something else than strings.
            ValueError: If a text is empty, or a span lies outside its text.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of strings, not one string")
        for number, text in enumerate(texts):
            require_text(text, f"texts[{number}]")
        bar = tqdm(total=len(texts), unit="text", disable=not progress)
        with bar, torch.inference_mode():
            encoded = []
            for one in self._encode_each(texts, self._known_mentions(texts, spans)):
                encoded.append(one)
                bar.update()
        return encoded

    def encode_types(self, types: Sequence[str]) -> NDArray[np.float32]:
        """Encode type descriptions into the space of the mentions.

        Args:
            types: Free text, such as ``["dinosaur", "drug that lowers blood pressure"]``.

        Returns:
            float32 ``(len(types), dim)``, L2-normalised.

        Raises:
            TypeError: If ``types`` is a string or holds something else than strings.
            ValueError: If a description is empty or has nothing the tokenizer knows.
        """
        if isinstance(types, str):
            raise TypeError("types must be a list of type descriptions, not one string")
        for number, description in enumerate(types):
            require_text(description, "type description" + f" {number}" * (len(types) > 1))
        filled = [self.type_template.replace("{}", description.strip()) for description in types]
        with torch.inference_mode():
            rows = []
            for description, states in zip(filled, self.backbone.read(filled), strict=True):
                if not len(states):
                    raise ValueError(f"type description {description!r} has no words in it")
                rows.append(self._vectors(states, [(0, len(description))]))
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def types_of(self, text: str, span: tuple[int, int], n: int = 5) -> list[tuple[str, float]]:
        """Name the kinds of one mention, from the shipped vocabulary of mined type phrases.

        Args:
            text: The text.
            span: Characters of the mention, end exclusive.
            n: How many kinds.

        Returns:
            Type descriptions with their scores (probabilities), the best fit first; near synonyms
            of a better one are left out.

        Raises:
            ValueError: If the text is empty, the span lies outside it, or ``n`` is not positive.
        """
        from ner_retriever_rag.encoder.kinds import types_of

        return types_of(self, text, span, n)

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        """Find the mentions of texts; an encoder is a ``MentionDetector`` itself."""
        return [encoded.mentions for encoded in self.encode(texts)]

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.head.dim if self.head else int(self.encode_types(["thing"]).shape[1])

    def score(
        self, type_vector: NDArray[np.float32], similarities: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Probabilities that mentions are of a type.

        Args:
            type_vector: float32 ``(dim,)``, the encoded type description.
            similarities: float32 ``(n,)``, cosines of mentions to it.

        Returns:
            float32 ``(n,)`` in [0, 1], rising with similarity.
        """
        if self.calibration is None:
            return np.clip(similarities, 0.0, 1.0)
        return self.calibration.probability(type_vector, similarities)

    def similarity_at(self, type_vector: NDArray[np.float32], score: float) -> float:
        """The cosine at which ``score`` is reached for a type; the inverse of ``score``."""
        if self.calibration is None:
            return score
        return self.calibration.similarity_at(type_vector, score)

    @property
    def _span_head(self) -> SpanHead | None:
        return self._detector if isinstance(self._detector, SpanHead) else None

    @property
    def _checkpoint(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = find_checkpoint(self.backbone_name)
            return self._folder

    def _load_backbone(self) -> Backbone:
        if self._sha256 and (found := weights_digest(self._checkpoint)) != self._sha256:
            raise ValueError(
                f"the weights of backbone {self.backbone_name} in {self._checkpoint} have sha256 "
                f"{found}, but this encoder was made for {self._sha256}"
            )
        taps = dict.fromkeys([*self.taps, *(self._span_head.taps if self._span_head else ())])
        return Backbone(
            self._checkpoint,
            list(taps),
            device=self._device,
            dtype=self.dtype,
            window=self.window,
            adaptation=self._adaptation,
            trust_remote_code=self._trust_remote_code,
            load_options=self._load_options,
        )

    def _known_mentions(
        self, texts: Sequence[str], spans: Sequence[Spans] | None
    ) -> Sequence[list[Mention] | None]:
        """Mentions known before the pass: given ones, or another detector's; else Nones."""
        if spans is not None:
            return given_mentions(texts, spans)
        if isinstance(self._detector, SpanHead):
            return [None] * len(texts)
        return (self._detector or default_encoder()).detect(texts)

    def _encode_each(
        self, texts: Sequence[str], known: Sequence[list[Mention] | None]
    ) -> Iterator[EncodedText]:
        for text, mentions, states in zip(texts, known, self.backbone.read(texts), strict=True):
            if mentions is None:
                assert self._span_head is not None
                mentions = self._span_head.mentions(text, states)
            spans = [(mention.start, mention.end) for mention in mentions]
            yield EncodedText(mentions, self._vectors(states, spans), _unit(states.text_vector))

    def _vectors(self, states: TokenStates, spans: Spans) -> NDArray[np.float32]:
        """Pool spans over the taps and project them: float32 ``(len(spans), dim)``."""
        if not spans:
            return np.zeros((0, self.dim), dtype=np.float32)
        tapped = torch.cat([states.taps[tap] for tap in self.taps], dim=-1)
        pooled = pool(tapped, states.offsets, spans, self.pooling)
        if self.head:
            vectors: NDArray[np.float32] = self.head(pooled).numpy()
        else:
            vectors = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        return vectors


_default: TypeAwareEncoder | None = None
_default_lock = threading.Lock()


def default_encoder() -> TypeAwareEncoder:
    """The shipped encoder, one for the whole process."""
    global _default
    with _default_lock:
        if _default is None:
            _default = TypeAwareEncoder.from_pretrained()
        return _default


def _unit(vector: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    if vector is None:
        return None
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
