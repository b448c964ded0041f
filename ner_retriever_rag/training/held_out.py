"""Which types training never sees, so that calibration can be fitted on unseen ones."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

from ner_retriever_rag.training.mined import MinedEntity


def held_out_heads(
    entities: Sequence[MinedEntity], *, one_in: int = 20, least: int = 5, most: int = 400
) -> set[str]:
    """Head nouns kept for calibration, always the same share of them.

    Args:
        entities: All that was mined.
        one_in: Every how manieth head noun.
        least: Rarer ones are left to training.
        most: So are more frequent ones; an encoder that never saw "city" would be of no use.
    """
    count = Counter(head for entity in entities for head in entity.heads)
    return {
        head
        for head, n in count.items()
        if least <= n <= most and zlib.crc32(head.encode()) % one_in == 0
    }


def split_held_out(entities: Sequence[MinedEntity]) -> tuple[list[MinedEntity], set[str]]:
    """Entities to train on, and the head nouns of the types that training never sees."""
    held = held_out_heads(entities)
    return [e for e in entities if not e.heads & held], held
