"""Random GLiNER models of the package ``gliner``."""

import torch
from tiny import word_piece_tokenizer
from transformers import BertConfig, BertModel

MAX_SPAN_WORDS, MAX_TEXT_WORDS = 4, 24  # words


def save_gliner(folder, **changes):
    """Save a random span-level bi-encoder on two one-block BERTs with hidden size 32."""
    from gliner import GLiNER, GLiNERConfig

    sides = [
        _bert(folder.with_name(f"{folder.name}-{side}"), seed) for seed, side in enumerate("tl")
    ]
    text, labels = map(str, sides)
    options = {
        "model_name": text,
        "labels_encoder": labels,
        "hidden_size": 32,
        "max_width": MAX_SPAN_WORDS,
        "max_len": MAX_TEXT_WORDS,
        "num_rnn_layers": 0,
        "dropout": 0.0,
    }
    torch.manual_seed(2)
    model = GLiNER.from_config(GLiNERConfig(**options | changes))
    with torch.no_grad():
        for weight in model.model.parameters():
            weight.mul_(1.5)  # so that scores are not all close to 0.5
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def _bert(folder, seed):
    tokenizer = word_piece_tokenizer()
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=128, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder
