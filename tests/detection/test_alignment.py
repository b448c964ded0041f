"""Marked copies, faithful and not, back to spans of the text."""

import random
import time

import pytest

from ner_retriever_rag.detection.alignment import MARKS, align, mark_for, take_out_marks

TEXT = "Oslo is the capital of Norway, and Oslo lies on the Oslofjord, says the Bank of England."


def found(answer, text=TEXT, mark="##"):
    return [text[start:end] for start, end in align(answer, text, mark)]


def test_a_faithful_copy():
    answer = TEXT.replace("Oslo ", "##Oslo## ").replace("Norway", "##Norway##")
    assert align(answer, TEXT) == [(0, 4), (23, 29), (35, 39)]


def test_marks_inside_a_word_and_in_scripts_without_spaces():
    assert found("##New York##ers walk.", "New Yorkers walk.") == ["New York"]
    assert found("##東京##は##日本##の首都です。", "東京は日本の首都です。") == ["東京", "日本"]
    assert found("##東京## は##日本##の都です。", "東京は日本の首都です。") == ["東京", "日本"]
    assert found("##Zurich## and ##łódź##", "Zürich and Łódź, too") == ["Zürich", "Łódź"]


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        # chatter before and after
        (f"Sure! Here:\n\n{TEXT.replace('Norway', '##Norway##')}\n\nAnything else?", ["Norway"]),
        # case changed, words dropped, others put in
        ("oslo is capital of ##NORWAY##, so Oslo is on ##oslofjord##.", ["Norway", "Oslofjord"]),
        # the name itself mended or shortened
        (TEXT.replace("Bank of England", "##Bank England##"), ["Bank of England"]),
        (TEXT.replace("Oslofjord", "##Oslofjorden##"), ["Oslofjord"]),
        # a list instead of a copy; the second Oslo is the second one of the text
        ("##Oslo##\n##Norway##\n##Oslo##", ["Oslo", "Norway", "Oslo"]),
        ("Norway: ##Norway##. Capital: ##Oslo##. Also ##Oslo##", ["Oslo", "Norway", "Oslo"]),
        # names that are not there
        ("##Paris## is the capital of ##France##", []),
        (TEXT.replace("Norway", "##Sweden##"), []),
        # spaces on the inner side, all through
        (TEXT.replace("Norway", "## Norway ##"), ["Norway"]),
        # a mark left open does not swallow the next name
        (TEXT.replace("Oslo is", "##Oslo is").replace("Norway", "##Norway##"), ["Norway"]),
        (TEXT.replace("Norway", "###Norway####"), ["Norway"]),
        # punctuation caught in the mark
        (TEXT.replace("Norway,", "##Norway,##"), ["Norway"]),
        # nothing of use
        ("", []), ("##", []), ("####", []), ("## ##", []), ("##,##", []), ("#" * 5_000, []),
        ("I cannot help with that.", []),
        (f"##{TEXT * 9}##", []),
    ],
)  # fmt: skip
def test_unfaithful_copies(answer, names):
    assert found(answer) == names


def test_space_around_the_copy_shifts_nothing():
    assert align("##Oslo## lies here", "\n  Oslo lies here ") == [(3, 7)]
    assert align("\n ##Oslo## lies here", "Oslo lies here") == [(0, 4)]


def test_the_mark_is_one_the_text_does_not_hold():
    assert mark_for("plain") == "##"
    assert mark_for("## Heading, and C#") == "@@"
    assert mark_for("".join(MARKS)) == "##"
    assert found("@@C#@@ and ## Heading", "C# and ## Heading", "@@") == ["C#"]


def test_marks_are_taken_out():
    assert take_out_marks("a ##b c## d ##e", "##") == ("a b c d e", [(2, 5)])


@pytest.mark.parametrize(
    ("answer", "text", "names"),
    [
        # of two places the one the diff says, though the words beside it differ
        ("in New York one said ##New York## is big", "In New York one says New York is big.", [21]),
        # half of a name is paired; what is there instead is another name
        ("Is ##Bank Scotland## here", "Is Bank England here", []),
        # altered names at the very beginning and end
        ("##Oslofjorden## is so long", "Oslofjord is long", [0]),
        ("now he swims in ##Oslofjorden##", "he swims in Oslofjord", [12]),
        # four letters of five are alike enough
        ("in ##Bernx## now", "in Berne now", [3]),
        # accents of names too short to look alike otherwise
        ("from ##O## till ##A##", "from Ö to Å", [5, 10]),
        # no word is marked, and the next mark still counts
        ("##\u00a0## Oslo is here", "Oslo lies here, too", []),
        ("##\u00a0## and ## Oslo ##", "Oslo is it", [0]),
    ],
)
def test_where_names_are_put(answer, text, names):
    assert [start for start, _ in align(answer, text)] == names


CITY = "is a big city here"  # a copy that begins with it has its names only where the diff is done


@pytest.mark.parametrize(
    ("named", "text", "places"),
    [
        ("##Oslo##", f"Oslo or Oslo : {CITY}", [0]),
        ("##Rome##, ##Oslo##", f"Oslo or Rome or Oslo, {CITY}", [8, 16]),
        ("##Rome##, ##Oslo##", f"Oslo Rome Oslo, {CITY}", [5, 10]),  # right behind
        ("##Rome##, ##Oslo##", f"and Oslo Rome {CITY}", [4, 9]),  # none behind; right before
        ("##Oslo## ##Rome## ##Oslo##", f"Oslo is Oslo, Rome. {CITY}", [0, 8, 14]),
        ("##Oslo## ##Oslo##", f"and Oslo {CITY}", [4]),
    ],
)
def test_names_that_are_only_listed_go_to_free_places(named, text, places):
    assert [start for start, _ in align(f"{CITY} {named}", text)] == places


def test_a_listed_name_may_follow_another_at_once_and_end_the_text():
    assert found("##Oslo## Peru? ##Norway##", "Oslo Norway and Peru") == ["Oslo", "Norway"]
    assert found("Peru is where ##Norway##", "Norway, and then Peru is Norway")[0] == "Norway"
    assert align(f"{CITY} ##Rome##", f"{CITY}") == []
    assert align("##Norway## and Peru, then", "Peru, then Norway") == [(11, 17)]


def test_a_word_that_is_everywhere_is_placed_by_its_neighbours():
    """From 200 words on Python's diff would skip frequent ones."""
    words = [f"w{n}" for n in range(300)]
    words[10::50] = ["Oslo"] * 6
    copy = words.copy()
    copy[159:162] = ["x", "##Oslo##", "y"]
    text = " ".join(words)
    assert align(" ".join(copy), text) == [(start := len(" ".join(words[:160])) + 1, start + 4)]


def test_a_long_name_is_compared_letter_by_letter():
    name = " ".join(["Ostrava"] * 24)
    text = f"In Bostrava {name} one lives."
    assert found(f"In ##Ostrava {name}## one is.", text) == [f"Bostrava {name}"]


def test_how_much_a_mark_may_hold():
    for length, spans in ((200, [(0, 200)]), (201, [])):
        assert take_out_marks(f"##{'x' * length}##", "##")[1] == spans


def corrupted(answer, random_source):
    """An answer with a few random things done to it."""
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


def test_whatever_happens_to_the_answer_spans_stay_in_the_text_and_most_are_found():
    random_source = random.Random(7)
    names = ("Oslo ", "Norway", "Oslofjord", "Bank of England")
    answer = TEXT
    for name in names:
        answer = answer.replace(name, f"##{name.strip()}##" + " " * name.endswith(" "))
    gold = set(align(answer, TEXT))
    assert len(gold) == 5
    kept = 0
    for _ in range(400):
        spans = align(corrupted(answer, random_source), TEXT)
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
def test_any_answer_is_aligned_in_time_that_grows_with_it(answer, text):
    """Minutes, where every way to share out a run, or every pair of equal words, is tried."""
    began = time.process_time()
    assert all(text[slice(*span)].strip() in ("a", "") for span in align(answer, text, "@@"))
    assert time.process_time() - began < 5
