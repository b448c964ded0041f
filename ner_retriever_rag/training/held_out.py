"""Withhold types from training, so that the calibration can be fitted on unseen ones."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

from ner_retriever_rag.training.mined import MinedEntity


def held_out_heads(
    entities: Sequence[MinedEntity], *, one_in: int = 20, least: int = 5, most: int = 400
) -> set[str]:
    """Head nouns reserved for calibration; the selection is deterministic.

    Args:
        entities: All mined entities.
        one_in: Reserve one in this many head nouns.
        least: Head nouns with fewer entities are left to training.
        most: So are head nouns with more; an encoder that never saw "city" would be useless.
    """
    count = Counter(head for entity in entities for head in entity.heads)
    return {
        head
        for head, n in count.items()
        if least <= n <= most and zlib.crc32(head.encode()) % one_in == 0
    }


def split_held_out(entities: Sequence[MinedEntity]) -> tuple[list[MinedEntity], set[str]]:
    """The entities to train on, and the head nouns of the types withheld from training."""
    held = held_out_heads(entities)
    return [e for e in entities if not e.heads & held], held
