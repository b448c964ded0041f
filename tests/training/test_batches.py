import numpy as np
import pytest

from ner_retriever_rag.encoder.backbone.windows import Tokens
from ner_retriever_rag.training.batches import BatchSampler
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MentionContext, MinedEntity
from ner_retriever_rag.training.pairs import PairSampler


def entity(title, kind, text):
    start = text.index(title)
    return MinedEntity(title, (kind,), (MentionContext(text, start, start + len(title)),))


ENTITIES = [
    entity("Ada Quill", "sailor", "Ada Quill sailed."),
    entity("Port Merrow", "harbour town", "From far away she saw Port Merrow in the fog."),
]


@pytest.fixture
def drawer():
    def tokenize(texts):
        ids = [np.zeros(len(text.split()), dtype=np.int64) for text in texts]
        return [Tokens(each, np.zeros((len(each), 2), dtype=np.int64)) for each in ids]

    hierarchy = Hierarchy({}, {})
    return BatchSampler(
        ENTITIES, [1.0, 1.0], lambda rng: PairSampler(hierarchy, rng), tokenize,
        batch=3, types=5, width=200,
    )  # fmt: skip


def test_batch_is_determined_by_its_step(drawer):
    first = drawer.at(3)
    drawer.at(40)
    again = drawer.at(3)
    assert (first.spans, first.queries) == (again.spans, again.queries)
    assert len(first.texts) == len(first.entities) == 3 and len(first.queries) == 5


def test_texts_of_similar_length_are_batched_together(drawer):
    mixed = [len({len(text.ids) for text in drawer.at(step).texts}) > 1 for step in range(16)]
    assert sum(mixed) <= 1
