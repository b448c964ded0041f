"""Mentions found by patterns, and how they are merged with learned mentions."""

import time

import pytest

from ner_retriever_rag.detection.patterns import IDENTIFIERS, find_patterns, with_patterns
from ner_retriever_rag.schema import Mention

TEXTS = {
    "url": ("See https://docs.python.org/3/library/re.html#re.A, or not.", "https://docs.python.org/3/library/re.html#re.A"),
    "email": ("Write to jane.o'neil or jane.doe+x@mail.acme.co.uk.", "jane.doe+x@mail.acme.co.uk"),
    "ip": ("From 10.0.0.1:8080 at noon", "10.0.0.1:8080"),
    "uuid": ("id 550e8400-e29b-41d4-a716-446655440000 ok", "550e8400-e29b-41d4-a716-446655440000"),
    "hash": ("at commit 9f86d08 of the decade", "9f86d08"),
    "path": ("open /usr/lib/python3/foo.py and/or run", "/usr/lib/python3/foo.py"),
    "file": ("edit config.yaml, i.e. the U.S. one", "config.yaml"),
    "flag": ("docker build --no-cache=true . - twice", "--no-cache=true"),
    "variable": ("set $HOME to it", "$HOME"),
    "identifier": ("call read_csv() on it", "read_csv()"),
    "error": ("Chrome says NET::ERR_CERT_DATE_INVALID again", "NET::ERR_CERT_DATE_INVALID"),
    "number": ("fixed in CVE-2021-44228, they say", "CVE-2021-44228"),
    "version": ("since v2.0.0-rc1 only", "v2.0.0-rc1"),
    "phone": ("Call +47 22 85 50 50 now", "+47 22 85 50 50"),
    "money": ("It cost $1,250.00, less than last year.", "$1,250.00"),
    "statute": ("under 47 U.S.C. § 230(c)(1) alone", "47 U.S.C. § 230(c)(1)"),
    "case": ("in Criminal Appeal No. 123 of 2019, where", "Appeal No. 123 of 2019"),
    "date": ("on May 12, 2020, or so", "May 12, 2020"),
    "time": ("at 10:30 p.m. in the evening", "10:30 p.m."),
    "quantity": ("driven at 30 km/h in town", "30 km/h"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_each_kind_is_found_completely_and_nothing_else(kind):
    text, wanted = TEXTS[kind]
    assert [(text[a:b], of) for a, b, of in find_patterns(text)] == [(wanted, kind)]


@pytest.mark.parametrize(
    "text",
    [
        "Roald Amundsen reached the South Pole in 1911 - not 1912 -, with four others.",
        "He won 2-1, 3:1 and 21 to 7; the 4-8-4 type; e.g. and i.e. and etc.",
        "C++ and C# and F. Scott Fitzgerald's U.S. tour; Sections of the Army; 25,000 people",
        "a | b -- c :: d () $ % § @",
    ],
)
def test_plain_prose_matches_no_pattern(text):
    assert find_patterns(text) == []


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("Run sfc /scannow, then chkdsk C: /F /R.", ["/scannow", "/F", "/R"]),
        ("reg add HKLM (see ipconfig /flushdns) twice", ["/flushdns"]),
        ("msiexec /i app.msi or taskkill /im app.exe", []),  # too short to tell from "s /he"
        ("rm -rf build and tar -xzf it, or ls -la", ["-rf", "-xzf", "-la"]),
        ("the cafe -and only that one- on this /and the other side", []),
        ("open /etc or /opt/app first", []),
    ],
)
def test_shell_options(text, flags):
    found = find_patterns(text, ["flag", "path"])
    assert [text[a:b] for a, b, kind in found if kind == "flag"] == flags


def test_paths_in_the_home_folder():
    text = "rm -rf ~/.cache, then edit ~/.config/app.toml, about ~ 3/4 or ~/ alone"
    found = find_patterns(text, ["path"])
    assert [text[each.start : each.end] for each in found] == ["~/.cache", "~/.config/app.toml"]


def test_kinds_can_be_chosen():
    text = "on May 12, 2020 with --quiet"
    assert [each.kind for each in find_patterns(text, IDENTIFIERS)] == ["flag"]
    with pytest.raises(KeyError):
        find_patterns(text, ["dinosaur"])


def merged_scores(text, *words):
    mentions = [
        Mention(each, text.index(each), text.index(each) + len(each), 0.6) for each in words
    ]
    return {each.text: each.score for each in with_patterns(text, mentions, find_patterns(text))}


def test_complete_value_replaces_its_parts():
    assert merged_scores("It cost $1,250.00 in Oslo", "$1,250", "00", "Oslo") == {
        "$1,250.00": 0.9,
        "Oslo": 0.6,
    }
    assert merged_scores("It cost $1,250.00", "$1,250.00") == {"$1,250.00": 0.9}


def test_longer_mention_is_never_cut():
    text = "the Boeing B-747 MAX-10 jet"
    assert merged_scores(text, "Boeing B-747 MAX-10") == {"Boeing B-747 MAX-10": 0.6, "MAX-10": 0.9}
    assert merged_scores(text, "MAX-10 jet") == {"MAX-10 jet": 0.6}
    assert merged_scores(text, "B-747 MAX") == {"B-747 MAX": 0.6}


@pytest.mark.parametrize("unit", ["a.b", "/a", "x_", "0:", "-", "12-", "1,", "A "])
def test_time_is_linear_in_the_text_length(unit):
    begun = time.process_time()
    find_patterns(unit * 20_000)
    assert time.process_time() - begun < 5
