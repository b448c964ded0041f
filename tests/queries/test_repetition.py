"""Mentions that only repeat the description come lower."""

import numpy as np
import pytest

from ner_retriever_rag.queries.repetition import (
    LOWER_CASE_HEAD,
    NO_OTHER_WORD,
    Repetition,
    last_word,
)


@pytest.mark.parametrize(
    ("description", "mention", "lost"),
    [
        ("volcano", "volcano", NO_OTHER_WORD),
        ("volcano", "The Volcanoes", NO_OTHER_WORD),
        ("moon of Saturn", "Saturn", NO_OTHER_WORD),
        ("moon of Saturn", "moons of Saturn", NO_OTHER_WORD),
        ("lighthouse", "third lighthouse", LOWER_CASE_HEAD),
        ("drug that lowers blood pressure", "antihypertensive drugs", LOWER_CASE_HEAD),
        ("moon of Saturn", "Titan", 0),
        ("volcano", "Augustine Volcano", 0),
        ("football club", "FC Aarau", 0),
        ("river", "", NO_OTHER_WORD),
    ],
)
def test_what_a_repetition_loses(description, mention, lost):
    assert Repetition(description).lowered_by(mention, cased=True) == lost


def test_lower_case_says_nothing_where_all_is_lower_case():
    assert Repetition("university").lowered_by("yale university", cased=False) == 0
    assert Repetition("university").lowered_by("universities", cased=False) == NO_OTHER_WORD


@pytest.mark.parametrize("mention", ["volcano", "active volcanoes", "a Volcano", "big VOLCANO"])
def test_the_last_word_says_which_mentions_to_look_at(mention):
    assert last_word(mention) in Repetition("volcano").last_words
    assert last_word("Mount Etna") not in Repetition("volcano").last_words


def test_every_repetition_is_looked_at():
    words = ["moons", "of", "saturn", "third", "planet", "rings"]
    repetition, rng = Repetition("moon of Saturn"), np.random.default_rng(0)
    for _ in range(300):
        mention = " ".join(rng.choice(words, rng.integers(1, 5)))
        if repetition.lowered_by(mention, cased=True):
            assert last_word(mention) in repetition.last_words
