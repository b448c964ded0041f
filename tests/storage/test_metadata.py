"""Metadata is returned as it was given, or rejected before anything is written."""

import json
import math
import subprocess
import sys
from collections import OrderedDict, namedtuple
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hashed import HashedEncoder, assert_index_holds

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.storage import values
from ner_retriever_rag.storage.metadata import LONGEST_LIST, MOST_KEPT, merge, split
from ner_retriever_rag.storage.records import version_of
from ner_retriever_rag.storage.values import MOST_NESTED, decoded


@pytest.fixture(scope="module")
def index():
    with EntityIndex(encoder=HashedEncoder()) as index:
        yield index


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


Point = namedtuple("Point", "x y")
OSLO = ZoneInfo("Europe/Oslo")
DAY = datetime(2024, 10, 27, 2, 30)  # which Oslo's clocks show twice

ROUND_TRIPPED = {
    "long list": list(range(6_000)),
    "list as long as filters see": list(range(LONGEST_LIST)),
    "negative zero": -0.0,
    "list with one": [0.0, -0.0],
    "set in a set": {frozenset({1, 2}), frozenset()},
    "set as a key": {frozenset({1}): "x"},
    "frozen set": frozenset({"a"}),
    "huge": 10**5000,
    "huge, below zero": [-(10**5000)],
    "nested": {"a": {"b": [None, (1, -0.0)]}},
    "ISO date of NumPy": np.datetime64("2024-05-01"),
    "nanoseconds": np.datetime64("2024-05-01T12:00:00.123456789"),
    "steps of 25 seconds": np.datetime64(7, ("s", 25)),
    "duration": timedelta(days=-3, microseconds=7),
    "duration of NumPy": np.timedelta64(5, "ns"),
    "zone": datetime(2024, 7, 1, 12, tzinfo=OSLO),
    "second time that clocks show it": DAY.replace(tzinfo=OSLO, fold=1),
    "fold of no zone": DAY.replace(fold=1),
    "time in a zone": time(12, 30, tzinfo=OSLO),
    "offset": DAY.replace(tzinfo=timezone(timedelta(hours=5, seconds=7))),
    "decimal": Decimal("1E+999999"),
    "keys of ours": {"ner:set": [1], "ner:float": "x"},
}


def identical(one, other):
    """Whether both are equal and of one type, including the sign of zero, recursively."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, datetime | time):
        zones = str(one.tzinfo) == str(other.tzinfo)
        return one.replace(tzinfo=None) == other.replace(tzinfo=None) and (
            zones and one.fold == other.fold and one.utcoffset() == other.utcoffset()
        )
    if isinstance(one, np.generic):
        return one.dtype == other.dtype and one == other
    return one == other


@pytest.mark.parametrize("name", ROUND_TRIPPED)
def test_values_round_trip(index, name):
    metadata = {"a": ROUND_TRIPPED[name], "b": 1}
    index.add([Document("Oslo", "oslo", metadata)])
    assert identical(dict(index.get("oslo")[0].metadata), metadata)
    assert index.add([Document("Oslo", "oslo", metadata)]).unchanged == 1
    assert len(list(index.documents({"b": 1}))) == 1
    assert index.delete("oslo") == 1


@pytest.mark.parametrize(
    ("value", "equal"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        ([Colour.RED], ["red"]),
        ([Level.HIGH, Level.HIGH], [3, 3]),
        (np.float32(0.1), float(np.float32(0.1))),
        ([np.float32(0.1), np.float32(0.5)], [float(np.float32(0.1)), 0.5]),
        (np.str_("x"), "x"),
        (np.bool_(True), True),
        (Point(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": {1: 2}}), {"a": {1: 2}}),
        (pd.Timestamp("2024-05-01 12:00:00.123456"), datetime(2024, 5, 1, 12, 0, 0, 123456)),
        (pd.Timestamp("2024-05-01", tz="UTC"), datetime(2024, 5, 1, tzinfo=UTC)),
        (pd.Timedelta("3h"), timedelta(hours=3)),
    ],
    ids=repr,
)
def test_values_of_other_types_round_trip_as_equal_ones(index, value, equal):
    """They become Python's own types; data frames and loaders bring others."""
    index.add([Document("Oslo", "oslo", {"a": value})])
    (found,) = index.get("oslo")
    assert found.metadata == {"a": equal} and found.metadata["a"] == value
    assert type(found.metadata["a"]) is type(equal)
    index.delete("oslo")


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def shared_nesting(levels):
    """Return a value that is small in memory, and 2 ** levels values written out."""
    value = [1]
    for _ in range(levels):
        value = [value, value]
    return value


REJECTED = {
    "NaT": (pd.NaT, "NaTType would not come back"),
    "NaT in a list": ([pd.NaT], "NaTType would not come back"),
    "nanoseconds": (pd.Timestamp(1_714_564_800_123_456_789), "would not come back.*round it"),
    "nanoseconds in a zone": (pd.Timestamp(123_456_789, tz="Europe/Oslo"), "would not come back"),
    "duration": (pd.Timedelta(5, "ns"), "would not come back"),
    "NA": (pd.NA, "NAType cannot be stored"),
    "array": (np.arange(3), "ndarray cannot be stored"),
    "deep": (nested(MOST_NESTED + 1), "nested too deep"),
    "twins": (shared_nesting(60), "more than 1,000 values"),
    "half": ([["\ud800"]], "half of a surrogate"),
    "half in a key": ({"\ud800": 1}, "half of a surrogate"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_values_that_would_not_round_trip_are_rejected(index, name, monkeypatch):
    """The error names the key, and nothing of the list is written."""
    value, message = REJECTED[name]
    monkeypatch.setattr(values, "MOST_VALUES", 1_000)
    towns = [f"Town{number} in Peru" for number in range(300)]
    with pytest.raises(ValueError, match=f"metadata key 'bad' of document 'lima': .*{message}"):
        index.add([*towns, Document("Lima", "lima", {"good": 1, "bad": value})])
    assert index.count() == 0


def test_too_large_metadata_is_rejected_before_anything_is_written(tmp_path):
    """Chroma would log the record, fail, and never be able to read the folder again."""
    wide = {f"k{n}": n for n in range(MOST_KEPT)}
    lists = {f"k{n}": list(range(LONGEST_LIST)) for n in range(MOST_KEPT // LONGEST_LIST + 1)}
    towns = [f"Town{number} in Peru" for number in range(9)]
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        for metadata in (wide | {"one": "more"}, lists):
            with pytest.raises(ValueError, match="document 'lima' .* more than the 5,000"):
                index.add([*towns, Document("Lima", "lima", metadata)])
            assert index.count() == 0
        report = index.add([*towns, Document("Lima", "lima", lists)], errors="skip")
        assert [each.document for each in report.failed] == ["lima"] and report.added == 9
        other = {f"other{n}": [n] for n in range(MOST_KEPT // 2)}
        for metadata in (wide, other, {"all": wide | lists}):
            index.add([Document("Lima", "lima", metadata)])
            assert index.get("lima")[0].metadata == metadata
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        assert index.get("lima")[0].metadata == {"all": wide | lists} and index.count() == 10


def test_longer_lists_are_not_visible_to_filters(index):
    """Filters see up to ``LONGEST_LIST`` values; a key with only longer lists warns."""
    index.add(
        [
            Document("Oslo", "short", {"tags": [f"t{n}" for n in range(LONGEST_LIST)]}),
            Document("Lima", "long", {"tokens": list(range(LONGEST_LIST + 1))}),
        ]
    )
    assert [each.id for each in index.documents({"tags": {"$contains": "t9"}})] == ["short"]
    with pytest.warns(UserWarning, match="no document has the metadata key 'tokens' with a value"):
        assert index.search("city", where={"tokens": {"$contains": 9}}) == []
    index.delete(["short", "long"])


def test_list_that_an_earlier_version_stored_plainly_is_removed(index):
    """Such as a list of 1,000: it must not come back if the new version has no such key."""
    index.add([Document("Oslo", "oslo", {"n": 1})])
    index._store.texts._collection.update(ids=["oslo"], metadatas=[{"tokens": list(range(1_000))}])
    assert index.get("oslo")[0].metadata == {"n": 1, "tokens": list(range(1_000))}
    index.add([Document("Oslo", "oslo", {"n": 2})])
    assert index.get("oslo")[0].metadata == {"n": 2}
    index.delete("oslo")


def test_nested_sets_of_an_earlier_version_can_be_read():
    assert decoded({"ner:set": [{"ner:set": [1, 2]}]}) == {frozenset({1, 2})}
    assert decoded({"ner:dict": [[{"ner:set": [1]}, 2]]}) == {frozenset({1}): 2}


def test_unknown_time_zone_becomes_its_offset():
    kept = {"ner:datetime": "2024-07-01T12:00:00+02:00", "zone": "Mars/Olympus"}
    assert decoded(kept) == datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))


VERSION = """
from ner_retriever_rag import Document
from ner_retriever_rag.storage.records import version_of
print(version_of(Document("Oslo", metadata={"a": set("abcdefgh"), "b": {frozenset("xyz")}}), None))
"""


def test_version_of_a_set_is_the_same_in_every_process():
    """Otherwise every process that adds the document would replace it."""
    document = Document("Oslo", metadata={"a": set("abcdefgh"), "b": {frozenset("xyz")}})
    for seed in "12":
        command = [sys.executable, "-c", VERSION]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}, check=True
        )
        assert done.stdout.strip() == version_of(document, None)


def test_rows_of_a_data_frame_round_trip(tmp_path):
    """With every type of column that pandas has for such values."""
    frame = pd.DataFrame(
        {
            "text": ["Oslo lies in Norway.", "Lima lies in Peru."],
            "whole": [1, 2],
            "real": [0.1, -0.0],
            "flag": [True, False],
            "label": pd.Categorical(["a", "b"]),
            "day": pd.to_datetime(["2024-05-01", "2024-05-02"]),
            "zoned": pd.to_datetime(["2024-05-01", "2024-05-02"]).tz_localize("Europe/Oslo"),
            "took": pd.to_timedelta(["3h", "5s"]),
            "words": [["a", "b"], []],
            "mixed": [None, {"a": 1}],
        }
    )
    rows = frame.drop(columns="text").to_dict("records")
    documents = [
        Document(text, f"d{n}", row)
        for n, (text, row) in enumerate(zip(frame["text"], rows, strict=True))
    ]
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        index.add(documents)
        assert_index_holds(index, documents)
        for each in documents:
            assert dict(index.get(each.id)[0].metadata) == each.metadata
        assert index.add(documents).unchanged == 2


def test_split_gives_chroma_only_valid_types():
    held, rest = split({"a": Colour.RED, "b": [Level.HIGH], "c": np.float32(1), "d": -0.0})
    assert {key: type(value) for key, value in held.items()} == {
        "a": str, "b": list, "c": float, "d": float
    }  # fmt: skip
    assert type(held["b"][0]) is int and json.loads(rest) == {"d": -0.0}
    assert merge(held, rest) == {"a": "red", "b": [3], "c": 1.0, "d": 0.0}
