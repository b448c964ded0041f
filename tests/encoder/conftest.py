"""A tiny LLaMA that needs nothing from outside the repository."""

import pytest
import torch
from tiny_checkpoints import save_checkpoint
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 400

# 20 blocks, grouped-query attention: 4 query heads share 2 key and value heads of size 8.
TINY_LLAMA = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 20,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "max_position_embeddings": 64, "initializer_range": 0.2,
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory):
    """A random LLaMA with a language-model head, its weights in about one shard per block."""
    torch.manual_seed(3)
    model = LlamaForCausalLM(LlamaConfig(**TINY_LLAMA, tie_word_embeddings=False)).float()
    # Norm weights of 1 would hide a norm that is omitted or applied twice.
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter, 1.0, 0.3)
    folder = tmp_path_factory.mktemp("tiny-llama")
    return save_checkpoint(model, folder, max_shard_size="40KB")
