"""What a mention's namesakes say of it: most names mean one thing in a corpus.

A sentence may say little of "Lukanov", another that names him more. So a mention moves half-way to
the mean of what is said of mentions of the same name. Only those whose vectors agree count, or the
company Amazon would be heard on the river (one sense a collection: Gale, Church and Yarowsky 1992,
Yarowsky 1995). What is chosen here was chosen on fewnerd-dev and four sets of other fields.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.schema import LOT_BITS

PART = 0.5  # of the way to the mean
AGREE = 0.5  # cosine of two mentions of one name that mean the same
HEARD = 4  # on each side, in the order of their lots: a name may have thousands
LAST = 10_000  # rank after which nobody is heard, or moves

_BITS = np.uint64(LOT_BITS)


def with_namesakes(
    similarities: NDArray[np.float32],
    vectors: NDArray[np.float32],
    names: NDArray[np.uint64],
    lots: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Similarities with those of namesakes counted in, float32 ``(n,)``.

    Args:
        similarities: float32 ``(n,)``, of all mentions to a type.
        vectors: float32 ``(n, dim)``, theirs.
        names: uint64 ``(n,)``, the same for mentions of the same name.
        lots: float32 ``(n,)``, theirs; of many namesakes those with like lots are heard.
    """
    if not len(similarities):
        return similarities
    ranked = largest(similarities, LAST)
    # By name, and within a name by lot: in one number, which is sorted in a tenth of the time.
    drawn = (lots[ranked] * np.float32(2**LOT_BITS) - 1).astype(np.uint64)
    order = ranked[np.argsort(names[ranked] >> _BITS << _BITS | drawn)]
    same = names[order[1:]] == names[order[:-1]]
    order = order[np.append(same, False) | np.append(False, same)]  # those who have namesakes
    own, name, of_it = similarities[order].astype(np.float64), names[order], vectors[order]
    said, voices = own.copy(), np.ones(len(own))
    for apart in range(1, HEARD + 1):
        agree = np.einsum("nd,nd->n", of_it[apart:], of_it[:-apart]) >= AGREE
        first = np.flatnonzero(agree & (name[apart:] == name[:-apart]))
        second = first + apart
        said[first] += own[second]
        said[second] += own[first]
        voices[first] += 1
        voices[second] += 1
    result = similarities.copy()
    result[order] = own + PART * (said / voices - own)
    return result
