"""A sharded index returns the same results as a single one, to the last bit."""

import pickle
from collections import Counter

import pytest
from hashed import HashedEncoder, inconsistent_row_ids

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Like, Not, ShardedIndex
from ner_retriever_rag.langchain import NERTypeRetriever
from ner_retriever_rag.llama_index import NERTypeRetriever as LlamaRetriever
from ner_retriever_rag.storage.shards import shard_of

PLACES = ("Peru", "Chile", "Oslo Norway", "Nile Egypt", "Lima")
DOCUMENTS = [
    # Every seventh text occurs three times, so that equal scores have to be ordered across shards.
    Document(
        f"Town{n % 41} lies in {PLACES[n % 5]} near Rome{n % 3}.", f"d{n}{copy}", {"n": n % 10}
    )
    for n in range(120)
    for copy in (("", "b", "c") if n % 7 == 0 else ("",))
] + [Document("nothing is named here", "bare", {"n": 3})]


def make_index(shards):
    """Return an index of the documents: over this many shards, or for 0 a single one."""
    parts = [EntityIndex(encoder=HashedEncoder()) for _ in range(shards or 1)]
    index = ShardedIndex(parts) if shards else parts[0]
    index.add(DOCUMENTS)
    return index


@pytest.fixture(scope="module")
def single():
    return make_index(0)


@pytest.fixture(scope="module")
def sharded():
    return make_index(3)


OPTIONS = [
    {},
    {"k": None},
    {"k": 7, "offset": 5},
    {"where": {"n": {"$gte": 7}}},
    {"sharpen": False, "score_threshold": 0.6},
]


@pytest.mark.parametrize(
    "query",
    [
        "city",
        AllOf("city", "river"),
        AnyOf("city", "river"),
        AllOf("city", Not("river")),
        Like("Nile", "Peru"),
    ],
    ids=repr,
)
def test_results_equal_a_single_index(single, sharded, query):
    for options in OPTIONS:
        assert sharded.search(query, **options) == single.search(query, **options)
        assert sharded.search_mentions(query, **options) == single.search_mentions(query, **options)
        asked = {key: value for key, value in options.items() if key != "offset"}
        assert sharded.entities(query, **asked) == single.entities(query, **asked)


def test_topic_extract_and_contents_equal_a_single_index(single, sharded):
    for options in ({"exact": True}, {"k": None, "score_threshold": 0.2}, {"where": {"n": 3}}):
        one = sharded.search("city", about="by the sea", **options)
        assert one and one == single.search("city", about="by the sea", **options)
    assert list(sharded.extract(["city", "river"])) == list(single.extract(["city", "river"]))
    assert sharded.get(["d5", "no", "d2"]) == single.get(["d5", "no", "d2"])
    in_both = sorted(map(repr, sharded.documents({"n": 3})))
    assert in_both == sorted(map(repr, single.documents({"n": 3})))
    assert (len(sharded), sharded.mention_count()) == (len(single), single.mention_count())
    assert not inconsistent_row_ids(sharded) and not inconsistent_row_ids(single)
    measured = sharded.storage()
    assert (measured.mentions, measured.text_bytes) == (
        single.storage().mentions, single.storage().text_bytes
    )  # fmt: skip
    assert "d7" in sharded and "no" not in sharded


def test_facets_equal_a_single_index(shipped_encoder):
    texts = ["The Nile flows through Egypt.", "Oslo lies in Norway.", "Marie Curie lived in Paris."]
    single = EntityIndex(encoder=shipped_encoder)
    sharded = ShardedIndex([EntityIndex(encoder=shipped_encoder) for _ in range(2)])
    for index in (single, sharded):
        index.add(texts)
    assert sharded.facets() == single.facets() != []


def test_documents_are_written_to_the_shard_of_their_hash():
    sharded = make_index(3)
    held = [{each.id for each in shard.documents()} for shard in sharded.shards]
    assert sum(map(len, held)) == len(DOCUMENTS) and all(len(ids) > 20 for ids in held)
    assert all(shard_of(each, 3) == number for number, ids in enumerate(held) for each in ids)
    again = sharded.add(DOCUMENTS)
    assert (again.added, again.unchanged) == (0, len(DOCUMENTS))
    assert sharded.search("city", k=None, score_threshold=0.0)
    changed = [Document("Bergen lies in Norway.", "d1"), Document("Turku", "new")]
    report = sharded.add(changed)
    assert (report.added, report.replaced) == (1, 1)
    assert sharded.delete(["d0", "d2", "no"]) == 2
    nines = sum(each.metadata["n"] == 9 for each in DOCUMENTS)
    assert sharded.delete(where={"n": 9}) == nines
    with pytest.raises(ValueError, match="needs ids or where"):
        sharded.delete()
    left = [each for each in DOCUMENTS if each.metadata["n"] != 9]
    left = [each for each in left if each.id not in ("d0", "d1", "d2")] + changed
    fresh = EntityIndex(encoder=HashedEncoder())
    fresh.add(left)
    assert sharded.search("city", k=None) == fresh.search("city", k=None)


def test_shard_hashes_are_stable_and_evenly_distributed():
    assert [shard_of(each, 7) for each in ("a", "b", "ä", "d17")] == [4, 0, 5, 5]
    spread = Counter(shard_of(str(n), 8) for n in range(8_000))
    assert min(spread.values()) > 900 and max(spread.values()) < 1_100


def test_shards_in_folders_are_reopened_in_their_order(tmp_path, encoder):
    places = [tmp_path / "a", tmp_path / "b"]
    with ShardedIndex(places, encoder=encoder, folder=tmp_path / "table") as index:
        index.add(DOCUMENTS)
        found = index.search("city")
        assert index.storage().disk_bytes > 10_000
    with ShardedIndex.open(places, encoder=encoder) as index:
        assert index.search("city") == found
    with pytest.raises(ValueError, match=r"shards\[0\] of 2 is shard 1/2 of another arrangement"):
        ShardedIndex(places[::-1], encoder=encoder)
    with pytest.raises(ValueError, match="shard 0/2 of another"):
        ShardedIndex(places[:1], encoder=encoder)
    with pytest.raises(FileNotFoundError):
        ShardedIndex.open([*places, tmp_path / "c"], encoder=encoder)
    with EntityIndex(places[1], encoder=encoder) as shard:  # it is no longer held
        assert 40 < shard.count() < 80


def test_table_of_all_shards_is_kept_in_a_folder(tmp_path, encoder, monkeypatch):
    monkeypatch.setattr("ner_retriever_rag.candidates.tables._MIN_SAVED", 10)
    options = {"encoder": encoder, "folder": tmp_path / "table"}
    with ShardedIndex([tmp_path / "a", tmp_path / "b"], **options) as index:
        index.add(DOCUMENTS)
        found = index.search("city")
    with ShardedIndex([tmp_path / "a", tmp_path / "b"], **options) as index:
        monkeypatch.setattr(index._store, "pages", None)  # no document may be read
        assert index.search("city") == found
        index.delete(["d0"])
        monkeypatch.undo()
        assert "d0" not in [each.doc_id for each in index.search("city", k=None)]


def test_writes_of_another_sharded_index_are_seen(tmp_path, encoder):
    shards = [EntityIndex(encoder=encoder) for _ in range(2)]
    writer, reader = ShardedIndex(shards), ShardedIndex(shards)
    writer.add(DOCUMENTS[:50])
    assert len(reader.search("city", k=None, score_threshold=0.0)) == 50
    writer.add(DOCUMENTS[50:])
    assert len(reader.search("city", k=None, score_threshold=0.0)) == len(DOCUMENTS) - 1
    fresh = EntityIndex(encoder=encoder)
    fresh.add(DOCUMENTS)
    assert reader.search("city") == fresh.search("city")


def test_invalid_shards_are_rejected(encoder, tmp_path, single):
    other = HashedEncoder()
    other.fingerprint = "other"
    empty = EntityIndex(encoder=encoder)
    with pytest.raises(ValueError, match="is empty"):
        ShardedIndex([])
    with pytest.raises(TypeError, match="a list of indexes"):
        ShardedIndex(str(tmp_path))
    with pytest.raises(ValueError, match=r"shards\[1\] uses the encoder"):
        ShardedIndex([empty, EntityIndex(encoder=other)])
    with pytest.raises(ValueError, match="twice"):
        ShardedIndex([empty, empty])
    with pytest.raises(ValueError, match=r"shards\[1\] holds documents"):
        ShardedIndex([empty, single])
    with pytest.raises(ValueError, match="itself"):
        ShardedIndex([ShardedIndex([empty])])
    with pytest.raises(TypeError, match="no shards"):
        ShardedIndex.beside(None)
    assert len(ShardedIndex([single])) == len(DOCUMENTS)  # one shard holds everything anyway


def test_nan_vectors_write_nothing(sharded, monkeypatch):
    encode = sharded.encoder.encode

    def broken(texts, spans=None):
        found = encode(texts, spans)
        found[-1].vectors[:] = float("nan")
        return found

    monkeypatch.setattr(sharded.encoder, "encode", broken)
    with pytest.raises(ValueError, match="NaN"):
        sharded.add([Document(f"Paris{n}", f"p{n}") for n in range(20)])
    assert len(sharded) == len(DOCUMENTS)


def test_both_retrievers_accept_a_sharded_index(single, sharded):
    for framework in (NERTypeRetriever, LlamaRetriever):
        one, other = framework(index=sharded), framework(index=single)
        if framework is NERTypeRetriever:
            assert one.invoke("city") == other.invoke("city")
        else:
            found = [[(n.node_id, n.score, n.matches) for n in r.retrieve("city")]
                     for r in (one, other)]  # fmt: skip
            assert found[0] == found[1] != []


def test_unpickling_reopens_the_shards(tmp_path, shipped_encoder):
    index = ShardedIndex([tmp_path / "a", tmp_path / "b"])
    index.add(["Oslo lies in Norway.", "The Nile flows through Egypt."])
    found = index.search("river")
    written = pickle.dumps(index)
    index.close()
    with pickle.loads(written) as again:
        assert again.search("river") == found
