"""Alignment of marked copies, faithful or not, with spans of the text."""

import random
import time

import pytest

from ner_retriever_rag.detection.alignment import MARKS, align, mark_for, strip_marks

TEXT = "Oslo is the capital of Norway, and Oslo lies on the Oslofjord, says the Bank of England."


def aligned(answer, text=TEXT, mark="##"):
    return [text[start:end] for start, end in align(answer, text, mark)]


def test_faithful_copy():
    answer = TEXT.replace("Oslo ", "##Oslo## ").replace("Norway", "##Norway##")
    assert align(answer, TEXT) == [(0, 4), (23, 29), (35, 39)]


def test_marks_inside_a_word_and_in_scripts_without_spaces():
    assert aligned("##New York##ers walk.", "New Yorkers walk.") == ["New York"]
    assert aligned("##東京##は##日本##の首都です。", "東京は日本の首都です。") == ["東京", "日本"]
    assert aligned("##東京## は##日本##の都です。", "東京は日本の首都です。") == ["東京", "日本"]
    assert aligned("##Zurich## and ##łódź##", "Zürich and Łódź, too") == ["Zürich", "Łódź"]


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        # chatter before and after
        (f"Sure! Here:\n\n{TEXT.replace('Norway', '##Norway##')}\n\nAnything else?", ["Norway"]),
        # case changed, words dropped, others inserted
        ("oslo is capital of ##NORWAY##, so Oslo is on ##oslofjord##.", ["Norway", "Oslofjord"]),
        # the name itself corrected or shortened
        (TEXT.replace("Bank of England", "##Bank England##"), ["Bank of England"]),
        (TEXT.replace("Oslofjord", "##Oslofjorden##"), ["Oslofjord"]),
        # a list instead of a copy; the second Oslo is the second one in the text
        ("##Oslo##\n##Norway##\n##Oslo##", ["Oslo", "Norway", "Oslo"]),
        ("Norway: ##Norway##. Capital: ##Oslo##. Also ##Oslo##", ["Oslo", "Norway", "Oslo"]),
        # names that do not occur in the text
        ("##Paris## is the capital of ##France##", []),
        (TEXT.replace("Norway", "##Sweden##"), []),
        # spaces inside all marks
        (TEXT.replace("Norway", "## Norway ##"), ["Norway"]),
        # an unclosed mark does not swallow the next name
        (TEXT.replace("Oslo is", "##Oslo is").replace("Norway", "##Norway##"), ["Norway"]),
        (TEXT.replace("Norway", "###Norway####"), ["Norway"]),
        # punctuation inside the mark
        (TEXT.replace("Norway,", "##Norway,##"), ["Norway"]),
        # nothing usable
        ("", []), ("##", []), ("####", []), ("## ##", []), ("##,##", []), ("#" * 5_000, []),
        ("I cannot help with that.", []),
        (f"##{TEXT * 9}##", []),
    ],
)  # fmt: skip
def test_unfaithful_copies(answer, names):
    assert aligned(answer) == names


def test_space_around_the_copy_does_not_shift_spans():
    assert align("##Oslo## lies here", "\n  Oslo lies here ") == [(3, 7)]
    assert align("\n ##Oslo## lies here", "Oslo lies here") == [(0, 4)]


def test_mark_does_not_occur_in_the_text():
    assert mark_for("plain") == "##"
    assert mark_for("## Heading, and C#") == "@@"
    assert mark_for("".join(MARKS)) == "##"
    assert aligned("@@C#@@ and ## Heading", "C# and ## Heading", "@@") == ["C#"]


def test_marks_are_removed():
    assert strip_marks("a ##b c## d ##e", "##") == ("a b c d e", [(2, 5)])


@pytest.mark.parametrize(
    ("answer", "text", "names"),
    [
        # of two places the one that the diff gives, although the words next to it differ
        ("in New York one said ##New York## is big", "In New York one says New York is big.", [21]),
        # only half of the name is paired; the text has another name there
        ("Is ##Bank Scotland## here", "Is Bank England here", []),
        # altered names at the very beginning and end
        ("##Oslofjorden## is so long", "Oslofjord is long", [0]),
        ("now he swims in ##Oslofjorden##", "he swims in Oslofjord", [12]),
        # four of five letters are similar enough
        ("in ##Bernx## now", "in Berne now", [3]),
        # accents in names too short to be similar otherwise
        ("from ##O## till ##A##", "from Ö to Å", [5, 10]),
        # no word is marked; the next mark still counts
        ("##\u00a0## Oslo is here", "Oslo lies here, too", []),
        ("##\u00a0## and ## Oslo ##", "Oslo is it", [0]),
    ],
)
def test_where_names_are_placed(answer, text, names):
    assert [start for start, _ in align(answer, text)] == names


CITY = "is a big city here"  # the diff pairs it with the text's end: names after it are searched


@pytest.mark.parametrize(
    ("named", "text", "places"),
    [
        ("##Oslo##", f"Oslo or Oslo : {CITY}", [0]),
        ("##Rome##, ##Oslo##", f"Oslo or Rome or Oslo, {CITY}", [8, 16]),
        ("##Rome##, ##Oslo##", f"Oslo Rome Oslo, {CITY}", [5, 10]),  # directly after
        ("##Rome##, ##Oslo##", f"and Oslo Rome {CITY}", [4, 9]),  # none after; directly before
        ("##Oslo## ##Rome## ##Oslo##", f"Oslo is Oslo, Rome. {CITY}", [0, 8, 14]),
        ("##Oslo## ##Oslo##", f"and Oslo {CITY}", [4]),
    ],
)
def test_listed_names_are_placed_at_free_occurrences(named, text, places):
    assert [start for start, _ in align(f"{CITY} {named}", text)] == places


def test_listed_name_may_directly_follow_another_or_end_the_text():
    assert aligned("##Oslo## Peru? ##Norway##", "Oslo Norway and Peru") == ["Oslo", "Norway"]
    assert aligned("Peru is where ##Norway##", "Norway, and then Peru is Norway")[0] == "Norway"
    assert align(f"{CITY} ##Rome##", f"{CITY}") == []
    assert align("##Norway## and Peru, then", "Peru, then Norway") == [(11, 17)]


def test_frequent_word_is_placed_by_its_neighbors():
    """From 200 words on, Python's difflib would skip frequent words by default."""
    words = [f"w{n}" for n in range(300)]
    words[10::50] = ["Oslo"] * 6
    copy = words.copy()
    copy[159:162] = ["x", "##Oslo##", "y"]
    text = " ".join(words)
    assert align(" ".join(copy), text) == [(start := len(" ".join(words[:160])) + 1, start + 4)]


def test_a_long_name_is_compared_letter_by_letter():
    name = " ".join(["Ostrava"] * 24)
    text = f"In Bostrava {name} one lives."
    assert aligned(f"In ##Ostrava {name}## one is.", text) == [f"Bostrava {name}"]


def test_maximum_length_of_a_marked_name():
    for length, spans in ((200, [(0, 200)]), (201, [])):
        assert strip_marks(f"##{'x' * length}##", "##")[1] == spans


def corrupt(answer, random_source):
    """Corrupt an answer at a few random places."""
    for _ in range(random_source.randint(1, 12)):
        at = random_source.randrange(len(answer) + 1)
        until = at + random_source.randint(0, 9)
        kind = random_source.randrange(6)
        piece = answer[at:until]
        piece = [
            "", piece.swapcase(), "#" * random_source.randint(1, 5) + piece, piece * 3,
            piece[::-1], random_source.choice(["\x00", "\ud800", "İ", "\n\n", "ß", "🎉", "Oslo"]),
        ][kind]  # fmt: skip
        answer = answer[:at] + piece + answer[until:]
    return answer


def test_corrupted_answers_give_valid_spans_and_most_are_found():
    random_source = random.Random(7)
    names = ("Oslo ", "Norway", "Oslofjord", "Bank of England")
    answer = TEXT
    for name in names:
        answer = answer.replace(name, f"##{name.strip()}##" + " " * name.endswith(" "))
    gold = set(align(answer, TEXT))
    assert len(gold) == 5
    kept = 0
    for _ in range(400):
        spans = align(corrupt(answer, random_source), TEXT)
        assert spans == sorted(set(spans))
        assert all(0 <= start < end <= len(TEXT) for start, end in spans)
        kept += len(gold & set(spans))
    assert kept > 400 * 5 * 0.5


@pytest.mark.parametrize(
    "answer",
    ["@" * 50_000, "@@a" * 16_000, "@@ " * 16_000, "@@" + " " * 50_000 + "@", "@@a@@ " * 8_000],
    ids=["marks", "openings", "loose", "spaces", "names"],
)
@pytest.mark.parametrize("text", ["Oslo lies in Norway.", "a " * 10_000], ids=["name", "one word"])
def test_degenerate_answers_are_aligned_quickly(answer, text):
    """Takes minutes if every split of a run of marks, or every pair of equal words, is tried."""
    began = time.process_time()
    assert all(text[slice(*span)].strip() in ("a", "") for span in align(answer, text, "@@"))
    assert time.process_time() - began < 5
