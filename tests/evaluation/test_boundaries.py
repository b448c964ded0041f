"""Boundary measurements: on gold mentions, and on pages against prose of the same names."""

import json
import re

import pytest

from ner_retriever_rag.evaluation.boundaries import (
    Boundaries,
    boundary_sets,
    measure_boundaries,
    measure_pages,
    measure_sets,
)
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.schema import Mention


def capitalized_runs(texts):
    """Runs of capitalized words, also across a line end."""
    return [
        [Mention(f[0], *f.span()) for f in re.finditer(r"[A-Z]\w*(?:\s[A-Z]\w*)*", text)]
        for text in texts
    ]


def test_shares_of_gold_and_mentions_per_sentence():
    typed = [
        TypedText(
            "Roald Amundsen saw Oslo. Then the fjord.",
            ((0, 14, "a"), (6, 14, "b"), (6, 14, "c"), (34, 39, "d")),
        )
    ]
    assert measure_boundaries("x", typed, capitalized_runs) == Boundaries(
        "x", 1, 3, 1 / 3, 2 / 3, 1.5
    )


def test_sets_are_selected_by_name(tmp_path):
    (tmp_path / "boundaries").mkdir()
    row = {"text": "Oslo", "mentions": [{"start": 0, "end": 4, "type": "city"}]}
    for name in ("a", "a-wrapped"):
        (tmp_path / "boundaries" / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    assert list(boundary_sets(tmp_path)) == ["boundaries/a", "boundaries/a-wrapped"]
    (one,) = measure_sets(tmp_path, ["a"], 10, capitalized_runs)
    assert (one.name, one.exact) == ("boundaries/a", 1)
    assert len(list(measure_sets(tmp_path, [], 10, capitalized_runs))) == 2
    with pytest.raises(ValueError, match="no set 'b'"):
        list(measure_sets(tmp_path, ["a", "b"], 10, capitalized_runs))
    with pytest.raises(FileNotFoundError, match="holds no sets"):
        boundary_sets(tmp_path / "boundaries")


def test_pages_are_compared_with_prose():
    """Runs of capitals cross line ends, so that names on adjacent lines become one."""
    shapes = {each.name: each for each in measure_pages(capitalized_runs)}
    assert sum(each.pages for each in shapes.values()) == 60 and len(shapes) == 12
    for each in shapes.values():
        assert each.pages == 5 and 0 <= each.found <= each.names and each.names >= 15
    assert shapes["address"].found < shapes["address"].names / 2
