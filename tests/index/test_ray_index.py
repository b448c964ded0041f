"""Exact search by Ray actors equals that of a single index, even if an actor is killed."""

import os
import signal
import sys

import pytest
from hashed import HashedEncoder

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.ray_index import RayIndex, _summed
from ner_retriever_rag.search import engine_search
from ner_retriever_rag.search.facets import Facet

pytestmark = pytest.mark.slow

DOCUMENTS = [
    Document(f"Town{n} lies in Peru near Lima{n % 7} and Rome{n}.", f"d{n:03d}", {"n": n % 10})
    for n in range(300)
]


@pytest.fixture
def small_limits(monkeypatch):
    """Small limits, so that the index is treated as a large one."""
    monkeypatch.setattr(engine_search, "MAX_LOCAL_MENTIONS", 100)
    monkeypatch.setattr(engine_search, "MIN_CANDIDATES", 2_000)


def ids_and_scores(matches):
    return [(each.doc_id, pytest.approx(each.score, abs=1e-6)) for each in matches]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_results_equal_a_single_index_even_if_an_actor_is_killed(ray, addresses, small_limits):
    single = EntityIndex(encoder=HashedEncoder())
    single.add(DOCUMENTS)
    with RayIndex(addresses, collection="exact", encoder=HashedEncoder, cpus=0.5) as index:
        index.add(DOCUMENTS)
        wanted = single.search("city", k=20, exact=True)
        assert ids_and_scores(index.search("city", k=20, exact=True)) == ids_and_scores(wanted)
        pid = ray.get(index._actors[0].__ray_call__.remote(lambda _: os.getpid()))
        os.kill(pid, signal.SIGKILL)
        assert ids_and_scores(index.search("city", k=20, exact=True)) == ids_and_scores(wanted)
        new = Document("Newtown is in Chile.", "d999")
        for each in (single, index):
            each.add([new])
            each.delete("d000")
        wanted = single.search("river", k=400, exact=True)
        assert "d999" in {each.doc_id for each in wanted}
        assert sorted(ids_and_scores(index.search("river", k=400, exact=True))[:50]) == sorted(
            ids_and_scores(wanted)[:50]
        )


def test_extract_returns_mentions_of_all_shards_in_order(ray, addresses, small_limits):
    single = EntityIndex(encoder=HashedEncoder())
    single.add(DOCUMENTS)
    with RayIndex(addresses, collection="extracted", encoder=HashedEncoder, cpus=0.5) as index:
        index.add(DOCUMENTS)
        options = {"score_threshold": 0.5, "where": {"n": 3}}
        found = list(index.extract(["city", "river"], **options))
        assert [each.doc_id for each in found] == sorted(each.doc_id for each in found)
        places = {(each.doc_id, each.start, each.type) for each in found}
        assert places == {
            (each.doc_id, each.start, each.type)
            for each in single.extract(["city", "river"], **options)
        }
        with pytest.raises(TypeError, match="not pickled"):
            index.__reduce__()


def test_facets_of_shards_are_summed():
    one = [Facet("river", 5, 3, ["Nile", "Rhine"]), Facet("city", 2, 2, ["Oslo"])]
    other = [Facet("city", 4, 1, ["Rome", "Oslo"])]
    assert _summed([one, other], 2, 2) == [
        Facet("city", 6, 3, ["Oslo", "Rome"]),
        Facet("river", 5, 3, ["Nile", "Rhine"]),
    ]
    assert [each.type for each in _summed([one, other], 1, 2)] == ["city"]


def test_folders_are_rejected_and_error_without_ray_gives_the_pip_command(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="addresses of Chroma servers"):
        RayIndex([str(tmp_path)])
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'ner-retriever-rag\[ray\]'"):
        RayIndex(["http://localhost:8000"])
