"""The reference with LSTM weights in less than float32: `numpy_ops`, but for the matrices.

fp16: each weight is rounded to an IEEE half. int8: each is rounded to a whole number of -127..127 times the scale of its
column, and what is multiplied with it likewise, with a scale for each of its rows. Everything else is computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from . import numpy_ops

QUANTUM = np.float32(127)  # the largest magnitude of a quantised number
TINY = np.float32(1e-30)  # rows or columns no larger than this count as zeros
EXACT = 2**24  # up to here float32 holds every whole number


class NumpyOps:
    """The functions of `numpy_ops` with LSTM weights in ``"fp16"`` or ``"int8"``."""

    def __init__(self, precision: str):
        self.PACKING = "numpy", precision
        self._round = {"fp16": half, "int8": Int8Matrix}[precision]
        self._exact_projections = precision == "int8"

    def __getattr__(self, name: str) -> Any:
        return getattr(numpy_ops, name)

    def for_each(self, batches: Iterable, work: Callable[[Any, Any], None]) -> None:
        """See `numpy_ops.for_each`."""
        for batch in batches:
            work(self, batch)

    def pack_lstm(
        self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray, exact_projection: bool = False
    ) -> tuple[Any, Any, np.ndarray]:
        """The weights as `numpy_ops.lstm` takes them; with ``exact_projection`` int8 leaves the kernel as it is."""
        keep = exact_projection and self._exact_projections
        return kernel if keep else self._round(kernel), self._round(recurrent_kernel), bias


def half(weights: np.ndarray) -> np.ndarray:
    """The nearest numbers that 16 bits can hold, as float32."""
    return weights.astype(np.float16).astype(np.float32)


class Int8Matrix:
    """A matrix (K, N) of whole numbers with a scale for each column: what ``x @ matrix`` needs of an array."""

    __array_ufunc__ = None  # lets NumPy leave ``x @ matrix`` to `__rmatmul__`

    def __init__(self, weights: np.ndarray):
        self.shape = weights.shape
        whole, self.scales = quantise(weights, axis=0)
        sums_are_exact = QUANTUM * QUANTUM * len(weights) < EXACT
        self.whole = whole.astype(np.float32 if sums_are_exact else np.float64)

    def __rmatmul__(self, x: np.ndarray) -> np.ndarray:
        """x (M, K), quantised now, times this -> (M, N) float32."""
        whole, scales = quantise(x, axis=1)
        sums = (whole.astype(self.whole.dtype) @ self.whole).astype(np.float32)
        return sums * (scales * self.scales)


def quantise(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers from -127 to 127, and scales that bring the largest magnitude along ``axis`` to 127; their product
    is about x. A NaN makes its scale NaN."""
    largest = np.abs(x).max(axis=axis, keepdims=True, initial=0)
    zero = largest <= TINY
    scales = np.where(zero, np.float32(0), largest / QUANTUM)
    return np.rint(x * np.where(zero, np.float32(0), QUANTUM / np.maximum(largest, TINY))), scales
