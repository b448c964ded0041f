"""Batches are encoded while earlier ones are written; what is stored if something fails."""

import threading

import pytest
from hashed import HashedEncoder, assert_index_holds
from langchain_core.documents import Document as Page
from llama_index.core.schema import TextNode

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index import writing
from ner_retriever_rag.index.writing import BATCH, in_batches
from ner_retriever_rag.storage.collection import Rows
from ner_retriever_rag.storage.store import Store

DOCUMENTS = [Document(f"Town{n} lies in Peru.", id=f"d{n}") for n in range(4 * BATCH + 5)]


def test_next_batch_is_encoded_while_the_previous_one_is_written(monkeypatch):
    begun, write = threading.Event(), Store.write

    class SignalingEncoder(HashedEncoder):
        def encode(self, texts, spans=None):
            if texts[0] == DOCUMENTS[2 * BATCH].text:
                begun.set()
            return super().encode(texts, spans)

    def waiting(*arguments):
        assert begun.wait(20)
        write(*arguments)

    monkeypatch.setattr(Store, "write", waiting)
    index = EntityIndex(encoder=SignalingEncoder())
    assert index.add(DOCUMENTS).added == len(DOCUMENTS)
    assert_index_holds(index, DOCUMENTS)


def test_complete_batches_of_a_failing_stream_are_written():
    def stream():
        yield from DOCUMENTS[: 3 * BATCH + 7]
        raise OSError("the source is gone")

    index = EntityIndex(encoder=HashedEncoder())
    with pytest.raises(OSError, match="the source is gone"):
        index.add(stream())
    assert_index_holds(index, DOCUMENTS[: 3 * BATCH])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_interrupted_add_is_resumed(error, tmp_path):
    class InterruptedEncoder(HashedEncoder):
        def encode(self, texts, spans=None):
            if texts[0] == DOCUMENTS[2 * BATCH].text:
                raise error
            return super().encode(texts, spans)

    with EntityIndex(tmp_path, encoder=InterruptedEncoder()) as index:
        with pytest.raises(error):
            index.add(DOCUMENTS)
        assert_index_holds(index, DOCUMENTS[: 2 * BATCH])
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        report = index.add(DOCUMENTS)
        assert (report.added, report.unchanged) == (2 * BATCH + 5, 2 * BATCH)
        assert_index_holds(index, DOCUMENTS)


def test_equal_texts_in_concurrent_batches():
    documents = [Document("Lima lies in Peru.", id=f"d{n}") for n in range(3 * BATCH)]
    index = EntityIndex(encoder=HashedEncoder())
    assert index.add(documents).mentions == 6 * BATCH
    assert_index_holds(index, documents)


def test_batches_of_long_documents_are_smaller():
    def sizes(*lengths):
        return [len(some) for some in in_batches(["x" * n for n in lengths], str)]

    assert sizes(*[20] * (2 * BATCH + 1)) == [BATCH, BATCH, 1]
    assert sizes(*[40_000] * 7) == [3, 3, 1]
    assert sizes(10, 500_000, 10, 10) == [2, 2]
    assert sizes() == []


def test_progress_bar_completes_even_if_documents_are_skipped(capsys):
    index = EntityIndex(encoder=HashedEncoder())
    report = index.add(["Lima", " ", "Oslo"], errors="skip", progress=True)
    assert (report.added, len(report.failed)) == (2, 1)
    assert "3/3" in capsys.readouterr().err


def test_few_copies_of_a_text_shared_by_many_documents_are_read(monkeypatch):
    """If every batch read all of them, time would grow quadratically."""
    monkeypatch.setattr(writing, "BATCH", 20)
    read, find = [], Rows.find

    def counted(*arguments):
        found = find(*arguments)
        read.extend(found["ids"])
        return found

    monkeypatch.setattr(Rows, "find", counted)
    index = EntityIndex(encoder=HashedEncoder())
    documents = [Document("Oslo lies in Norway.", id=f"{n:03}") for n in range(200)]
    assert index.add(documents).added == 200
    assert len(read) < 50
    again = [Document("Oslo lies in Norway.", id=f"again {n:03}") for n in range(20)]
    report = index.add([*again, Document("Bergen lies in Norway.", id="other")])
    assert (report.added, report.mentions) == (21, 42)
    assert len(read) < 100
    found = index.search("city", k=None, score_threshold=0)
    assert len({match.doc_id for match in found}) == 221


class FailingEncoder(HashedEncoder):
    """An encoder that fails on one text."""

    def encode(self, texts, spans=None):
        if DOCUMENTS[7].text in texts:
            raise MemoryError("too long")
        return super().encode(texts, spans)


def test_document_that_cannot_be_encoded_is_reported_and_only_it_is_skipped():
    index = EntityIndex(encoder=FailingEncoder())
    with pytest.raises(MemoryError, match=r"document 'd7' cannot be encoded.*too long"):
        index.add(DOCUMENTS)
    report = index.add(DOCUMENTS, errors="skip")
    assert [each.document for each in report.failed] == ["d7"]
    assert "too long" in report.failed[0].reason
    assert report.added == len(DOCUMENTS) - 1
    assert_index_holds(index, [each for each in DOCUMENTS if each.id != "d7"])


def test_failure_for_all_documents_is_not_blamed_on_one():
    class Broken(HashedEncoder):
        def encode(self, texts, spans=None):
            raise OSError("no weights")

    with pytest.raises(OSError, match="^no weights"):
        EntityIndex(encoder=Broken()).add(DOCUMENTS, errors="skip")


def test_copies_of_a_text_are_not_all_looked_up(monkeypatch):
    index, fetched = EntityIndex(encoder=HashedEncoder()), []

    def counted(method):
        def counting(store, wanted):
            found = method(store, wanted)
            fetched.append(len(found))
            return found

        return counting

    for name in ("fetch", "twins"):
        monkeypatch.setattr(Store, name, counted(getattr(Store, name)))
    copies = [Document(DOCUMENTS[0].text, id=f"c{n}") for n in range(6 * BATCH)]
    assert index.add(copies).added == len(copies)
    assert sum(fetched) < 4 * BATCH


def test_blank_texts_are_skipped_and_logged(caplog):
    """A file of two hundred pages is not rejected because one is blank."""
    index = EntityIndex(encoder=HashedEncoder())
    pages = ["Oslo", "", "Rome", " \n ", Page(page_content="\t"), TextNode(text=" ")]
    assert index.add(pages).added == 2
    for place in (1, 3, 4, 5):
        assert f"documents[{place}] has no text" in caplog.text
    report = index.add(["Bern", ""], errors="skip")
    assert (report.added, [each.document for each in report.failed]) == (1, [1])
