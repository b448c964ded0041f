"""Which pairs of a batch are no negatives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.modifiers import Modifiers
from ner_retriever_rag.training.pairs import TypeQuery


class NegativeMask:
    """Says which in-batch pairs are no negatives: same type, a sub- or super-type, kindred.

    Args:
        hierarchy: Knows these.
        modifiers: Knows which types of one head noun rule each other out, and are negatives after
            all; None takes none for such.
    """

    def __init__(self, hierarchy: Hierarchy, modifiers: Modifiers | None = None) -> None:
        self.hierarchy, self.modifiers = hierarchy, modifiers
        self._broader = {up for ups in hierarchy.broader.values() for up in ups}

    def __call__(self, entities: Sequence[MinedEntity], queries: Sequence[TypeQuery]) -> Tensor:
        """Bool ``(len(entities), len(queries))``, True where the query may well fit the entity."""
        close = [self.hierarchy.not_negative(e) for e in entities]
        own = [e.heads for e in entities]
        columns: dict[str, list[int]] = {}
        above: dict[str, list[int]] = {}
        for j, query in enumerate(queries):
            for phrase in query.phrases:
                columns.setdefault(head_noun(phrase), []).append(j)
                # An entity called no more than "group" may be the "band" that is asked for.
                for up in self.hierarchy.heads_above(phrase):
                    above.setdefault(up, []).append(j)
        mask = torch.zeros(len(entities), len(queries), dtype=torch.bool)
        for i in range(len(entities)):
            hits = [j for head in close[i] for j in columns.get(head, ())]
            hits += [j for head in own[i] for j in above.get(head, ())]
            mask[i, [j for j in hits if not self._ruled_out(entities[i], queries[j])]] = True
        return mask

    def _ruled_out(self, entity: MinedEntity, query: TypeQuery) -> bool:
        """Whether a description with the head noun of an entity's type is none of its types."""
        if self.modifiers is None or len(query.phrases) > 1:
            return False
        (phrase,) = query.phrases
        # What broader types are called says little of what it leaves out ("musical group").
        return phrase.lower() not in self._broader and self.modifiers.rule_out(entity.types, phrase)
