"""Type vectors: from a description, from examples, or from both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.alternatives import alternatives
from ner_retriever_rag.queries.query import Example, Leaf

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

# Rocchio weights, relative to a description's 1 (chosen on fewnerd-dev, benchmarks/by_example.py).
EXAMPLES_WEIGHT = 1.0
UNLIKE_WEIGHT = 0.25

ExampleVector = Callable[["TypeAwareEncoder", Example], NDArray[np.float32]]


def type_vector(
    leaf: Leaf, encoder: TypeAwareEncoder, example_vector: ExampleVector
) -> NDArray[np.float32]:
    """The vector of one type, float32 ``(dim,)``, L2-normalized.

    Args:
        leaf: A type description, or examples.
        encoder: Encodes the description.
        example_vector: Gives the vector of an example.

    Raises:
        ValueError: If examples are given but the encoder cannot compare mentions with each other.
    """
    if isinstance(leaf, str):
        return _description_vector(encoder, leaf)
    if encoder.similarity != "cosine":
        raise ValueError(
            f"Like: the encoder {encoder.description} compares mentions with types by their inner "
            "product, and cannot compare mentions with each other: give a type description"
        )
    total = np.zeros(encoder.dim, dtype=np.float32)
    if leaf.description:
        total += _description_vector(encoder, leaf.description)
    for weight, examples in ((EXAMPLES_WEIGHT, leaf.examples), (-UNLIKE_WEIGHT, leaf.unlike)):
        if examples:
            total += weight * mean_vector([example_vector(encoder, each) for each in examples])
    return _normalized(total)


def bare_name_vector(encoder: TypeAwareEncoder, example: Example) -> NDArray[np.float32]:
    """The vector of an example's name without context, float32 ``(dim,)``."""
    name = (example if isinstance(example, str) else example.text).strip()
    vector: NDArray[np.float32] = encoder.encode([name], spans=[[(0, len(name))]])[0].vectors[0]
    return vector


def mean_vector(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The L2-normalized mean of vectors, float32 ``(dim,)``."""
    return _normalized(np.mean(np.stack(vectors), axis=0, dtype=np.float32))


def description_vectors(
    encoder: TypeAwareEncoder, descriptions: Sequence[str]
) -> NDArray[np.float32]:
    """The vectors of type descriptions, float32 ``(n, dim)``.

    A description that lists alternatives gets the mean of its own vector and theirs.

    Args:
        encoder: Encodes the descriptions.
        descriptions: The descriptions.
    """
    vectors = encoder.encode_types(descriptions)
    if encoder.similarity == "cosine":
        for row, description in enumerate(descriptions):
            if each := alternatives(description):
                vectors[row] = mean_vector([vectors[row], *encoder.encode_types(each)])
    return vectors


def _description_vector(encoder: TypeAwareEncoder, description: str) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = description_vectors(encoder, [description])[0]
    return vector


def _normalized(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
