"""Marked copies, faithful and not, back to spans of the text."""

import random

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
