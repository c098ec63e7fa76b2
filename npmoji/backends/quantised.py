"""Products with int8 matrices in plain NumPy; the other factor is quantised too, with one scale per row.

See `precision` for how numbers are rounded.
"""

from __future__ import annotations

import numpy as np

from ..precision import QUANTUM, TINY, Int8Array, int8
from .products import product

EXACT = 2**24  # up to here float32 represents every integer


class Int8Matrix:
    """A matrix (K, N) of integers with one scale per column, for ``x @ matrix``."""

    __array_ufunc__ = None  # makes NumPy leave ``x @ matrix`` to `__rmatmul__`

    def __init__(self, weights: np.ndarray | Int8Array):
        self.shape = weights.shape
        stored = int8(weights)
        sums_are_exact = QUANTUM * QUANTUM * len(weights) < EXACT
        self.whole, self.scales = stored.values.astype(np.float32 if sums_are_exact else np.float64), stored.scales

    def __rmatmul__(self, x: np.ndarray) -> np.ndarray:
        """x (M, K), quantised here, times this matrix -> (M, N) float32."""
        whole, scales = quantise(x)
        sums = product(whole.astype(self.whole.dtype), self.whole).astype(np.float32)
        return sums * (scales * self.scales)


def quantise(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers from -127 to 127, and scales (M, 1) with which each row's largest magnitude becomes 127; their product
    approximates x. A NaN makes its scale NaN."""
    largest = np.abs(x).max(axis=1, keepdims=True, initial=0)
    zero = largest <= TINY
    scales = np.where(zero, np.float32(0), largest / QUANTUM)
    return np.rint(x * np.where(zero, np.float32(0), QUANTUM / np.maximum(largest, TINY))), scales
