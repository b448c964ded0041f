"""Devices and dtypes: errors for unavailable ones, and the choice by CPU capabilities."""

import pytest
import torch
from tiny import TEXTS

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.backbone import devices
from ner_retriever_rag.encoder.backbone.backbone import Backbone


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "gpu", "mps", ""])
def test_unavailable_device_is_named(tiny_checkpoint, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for make in (TypeAwareEncoder, Backbone):
        with pytest.raises(ValueError, match=rf"device '{device}' is"):
            make(tiny_checkpoint, "hidden@1", device=device)


def test_device_index_out_of_range_is_named(tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    TypeAwareEncoder(tiny_checkpoint, "hidden@1", device="cuda:1")
    with pytest.raises(ValueError, match="'cuda:2' is not available: torch sees 2"):
        TypeAwareEncoder(tiny_checkpoint, "hidden@1", device="cuda:2")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"avx512_bf16": True, "avx512_fp16": True, "amx_bf16": False}, "float32"),
        ({"avx512_bf16": True, "avx512_fp16": True, "amx_bf16": True}, "bfloat16"),
        ({"avx512_f": True, "amx_bf16": False}, "float32"),
        ({"bf16": True, "architecture": "arm64"}, "float32"),
    ],
)
def test_auto_dtype_follows_cpu_capabilities(capabilities, dtype, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert devices.resolve_dtype("auto", "cpu", lambda: tiny_checkpoint) == dtype


def test_unknown_dtype_is_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="dtype 'half'"):
        _ = TypeAwareEncoder(tiny_checkpoint, "hidden@1", dtype="half").dtype


def test_bfloat16_and_float32_vectors_are_compatible():
    exact, quick = (
        TypeAwareEncoder.from_pretrained(dtype=dtype) for dtype in ("float32", "bfloat16")
    )
    assert exact.fingerprint == quick.fingerprint
    encoded = exact.encode(TEXTS)
    spans = [[(mention.start, mention.end) for mention in one.mentions] for one in encoded]
    for one, other in zip(encoded, quick.encode(TEXTS, spans), strict=True):
        assert ((one.vectors * other.vectors).sum(1) > 0.995).all()
    types = ["river", "programming language"]
    assert ((exact.encode_types(types) * quick.encode_types(types)).sum(1) > 0.995).all()
