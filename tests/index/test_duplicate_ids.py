"""Duplicate ids in a stream of documents."""

import pytest

from ner_retriever_rag import Document, EntityIndex


def test_duplicate_id_much_later_in_a_stream_is_rejected(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    stream = [Document(f"Town{n} in Peru", id=f"d{n % 299}") for n in range(300)]
    with pytest.raises(ValueError, match=r"documents\[299\] has the id 'd0' of documents\[0\]"):
        index.add(each for each in stream)
    assert index.count() == 256  # the batches before that of the duplicate
    report = index.add((each for each in stream), errors="skip")
    assert (report.added, report.unchanged, len(report.failed)) == (43, 256, 1)
