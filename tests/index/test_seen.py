"""The ids of a stream that came before."""

import pytest

from ner_retriever_rag import Document, EntityIndex


def test_an_id_that_comes_again_long_after_is_refused(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    stream = [Document(f"Town{n} in Peru", id=f"d{n % 299}") for n in range(300)]
    with pytest.raises(ValueError, match=r"documents\[299\] has the id 'd0' of documents\[0\]"):
        index.add(each for each in stream)
    assert index.count() == 256  # what came some hundred documents before
    report = index.add((each for each in stream), errors="skip")
    assert (report.added, report.unchanged, len(report.failed)) == (43, 256, 1)
