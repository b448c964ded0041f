"""Fixtures that need no network and no data beside the repository."""

import os
import re
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from ner_retriever_rag.encoder import TypeAwareEncoder, default_encoder
from ner_retriever_rag.schema import Mention

TEXTS = [
    "Stegosaurus lived in the Jurassic, long before Tyrannosaurus.",
    "Oslo is the capital of Norway and lies on the Oslofjord.",
    "The Nile flows through Egypt and Sudan to the Mediterranean Sea.",
    "Ada Lovelace wrote a program for the Analytical Engine of Charles Babbage.",
    "Zürich, Malmö and Łódź are cities; 東京 is one too 🎉.",
]


class CapitalisedWords:
    """A detector for tests: runs of words that begin with a capital letter."""

    def detect(self, texts):
        pattern = re.compile(r"\b[A-ZŁ]\w+(?: [A-Z]\w+)*")
        return [
            [Mention(found[0], found.start(), found.end(), 0.9) for found in pattern.finditer(text)]
            for text in texts
        ]


def word_piece_tokenizer() -> PreTrainedTokenizerFast:
    """A small BERT tokenizer: lower-cases, strips accents, splits words into pieces."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=specials, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    ids = {token: tokenizer.token_to_id(token) for token in specials}
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"])
    )
    tokenizer.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """A small GPT-2 tokenizer: bytes, a word's leading space in its first token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>", model_max_length=64
    )


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of 3 blocks, 32 wide."""
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
    """An encoder on the random BERT: quick, and good for everything but quality."""
    return TypeAwareEncoder(tiny_checkpoint, "value@1+hidden@3", detector=CapitalisedWords())


@pytest.fixture(scope="session")
def default() -> TypeAwareEncoder:
    """The shipped encoder."""
    return default_encoder()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data beside the checkout; tests that need it are skipped without."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return folder
