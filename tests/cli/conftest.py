"""A stub index, so that output can be tested without a model."""

import pytest
from hostile import Stub


@pytest.fixture
def stub(monkeypatch):
    stub = Stub()
    for command in ("search", "facets", "extract", "entities"):
        monkeypatch.setattr(f"ner_retriever_rag.cli.{command}.open_index", lambda *_: stub)
    return stub
