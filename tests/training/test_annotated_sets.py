"""Annotated sets of many domains, as training data for the detector and the pair model."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from ner_retriever_rag.encoder.span_head import Words
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.training.annotated import AnnotatedSentence
from ner_retriever_rag.training.annotated_sets import (
    join_lines,
    lay_out,
    read_folders,
    read_sets,
    sample_passages,
    split_passages,
)
from ner_retriever_rag.training.judgements import predicate, shortened, varied
from ner_retriever_rag.training.label_judgements import LabelSource
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.train_detector import targets


def typed(text: str, *names: tuple[str, str]) -> TypedText:
    return TypedText(
        text, tuple((text.index(n), text.index(n) + len(n), label) for n, label in names)
    )


def marked(row: TypedText) -> list[str]:
    return [row.text[start:end] for start, end, _ in row.mentions]


def test_titles_are_separated_and_wrapped_lines_joined():
    titled = join_lines(typed("Roald Amundsen\nHe reached the South Pole.", ("Amundsen", "p")))
    assert titled.text == "Roald Amundsen | He reached the South Pole."
    wrapped = "\n".join(
        [
            "The expedition reached the pole in December of that year, and Roald",
            "Amundsen wrote to the king about it from the harbour of Hobart, some",
            "months later. The ship was then on its way to Buenos Aires, where it",
            "lay for repairs.",
        ]
    )
    joined = join_lines(typed(wrapped, ("Roald\nAmundsen", "p"), ("Buenos Aires", "l")))
    assert "\n" not in joined.text and "|" not in joined.text
    assert marked(joined) == ["Roald Amundsen", "Buenos Aires"]


def test_passages_keep_the_mentions_inside_them():
    text = "Alice met Bob in Rome. " * 40
    row = TypedText(text, tuple((i, i + 5, "p") for i in range(0, len(text), 23)))
    pieces = list(split_passages(row, 100))
    assert all(name == "Alice" for piece in pieces for name in marked(piece))
    assert sum(len(piece.mentions) for piece in pieces) == 40


def test_layouts_keep_every_mention():
    rng = random.Random(0)
    text = "Alice met Bob in Rome."
    plain = [AnnotatedSentence(text, ((0, 5), (10, 13), (17, 21)), partial=True)] * 60
    made = lay_out(plain, rng)
    assert any(" | " in each.text for each in made)
    for sentence in made:
        for start, end in sentence.mentions:
            assert sentence.text[start:end] in ("Alice", "Bob", "Rome")


def test_unmarked_spans_of_a_sparse_set_are_weak_evidence_or_none():
    text = "the malware Anubis steals money from Bob"
    words = Words(text)
    target = targets(AnnotatedSentence(text, ((12, 18),), partial=True), words, 3)
    assert target[2, 0] == 1  # Anubis
    assert target[1, 1] == 0  # malware Anubis: overlaps what is marked
    assert target[4, 0] == 3  # money
    assert target[6, 0] == -1  # Bob: a name that the guideline may not cover
    whole = targets(AnnotatedSentence(text, ((12, 18),)), words, 3)
    assert whole[4, 0] == whole[6, 0] == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {
            "id": str(n),
            "text": f"Please fly from Oslo to Rome on flight SK{n}.",
            "mentions": [
                {"start": 16, "end": 20, "type": "from"},
                {"start": 24, "end": 28, "type": "to"},
                {"start": 39, "end": 41 + len(str(n)), "type": "code"},
            ],
        }
        for n in range(30)
    ]
    for name in ("flights", "others"):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
    names = {"from": "place of departure", "to": "destination", "code": "flight number"}
    (tmp_path / "names.json").write_text(json.dumps({"flights": names, "others": names}))
    (tmp_path / "excluded.json").write_text(json.dumps({"flights": ["code"]}))
    return tmp_path


def test_sets_are_read_without_the_names_of_excluded_labels(folder):
    flights, others = read_sets(folder, sparse=["others"])
    assert flights.names == {"from": "place of departure", "to": "destination"}
    assert len(others.names) == 3 and others.sparse and not flights.sparse
    assert len(flights.texts[0].mentions) == 3
    assert [each.name for each in read_folders([Path(f"others@{folder}")])] == ["others"]


def test_sampled_passages_have_the_requested_length(folder):
    (flights, _) = read_sets(folder)
    some = sample_passages(flights, 400, random.Random(0))
    assert 5 <= len(some) <= 20


def test_labels_are_contrasted_with_others_of_their_guideline(folder):
    sets = read_sets(folder)
    names = sorted({n for each in sets for n in each.names.values()})
    vectors = dict(zip(names, np.eye(len(names), dtype=np.float32), strict=True))
    source = LabelSource(sets, vectors, 3)
    right = {"Oslo": "departure", "Rome": "destination", "SK": "flight number"}
    ways = set()
    for n in range(60):
        drawn = source.draw(random.Random(n))
        assert any(drawn.fits) and not all(drawn.fits)
        of_mention = len({said for said, _ in drawn.pairs}) > 1
        assert not of_mention or (drawn.fits[0] and not any(drawn.fits[1:]))
        ways.add(of_mention)
        for (said, context), fits in zip(drawn.pairs, drawn.fits, strict=True):
            mention = context.text[context.start : context.end]
            wanted = next(words for start, words in right.items() if mention.startswith(start))
            assert (wanted in said.lower() or f"{wanted}s" in said.lower()) == fits
    assert ways == {True, False}  # one mention with descriptions, or one description with mentions


def test_detected_spans_without_a_label_are_negatives_of_the_guideline(folder):
    sets = read_sets(folder)[:1]
    vectors = {"place of departure": np.eye(2)[0], "destination": np.eye(2)[1]}

    def found(texts):
        return [[(0, 3)] for _ in texts]

    source = LabelSource(sets, vectors, 8, found)
    starts = {pieces[0].text[:3] for _, pieces, _, _ in source._passages}
    wrong = [
        context.text[context.start : context.end]
        for n in range(40)
        for drawn in [source.draw(random.Random(n))]
        for (_, context), fits in zip(drawn.pairs, drawn.fits, strict=True)
        if not fits
    ]
    assert starts & set(wrong)


def test_predicate_of_a_definition_becomes_a_description():
    text = "Haloperidol is a typical antipsychotic used to treat schizophrenia. It is old."
    said = predicate(MentionContext(text, 0, 11, "definition"))
    assert said == "typical antipsychotic used to treat schizophrenia"
    cuts = {shortened(said, random.Random(n)) for n in range(20)}
    assert cuts == {said, "typical antipsychotic"}


def test_description_is_varied():
    forms = {varied("metal band", random.Random(n)) for n in range(200)}
    assert forms == {"metal band", "metal bands", "a metal band", "Metal band"}


def test_error_for_an_empty_folder_names_the_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"names\.json"):
        read_sets(tmp_path)
