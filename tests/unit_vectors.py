"""Random unit vectors."""

import numpy as np


def unit(rows):
    """Normalize rows to unit length, as float32."""
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def low_dimensional_types(n, dim):
    """Type vectors in twelve dimensions, roughly as an encoder's types span few dimensions."""
    rng = np.random.default_rng(0)
    return unit(rng.standard_normal((n, 12)) @ rng.standard_normal((12, dim)))
