"""Eight threads search while one adds, replaces and deletes.

Set NER_SECONDS=120 and NER_THREADS=16 for a longer run with more threads.
"""

import itertools
import os
import random
import threading
import time

import pytest

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex

SECONDS = float(os.environ.get("NER_SECONDS", "10"))
THREADS = int(os.environ.get("NER_THREADS", "8"))
VERSIONS = ["Town{n} lies in Peru.", "In the far Norway of the north lies Oslo{n}.", "Nil{n}"]
POSSIBLE = {text.format(n=n) for n in range(60) for text in VERSIONS}


def documents(numbers, version):
    return [Document(VERSIONS[version].format(n=n), id=f"d{n}") for n in numbers]


def assert_matches_fit(match, document=None):
    """Check that a document's text is one of its versions, and that its matches' spans fit."""
    text = document.text if document else match.text
    assert text in POSSIBLE
    for each in match.matches:
        assert text[each.start : each.end] == each.text


def search_once(index, kind):
    if kind == "search":
        for match in index.search("city", k=5):
            assert_matches_fit(match)
    elif kind == "combined":
        for match in index.search(AllOf("city", AnyOf("river", "country")), k=5):
            assert_matches_fit(match)
    elif kind == "mentions":
        for match in index.search_mentions("city", k=20):
            assert any(match.text in text.split(" ") or match.text in text for text in POSSIBLE)
            assert match.text[:1].isupper()  # "orway" would be a span of another version's text
    elif kind == "extract":
        for match in index.extract(["city", "river"], score_threshold=0):
            assert match.text[:1].isupper()
    elif kind == "all":
        for match in index.search("city", k=None, score_threshold=0.1):
            assert_matches_fit(match)
    elif kind == "get":
        for document in index.get([f"d{n}" for n in range(60)]):
            assert document.text in POSSIBLE
    elif kind == "count":
        assert 0 <= index.count() <= 60
        assert index.mention_count() >= 0
    elif kind == "second":
        with EntityIndex(index._place.folder, encoder=index.encoder) as other:
            assert len(other.search("river", k=3)) <= 3


KINDS = ["search", "combined", "mentions", "extract", "all", "get", "count", "second"]


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_threads_search_while_another_writes(encoder, tmp_path, where):
    index = EntityIndex(tmp_path if where == "folder" else None, encoder=encoder)
    index.add(documents(range(60), 0))
    kinds = KINDS if where == "folder" else KINDS[:-1]
    end, errors, done = time.time() + SECONDS / 2, [], dict.fromkeys(kinds, 0)

    def search(kind):
        while time.time() < end and not errors:
            try:
                search_once(index, kind)
                done[kind] += 1
            except BaseException as error:
                errors.append((kind, error))

    asked = itertools.islice(itertools.cycle(kinds), max(THREADS, len(kinds)))
    threads = [threading.Thread(target=search, args=[kind]) for kind in asked]
    for thread in threads:
        thread.start()
    chance, writes = random.Random(0), 0
    while time.time() < end and not errors:
        some = chance.sample(range(60), 20)
        if chance.random() < 0.3:
            index.delete([f"d{n}" for n in some])
        else:
            index.add(documents(some, chance.randrange(3)))
        writes += 1
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    assert writes > 1 and all(done.values()), (writes, done)
    index.close()
