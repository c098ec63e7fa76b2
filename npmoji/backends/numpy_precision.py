"""The reference with weights in less than float32: `numpy_ops`, but for the embedding and the LSTMs' matrices.

See `precision` for what is rounded to what. In int8, what is multiplied with a matrix is quantised too, with a scale for
each of its rows. Everything else is computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..precision import QUANTUM, TINY, Int8Array, half, int8
from . import numpy_ops

EXACT = 2**24  # up to here float32 holds every whole number


class NumpyOps:
    """The functions of `numpy_ops` with weights in ``"fp16"`` or ``"int8"``."""

    def __init__(self, precision: str):
        self.PACKING = "numpy", precision
        self._round = {"fp16": half, "int8": Int8Matrix}[precision]

    def __getattr__(self, name: str) -> Any:
        return getattr(numpy_ops, name)

    def for_each(self, batches: Iterable, work: Callable[[Any, Any], None]) -> None:
        """See `numpy_ops.for_each`."""
        for batch in batches:
            work(self, batch)

    def embedding(self, ids: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        """See `numpy_ops.embedding`; rows of halves."""
        return half(embeddings[ids])

    def pack_lstm(
        self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray, exact_projection: bool = False
    ) -> tuple[Any, Any, np.ndarray]:
        """The weights as `numpy_ops.lstm` takes them; with ``exact_projection`` the kernel is of halves in int8, too."""
        return half(kernel) if exact_projection else self._round(kernel), self._round(recurrent_kernel), bias


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
    """Whole numbers from -127 to 127, and scales (M, 1) that bring the largest magnitude of each row to 127; their product
    is about x. A NaN makes its scale NaN."""
    largest = np.abs(x).max(axis=1, keepdims=True, initial=0)
    zero = largest <= TINY
    scales = np.where(zero, np.float32(0), largest / QUANTUM)
    return np.rint(x * np.where(zero, np.float32(0), QUANTUM / np.maximum(largest, TINY))), scales
