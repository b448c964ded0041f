"""Mentions that only repeat the description come lower."""

import numpy as np
import pytest

from ner_retriever_rag.queries.repetition import Repetition, last_word


@pytest.mark.parametrize(
    ("description", "mention", "covered"),
    [
        ("volcano", "volcano", True),
        ("volcano", "The Volcanoes", True),
        ("moon of Saturn", "Saturn", True),
        ("moon of Saturn", "moons of Saturn", True),
        ("lighthouse", "third lighthouse", False),
        ("moon of Saturn", "Titan", False),
        ("volcano", "Augustine Volcano", False),
        ("football club", "FC Aarau", False),
        ("river", "", True),
    ],
)
def test_what_has_no_word_but_the_descriptions(description, mention, covered):
    assert Repetition(description).covers(mention) is covered


@pytest.mark.parametrize("mention", ["volcano", "active volcanoes", "a Volcano", "big VOLCANO"])
def test_the_last_word_says_which_mentions_to_look_at(mention):
    assert last_word(mention) in Repetition("volcano").last_words
    assert last_word("Mount Etna") not in Repetition("volcano").last_words


def test_every_repetition_is_looked_at():
    words = ["moons", "of", "saturn", "third", "planet", "rings"]
    repetition, rng = Repetition("moon of Saturn"), np.random.default_rng(0)
    for _ in range(300):
        mention = " ".join(rng.choice(words, rng.integers(1, 5)))
        if repetition.covers(mention):
            assert last_word(mention) in repetition.last_words
