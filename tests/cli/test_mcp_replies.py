"""Replies sent to a model are readable and bounded, whatever the documents contain."""

import json
from types import SimpleNamespace

import pytest

from ner_retriever_rag import Document, DocumentMatch, MentionMatch

pytest.importorskip("mcp.server.mcpserver", reason="needs the extra mcp")
from ner_retriever_rag.cli.mcp_replies import MAX_REPLY, metadata, take_names  # noqa: E402
from ner_retriever_rag.cli.mcp_tools import Tools  # noqa: E402

HUGE = "Nile\U000e0041\u200b\u202e " * 5_000
METADATA = {"blob": b"\xff\x00\x01", "long": HUGE, "n": 3, **{f"k{n}": HUGE for n in range(50)}}


def hostile_match(number):
    mention = MentionMatch(f"{HUGE}{number}", HUGE, 0, len(HUGE), 0.9, 0.5, HUGE)
    document = Document(HUGE, f"{HUGE}{number}", METADATA)
    return DocumentMatch(document, 0.9, [mention] * 30)


@pytest.fixture(scope="module")
def tools():
    found = [hostile_match(number) for number in range(3)]
    many = (found * 400)[:1_000]
    entity = SimpleNamespace(
        name=HUGE, names=[HUGE, *(f"{HUGE}{n}" for n in range(50))], score=0.9, mentions=3,
        documents=[each.doc_id for each in found] * 10,
    )  # fmt: skip
    return Tools(
        SimpleNamespace(
            search=lambda type, k, **_: many[:k],
            entities=lambda type, k, **_: [entity] * min(k, 20),
            facets=lambda n, where: [SimpleNamespace(type=HUGE, mentions=1, documents=1,
                                                     examples=[HUGE] * 5)] * n,
            extract=lambda types, **_: iter([each.matches[0] for each in many]),
            get=lambda ids: [each.document for each in found],
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search", {"type": "river", "k": 50}),
        ("entities", {"type": "river", "k": 500}),
        ("facets", {"n": 30}),
        ("extract", {"types": ["river"], "limit": 1_000}),
        ("get", {"ids": ["a", "b", "c"]}),
    ],
)
def test_replies_are_bounded_and_hold_no_hidden_characters(tools, name, arguments):
    reply = getattr(tools, name)(**arguments)
    models = reply if isinstance(reply, list) else [reply]
    written = "".join(json.dumps(each.model_dump(), ensure_ascii=False) for each in models)
    assert len(written) < 2 * MAX_REPLY
    assert not set(written) & {"\U000e0041", "\u200b", "\u202e"}


def test_long_document_is_returned_in_parts(tools):
    """Hidden characters are replaced one for one, so that offsets of mentions stay valid."""
    parts, start = [], 0
    while True:
        first, *_ = tools.get(["a"], start=start)
        parts.append(first.text)
        start += len(first.text)
        if not first.more:
            break
    assert len(parts) > 2
    assert "".join(parts) == "Nile\ufffd\ufffd\ufffd " * 5_000


def test_metadata_is_made_readable():
    given = {"blob": b"\xff\x00", "nan": float("nan"), "nested": {"a\u200b": ("b\u202e", 1)}}
    assert metadata(given, 500) == {"blob": "ff00", "nan": "nan", "nested": {"a": ["b", 1]}}
    left = metadata(METADATA, 500)
    assert left["blob"] == "ff0001" and left["…"].endswith("more keys")


def test_first_name_is_always_included():
    assert take_names(["a" * 90, "b"], 50, 5) == ["a" * 90]
    assert take_names(["a", "b", "c"], 50, 2) == ["a", "b"]
    assert take_names([], 50, 2) == []


def test_extract_returns_pages(tools):
    rows = [tools.extract(["river"], limit=2, offset=n).mentions[0].doc_id for n in range(2)]
    assert tools.extract(["river"], limit=2).complete is False
    assert len(rows) == 2
    assert tools.extract(["river"], limit=2, offset=999).complete is True
