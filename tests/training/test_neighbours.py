import random

import pytest
import torch

from ner_retriever_rag.encoder.backbone.windows import Tokens
from ner_retriever_rag.training.batches import BatchDrawer
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MentionContext, MinedEntity
from ner_retriever_rag.training.neighbours import Neighbours
from ner_retriever_rag.training.pairs import PairSampler

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


def test_known_names_beside_a_mention():
    assert beside("Ada Quill") == [("Port Merrow", "harbour town")]
    assert beside("Port Merrow") == [("Ada Quill", "sailor")]
    assert beside("Tam Reed", known=(PORT,)) == [("Port Merrow", "harbour town")]


def test_parts_of_a_name_and_common_nouns_are_no_neighbours():
    text = "Ada Quill slept beside a guitar of Ada Quill."
    guitar = entity("guitar", "instrument", text)
    assert beside("Ada", (ADA, guitar), text) == []


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
    assert (first.spans, first.queries) == (again.spans, again.queries)
    assert len(first.queries) == 5 and len(first.texts) == 2
    assert len(first.spans) == len(first.entities) >= 2


def test_neighbours_are_pairs_once_in_a_bucket(drawer):
    drawer.entities[:] = [ADA]
    drawer.weights[:] = [1.0]
    batches = [drawer.at(step) for step in range(16)]
    titles = [entity.title for batch in batches for entity in batch.entities]
    assert titles.count("Port Merrow") == 1
    assert titles.count("Ada Quill") == 32
