"""Broader types from WordNet's noun files, on a few lines in their format."""

from pathlib import Path

import numpy as np
import pytest

from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.wordnet import WordNet, broader_by_wordnet, phrases_by_head

# entity < thing < matter < organism < plant; entity < thing < matter < artifact < works, plant
DATA = """\
  1 A line of the licence.
00000001 03 n 01 entity 0 000 | what is
00000002 03 n 01 thing 0 001 @ 00000001 n 0000 | a separate entity
00000003 03 n 01 matter 0 001 @ 00000002 n 0000 | what fills space
00000004 03 n 02 organism 0 living_thing 0 001 @ 00000003 n 0000 | what grows; "a big organism"
00000005 03 n 02 artifact 0 whole 0 001 @ 00000003 n 0000 | what is built
00000006 03 n 02 plant 0 flora 0 001 @ 00000004 n 0000 | what flowers
00000007 03 n 02 works 0 plant 0 002 @ 00000005 n 0000 ~ 00000006 n 0000 | buildings for industry
00000008 18 n 01 robert_plant 0 001 @i 00000010 n 0000 | a singer
00000009 07 n 01 plant 0 001 @ 00000003 n 0000 | a quality
00000010 18 n 01 person 0 001 @ 00000004 n 0000 | a human
00000011 18 n 01 singer 0 001 @ 00000010 n 0000 | who sings
"""
INDEX = """\
  1 A line of the licence.
plant n 4 2 @ ~ 4 1 00000007 00000006 00000008 00000009
organism n 1 1 @ 1 1 00000004
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX)
    return WordNet(tmp_path)


def _by_words(texts: list[str]) -> np.ndarray:
    """Return vectors that tell flowers from industry."""
    rows = [[("flower" in t) + 0.1, ("industr" in t) + 0.1] for t in texts]
    return np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def test_levels_near_the_root_and_instances_are_left_out(wordnet: WordNet) -> None:
    assert wordnet.senses["plant"] == (7, 6)  # not the quality, nor the named person
    assert wordnet.depth[6] == 4
    assert wordnet.broader(6) == ["plant", "flora", "organism", "living thing"]
    assert wordnet.broader(7) == ["works", "plant", "artifact"]
    assert wordnet.broader(11) == ["singer", "person"]  # and not "organism"


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        (["flowering plant", "plant"], ["flora", "organism", "living thing"]),
        (["industrial plant", "plant"], ["works", "artifact"]),
        (["plant"], ["works", "artifact"]),  # nothing tells them apart: the more common one
    ],
)
def test_sense_is_chosen_by_its_phrases(
    wordnet: WordNet, phrases: list[str], expected: list[str]
) -> None:
    counted = phrases_by_head(phrases)
    assert broader_by_wordnet(wordnet, counted, _by_words) == {"plant": expected}


def test_hierarchy_climbs_by_the_head_or_past_a_class_word(wordnet: WordNet) -> None:
    hierarchy = Hierarchy({"plant": ["thing"]}, {})
    hierarchy.add_broader({"plant": ["flora", "organism"]})
    assert hierarchy.above("rare desert plant") == ["flora", "organism", "thing"]
    assert hierarchy.above("species of flowering plant") == ["flora", "organism", "thing"]
    assert hierarchy.above("owner of a plant") == []


def test_folder_without_wordnet_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WordNet(tmp_path)
