"""Hard negatives from an encoder's rankings, as pairs for the pair model."""

import random

import pytest

from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
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
