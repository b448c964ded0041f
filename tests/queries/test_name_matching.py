"""Which names may refer to one entity, by the names alone."""

import pytest

from ner_retriever_rag.queries.name_matching import (
    is_short_form,
    lacks_kind_word,
    match_reason,
    spelling,
    without_legal_form,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("U.S.", "U. S."), ("Ægir", "Aegir"), ("Røros", "roros"), ("the Beatles", "Beatles’"),
        ("Müller", "MULLER"), ("J.R.R. Tolkien", "J. R. R. Tolkien"), ("Straße", "Strasse"),
    ],
)  # fmt: skip
def test_spellings_of_one_name(one, other):
    assert spelling(one) == spelling(other)
    assert match_reason(one, other) == "spelling"


@pytest.mark.parametrize(
    ("with_it", "name"),
    [
        ("Apple Inc.", "Apple"), ("Siemens AG", "Siemens"),
        ("Lumenary Holdings, Ltd.", "Lumenary Holdings"),
        ("Équipements Dupont S.A.", "equipements dupont"), ("Foo Co., Ltd.", "Foo"),
    ],
)  # fmt: skip
def test_legal_forms_are_removed(with_it, name):
    assert without_legal_form(with_it) == spelling(name)
    assert match_reason(with_it, name) == match_reason(name, with_it) == "legal form"


def test_other_words_are_not_removed_as_legal_forms():
    assert without_legal_form("limited edition") == "limited edition"
    assert without_legal_form("Inc.") == "inc"


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("J. Doe", "John T. Doe"), ("Doe", "John T. Doe"), ("John Doe", "John T. Doe"),
        ("J. Doe", "John Doe"), ("Mr. Doe", "John Doe"), ("Doe's", "John Doe"),
        ("Elvis", "Elvis Presley"), ("Doe", "John Doe Jr."), ("J. T. Doe", "John Thomas Doe"),
    ],
)  # fmt: skip
def test_short_forms_are_recognized(short, full):
    assert is_short_form(short, full) and not is_short_form(full, short)
    assert match_reason(short, full) == "short form"


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("John Doe", "John Doe Jr."), ("Jane Doe", "John Doe"), ("F. Doe", "John T. Doe"),
        ("Doe", "Doe"), ("England", "Bank of England"), ("T.", "John T. Doe"),
        ("doe", "John Doe"), ("Doe", "The"), ("The", "John Doe"),
    ],
)  # fmt: skip
def test_other_names_are_not_short_forms(short, full):
    assert not is_short_form(short, full)


def test_words_for_the_kind_may_be_missing():
    assert lacks_kind_word("Nile", "Nile River") and lacks_kind_word("Victoria", "Lake Victoria")
    assert not lacks_kind_word("Nile", "Nile Blue") and not lacks_kind_word("River", "Nile River")
    assert match_reason("Nile River", "the Nile") == "word for its kind"
    assert match_reason("Oslo", "Bergen") is None
