"""Where values come into a network: they are checked here, and nowhere after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import inputs
from ..backends.ops import Ops
from ..errors import InputError
from .base import Layer
from .sparse import Csr


class Checked(dict):
    """Arrays by the names of a network's inputs that `Input.check` has already checked."""


class Input(Layer):
    """An input of the network.

    Args:
        vocabulary_size: V; if given, the input must be token ids (N, T), integers from 0 to V - 1, T >= 1.
        shape: if given, the sizes of the input's axes after the first, None for any; the values become float32.
            Without these two an array of numbers is passed on unchanged, and a sparse one becomes a `Csr`.
        dtype: ``"string"``: texts (N, *shape), where (N, 1) is as good as (N,), which become an array of objects;
            ``"int64"``: whole numbers, which stay such.
        name: the input's key if a network with several inputs is called with a dict.

    Raises (when called):
        InputError: the array is not of integers or not of rank 2, or contains an id outside the vocabulary; the message
            names the row.

    >>> npmoji.Input(vocabulary_size=3)(np.array([[0, 2]]))
    array([[0, 2]])
    """

    #: a value that the layers after it take, where they do not take any
    example: str | int | None = None

    def __init__(
        self,
        vocabulary_size: int | None = None,
        name: str = "input",
        shape: tuple[int | None, ...] | None = None,
        dtype: str | None = None,
    ):
        super().__init__(name=name)
        self.class_name = "InputLayer"  # Keras' name
        self.integers = False  # whether its numbers are integers to the functions that take them
        self.vocabulary_size, self.shape, self.dtype = vocabulary_size, shape, dtype

    def forward(self, ops: Ops, X: Any) -> Any:
        if isinstance(X, Mapping):
            if self.name not in X:
                raise InputError(f"no input {self.name!r} among {', '.join(map(repr, X)) or 'none'}")
            if isinstance(X, Checked):
                return X[self.name]
            X = X[self.name]
        return self.check(X)

    def check(self, X: Any) -> Any:
        """``X`` as the network uses it, or an InputError."""
        if self.vocabulary_size is not None:
            return self._check_ids(inputs.ids(X))
        if self.dtype == "string":
            return self._check_texts(inputs.strings(X))
        if hasattr(X, "tocsr") or (isinstance(X, tuple) and len(X) == 3):
            return Csr.of(X, self.name)
        if isinstance(X, Csr):
            return X
        try:
            X = inputs.numbers(X)
        except InputError as error:
            raise InputError(f"input {self.name!r}: {error}") from error
        if self.dtype == "int64":
            return self._check_integers(X)
        return X if self.shape is None else self._check_numbers(X)

    def _check_texts(self, x: np.ndarray) -> np.ndarray:
        """Texts; for one text a row either of the shapes (N,) and (N, 1) is turned into the other."""
        if len(x) and self.shape is not None and x.ndim == 1 and len(self.shape) == 1:
            x = x[:, None]
        elif len(x) and self.shape == () and x.ndim == 2 and x.shape[1] == 1:
            x = x[:, 0]
        elif self.shape is not None and not len(x):
            x = np.empty((0, *(n or 1 for n in self.shape)), object)
        self._check_shape(x)
        return x

    def _check_integers(self, x: np.ndarray) -> np.ndarray:
        self._check_shape(x)
        with np.errstate(invalid="ignore"):
            whole = x.astype(np.int64)
        if (whole != x).any():
            row = np.argwhere(whole != x)[0][0]
            raise InputError(f"input {self.name!r}, row {row}: expected whole numbers that 64 bits hold")
        return whole

    def _check_ids(self, ids: np.ndarray) -> np.ndarray:
        if ids.dtype.kind not in "iu" and ids.size:
            raise InputError(f"token ids must be integers, got an array of {ids.dtype}")
        if ids.ndim != 2 or ids.shape[1] == 0:
            remedy = "; those of one text are x[None]" if ids.ndim == 1 else ""
            raise InputError(f"token ids must have shape (N, T), texts by steps, got {ids.shape}{remedy}")
        if ids.size and (ids.max() >= self.vocabulary_size or ids.min() < 0):
            row, step = np.argwhere((ids >= self.vocabulary_size) | (ids < 0))[0]
            raise InputError(
                f"row {row}, step {step}: token id {ids[row, step]} is outside the vocabulary, "
                f"expected 0 to {self.vocabulary_size - 1}"
            )
        ids = ids if ids.dtype.kind in "iu" else ids.astype(np.int64)
        self._check_shape(ids)
        return ids

    def _check_numbers(self, x: np.ndarray) -> np.ndarray:
        self._check_shape(x)
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(x, np.float32)
        if not np.isfinite(x).all():
            raise InputError(f"input {self.name!r}, row {np.argwhere(~np.isfinite(x))[0][0]}: NaN or infinite value")
        return x

    def _check_shape(self, x: np.ndarray) -> None:
        if self.shape is None:
            return
        fits = x.ndim == 1 + len(self.shape) and all(n in (None, m) for n, m in zip(self.shape, x.shape[1:]))
        if not fits:
            wanted = ", ".join("any" if n is None else str(n) for n in self.shape)
            raise InputError(f"input {self.name!r}: expected an array of shape (rows, {wanted}), got {x.shape}")

    def propagate(self, values, masks):
        return None
