"""Converting a folder's index into one that Chroma searches."""

import chromadb
import pytest
from hashed import HashedEncoder, assert_index_holds

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.candidates.stored_rows import describe
from ner_retriever_rag.storage.converting import convert
from ner_retriever_rag.storage.engine_store import EngineStore

DOCUMENTS = [
    Document(f"Town{n} lies in Peru near Lima{n % 7} and Rome{n}.", f"d{n}", {"n": n % 10})
    for n in range(40)
]


class ForbiddenEncoder(HashedEncoder):
    def encode(self, texts, spans=None):
        raise AssertionError("nothing has to be encoded")


@pytest.fixture
def folder(tmp_path):
    with EntityIndex(tmp_path / "index", encoder=HashedEncoder()) as index:
        index.add(DOCUMENTS)
    return tmp_path / "index"


def search_results(folder, encoder):
    with EntityIndex(folder, encoder=encoder) as index:
        return [(match.doc_id, match.score) for match in index.search("city", 20)]


def test_conversion_keeps_documents_and_results(folder):
    before = search_results(folder, ForbiddenEncoder())
    assert convert(folder, describe) == {"ner-retriever": 40}
    assert convert(folder, describe) == {}
    after = search_results(folder, ForbiddenEncoder())
    assert [each for each, _ in after] == [each for each, _ in before]
    assert [score for _, score in after] == pytest.approx([score for _, score in before])
    with EntityIndex(folder, encoder=HashedEncoder()) as index:
        assert isinstance(index._store, EngineStore)
        assert_index_holds(index, DOCUMENTS)
        index.add([Document("Oslo lies in Norway.", "d1")])
        assert index.delete(["d2"]) == 1
        changed = [each for each in DOCUMENTS if each.id not in ("d1", "d2")]
        assert_index_holds(index, [*changed, Document("Oslo lies in Norway.", "d1")])


@pytest.mark.parametrize("at", [1, 2])
def test_interrupted_conversion_is_restarted(folder, monkeypatch, at):
    modify, calls = chromadb.Collection.modify, []

    def stopped(self, name=None, **rest):
        if name is not None:
            calls.append(name)
            if len(calls) == at:
                raise KeyboardInterrupt
        return modify(self, name=name, **rest)

    monkeypatch.setattr(chromadb.Collection, "modify", stopped)
    with pytest.raises(KeyboardInterrupt):
        convert(folder, describe)
    monkeypatch.undo()
    assert convert(folder, describe) == {"ner-retriever": 40}
    with EntityIndex(folder, encoder=HashedEncoder()) as index:
        assert_index_holds(index, DOCUMENTS)
