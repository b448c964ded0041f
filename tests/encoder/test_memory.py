"""Batch sizes by free GPU memory, and what happens if the estimate was too high."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import TEXTS

from ner_retriever_rag.encoder.backbone import memory
from ner_retriever_rag.encoder.backbone.backbone import Backbone

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "cut_loading.py"


def shape(**config):
    """The attributes of a model that the estimate uses."""
    config = SimpleNamespace(**config)
    return SimpleNamespace(
        config=SimpleNamespace(get_text_config=lambda: config), dtype=torch.bfloat16
    )


LLAMA_8B = shape(hidden_size=4096, intermediate_size=14_336, num_attention_heads=32)


@pytest.mark.parametrize(
    ("free", "tokens"), [(2**40, 32_768), (8 * 2**30, 19_784), (2**30, 2_473), (0, 512)]
)
def test_batch_fills_half_of_the_free_memory(monkeypatch, free, tokens):
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    assert memory.batch_tokens(LLAMA_8B, CUDA, 512) == tokens


def test_batch_size_on_the_cpu_is_fixed():
    assert memory.batch_tokens(LLAMA_8B, CPU, 512) == 4_096


def test_memory_cached_by_torch_counts_as_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert memory.free_memory(CUDA) == 130


def test_bytes_per_token_follow_from_the_model(tiny_checkpoint):
    model = Backbone(tiny_checkpoint, "hidden@3").model
    assert memory.bytes_of_token(model, 64) == 4 * (8 * 32 + 3 * 64) + 4 * 4 * 64


def test_batch_is_split_when_memory_runs_out(tiny_checkpoint, monkeypatch):
    backbone = Backbone(tiny_checkpoint, "hidden@3")
    wanted = [states.taps["hidden@3"] for states in backbone.read(TEXTS)]
    forward, sizes = backbone.forward, []

    def limited_forward(input_ids, attention_mask):
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids, attention_mask)

    monkeypatch.setattr(backbone, "forward", limited_forward)
    found = [states.taps["hidden@3"] for states in backbone.read(TEXTS)]
    assert max(sizes) > 2 and sum(size for size in sizes if size <= 2) == len(TEXTS)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_out_of_memory_for_a_single_item_is_an_error():
    def always_out_of_memory(some):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        list(memory.in_halves(always_out_of_memory, [1, 2, 3]))


@pytest.mark.slow
def test_cut_loading_benchmark_runs(tiny_llama, tmp_path):
    command = [sys.executable, BENCHMARK, "--folder", tiny_llama, "--texts", "6", "--repeats", "1"]
    page = tmp_path / "page.md"
    done = subprocess.run([*command, "--out", page], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| texts a second |" in page.read_text(encoding="utf-8")
    assert json.loads((Path(tiny_llama) / "config.json").read_text())["num_hidden_layers"] > 17
