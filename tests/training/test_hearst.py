"""Lists of instances: patterns, the mentions that are in a list, and the pairs drawn from them."""

import random
import re

import numpy as np
import pytest

from ner_retriever_rag.training.hearst import (
    LISTS,
    ListedType,
    instances,
    lists_in,
    read_lists,
    write_lists,
)
from ner_retriever_rag.training.list_judgements import ListSource


def mentions(text: str, *words: str) -> list[tuple[int, int]]:
    return sorted(each.span() for word in words for each in re.finditer(re.escape(word), text))


@pytest.mark.parametrize(
    ("sentence", "kind", "text"),
    [
        (
            "They sell many citrus fruits such as lemons, limes and the kumquat in summer.",
            "citrus fruit",
            "They sell many lemons, limes and the kumquat in summer.",
        ),
        (
            "Side effects, including nausea and headache, were reported by some patients.",
            "Side effect",
            "nausea and headache, were reported by some patients.",
        ),
        (
            "Antelopes, zebras, and other large mammals live in the park near the border.",
            "mammal",
            "Antelopes, zebras live in the park near the border.",
        ),
        ("The company, including its staff, moved to Oslo in the year after the war.", "", ""),
        ("Fruits such as lemons.", "", ""),  # too short for a sentence
    ],
)
def test_a_pattern_names_a_type_and_is_removed(sentence, kind, text):
    found = lists_in(sentence)
    assert [(each.type, each.text) for each in found] == ([(kind, text)] if kind else [])


def test_a_list_ends_where_something_else_than_commas_follows():
    text = "They sell many lemons, limes and the kumquat in summer."
    spans = mentions(text, "They", "lemons", "limes", "the kumquat", "kumquat", "summer")
    listed = ListedType("citrus fruit", text, text.index("lemons"), after=False)
    assert [text[a:b] for a, b in instances(listed, spans)] == ["lemons", "limes", "the kumquat"]
    assert instances(listed, mentions(text, "limes")) == []  # what follows at once is no mention


def test_a_list_before_its_type_is_read_backwards():
    text = "In Kenya antelopes, zebras and lions live near the border."
    spans = mentions(text, "Kenya", "antelopes", "zebras", "lions", "border")
    listed = ListedType("mammal", text, text.index(" live"), after=True)
    assert [text[a:b] for a, b in instances(listed, spans)] == ["lions", "zebras", "antelopes"]


def test_lists_are_read_as_written(tmp_path):
    lists = [ListedType("mammal", "Zebras live here.", 6, True)]
    write_lists(tmp_path / LISTS, lists)
    assert list(read_lists(tmp_path)) == lists
    with pytest.raises(FileNotFoundError, match="train mine"):
        list(read_lists(tmp_path / "none"))


LISTED = [
    ListedType("fruit", "In Oslo they sell lemons, limes.", 18, False),
    ListedType("city", "The train stops in Bergen, Voss.", 19, False),
]
WORDS = ("Oslo", "lemons", "limes", "Bergen", "Voss", "train")


def test_instances_are_contrasted_with_the_rest_of_the_sentence_and_with_other_types():
    source = ListSource(
        LISTED,
        lambda texts: [mentions(text, *WORDS) for text in texts],
        lambda types: np.eye(len(types), dtype=np.float32),
        4,
    )
    right = {"fruit": {"lemons", "limes"}, "city": {"Bergen", "Voss"}}
    seen = set()
    for n in range(100):
        drawn = source.draw(random.Random(n))
        assert any(drawn.fits) and len(drawn.pairs) <= 4
        for (said, context), fits in zip(drawn.pairs, drawn.fits, strict=True):
            kind = "fruit" if "fruit" in said.lower() else "city"
            word = context.text[context.start : context.end]
            assert fits == (word in right[kind])
            seen.add((kind, word))
    assert {("fruit", "Oslo"), ("fruit", "Voss"), ("city", "lemons")} <= seen


def test_lists_without_a_detected_instance_are_refused():
    with pytest.raises(ValueError, match="no instance"):
        ListSource(LISTED, lambda texts: [[] for _ in texts], lambda types: np.eye(1), 4)
