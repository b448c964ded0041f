"""Second wordings of a description, for the pair model's training."""

import random

import pytest

from ner_retriever_rag.training.judgements import Judgements
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.wordings import Wordings
from ner_retriever_rag.training.wordnet import WordNet


@pytest.fixture
def wordings(tmp_path):
    rows = [
        "  1 A line of the licence.",
        "00000001 03 n 02 car_maker 0 automaker 0 000 | a business that makes cars",
        "00000002 03 n 02 physician 0 doctor 0 000 | someone who heals",
        *(f"0000001{n} 03 n 01 star 0 000 | sense {n}" for n in range(4)),
    ]
    (tmp_path / "data.noun").write_text("\n".join(rows) + "\n")
    index = [
        "  1 A line.",
        "car_maker n 1 0 1 0 00000001",
        "automaker n 1 0 1 0 00000001",
        "physician n 1 0 1 0 00000002",
        "star n 4 0 4 0 00000010 00000011 00000012 00000013",
    ]
    (tmp_path / "index.noun").write_text("\n".join(index) + "\n")
    return Wordings(WordNet(tmp_path))


def every(wordings, description):
    return {wordings.another(description, random.Random(n)) for n in range(40)}


def test_synonyms_and_the_definition(wordings):
    assert every(wordings, "Car makers") == {
        "automaker",
        "a business",
        "a business that makes cars",
    }
    assert every(wordings, "an automaker") - {None} == {
        "car maker", "a business", "a business that makes cars"
    }  # fmt: skip


def test_modifiers_are_kept(wordings):
    assert every(wordings, "Norwegian physician") == {"norwegian doctor"}


def test_ambiguous_and_unknown_nouns_have_no_other_wording(wordings):
    assert every(wordings, "star") == every(wordings, "zorb") == every(wordings, "") == {None}


def test_some_pairs_of_a_group_get_the_second_wording(wordings):
    contexts = [MentionContext(f"Mention {n} here.", 8, 9) for n in range(8)]
    group = Judgements.of_description("physician", contexts[:4], contexts[4:])
    counts = set()
    for n in range(40):
        reworded = wordings.reworded(group, random.Random(n))
        assert reworded.fits == group.fits
        assert [c for _, c in reworded.pairs] == [c for _, c in group.pairs]
        said = [said for said, _ in reworded.pairs]
        assert len(set(said)) <= 2
        counts.add(sum(each != "physician" for each in said))
    assert 0 in counts and len(counts) > 3
