"""Kinds told by form, role or dictionary, as pairs for the pair model."""

import gzip
import random

import numpy as np
import pytest

from ner_retriever_rag.detection.patterns import IDENTIFIERS, find_patterns
from ner_retriever_rag.training.dictionaries import read_dictionaries, terms_in
from ner_retriever_rag.training.identifiers import identifiers_in, paragraphs_of
from ner_retriever_rag.training.occurrences import Kind, OccurrenceSource, occurrences
from ner_retriever_rag.training.roles import roles_in

TECHNICAL = [
    f"Pass --no-cache-{n} to Basel or mail user{n}@acme.org if 10.0.0.{n} fails." for n in range(9)
]


def words_of(text):
    """Every word but "and" as a mention."""
    spans, place = [], 0
    for word in text.split():
        start = text.index(word, place)
        place = start + len(word)
        if word != "and":
            spans.append((start, start + len(word.strip(".,;"))))
    return spans


def detect(texts):
    return [words_of(text) for text in texts]


def said_of(found):
    """The texts of a kind's occurrences."""
    mentions = [each.mention for each in found.occurrences]
    return {mention.text[mention.start : mention.end] for mention in mentions}


def distinct(descriptions, at={}):  # noqa: B006 (numbers the descriptions of all calls)
    rows = [at.setdefault(each, len(at)) for each in descriptions]
    return np.eye(200, dtype=np.float32)[rows]


def test_identifiers_are_contrasted_with_other_kinds_and_other_mentions():
    drawn_from = OccurrenceSource(identifiers_in([*TECHNICAL, "Nothing."], detect), distinct, 6)
    forms = set()
    for n in range(200):
        drawn = drawn_from.draw(random.Random(n))
        assert len(drawn.pairs) >= 3 and any(drawn.fits) and not all(drawn.fits)
        mentions = {context for _, context in drawn.pairs}
        forms.add(len(mentions) == 1)
        if len(mentions) == 1:  # a mention with descriptions
            continue
        (kind,) = {
            found.kind
            for (_, context), fits in zip(drawn.pairs, drawn.fits, strict=True)
            if fits
            for found in find_patterns(context.text, IDENTIFIERS)
            if (found.start, found.end) == (context.start, context.end)
        }
        for (_, context), fits in zip(drawn.pairs, drawn.fits, strict=True):
            found = {(f.start, f.end): f.kind for f in find_patterns(context.text, IDENTIFIERS)}
            assert fits == (found.get((context.start, context.end)) == kind)
    assert forms == {True, False}


def test_environment_variables_are_shown_as_shells_refer_to_them():
    texts = [f"Set LIB_{n}_PATH, ${{HOME}} or %TEMP% in Basel." for n in "ABCDEF"]
    kinds = identifiers_in(texts, detect)
    assert {"$LIB_A_PATH", "${HOME}", "%TEMP%"} <= said_of(kinds["environment variable"])
    assert all(each[0] in "$%" for each in said_of(kinds["environment variable"]))
    assert "LIB_A_PATH" in said_of(kinds["variable"])
    assert "variable" in kinds["environment variable"].kindred
    assert "flag" not in kinds["environment variable"].kindred


def test_texts_with_fewer_than_two_kinds_are_refused():
    with pytest.raises(ValueError, match="no two unlike kinds"):
        OccurrenceSource(identifiers_in(["Nothing here."], detect), distinct, 6)


def test_kinds_with_similar_descriptions_are_not_negatives():
    texts = ["Berg runs.", "Aare flows.", "Rhine flows."]
    kinds = {
        name: Kind((name,), frozenset(), occurrences(text, [(0, text.index(" "))], []))
        for name, text in zip(["person", "river", "stream"], texts, strict=True)
    }
    vectors = {"person": [1, 0], "river": [0, 1], "stream": [0.6, 0.8]}

    def encode(names):
        return np.array([vectors[name] for name in names], dtype=np.float32)

    source = OccurrenceSource(kinds, encode, 3)
    for n in range(60):
        drawn = source.draw(random.Random(n))
        said = {each.lower().removeprefix("a ").removesuffix("s") for each, _ in drawn.pairs}
        texts = {context.text for _, context in drawn.pairs}
        assert not ({"river", "stream"} <= said or {"Aare flows.", "Rhine flows."} <= texts)


def test_roles_are_told_by_the_words_before_a_mention():
    texts = [
        "The firm was founded by Berg and Lund in Oslo.",
        "She was born in Bergen while he was born in June of that year.",
        "Tables like these are made of an oak, steel and glass in Bergen.",
        "Nothing of the kind is said in this sentence about Bergen.",
    ]
    kinds = roles_in(texts, detect)
    assert said_of(kinds["founder"]) == {"Berg", "Lund"}
    assert said_of(kinds["birthplace"]) == {"Bergen"}
    assert said_of(kinds["material"]) == {"oak", "steel", "glass"}
    assert {each for each, kind in kinds.items() if kind.occurrences} == {
        "founder", "birthplace", "material"
    }  # fmt: skip
    (berg, _) = kinds["founder"].occurrences
    others = {other.text[other.start : other.end] for other in berg.others}
    assert "Oslo" in others and not others & {"Berg", "Lund"}
    assert "inventor" in kinds["founder"].kindred


def test_terms_of_dictionaries_are_found_in_running_text(tmp_path):
    file = tmp_path / "terms.json"
    file.write_text(
        '{"drug | medication": ["Ramipril", "acid"], "job": ["weaver", "music teacher", "acid"]}'
    )
    terms = read_dictionaries(file)
    assert terms["drug", "medication"] == {"ramipril", "acid"}
    kinds = terms_in(
        ["We gave ramipril to two weavers.", "Ms Weaver, a music teacher, likes acid."], terms
    )
    assert said_of(kinds["drug"]) == {"ramipril"}  # "acid" is ambiguous
    assert said_of(kinds["job"]) == {"weavers", "music teacher"}  # "Weaver" is a name


@pytest.mark.parametrize("content", ["[]", '{"drug": "ramipril"}'])
def test_other_json_is_refused_as_a_dictionary(tmp_path, content):
    file = tmp_path / "terms.json"
    file.write_text(content)
    with pytest.raises(ValueError, match="expected an object like"):
        read_dictionaries(file)


def test_paragraphs_of_a_folder_are_sampled(tmp_path):
    long = "The option --verbose prints what is being done, and --quiet prints nothing at all."
    (tmp_path / "changes").write_text(f"{long}\n\nshort\n\n.{long}\n\n{long} Again.")
    (tmp_path / "binary").write_bytes(b"\0" + long.encode())
    (tmp_path / "copyright").write_text(f"{long} Copyright.")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "manual.gz").write_bytes(gzip.compress(f"{long} Zipped.".encode()))
    (tmp_path / "not.gz").write_text(long)
    found = paragraphs_of(tmp_path, random.Random(0))
    assert sorted(found) == [long, f"{long} Again.", f"{long} Zipped."]
    assert len(paragraphs_of(tmp_path, random.Random(0), count=2)) == 2
