"""Weights in less than float32: what the precisions mean for engines and files.

fp16: the embedding and the LSTMs' matrices are rounded to IEEE half precision. int8: each column of a matrix holds
integers from -127 to 127 and has one scale; the embedding and the first LSTM's input matrix, where the error of int8
would be largest, are fp16. The numbers are the same whether they are rounded when a file is written or when a float32
file is loaded.
"""

from __future__ import annotations

import numpy as np

from .errors import InputError

PRECISIONS = ("fp32", "fp16", "int8")  # finest first

QUANTUM = np.float32(127)  # the largest magnitude of a quantised number
TINY = np.float32(1e-30)  # rows or columns no larger than this count as zeros
COMPACT = (np.dtype(np.float16), np.dtype(np.int8))  # the types of weights stored in less than float32
LARGEST_HALF = float(np.finfo(np.float16).max)


def check_precision(name: str) -> None:
    """Raise an InputError unless there is a precision of this name."""
    if name not in PRECISIONS:
        raise InputError(f"precision {name!r:.60}: expected one of {', '.join(PRECISIONS)}")


class Int8Array:
    """A matrix (K, N) of int8 columns, each with a scale; converts to the float32 array of their products.

    Attributes:
        values: int8 (K, N), from -127 to 127.
        scales: float32 (N,).
    """

    ndim, dtype = 2, np.dtype(np.int8)

    def __init__(self, values: np.ndarray, scales: np.ndarray):
        self.values, self.scales = values, scales
        self.shape, self.size, self.nbytes = values.shape, values.size, values.nbytes + scales.nbytes

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return (self.values * self.scales).astype(dtype or np.float32, copy=False)

    def __len__(self) -> int:
        return len(self.values)


def is_whole(weights: np.ndarray | Int8Array) -> bool:
    """Whether these are int8 numbers without scales of their own: Keras' quantised layers have them in another
    array."""
    return isinstance(weights, np.ndarray) and weights.dtype == np.int8


def float32(weights: np.ndarray | Int8Array) -> np.ndarray:
    """The weights as a float32 array; unchanged if they are one."""
    return np.asarray(weights, np.float32)


def half(weights: np.ndarray | Int8Array) -> np.ndarray:
    """The weights rounded to half precision, as float32; infinite where they are too large."""
    return halves(weights).astype(np.float32)


def halves(weights: np.ndarray | Int8Array) -> np.ndarray:
    """The same as float16."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(weights).astype(np.float16, copy=False)


def int8(weights: np.ndarray | Int8Array) -> Int8Array:
    """A matrix (K, N) quantised, with each column's largest magnitude / 127 as its scale; unchanged if it is
    quantised."""
    if isinstance(weights, Int8Array):
        return weights
    weights = float32(weights)
    largest = np.abs(weights).max(axis=0, initial=0)
    scales = np.where(largest <= TINY, np.float32(0), largest / QUANTUM)
    return Int8Array(np.rint(weights / np.where(scales == 0, np.float32(1), scales)).astype(np.int8), scales)


def is_finite(weights: np.ndarray | Int8Array) -> bool:
    """Whether the weights contain neither NaN nor infinity."""
    if isinstance(weights, Int8Array):
        return bool(np.isfinite(weights.scales).all())
    if weights.dtype == np.float16:  # by their bits: NumPy is slow with halves
        return bool((weights.view(np.uint16) & 0x7FFF).max(initial=0) < 0x7C00)
    # The sum of squares is one fast pass; only if it is not finite (it may overflow) each value is checked.
    flat = weights.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())


def fits_half(weights: np.ndarray | Int8Array) -> bool:
    """Whether the weights, which are finite, fit into half precision."""
    if isinstance(weights, Int8Array):
        return bool((np.abs(weights.scales) * QUANTUM <= LARGEST_HALF).all())
    return weights.dtype == np.float16 or max(weights.max(initial=0), -weights.min(initial=0)) <= LARGEST_HALF
