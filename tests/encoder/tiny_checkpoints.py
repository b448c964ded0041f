"""How the tests of this folder write a model to disk."""

from tiny import byte_level_tokenizer


def save_checkpoint(model, folder, **options):
    """A model and a byte-level tokenizer in one folder, as ``from_pretrained`` wants them."""
    byte_level_tokenizer().save_pretrained(folder)
    model.save_pretrained(folder, **options)
    return folder
