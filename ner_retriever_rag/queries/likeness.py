"""The vector of a type: of a description, of examples, or of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.store import MentionKey
from ner_retriever_rag.queries.query import Example, Leaf
from ner_retriever_rag.schema import MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.index.store import Store

# Rocchio's weights beside a description's 1 (chosen on fewnerd-dev, benchmarks/by_example.py).
EXAMPLES_WEIGHT = 1.0
UNLIKE_WEIGHT = 0.25
_NEAR_MENTIONS, _NEAR_DOCUMENTS = 256, 32  # where the mentions of an example are looked for

ExampleVector = Callable[["TypeAwareEncoder", Example], NDArray[np.float32]]


def type_vector(
    leaf: Leaf, encoder: TypeAwareEncoder, example_vector: ExampleVector
) -> NDArray[np.float32]:
    """The vector of one type, float32 ``(dim,)``, L2-normalised.

    Args:
        leaf: A type description, or examples.
        encoder: What encodes them.
        example_vector: Gives the vector of an example.
    """
    if isinstance(leaf, str):
        return _description(encoder, leaf)
    total = np.zeros(encoder.dim, dtype=np.float32)
    if leaf.description:
        total += _description(encoder, leaf.description)
    for weight, examples in ((EXAMPLES_WEIGHT, leaf.examples), (-UNLIKE_WEIGHT, leaf.unlike)):
        if examples:
            total += weight * _mean([example_vector(encoder, each) for each in examples])
    return _unit(total)


def bare_name(encoder: TypeAwareEncoder, example: Example) -> NDArray[np.float32]:
    """The vector of an example by its name alone, float32 ``(dim,)``."""
    name = (example if isinstance(example, str) else example.text).strip()
    vector: NDArray[np.float32] = encoder.encode([name], spans=[[(0, len(name))]])[0].vectors[0]
    return vector


class IndexedExamples:
    """Finds the vectors of examples among the mentions of an index.

    Args:
        store: Where the mentions are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, encoder: TypeAwareEncoder, example: Example) -> NDArray[np.float32]:
        """The mean vector of an example's mentions, or that of its bare name if it has none."""
        if isinstance(example, MentionMatch):
            ids = self._ids_in([example.doc_id], lambda _text, span: span == _span(example))
            if not ids:
                raise ValueError(
                    f"example {example.text!r} ({example.start}-{example.end}) is no longer a "
                    f"mention of document {example.doc_id!r}"
                )
            return self._store.vectors(ids)[ids[0]]
        name = example.strip().casefold()
        alone = bare_name(encoder, example)
        ids = self._ids_in(
            self._near(encoder, example.strip(), alone),
            lambda text, span: text[slice(*span)].casefold() == name,
        )
        return _mean(list(self._store.vectors(ids).values())) if ids else alone

    def _near(self, encoder: TypeAwareEncoder, name: str, alone: NDArray[np.float32]) -> list[str]:
        """Documents that may mention a name: with mentions of its kind, or on its topic."""
        near = [key.doc_id for key, _ in self._store.nearest(alone, _NEAR_MENTIONS, None)]
        topic = encoder.encode([name], spans=[[]])[0].text_vector
        if topic is not None:
            near += [doc_id for doc_id, _ in self._store.texts.nearest(topic, _NEAR_DOCUMENTS)]
        return list(dict.fromkeys(near))

    def _ids_in(
        self, doc_ids: Sequence[str], fits: Callable[[str, tuple[int, int]], bool]
    ) -> list[str]:
        return [
            str(MentionKey(doc_id, record.version, *span))
            for doc_id, record in self._store.fetch(doc_ids).items()
            for span in record.spans
            if fits(record.document.text, span)
        ]


def _span(match: MentionMatch) -> tuple[int, int]:
    return match.start, match.end


def _description(encoder: TypeAwareEncoder, description: str) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = encoder.encode_types([description])[0]
    return vector


def _mean(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return _unit(np.mean(np.stack(vectors), axis=0, dtype=np.float32))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
