"""Lists of people to train the detector on."""

import random

from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.people import people_lists, people_of

NAMES = ["Ada Lovelace", "John Ronald Tolkien", "Marie Curie", "Johann von Goethe"]


def test_people_are_recognized_by_their_types():
    entities = [
        MinedEntity("Ada Lovelace", ("English mathematician",), ()),
        MinedEntity("Nile", ("river",), ()),
        MinedEntity("Madonna", ("singer",), ()),
        MinedEntity("50 Cent", ("rapper", "actor"), ()),
    ]
    assert people_of(entities) == ["Ada Lovelace"]


def test_every_name_of_a_list_is_marked_in_one_form():
    rng, seen = random.Random(0), set()
    for sentence in people_lists(NAMES, 200, rng):
        marked = [sentence.text[start:end] for start, end in sentence.mentions]
        assert 2 <= len(marked) <= 28
        seen.update(marked)
        rest = sentence.text
        for name in sorted(marked, key=len, reverse=True):
            rest = rest.replace(name, "", 1)
        assert not any(last in rest for last in ("Lovelace", "Tolkien", "Curie", "Goethe"))
    assert {
        "Ada Lovelace", "J. R. Tolkien", "J.R. Tolkien", "Curie M", "Tolkien, J. R.", "J. Goethe"
    } <= seen  # fmt: skip


def test_without_names_there_are_no_lists():
    assert people_lists([], 5, random.Random(0)) == []
