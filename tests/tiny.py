"""Texts, a detector and tokenizers shared by the tests."""

import re

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from ner_retriever_rag.schema import Mention

TEXTS = [
    "Stegosaurus lived in the Jurassic, long before Tyrannosaurus.",
    "Oslo is the capital of Norway and lies on the Oslofjord.",
    "The Nile flows through Egypt and Sudan to the Mediterranean Sea.",
    "Ada Lovelace wrote a program for the Analytical Engine of Charles Babbage.",
    "Zürich, Malmö and Łódź are cities; 東京 is one too 🎉.",
]


class CapitalizedWords:
    """A test detector: finds runs of words that begin with a capital letter."""

    def detect(self, texts):
        pattern = re.compile(r"\b[A-ZŁ]\w+(?: [A-Z]\w+)*")
        return [
            [Mention(found[0], found.start(), found.end(), 0.9) for found in pattern.finditer(text)]
            for text in texts
        ]


def word_piece_tokenizer() -> PreTrainedTokenizerFast:
    """A small BERT tokenizer: lowercases, strips accents, splits words into pieces."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # Not trained: the trainer of ``tokenizers`` breaks ties differently in every process.
    text = tokenizer.normalizer.normalize_str(" ".join(TEXTS))
    words = {word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)}
    letters = {letter for word in words for letter in word}
    pieces = words | letters | {f"##{letter}" for letter in letters}
    ids = {piece: number for number, piece in enumerate([*specials, *sorted(pieces)])}
    tokenizer.model = models.WordPiece(ids, unk_token="[UNK]")
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
    """A small byte-level GPT-2 tokenizer; a word's first token includes its leading space."""
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
