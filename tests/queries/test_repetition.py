"""Mentions that only repeat the description rank lower."""

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
def test_covers_mentions_without_words_of_their_own(description, mention, covered):
    assert Repetition(description).covers(mention) is covered


@pytest.mark.parametrize("mention", ["volcano", "active volcanoes", "a Volcano", "big VOLCANO"])
def test_last_word_selects_the_mentions_to_check(mention):
    assert last_word(mention) in Repetition("volcano").last_words
    assert last_word("Mount Etna") not in Repetition("volcano").last_words


def test_every_repetition_is_selected_by_its_last_word():
    words = ["moons", "of", "saturn", "third", "planet", "rings"]
    repetition, rng = Repetition("moon of Saturn"), np.random.default_rng(0)
    for _ in range(300):
        mention = " ".join(rng.choice(words, rng.integers(1, 5)))
        if repetition.covers(mention):
            assert last_word(mention) in repetition.last_words
