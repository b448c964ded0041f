"""Grouping mentions by entity, on vectors of two directions."""

import numpy as np
import pytest

from ner_retriever_rag.index.decisions import Decisions, check_names
from ner_retriever_rag.index.joining import join

HERE, THERE = (1.0, 0.0), (0.0, 1.0)


def grouped(*mentions, people=False, decisions=None):
    """Return the sets of names (with their documents) that are joined into one entity."""
    names = [name for name, _, _ in mentions]
    documents = np.array([document for _, document, _ in mentions])
    vectors = np.array([vector for *_, vector in mentions], dtype=np.float32)
    people = np.full(len(names), float(people), dtype=np.float32)
    found = join(names, documents, vectors, people, decisions)
    assert sorted(n for group in found for n in group) == list(range(len(names)))
    return {frozenset((names[n], int(documents[n])) for n in group) for group in found}


def one_group(*mentions):
    return {frozenset(mentions)}


def test_names_across_documents_are_joined_if_vectors_agree():
    apple = ("Apple Inc.", 0, HERE), ("Apple", 1, HERE), ("Apple", 2, THERE)
    assert grouped(*apple) == {
        frozenset({("Apple Inc.", 0), ("Apple", 1)}),
        frozenset({("Apple", 2)}),
    }
    spelled = ("U.S.", 0, HERE), ("U. S.", 1, HERE), ("Ægir", 1, HERE), ("Aegir", 2, HERE)
    assert grouped(*spelled) == {
        frozenset({("U.S.", 0), ("U. S.", 1)}),
        frozenset({("Ægir", 1), ("Aegir", 2)}),
    }


def test_people_of_one_name_in_different_contexts_stay_separate():
    jordans = ("Michael Jordan", 0, HERE), ("Michael Jordan", 1, HERE), ("Michael Jordan", 2, THERE)
    assert len(grouped(*jordans, people=True)) == 2


def test_short_forms_are_joined_to_the_only_full_name_of_their_document():
    full = ("John T. Doe", 0, HERE)
    assert grouped(full, ("J. Doe", 0, HERE), ("Doe", 0, HERE), people=True) == one_group(
        ("John T. Doe", 0), ("J. Doe", 0), ("Doe", 0)
    )
    # They stay separate if not a person, with another vector, or with two full names that fit.
    assert len(grouped(full, ("Doe", 0, HERE), people=False)) == 2
    assert len(grouped(full, ("Doe", 0, THERE), people=True)) == 2
    assert len(grouped(full, ("Jane Doe", 0, HERE), ("Doe", 0, HERE), people=True)) == 3


def test_surname_is_joined_to_the_only_person_who_has_it():
    full, alone = ("John T. Doe", 0, HERE), ("Doe", 1, HERE)
    assert grouped(full, alone, people=True) == one_group(("John T. Doe", 0), ("Doe", 1))
    # But not a first name, a non-person, in another context, or a surname of two people.
    assert len(grouped(full, ("John", 1, HERE), people=True)) == 2
    assert len(grouped(full, alone, people=False)) == 2
    assert len(grouped(full, ("Doe", 1, THERE), people=True)) == 2
    assert len(grouped(full, ("Jane Doe", 2, HERE), alone, people=True)) == 3
    split = Decisions().with_split(["Doe", "John T. Doe"])
    assert len(grouped(full, alone, people=True, decisions=split)) == 2


def test_different_middle_names_keep_people_separate():
    names = ("John Doe", 0, HERE), ("John T. Doe", 1, HERE), ("John F. Doe", 2, HERE)
    assert frozenset({("John T. Doe", 1), ("John F. Doe", 2)}) not in grouped(*names, people=True)
    assert len(grouped(*names, people=True)) == 2


def test_decisions_override_the_rules():
    big = ("Big Blue", 0, HERE), ("IBM", 1, THERE)
    assert len(grouped(*big)) == 2
    merged = Decisions().with_merged(["IBM", "Big Blue"])
    assert grouped(*big, decisions=merged) == one_group(("Big Blue", 0), ("IBM", 1))
    apple = ("Apple Inc.", 0, HERE), ("Apple", 1, HERE)
    split = Decisions().with_split(["Apple", "APPLE INC"])
    assert len(grouped(*apple)) == 1 and len(grouped(*apple, decisions=split)) == 2
    # A single merged name: its contexts do not matter.
    jordans = ("Michael Jordan", 0, HERE), ("Michael Jordan", 1, THERE)
    assert len(grouped(*jordans, decisions=Decisions().with_merged(["Michael Jordan"]))) == 1


def test_later_decisions_override_earlier_ones():
    merged = Decisions().with_merged(["A", "B"]).with_merged(["b", "C"])
    assert merged.merged == (("A", "B", "C"),)
    split = merged.with_split(["A", "C"])
    assert split.are_split(["a"], ["c"]) and split.groups.keys() == {"a", "b"}
    again = split.with_merged(["A", "C"])
    assert not again.are_split(["a"], ["c"]) and again.groups.keys() == {"a", "b", "c"}
    assert again.without(["A", "B"]) == Decisions()
    alone = Decisions().with_merged(["D"])
    assert alone.without(["A"]) == alone and alone.without(["D"]) == Decisions()
    with pytest.raises(ValueError, match="at least 2 names that are not spellings of one"):
        check_names(["U.S.", "U. S."], 2)
    with pytest.raises(TypeError, match="names must be a string"):
        check_names([3], 1)
