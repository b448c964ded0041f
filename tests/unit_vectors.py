"""Unit vectors made up by chance."""

import numpy as np


def unit(rows):
    """The same directions, float32, with length one."""
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def types_in_few_dimensions(n, dim):
    """Types that lie in twelve dimensions, somewhat as those of an encoder lie in few."""
    rng = np.random.default_rng(0)
    return unit(rng.standard_normal((n, 12)) @ rng.standard_normal((12, dim)))
