"""Topics: what a document is about, by its text vector, from the same pass as its mentions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.query import MAX_CHARACTERS, Query, require_query_text, types_as_text

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

# Text cosines span less than one order of magnitude, probabilities several, hence the high weight
# (chosen on the "tune" half of benchmarks/type_topic.py).
TOPIC_WEIGHT = 0.7
Score = TypeVar("Score", float, NDArray[np.float32])


def check_topic(about: str | None, weight: float | None) -> str | None:
    """Return the topic, or None if it is None or empty.

    Raises:
        ValueError: If a weight is given without a topic.
    """
    about = None if about == "" else about
    if about is None and weight is not None:
        raise ValueError("topic_weight needs a topic: give about")
    return about


@dataclass(frozen=True, slots=True)
class Topic:
    """The topic of the documents wanted, and its weight relative to the type.

    Attributes:
        vector: float32 ``(hidden,)``, L2-normalized text vector of types and topic in one phrase.
        weight: In [0, 1]; 0 for the type alone, 1 for the text alone.
    """

    vector: NDArray[np.float32]
    weight: float

    @classmethod
    def encode(
        cls, about: object, query: Query, encoder: TypeAwareEncoder, weight: float | None
    ) -> Topic:
        """Validate and encode a topic.

        The encoded phrase is "dinosaur found in Argentina", the query's words followed by the
        topic: "found in Argentina" alone says little about the subject of the text.

        Args:
            about: The topic.
            query: The query it belongs to.
            encoder: Encodes it.
            weight: Weight of the topic; None for the default.

        Raises:
            TypeError: If ``about`` is not a string.
            ValueError: If it is empty or longer than 2,000 characters, the weight is not in
                [0, 1], or the encoder has no text vectors.
        """
        text = require_query_text(about, "about")
        weight = TOPIC_WEIGHT if weight is None else weight
        if not 0 <= weight <= 1:
            raise ValueError(f"topic_weight must be in [0, 1], not {weight!r}")
        phrase = f"{types_as_text(query)[:MAX_CHARACTERS]} {text}".strip()
        vector = encoder.encode([phrase], spans=[[]])[0].text_vector
        if vector is None:
            raise ValueError(
                f"about: the encoder {encoder.description} has no text vectors, since its backbone "
                "is cut below the top layer; use one whose taps include the top hidden layer"
            )
        return cls(vector, weight)

    def combine(self, type_score: Score, similarity: Score) -> Score:
        """Weighted geometric mean of a type's score and the text's cosine (0 if negative)."""
        topic_score = np.clip(similarity, 0.0, 1.0)
        combined: Score = type_score ** (1 - self.weight) * topic_score**self.weight
        return combined
