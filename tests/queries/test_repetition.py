"""Mentions that only repeat the description come lower."""

import numpy as np
import pytest

from ner_retriever_rag.queries.repetition import (
    Repeats,
    Repetition,
    last_word,
)


@pytest.mark.parametrize(
    ("description", "mention", "how"),
    [
        ("volcano", "volcano", Repeats.ALL),
        ("volcano", "The Volcanoes", Repeats.ALL),
        ("moon of Saturn", "Saturn", Repeats.ALL),
        ("moon of Saturn", "moons of Saturn", Repeats.ALL),
        ("lighthouse", "third lighthouse", Repeats.LOWER_CASE_HEAD),
        ("drug that lowers blood pressure", "antihypertensive drugs", Repeats.LOWER_CASE_HEAD),
        ("moon of Saturn", "Titan", Repeats.NOTHING),
        ("volcano", "Augustine Volcano", Repeats.NOTHING),
        ("football club", "FC Aarau", Repeats.NOTHING),
        ("river", "", Repeats.ALL),
    ],
)
def test_how_a_mention_repeats_a_description(description, mention, how):
    assert Repetition(description).of(mention, cased=True) is how


def test_lower_case_says_nothing_where_all_is_lower_case():
    assert Repetition("university").of("yale university", cased=False) is Repeats.NOTHING
    assert Repetition("university").of("universities", cased=False) is Repeats.ALL


@pytest.mark.parametrize("mention", ["volcano", "active volcanoes", "a Volcano", "big VOLCANO"])
def test_the_last_word_says_which_mentions_to_look_at(mention):
    assert last_word(mention) in Repetition("volcano").last_words
    assert last_word("Mount Etna") not in Repetition("volcano").last_words


def test_every_repetition_is_looked_at():
    words = ["moons", "of", "saturn", "third", "planet", "rings"]
    repetition, rng = Repetition("moon of Saturn"), np.random.default_rng(0)
    for _ in range(300):
        mention = " ".join(rng.choice(words, rng.integers(1, 5)))
        if repetition.of(mention, cased=True) is not Repeats.NOTHING:
            assert last_word(mention) in repetition.last_words
