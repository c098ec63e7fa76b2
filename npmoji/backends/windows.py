"""Windows of time steps."""

from __future__ import annotations

import numpy as np


def count(T: int, size: int, strides: int, dilation: int = 1) -> int:
    """How many windows there are in so many steps."""
    return max(0, (T - (size - 1) * dilation - 1) // strides + 1)


def windows(x: np.ndarray, size: int, strides: int, dilation: int = 1) -> np.ndarray:
    """Views of x (N, T, F) as (N, steps, size, F): window s holds steps ``s strides + dilation (0 .. size - 1)``."""
    N, T, F = x.shape
    n, t, f = x.strides
    shape, places = (N, count(T, size, strides, dilation), size, F), (n, t * strides, t * dilation, f)
    return np.lib.stride_tricks.as_strided(x, shape, places, writeable=False)
