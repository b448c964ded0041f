"""Passages, snippets and HTML of found documents."""

import random
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import NodeWithScore, TextNode

from ner_retriever_rag import Document, DocumentMatch, MentionMatch, show
from ner_retriever_rag._markup import (
    cards,
    one_line,
    short_repr,
    strip_invisible,
    visible,
    window,
)
from ner_retriever_rag.cli.console import as_json
from ner_retriever_rag.index.interop import as_match
from ner_retriever_rag.index.render import page
from ner_retriever_rag.llama_index import MatchedNode

TEXT = "The Nile flows north through Egypt and Sudan into the Mediterranean Sea, slowly."


def make_match(text, *spans, metadata=None):
    """A match with spans given as words of the text or as offsets, each with its type."""
    matches = []
    for what, kind in spans:
        start, end = what if isinstance(what, tuple) else (text.index(what), None)
        end = start + len(what) if end is None else end
        matches.append(MentionMatch("d", text[start:end], start, end, 0.934, 0.5, kind))
    return DocumentMatch(Document(text, "d", metadata or {}), 0.934, matches)


class Reader(HTMLParser):
    """Collects the text of a page and of each mark, and checks that marks nest."""

    def __init__(self, html):
        super().__init__()
        self.text, self.marks, self.open, self.tags = "", [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "mark":
            self.open.append((len(self.text), dict(attributes).get("title")))

    def handle_endtag(self, tag):
        if tag == "mark":
            start, title = self.open.pop()
            self.marks.append((self.text[start:], title))
        elif tag in ("p", "div"):
            self.text += "\n"

    def handle_data(self, data):
        self.text += data


def marks(match):
    """The highlighted words with their tooltips, without the legend."""
    return [mark for mark in Reader(match._repr_html_()).marks if mark[1]]


def test_a_notebook_highlights_every_match():
    html = make_match(TEXT, ("Nile", "river"), ("Egypt", "country"))._repr_html_()
    assert Reader(html).marks == [
        ("river", None), ("country", None), ("Nile", "river 0.93"), ("Egypt", "country 0.93"),
    ]  # fmt: skip
    assert TEXT in Reader(html).text
    styles = {part.split('"')[1] for part in html.split("<mark ")[1:] if part.startswith("style")}
    assert len(styles) == 2  # one color per type


def test_nested_and_overlapping_marks():
    nested = make_match(TEXT, ("Mediterranean Sea", "sea"), ("Mediterranean", "region"))
    assert set(marks(nested)) == {
        ("Mediterranean Sea", "sea 0.93"), ("Mediterranean", "region 0.93"),
    }  # fmt: skip
    across = make_match(TEXT, ("Egypt and", "a"), ("and Sudan", "b"))
    assert marks(across) == [("and", "b 0.93"), ("Egypt and", "a 0.93"), (" Sudan", "b 0.93")]
    twice = make_match(TEXT, ("Nile", "river"), ("Nile", "water"))
    assert marks(twice) == [("Nile", "river 0.93 · water 0.93")]


def test_random_spans_leave_the_text_unchanged():
    chance = random.Random(0)
    for _ in range(300):
        places = [chance.randrange(-5, len(TEXT) + 5) for _ in range(2 * chance.randrange(7))]
        spans = [((a, b), f"t{a % 3}") for a, b in zip(places[::2], places[1::2], strict=True)]
        match = make_match(TEXT, *spans)
        assert TEXT in Reader(match._repr_html_()).text
        assert match.snippet(30)
    deep = make_match("x" * 3000, *(((n, 3000 - n), "t") for n in range(1400)))
    assert "<mark" in deep._repr_html_()


def test_documents_cannot_inject_html():
    evil = '<script>alert(1)</script><img src=x onerror="alert(1)">&lt; "\' \x1b[31m\u202e'
    kind = '"><script>'
    match = make_match(evil, ("alert", kind), metadata={"title": "<b onclick='x'>"})
    for html in (match._repr_html_(), page([match], f"{evil} {{cards}}")):
        assert not {"script", "img"} & set(Reader(html).tags)
        assert "<b onclick" not in html
        assert "\x1b" not in html and "\u202e" not in html
        assert "\\x1b[31m" in unescape(html)
    assert ("alert", f"{kind} 0.93") in marks(match)


def test_invisible_characters_are_removed():
    hidden = "\u200b\u200d\u2060\ufeff\u00ad\u061c\u200f\ufe0f\U000e0041\U000e0100\x1b"
    assert strip_invisible("".join(f"a{each}" for each in hidden)) == "a" * len(hidden)
    assert strip_invisible(f"Ni{hidden}le", "?") == f"Ni{'?' * len(hidden)}le"
    persian, hindi = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937"
    assert strip_invisible(f"{persian} {hindi}\n\t") == f"{persian} {hindi}\n\t"  # spelling
    assert as_json({"a": "\u200f\U000e0041"}) == r'{"a": "\u200f\udb40\udc41"}'


def test_values_in_messages_are_short():
    endless: list = []
    endless.append(endless)
    for value in ("x" * 10_000, [["x" * 300] * 300] * 300, 10**5_000, endless, b"x" * 10_000):
        assert 0 < len(short_repr(value)) < 250
    assert short_repr({"lang": ["en", 1]}) == "{'lang': ['en', 1]}"


def test_a_long_document_shows_its_passages():
    words = [f"word{n}" for n in range(2000)]
    text = " ".join(words)
    match = make_match(text, ("word1000", "w"), ("word1500", "w"))
    shown = Reader(match._repr_html_()).text
    assert len(shown) < 700
    assert {mark[0] for mark in marks(match)} == {"word1000", "word1500"}
    assert set(shown.replace("…", " ").split()) - {"w", "0.93"} - {"d"} <= set(words)


def test_snippet():
    match = make_match(TEXT, ("Sudan", "country"))
    assert match.snippet(40) == "…Egypt and Sudan into the…"
    assert match.snippet(1) == "…Sudan…"
    assert match.snippet(1000) == TEXT
    assert make_match(" Oslo\n\n is\ta city ", ("Oslo", "city")).snippet() == "Oslo is a city"
    assert make_match(TEXT).snippet(10) == "The Nile…"  # no matches, as with Not
    with pytest.raises(ValueError, match="width must be at least 1"):
        match.snippet(0)


def test_snippets_respect_the_width_and_word_boundaries():
    words = TEXT.split()
    for width in range(8, len(TEXT) + 5):
        for word in ("Nile", "Egypt", "Sea"):
            snippet = make_match(TEXT, (word, "t")).snippet(width)
            assert len(snippet.strip("…")) <= width
            assert word in snippet
            truncate = snippet.strip("…").split()
            assert {each for each in truncate if word not in each} <= set(words)


def test_scripts_without_spaces_are_cut_anywhere():
    text = "東京は日本の首都である。" * 20
    start, end = 120, 122
    low, high = window(text, start, end, 30)
    assert high - low == 30 and low < start and high > end


def test_visible_escapes_control_characters():
    assert visible("a\x1b]0;x\x07\x9b\u202e\ud800b") == "a\\x1b]0;x\\x07\\x9b\\u202e\\ud800b"
    assert visible("é 東 🎉 \u200d\n\t") == "é 東 🎉 \u200d\n\t"
    turned = "\u061c\u200e\u200f\u202a\u2066\u2069"  # all directional marks of Unicode
    assert visible(turned) == r"\u061c\u200e\u200f\u202a\u2066\u2069"
    assert visible("a\U000e0041") == r"a\U000e0041"
    assert one_line("a\r\n\tb\x85c") == "a b\\x85c"


def test_show_prints_outside_a_notebook(capsys):
    match = make_match(
        TEXT, ("Nile", "river"), metadata={"title": "The [/H] :smile: \x1b[31m Nile"}
    )
    show([match])
    show(match)
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert "0.93  The [/H] :smile: \\x1b[31m Nile  The [Nile] flows north" in first
    show([])
    assert "nothing found" in capsys.readouterr().out
    with pytest.raises(TypeError, match=r"matches\[0\] must be a DocumentMatch, not str"):
        show("Nile")


def test_show_accepts_results_of_retrievers(capsys):
    row = {"text": "Nile", "start": 4, "end": 8, "score": 0.9, "type": "river"}
    own = {"doc_id": "a", "score": 0.9, "matches": [row], "title": "The Nile"}
    node = TextNode(text=TEXT, id_="a", metadata={"title": "The Nile"})
    show([LangChainDocument(TEXT, metadata=own), MatchedNode(node=node, score=0.9, matches=[row])])
    one, other = capsys.readouterr().out.splitlines()
    assert one == other and "0.90  The Nile  The [Nile] flows" in one
    # Results of other retrievers have no spans and may have no score.
    show(LangChainDocument(TEXT, id="b"))
    show(NodeWithScore(node=node, score=0.5))
    dense, scored = capsys.readouterr().out.splitlines()
    assert dense.split()[:3] == ["b", "The", "Nile"] and scored.split()[0] == "0.50"
    assert "nan" not in cards([as_match(LangChainDocument(TEXT, id="b"))])


def test_show_displays_in_a_notebook(monkeypatch, capsys):
    shell = pytest.importorskip("IPython")
    shown = []
    monkeypatch.setattr(shell, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr("IPython.display.display", shown.append)
    show([make_match(TEXT, ("Nile", "river"))])
    assert "<mark" in shown[0].data
    assert capsys.readouterr().out == ""


def test_page_is_self_contained():
    html = page([make_match(TEXT, ("Nile", "river"))], "river & lake")
    assert "<title>river &amp; lake</title>" in html
    assert "default-src 'none'" in html and 'content="light dark"' in html
    assert not {"link", "script", "img", "iframe"} & set(Reader(html).tags)
    assert "nothing found" in page([], "river")
