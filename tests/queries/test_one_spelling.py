"""Which names may be of one entity, by the names alone."""

import pytest

from ner_retriever_rag.queries.same_name import (
    is_short_form,
    is_without_kind,
    spelling,
    why_one,
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
    assert why_one(one, other) == "spelling"


@pytest.mark.parametrize(
    ("with_it", "name"),
    [
        ("Apple Inc.", "Apple"), ("Siemens AG", "Siemens"),
        ("Lumenary Holdings, Ltd.", "Lumenary Holdings"),
        ("Équipements Dupont S.A.", "equipements dupont"), ("Foo Co., Ltd.", "Foo"),
    ],
)  # fmt: skip
def test_legal_forms(with_it, name):
    assert without_legal_form(with_it) == spelling(name)
    assert why_one(with_it, name) == why_one(name, with_it) == "legal form"


def test_what_is_no_legal_form_stays():
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
def test_short_forms(short, full):
    assert is_short_form(short, full) and not is_short_form(full, short)
    assert why_one(short, full) == "short form"


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("John Doe", "John Doe Jr."), ("Jane Doe", "John Doe"), ("F. Doe", "John T. Doe"),
        ("Doe", "Doe"), ("England", "Bank of England"), ("T.", "John T. Doe"),
        ("doe", "John Doe"), ("Doe", "The"), ("The", "John Doe"),
    ],
)  # fmt: skip
def test_what_is_no_short_form(short, full):
    assert not is_short_form(short, full)


def test_words_for_a_kind():
    assert is_without_kind("Nile", "Nile River") and is_without_kind("Victoria", "Lake Victoria")
    assert not is_without_kind("Nile", "Nile Blue") and not is_without_kind("River", "Nile River")
    assert why_one("Nile River", "the Nile") == "word for its kind"
    assert why_one("Oslo", "Bergen") is None
