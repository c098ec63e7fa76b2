"""Products with int8 matrices in plain NumPy, what is multiplied with them quantised too: a scale for each of its rows.

See `precision` for what is rounded to what.
"""

from __future__ import annotations

import numpy as np

from ..precision import QUANTUM, TINY, Int8Array, int8

EXACT = 2**24  # up to here float32 holds every whole number


class Int8Matrix:
    """A matrix (K, N) of whole numbers with a scale for each column: what ``x @ matrix`` needs of an array."""

    __array_ufunc__ = None  # lets NumPy leave ``x @ matrix`` to `__rmatmul__`

    def __init__(self, weights: np.ndarray | Int8Array):
        self.shape = weights.shape
        stored = int8(weights)
        sums_are_exact = QUANTUM * QUANTUM * len(weights) < EXACT
        self.whole, self.scales = stored.values.astype(np.float32 if sums_are_exact else np.float64), stored.scales

    def __rmatmul__(self, x: np.ndarray) -> np.ndarray:
        """x (M, K), quantised now, times this -> (M, N) float32."""
        whole, scales = quantise(x)
        sums = (whole.astype(self.whole.dtype) @ self.whole).astype(np.float32)
        return sums * (scales * self.scales)


def quantise(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers from -127 to 127, and scales (M, 1) that bring the largest magnitude of each row to 127; their
    product is about x. A NaN makes its scale NaN."""
    largest = np.abs(x).max(axis=1, keepdims=True, initial=0)
    zero = largest <= TINY
    scales = np.where(zero, np.float32(0), largest / QUANTUM)
    return np.rint(x * np.where(zero, np.float32(0), QUANTUM / np.maximum(largest, TINY))), scales
