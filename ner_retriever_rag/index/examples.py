"""Examples as an index knows them: the vectors of their mentions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.store import MentionKey
from ner_retriever_rag.queries.likeness import bare_name, mean_vector
from ner_retriever_rag.queries.query import Example
from ner_retriever_rag.schema import MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.index.store import Store

_NEAR_MENTIONS, _NEAR_DOCUMENTS = 256, 32  # where the mentions of an example are looked for


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
        return mean_vector(list(self._store.vectors(ids).values())) if ids else alone

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
