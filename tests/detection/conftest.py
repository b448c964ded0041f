"""A random text generator and random GLiNER models."""

import pytest
import torch
from tiny import byte_level_tokenizer, word_piece_tokenizer
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel


@pytest.fixture(scope="session")
def tiny_generator(tmp_path_factory):
    """A random GPT-2 with 2 blocks and a context of 4,096 tokens."""
    folder = tmp_path_factory.mktemp("tiny-gpt2")
    tokenizer = byte_level_tokenizer()
    tokenizer.model_max_length = 4_096
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=4_096
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", params=["span", "boundary"])
def tiny_gliner(request, tmp_path_factory):
    """A random GLiNER2 (span) and GLiNER2.5 (boundary) on a 2-block BERT."""
    gliner2 = pytest.importorskip("gliner2", reason="needs the extra [gliner]")
    pytest.importorskip("peft", reason="needs gliner2[local], from the extra [gliner]")
    encoder = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = word_piece_tokenizer()
    tokenizer.save_pretrained(encoder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=512, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config).save_pretrained(encoder)
    folder = tmp_path_factory.mktemp("tiny-gliner")
    extractor = gliner2.ExtractorConfig(model_name=str(encoder), architecture=request.param)
    gliner2.AutoExtractor.from_config(extractor).save_pretrained(folder)
    return folder
