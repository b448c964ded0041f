import random

import pytest
import torch

from ner_retriever_rag.training.adapt import rival_weights
from ner_retriever_rag.training.drawing import BatchDrawer
from ner_retriever_rag.training.losses import info_nce
from ner_retriever_rag.training.neighbours import Neighbours
from ner_retriever_rag.training.pairs import (
    Hierarchy,
    MentionContext,
    MinedEntity,
    NegativeMask,
    PairSampler,
)
from ner_retriever_rag.windows import Tokens

EMPTY = Hierarchy({}, {})
SENTENCE = "Ada Quill sailed from Port Merrow to Varn and Osk with Tam Reed."


def entity(title, kind, text=SENTENCE):
    start = text.index(title)
    return MinedEntity(title, (kind,), (MentionContext(text, start, start + len(title)),))


ADA, PORT = entity("Ada Quill", "sailor"), entity("Port Merrow", "harbour town")


def beside(title, known=(ADA, PORT), text=SENTENCE):
    start = text.index(title)
    context = MentionContext(text, start, start + len(title))
    found = Neighbours(known).beside(context, title, random.Random(0))
    return [(text[n.start : n.end], n.entity and n.entity.types[0]) for n in found]


def test_a_known_and_an_unknown_neighbour():
    known, unknown = beside("Ada Quill")
    assert known == ("Port Merrow", "harbour town")
    assert unknown[0] in {"Varn", "Osk", "Tam Reed"} and unknown[1] is None


def test_lists_parts_aliases_and_opening_words_are_no_neighbours():
    assert beside("Osk", text="She saw Varn and Osk.") == []
    assert beside("Quill", text="Ada Quill met no one.") == []
    assert beside("Ada Quill", text="Ada Quill slept by Red Ada.") == []
    assert beside("Ada", text="Ada is known as Lo Red.") == []
    assert beside("Port Merrow", text="Yesterday in Port Merrow it rained.") == []


@pytest.fixture
def drawer():
    def tokenize(texts):
        return [Tokens(torch.zeros(len(t.split())).numpy(), torch.zeros(0, 2)) for t in texts]

    return BatchDrawer(
        [ADA, PORT], [1.0, 1.0], lambda rng: PairSampler(EMPTY, rng), tokenize,
        batch=2, types=5, width=200, neighbours=Neighbours([ADA, PORT]),
    )  # fmt: skip


def test_a_batch_is_a_function_of_its_step_and_has_as_many_descriptions_as_asked(drawer):
    first = drawer.at(3)
    drawer.at(40)
    again = drawer.at(3)
    assert first.spans == again.spans and first.queries == again.queries
    assert len(first.queries) == 5 and len(first.texts) == 2
    assert len(first.spans) == len(first.entities) + len(first.rivals)
    assert all(pairs for pairs in first.rival_pairs)


def test_rivals_count_where_they_can_be_told_to_be_of_another_type(drawer):
    batch = drawer.at(0)
    weights = rival_weights(batch, NegativeMask(EMPTY), unknown=0.3)
    assert weights.shape == (len(batch.rivals), len(batch.entities))
    for row, (rival, pairs) in enumerate(zip(batch.rivals, batch.rival_pairs, strict=True)):
        for column, paired in enumerate(batch.entities):
            if rival is None:
                expected = 0.3 if column in pairs else 0.0
            else:
                expected = float(rival.title != paired.title)
            assert weights[row, column] == pytest.approx(expected)


def test_a_rival_near_a_type_costs_by_its_weight():
    eye = torch.eye(3)
    plain = info_nce(eye, eye)
    near = eye[:1]
    losses = [
        info_nce(eye, eye, rivals=near, rival_weight=torch.tensor([[weight, 0.0, 0.0]]))
        for weight in (0.0, 0.3, 1.0)
    ]
    assert losses[0] == pytest.approx(float(plain))
    assert losses[0] < losses[1] < losses[2]
