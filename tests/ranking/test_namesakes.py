"""What namesakes say of a mention, against the rule written out."""

import math

import numpy as np
from unit_vectors import unit

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.candidates.mention_table import draw_lots
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.ranking.namesakes import AGREE, HEARD, PART, with_namesakes

DIM = 8


def by_hand(similarities, vectors, names, lots):
    """The rule, one mention at a time."""
    moved = []
    for i, own in enumerate(similarities):
        same = sorted((j for j in range(len(names)) if names[j] == names[i]), key=lots.__getitem__)
        place = same.index(i)
        near = same[max(0, place - HEARD) : place + HEARD + 1]
        agree = [j for j in near if j == i or vectors[i] @ vectors[j] >= AGREE]
        moved.append(own + PART * (np.mean([similarities[j] for j in agree]) - own))
    return moved


def test_it_is_the_rule_by_hand():
    rng = np.random.default_rng(0)
    kinds = unit(rng.standard_normal((3, DIM)))
    vectors = unit(kinds[rng.integers(0, 3, 120)] + 0.2 * rng.standard_normal((120, DIM)))
    names = name_hashes([f"name {i}" for i in rng.integers(0, 12, 120)])
    lots = draw_lots([(f"d{i}", (0, 4)) for i in range(120)])
    similarities = rng.uniform(-1, 1, 120).astype(np.float32)
    moved = with_namesakes(similarities, vectors, names, lots)
    assert np.abs(moved - by_hand(similarities, vectors, names, lots)).max() < 1e-6
    assert np.abs(moved - similarities).max() > 0.1


def test_who_means_something_else_is_not_heard():
    river, company = unit(np.eye(DIM)[:2])
    vectors = np.stack([river, river, company])
    names, lots = name_hashes(["Amazon", "the Amazon", "Amazon’s"]), np.array([0.2, 0.4, 0.6])
    moved = with_namesakes(np.array([0.9, 0.5, 0.1], np.float32), vectors, names, lots)
    assert np.allclose(moved, [0.8, 0.6, 0.1])


def test_without_mentions_there_is_nothing_to_hear():
    none = np.zeros(0, dtype=np.float32)
    names = np.zeros(0, dtype=np.uint64)
    assert len(with_namesakes(none, np.zeros((0, DIM), np.float32), names, none)) == 0


def test_a_sentence_that_says_more_helps_one_that_says_less():
    def log_odds(name):
        index = EntityIndex()
        index.add([f"The river {name} flows into the sea.", f"{name} is a river in the north."])
        index.add(["Everyone remembers Velmora."])
        found = index.search("river", k=3)
        score = next(match.score for match in found if "remembers" in match.text)
        return math.log(score / (1 - score))

    assert log_odds("Velmora") > log_odds("Torvane") + 2
