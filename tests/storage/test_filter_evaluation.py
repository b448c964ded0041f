"""Our own evaluation of filters, compared with Chroma's."""

import random
from uuid import uuid4

import chromadb
import pytest
from chromadb.errors import ChromaError

from ner_retriever_rag.storage.passing import passes

VALUES = [0, 1, 2, -3, 1.0, 0.5, 2.5, True, False, "a", "b", "1", ""]
LISTS = [[1, 2], ["a", "b"], [0.5], [True]]


def random_condition(draw):
    name = draw.choice(["n", "s", "other", "missing"])
    how = draw.choice(["", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains",
                       "$not_contains"])  # fmt: skip
    if how == "":
        return {name: draw.choice(VALUES)}
    if how in ("$in", "$nin"):
        kind = draw.choice([int, float, str, bool])
        some = [each for each in VALUES if type(each) is kind]
        return {name: {how: draw.sample(some, min(2, len(some)))}}
    if how in ("$gt", "$gte", "$lt", "$lte"):
        return {name: {how: draw.choice([0, 1, 1.0, 0.5, -3])}}
    return {name: {how: draw.choice(VALUES)}}


def random_filter(draw, depth=0):
    if depth < 2 and draw.random() < 0.35:
        parts = [random_filter(draw, depth + 1) for _ in range(draw.randint(2, 3))]
        return {draw.choice(["$and", "$or"]): parts}
    return random_condition(draw)


@pytest.fixture(scope="module")
def records():
    draw, found = random.Random(3), {}
    for n in range(80):
        metadata = {
            key: draw.choice(VALUES + LISTS) for key in ("n", "s", "other") if draw.random() < 0.8
        }
        found[f"r{n}"] = metadata or {"n": 0}
    return found


@pytest.fixture(scope="module")
def collection(records):
    collection = chromadb.EphemeralClient().create_collection(
        f"filters-{uuid4().hex}", embedding_function=None
    )
    collection.add(
        ids=list(records), metadatas=list(records.values()), embeddings=[[1.0]] * len(records)
    )
    return collection


def test_filters_select_the_same_records_as_in_chroma(records, collection):
    draw, decided, differing = random.Random(7), 0, []
    for _ in range(400):
        where = random_filter(draw)
        try:
            wanted = set(collection.get(where=where, include=[])["ids"])
        except (ValueError, ChromaError):
            continue  # we never evaluate what Chroma rejects
        decided += 1
        found = {each for each, metadata in records.items() if passes(metadata, where)}
        if found != wanted:
            differing.append((where, sorted(found ^ wanted)[:3]))
    assert decided > 250
    assert not differing, differing[:12]
