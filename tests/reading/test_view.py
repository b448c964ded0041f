"""The readable view: how it renders layouts, and that every offset maps back exactly.

Set NER_EXAMPLES=20000 to draw more texts.
"""

import os
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ner_retriever_rag.reading import name_in, readable
from ner_retriever_rag.reading.sentences import sentences

EXAMPLES = int(os.environ.get("NER_EXAMPLES", "100"))
MESSY = st.lists(
    st.one_of(
        st.sampled_from(
            ["\n", "\n\n", "\t", "  ", " | ", "|", "- ", "> ", "# ", "**", "_", "1. ", "-\n", "\r\n",  # noqa: E501
             "\u00ad", "\u00ad\n", "\u200b", "\u0301", "\u0308", "ﬀ", "🚀", "\ufe0f", "&amp;", "&#10;",  # noqa: E501
             "\x0c", "---\n", "```\n", "\u1100\u1161\u11a8", "Ａ", "𝐎", "\u00a0", "Roald", "Oslo, ",
             "of the ", "e\u0323\u0301", "\x1b[31m", "Note: ", "│", "\ufeff", "(", ")"]
        ),
        st.text(max_size=6),
    ),
    max_size=30,
).map("".join)  # fmt: skip


def seen(text):
    return readable(text).text


@settings(max_examples=EXAMPLES, deadline=None)
@given(MESSY)
@example("")
@example("|")
@example("\u0301\n\u200b")
@example("0\u0301")
def test_every_offset_maps_back_to_the_source(text):
    view = readable(text)
    assert view.source == text
    places = [view.to_source(n, n + 1) for n in range(len(view.text))]
    assert all(0 <= start <= end <= len(text) for start, end in places)
    assert all(a <= c and b <= d for (a, b), (c, d) in zip(places, places[1:], strict=False))
    for n, char in enumerate(view.text):
        start, end = places[n]
        if char.isalnum():
            assert start < end, "a letter stands for something"
            first, after = view.to_view(start, end)
            assert first <= n < after, "the way there is the way back"
            # No span begins or ends between a letter and its accent.
            assert not unicodedata.combining(text[end : end + 1] or "a")
    for start in range(len(text) + 1):
        first, after = view.to_view(start, len(text))
        assert 0 <= first <= after <= len(view.text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(MESSY)
def test_boundaries_are_single_and_between_words(text):
    view = seen(text)
    assert "\n" not in view and "\t" not in view and "  " not in view
    assert " | | " not in view
    assert view == view.strip() and not view.startswith("| ") and not view.endswith(" |")


WORD = st.from_regex(r"[A-Za-zé]{1,9}(?:'s|,|\.|;)?", fullmatch=True)


@settings(max_examples=EXAMPLES)
@given(st.lists(WORD, min_size=1, max_size=30).map(" ".join))
@example("He ate 5 - 6 snake_case eggs, *.py files (not a_b); cost: $1,250.00 at x@y.org.")
@example("“Dvořák” isn’t C++ or C#: 25 °C, 10€ … fine – done.")
@example("1. FC Köln beat 1. FC Nürnberg 2-1.")
@example("__init__ and --flag --other=a|b? no: f(x||y), /usr/lib_x, https://a.b/c_d*e?f=*&g_h")
def test_view_of_a_clean_paragraph_is_unchanged(text):
    view = readable(text)
    if "|" not in text or "||" in text:
        assert view.text == text
    assert view.to_source(0, len(view.text)) == (0, len(text))


@pytest.mark.parametrize(
    ("text", "view"),
    [
        # characters
        ("Dvor\u030ca\u0301k in Sa\u0303o Paulo", "Dvořák in São Paulo"),
        ("Geoﬀrey, Ｎｖｉｄｉａ, 𝐎𝐬𝐥𝐨", "Geoffrey, Nvidia, Oslo"),
        ("Oslo\u00adfjord\u200b lies\u00a0here", "Oslofjord lies here"),
        ("🚀Nvidia and ✓Oslo", "🚀 Nvidia and ✓ Oslo"),
        ("AT&amp;T &lt;b&gt; &#233;tude", "AT&T <b> étude"),
        ("\x1b[31mERROR\x1b[0m in Oslo", "ERROR in Oslo"),
        # wrapped lines
        (
            "The South Pole was reached in 1911 by Roald\nAmundsen, who had set out with four\nothers from the Bay of Whales.",  # noqa: E501
            "The South Pole was reached in 1911 by Roald Amundsen, who had set out with four others from the Bay of Whales.",  # noqa: E501
        ),
        ("It was found by elec-\ntrolysis and by Rita Levi-\nMontalcini in the lab.", "It was found by electrolysis and by Rita Levi-Montalcini in the lab."),  # noqa: E501
        ("the pre-\nand post-war years", "the pre- and post-war years"),
        ("the soft\u00ad\nware of Oslo", "the software of Oslo"),
        # separate lines
        ("Roald Amundsen\nFridtjof Nansen\nSamarkand", "Roald Amundsen | Fridtjof Nansen | Samarkand"),  # noqa: E501
        ("milk\neggs\n2 cups flour", "milk | eggs | 2 cups flour"),
        ("History of Norway\nNorway is a country in the north of Europe, known for fjords.", "History of Norway | Norway is a country in the north of Europe, known for fjords."),  # noqa: E501
        ("Jane Smith\n12 High Street,\nOxford\nUnited Kingdom", "Jane Smith | 12 High Street, | Oxford | United Kingdom"),  # noqa: E501
        ("University of\nOslo", "University of Oslo"),
        ("BREAD OF OSLO\nby Jane Doe", "BREAD OF OSLO | by Jane Doe"),
        # a line that a URL makes longer, or leaves short, does not tell the line width
        ("* Domain Accounts\n  [T1078](https://attack.example.org/techniques/T1078)\n* Phishing", "Domain Accounts [T1078](https://attack.example.org/techniques/T1078) | Phishing"),  # noqa: E501
        # a number that ends a sentence does not begin a list item
        ("They had written about it in the spring of\n1911. We know them, from Oslo to Bergen, as\nthe Fram expedition, and from there on to\n47. It ends.", "They had written about it in the spring of 1911. We know them, from Oslo to Bergen, as the Fram expedition, and from there on to 47. It ends."),  # noqa: E501
        # lists, headings, quotes, bold
        ("# Cities\n\n* Oslo\n* Bergen\n\n1. Bath\n2. York", "Cities | Oslo | Bergen | Bath | York"),  # noqa: E501
        ("> We met Jane\n> and John\n\nFine", "We met Jane and John | Fine"),
        ("**Roald Amundsen** and _Fram_ but a_b_c and *.py", "Roald Amundsen and Fram but a_b_c and *.py"),  # noqa: E501
        # table cells
        ("Oslo\tNorway\t1905", "Oslo | Norway | 1905"),
        ("Oslo      Norway    1905", "Oslo | Norway | 1905"),
        ("| City | Land |\n|---|---|\n| Oslo | Norway |", "City | Land | Oslo | Norway"),
        ("│ Oslo │ Norway │", "Oslo | Norway"),
        ("It ends.  The next begins with a  slip of the thumb here.", "It ends. The next begins with a slip of the thumb here."),  # noqa: E501
    ],
)  # fmt: skip
def test_view_of_layouts(text, view):
    assert seen(text) == view


WRAPPED = """\
Minutes of the board of the Norwegian Polar Institute

The meeting was opened at noon by the director, Ole Arve Misund. With
him were the heads of the departments and a guest of the Alfred Wegener
Institute for Polar and Marine Research, who gave a talk on the drift of
the Fram.

Present:
Ole Arve Misund
Kim Holmén
Nalan Koç
Alfred Wegener Institute for Polar and Marine Research

The next meeting is to be held in Ny-Ålesund, in the house of the Kings
Bay company.
"""


def test_names_on_lines_of_their_own_and_wrapped_ones_in_one_document():
    view = seen(WRAPPED)
    assert "guest of the Alfred Wegener Institute for" in view
    assert "the Kings Bay company." in view
    assert " | Ole Arve Misund | Kim Holmén | Nalan Koç | Alfred Wegener" in view
    assert view.startswith("Minutes of the board of the Norwegian Polar Institute | The meeting")


def test_spans_of_a_wrapped_name_map_both_ways():
    source = "The first to see the place was Roald\n  Amundsen of Bo\u0308rge, in the south."
    view = readable(source)
    start = view.text.index("Roald")
    assert view.text[start : start + 14] == "Roald Amundsen"
    span = view.to_source(start, start + 14)
    assert source[slice(*span)] == "Roald\n  Amundsen"
    assert view.to_view(*span) == (start, start + 14)
    assert name_in(source[slice(*span)]) == "Roald Amundsen"


@pytest.mark.parametrize(
    ("words", "name"),
    [("Levi-\nMontalcini", "Levi-Montalcini"), ("elec-\n  tric", "electric"), ("AT&amp;T", "AT&T"),
     ("Bank\r\n> of\tEngland", "Bank of England"), ("Sa\u0303o", "São"), ("\u200b", "\u200b"), ("|", "|")],  # noqa: E501
)  # fmt: skip
def test_name_in_joins_a_wrapped_name(words, name):
    assert name_in(words) == name


def test_a_boundary_ends_a_sentence():
    assert list(sentences("Jane Doe | Dr. Smith | A. | Oslo a|b")) == [
        "Jane Doe", "Dr. Smith", "A.", "Oslo a|b",
    ]  # fmt: skip
