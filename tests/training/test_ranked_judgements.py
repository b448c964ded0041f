"""Hard negatives from an encoder's rankings, and identifiers, as pairs for the pair model."""

import gzip
import random

import pytest

from ner_retriever_rag.detection.patterns import IDENTIFIERS, find_patterns
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.identifier_judgements import IdentifierSource, paragraphs_of
from ner_retriever_rag.training.ranked_judgements import RankedSource

NAMES = {"river": "river", "person": "person", "dish": "dish of food"}


def marked(text: str, **labels: str) -> TypedText:
    mentions = [
        (text.index(word), text.index(word) + len(word), label) for label, word in labels.items()
    ]
    return TypedText(text, mentions)


TEXTS = [
    marked("Ada Lovelace sailed down the Thames.", person="Ada Lovelace", river="Thames"),
    marked("The Rhine was painted by Anna Boch.", person="Anna Boch", river="Rhine"),
    marked("In Oslo, Edvard Grieg crossed the Danube.", person="Edvard Grieg", river="Danube"),
    marked("Marie Curie ate goulash in Basel.", person="Marie Curie", dish="goulash"),
]


def source(encoder, *, sparse: bool) -> RankedSource:
    vectors = dict(zip(NAMES.values(), encoder.encode_types(list(NAMES.values())), strict=True))
    return RankedSource(encoder, [AnnotatedSet("set", TEXTS, sparse, NAMES)], vectors, 6)


@pytest.mark.parametrize("sparse", [False, True])
def test_best_mentions_are_judged_by_the_annotation(shipped_encoder, sparse):
    ranked = source(shipped_encoder, sparse=sparse)
    label_of = {
        (each.text[start:end]): NAMES[label]
        for each in TEXTS
        for start, end, label in each.mentions
    }
    unmarked = set()
    for n in range(100):
        drawn = ranked.draw(random.Random(n))
        assert any(drawn.fits) and not all(drawn.fits) and len(drawn.pairs) <= 6
        for (said, context), fits in zip(drawn.pairs, drawn.fits, strict=True):
            word = context.text[context.start : context.end].removeprefix("The ")
            if word in label_of:
                kind = next(name for name in NAMES.values() if name[:2] in said.lower())  # people
                assert fits == (label_of[word] == kind)
            else:
                assert not fits
                unmarked.add(word)
    assert bool(unmarked & {"Oslo", "Basel"}) is not sparse


def test_sets_without_negatives_are_refused(shipped_encoder):
    only = [AnnotatedSet("set", TEXTS[:1], True, {"river": "river"})]
    vectors = dict(zip(["river"], shipped_encoder.encode_types(["river"]), strict=True))
    with pytest.raises(ValueError, match="right and wrong"):
        RankedSource(shipped_encoder, only, vectors, 6)


TECHNICAL = [
    f"Pass --no-cache-{n} to Basel or mail user{n}@acme.org if 10.0.0.{n} fails." for n in range(9)
]


def test_identifiers_are_contrasted_with_other_kinds_and_other_mentions():
    def detect(texts):
        return [[(text.index("Basel"), text.index("Basel") + 5), (0, 4)] for text in texts]

    drawn_from = IdentifierSource([*TECHNICAL, "Nothing here."], detect, 6)
    for n in range(100):
        drawn = drawn_from.draw(random.Random(n))
        assert len(drawn.pairs) == 6 and any(drawn.fits) and not all(drawn.fits)
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


def test_environment_variables_are_shown_as_shells_refer_to_them():
    texts = [f"Set LIB_{n}_PATH, ${{HOME}} or %TEMP% in Basel." for n in "ABCDEF"]
    drawn_from = IdentifierSource([*texts, *TECHNICAL], lambda some: [[(0, 4)] for _ in some], 6)
    said_of: dict[str, set[str]] = {"environment variable": set(), "constant": set()}
    for n in range(300):
        drawn = drawn_from.draw(random.Random(n))
        for (said, context), fits in zip(drawn.pairs, drawn.fits, strict=True):
            name = next((name for name in said_of if name in said.lower()), None)
            if fits and name:
                said_of[name].add(context.text[context.start : context.end])
    assert {"$LIB_A_PATH", "${HOME}", "%TEMP%"} <= said_of["environment variable"]
    assert all(each[0] in "$%" for each in said_of["environment variable"])
    assert "LIB_A_PATH" in said_of["constant"]


def test_texts_without_identifiers_are_refused():
    with pytest.raises(ValueError, match="too few identifiers"):
        IdentifierSource(["Nothing here."], lambda texts: [[] for _ in texts], 6)


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
