"""Devices and dtypes: named when they are not there, and chosen by what the processor can."""

import pytest
import torch
from tiny import TEXTS

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.backbone import devices
from ner_retriever_rag.encoder.backbone.backbone import Backbone


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "gpu", "mps", ""])
def test_a_device_that_is_not_there_is_named(tiny_checkpoint, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for make in (TypeAwareEncoder, Backbone):
        with pytest.raises(ValueError, match=rf"device '{device}' is"):
            make(tiny_checkpoint, "hidden@1", device=device)


def test_a_device_beyond_the_last_is_named(tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    TypeAwareEncoder(tiny_checkpoint, "hidden@1", device="cuda:1")
    with pytest.raises(ValueError, match="'cuda:2' is not there: torch sees 2"):
        TypeAwareEncoder(tiny_checkpoint, "hidden@1", device="cuda:2")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"avx512_f": True, "amx_bf16": False}, "float32"),
        ({"bf16": True, "architecture": "arm64"}, "float32"),
    ],
)
def test_auto_goes_by_the_processor(capabilities, dtype, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert devices.resolve_dtype("auto", "cpu", lambda: tiny_checkpoint) == dtype


def test_dtypes_that_are_none(tiny_checkpoint):
    with pytest.raises(ValueError, match="dtype 'half'"):
        _ = TypeAwareEncoder(tiny_checkpoint, "hidden@1", dtype="half").dtype


def test_bfloat16_and_float32_understand_each_other():
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
