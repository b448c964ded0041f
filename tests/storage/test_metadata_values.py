"""Property tests: any metadata of loaders and data frames round-trips or is rejected.

Set NER_EXAMPLES=20000 for more examples.
"""

import json
import math
import os
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_retriever_rag import Document
from ner_retriever_rag.storage.metadata import MOST_KEPT, check_metadata, merge, split
from ner_retriever_rag.storage.records import version_of

MANY = settings(
    max_examples=int(os.environ.get("NER_EXAMPLES", "80")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


zones = st.none() | st.sampled_from([ZoneInfo("Europe/Oslo"), ZoneInfo("America/Lima")]) | (
    st.timezones()
)  # fmt: skip
nanoseconds = st.integers(-(2**62), 2**62)
keys = (
    st.text(max_size=8)
    | st.integers()
    | st.booleans()
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from([Colour.RED, Level.HIGH, -0.0, 0.5])
)
scalars = (
    keys
    | st.none()
    | st.floats()
    | st.integers(-(10**700), 10**700)
    | st.datetimes(timezones=zones, allow_imaginary=True)
    | st.times(timezones=zones)
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | nanoseconds.map(lambda value: np.datetime64(value, "ns"))
    | nanoseconds.map(lambda value: np.timedelta64(value, "us"))
    | nanoseconds.map(lambda value: pd.Timestamp(value, unit="ns"))
    | nanoseconds.map(lambda value: pd.Timedelta(value, unit="ns"))
    | st.floats(width=32).map(np.float32)
    | st.integers(-(2**63), 2**63 - 1).map(np.int64)
    | st.sampled_from([pd.NaT, pd.NA, np.datetime64("NaT"), np.bool_(True), np.str_("x")])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(keys, max_size=3)
        | st.sets(st.frozensets(keys, max_size=2), max_size=2)
        | st.dictionaries(keys | st.tuples(keys, keys), inner, max_size=3)
    ),
    max_leaves=8,
)


def as_stored_by_chroma(value):
    """Return what Chroma may return for a plain value: no sign of zero, other last digits."""
    if isinstance(value, list):
        return [as_stored_by_chroma(each) for each in value]
    if isinstance(value, float):
        exact = len(Decimal(repr(value)).as_tuple().digits) <= 15 and abs(value) < 1e22
        return (abs(value) if value == 0 else value) if exact else math.nextafter(value, 0)
    return value


def equal(one, other):
    """Whether both are equal, including zero's sign, a zone's offset, and a NumPy date's unit."""
    if isinstance(one, np.generic) and one.dtype.kind in "mM":
        return one.dtype == other.dtype and one.astype(np.int64) == other.astype(np.int64)
    if isinstance(one, list | tuple):
        pairs = len(one) == len(other) and isinstance(other, type(one))
        return pairs and all(map(equal, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, Decimal):
        return str(one) == str(other)
    if isinstance(one, float | np.floating):
        if math.isnan(one):
            return math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, datetime | time):
        return one.replace(tzinfo=None) == other.replace(tzinfo=None) and (
            one.utcoffset() == other.utcoffset() and one.fold == other.fold
        )
    return one == other and isinstance(other, timedelta) == isinstance(one, timedelta)


@MANY
@given(st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=3))
def test_accepted_metadata_round_trips(metadata):
    document = Document("Oslo", "oslo", metadata)
    try:
        check_metadata(document)
    except ValueError as error:
        assert "oslo" in str(error)
        return
    version_of(document, None)
    held, rest = split(metadata)
    assert all(type(value) in (str, int, float, bool, list) for value in held.values())
    json.dumps(held, allow_nan=False)
    back = merge({key: as_stored_by_chroma(value) for key, value in held.items()}, rest)
    assert equal(metadata, back)
    assert version_of(Document("Oslo", "oslo", back), None) == version_of(document, None)


@MANY
@given(st.lists(st.integers(0, 600), max_size=40), st.integers(0, MOST_KEPT + 9))
def test_accepted_metadata_is_not_more_than_chroma_can_write(lengths, numbers):
    metadata = {f"n{n}": n for n in range(numbers)}
    metadata |= {f"list{n}": list(range(length)) for n, length in enumerate(lengths)}
    try:
        check_metadata(Document("Oslo", metadata=metadata))
    except ValueError:
        return
    held, _ = split(metadata)
    lists = [value for value in held.values() if isinstance(value, list)]
    assert len(held) < 5_457 and sum(map(len, lists)) <= 5_461
