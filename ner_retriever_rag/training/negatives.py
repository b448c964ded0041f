"""Mark in-batch pairs that are not negatives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.pairs import TypeQuery


class NegativeMask:
    """Marks in-batch pairs that are not negatives: same type, a subtype or supertype, kindred."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        """Use the relations of ``hierarchy``."""
        self.hierarchy = hierarchy

    def __call__(self, entities: Sequence[MinedEntity], queries: Sequence[TypeQuery]) -> Tensor:
        """Bool ``(len(entities), len(queries))``, True where the query may fit the entity."""
        close = [self.hierarchy.not_negative(e) for e in entities]
        own = [e.heads for e in entities]
        columns: dict[str, list[int]] = {}
        above: dict[str, list[int]] = {}
        for j, query in enumerate(queries):
            for phrase in query.phrases:
                columns.setdefault(head_noun(phrase), []).append(j)
                # An entity typed only as "group" may be the "band" asked for.
                for up in self.hierarchy.heads_above(phrase):
                    above.setdefault(up, []).append(j)
        mask = torch.zeros(len(entities), len(queries), dtype=torch.bool)
        for i in range(len(entities)):
            hits = [j for head in close[i] for j in columns.get(head, ())]
            hits += [j for head in own[i] for j in above.get(head, ())]
            mask[i, hits] = True
        return mask
