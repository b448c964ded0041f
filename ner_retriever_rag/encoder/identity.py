"""Fingerprints that tell one encoder's vectors from another's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ner_retriever_rag.detection.patterns import DESCRIPTIONS
from ner_retriever_rag.encoder.backbone.devices import DTYPES
from ner_retriever_rag.encoder.encoding import EncodingPass


def fingerprint(encoder: EncodingPass) -> str:
    """Hash of everything the vectors depend on, excluding file locations and the dtype."""
    options = encoder.source.vector_options()
    return _hash(_parts(encoder) | {"load_options": repr(options or None)})


def earlier_fingerprints(encoder: EncodingPass) -> list[str]:
    """Fingerprints that version 0.1 gave the same encoder, one per dtype."""
    parts = _parts(encoder) | {"load_options": repr(encoder.source.load_options)}
    return [_hash(parts | {"dtype": dtype}) for dtype in DTYPES]


def _parts(encoder: EncodingPass) -> dict[str, Any]:
    # Without names or prototypes, the fingerprint is what it was before these existed.
    names = {"names": encoder.names.digest, "forms": DESCRIPTIONS} if encoder.names else {}
    prototypes = {"prototypes": encoder.prototypes.digest} if encoder.prototypes else {}
    return {
        **names,
        **prototypes,
        "backbone": encoder.source.digest(),
        "adaptation": encoder.source.adaptation_digest(),
        "window": encoder.source.window,
        "taps": encoder.taps,
        "pooling": encoder.pooling,
        "type_template": encoder.type_template,
        "head": encoder.head.digest() if encoder.head else None,
    }


def _hash(parts: Mapping[str, Any]) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
