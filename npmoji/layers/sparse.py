"""Sparse inputs: mostly zeros, of which only the other values are stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, WeightsError

BLOCK = 1 << 20  # products held at a time


class Csr:
    """A matrix in compressed sparse rows: row i holds ``data[j]`` in column ``indices[j]``,
    indptr[i] <= j < indptr[i + 1].

    Attributes:
        indptr: integers (N + 1,). indices: integers (nnz,). data: float32 (nnz,).
    """

    def __init__(self, indptr: np.ndarray, indices: np.ndarray, data: np.ndarray):
        self.indptr, self.indices, self.data = indptr, indices, data

    @classmethod
    def of(cls, X: Any, name: str) -> Csr:
        """From a scipy.sparse matrix or a tuple (indptr, indices, data), checked.

        Raises:
            InputError: the arrays do not fit together.
        """
        if hasattr(X, "tocsr"):
            X = X.tocsr()
            X = X.indptr, X.indices, X.data
        indptr, indices, data = map(np.asarray, X)
        whole = indptr.dtype.kind in "iu" and (indices.dtype.kind in "iu" or not indices.size)
        if not whole or not indptr.ndim == indices.ndim == data.ndim == 1 or data.dtype.kind not in "fiub":
            raise InputError(
                f"input {name!r}: expected (indptr, indices, data), two 1-D arrays of integers and one of numbers"
            )
        rising = indptr.size and indptr[0] == 0 and (np.diff(indptr.astype(np.int64)) >= 0).all()
        if not rising or indptr[-1] != len(indices) or len(indices) != len(data):
            raise InputError(f"input {name!r}: indptr must rise from 0 to the number of indices and values")
        if indices.size and indices.min() < 0:
            raise InputError(f"input {name!r}: column {indices.min()} is negative")
        if not np.isfinite(data).all():
            raise InputError(f"input {name!r}: NaN or infinite values")
        return cls(indptr.astype(np.int64), indices.astype(np.int64), data.astype(np.float32))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def product(self, kernel: np.ndarray, bias: np.ndarray | None, layer: str) -> np.ndarray:
        """``self · kernel + bias`` -> float32 (N, C); each row is summed in the order of its stored values."""
        if self.indices.size and self.indices.max() >= len(kernel):
            raise WeightsError(
                f"layer {layer!r}: kernel has {len(kernel)} rows, its input a column {self.indices.max()}"
            )
        N, C = len(self), kernel.shape[1]
        out = np.zeros((N, C), np.float32)
        counts = np.diff(self.indptr)
        rows = np.repeat(np.arange(N), counts)
        step = max(1, BLOCK // C)
        for start in range(0, len(self.data), step):
            part = slice(start, start + step)
            np.add.at(out, rows[part], self.data[part, None] * kernel[self.indices[part]])
        return out if bias is None else out + bias
