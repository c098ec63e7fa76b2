"""The LSTM matrices of the PyTorch engine on their device, in each precision."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ...precision import QUANTUM, TINY, float32, half, int8
from ..quantised import EXACT

GATES = [0, 1, 3, 2]  # Keras' order input, forget, candidate, output to the recurrence's, candidate last

Tensor = torch.Tensor


def reorder(weights: np.ndarray) -> np.ndarray:
    """Columns with the gates in the recurrence's order, float32 (..., 4H)."""
    blocks = weights.reshape(*weights.shape[:-1], 4, -1)[..., GATES, :]
    return np.ascontiguousarray(blocks.reshape(weights.shape), np.float32)


def one_wide(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Matrices (K, M) as one (1, K, D·M), for directions that multiply the same rows."""
    return np.concatenate(matrices, axis=1)[None]


class Matrix:
    """A matrix (K, M) for each of D batches of rows, joined from those of the directions; ``number`` identifies it."""

    _numbers = itertools.count()

    def __init__(self, weights: Sequence[Any], join: Callable[..., np.ndarray], device: str):
        self._set(join([reorder(float32(array)) for array in weights]), device)

    def _set(self, weights: np.ndarray, device: str) -> None:
        self.shape, self.number = weights.shape, next(self._numbers)
        self.weights = torch.from_numpy(weights).to(device)

    def add_product(self, z: Tensor, x: Tensor) -> None:
        """z (D, n, M) += x (D, n, K) times the matrices, in place."""
        z.baddbmm_(x, self.weights)


class HalfMatrix(Matrix):
    """The same with weights rounded to half precision."""

    def __init__(self, weights: Sequence[Any], join: Callable[..., np.ndarray], device: str):
        super().__init__([half(array) for array in weights], join, device)


class Int8Matrix(Matrix):
    """The same with quantised weights, see `quantised.Int8Matrix`."""

    def __init__(self, weights: Sequence[Any], join: Callable[..., np.ndarray], device: str):
        stored = [int8(array) for array in weights]
        whole = join([reorder(array.values) for array in stored])
        sums_are_exact = QUANTUM**2 * whole.shape[1] < EXACT
        self._set(whole if sums_are_exact else whole.astype(np.float64), device)
        self.scales = torch.from_numpy(join([reorder(array.scales[None]) for array in stored])).to(device)

    def add_product(self, z: Tensor, x: Tensor) -> None:
        """See `Matrix.add_product`; x is quantised row by row."""
        largest = x.abs().amax(dim=-1, keepdim=True)
        zero, quantum = largest <= TINY.item(), QUANTUM.item()
        whole = torch.round(x * (quantum / largest).masked_fill(zero, 0))
        sums = torch.bmm(whole.to(self.weights.dtype), self.weights).to(torch.float32)
        z.addcmul_(sums, (largest / quantum).masked_fill(zero, 0) * self.scales)


MATRICES = {"fp32": Matrix, "fp16": HalfMatrix, "int8": Int8Matrix}
