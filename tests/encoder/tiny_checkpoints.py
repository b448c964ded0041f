"""Writes models to disk for the tests in this folder."""

from tiny import byte_level_tokenizer


def save_checkpoint(model, folder, **options):
    """Save a model and a byte-level tokenizer in one folder, as ``from_pretrained`` expects."""
    byte_level_tokenizer().save_pretrained(folder)
    model.save_pretrained(folder, **options)
    return folder
