"""Fixtures that need neither a network nor data from outside the repository."""

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from tiny import CapitalizedWords, word_piece_tokenizer
from transformers import BertConfig, BertModel

from ner_retriever_rag.encoder import TypeAwareEncoder, default_encoder

pytest_plugins = ["corpus", "processes"]


@pytest.fixture(scope="session", autouse=True)
def force_float32():
    """Hide the CPU's capabilities, so that the tests compute in float32 on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with 3 blocks and hidden size 32."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = word_piece_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tiny_checkpoint: Path) -> TypeAwareEncoder:
    """An encoder on the random BERT: fast, and suitable for testing everything but quality."""
    return TypeAwareEncoder(tiny_checkpoint, "value@1+hidden@3", detector=CapitalizedWords())


@pytest.fixture(scope="session")
def shipped_encoder() -> TypeAwareEncoder:
    """The shipped encoder."""
    return default_encoder()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data folder next to the checkout; tests that need it are skipped without it."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not next to this checkout")
    return folder
