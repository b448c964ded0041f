"""The first of overlapping spans is taken, compared with a direct implementation."""

import random

import pytest

from ner_retriever_rag.queries.non_overlapping import NonOverlapping


@pytest.mark.parametrize("seed", range(20))
def test_first_of_overlapping_spans_is_taken(seed):
    chance = random.Random(seed)
    spans = []
    for _ in range(60):
        start = chance.randrange(80)
        spans.append((chance.choice("ab"), (start, start + chance.randint(1, 12))))
    apart, taken = NonOverlapping(), []
    for of, (start, end) in spans:
        free = not any(of == other and start < b and a < end for other, (a, b) in taken)
        assert apart.take(of, (start, end)) == free
        if free:
            taken.append((of, (start, end)))
    assert {of for of, _ in taken} == {"a", "b"}


def test_adjacent_spans_do_not_overlap():
    apart = NonOverlapping()
    assert apart.take(0, (4, 8)) and apart.take(0, (8, 9)) and apart.take(0, (0, 4))
    assert not any(apart.take(0, span) for span in [(4, 8), (7, 8), (4, 5), (3, 5), (0, 9)])
