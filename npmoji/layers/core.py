"""Layers that act on one step at a time: look-up, affine maps, elementwise functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.activations import ACTIVATIONS
from ..backends.ops import Array, Ops
from ..errors import InputError, WeightsError
from .base import Layer, given
from .entry import Input
from .sparse import Csr


class Embedding(Layer):
    """Row look-up; with ``mask_zero`` token id 0 is padding.

    Args:
        embeddings: float32 (V, F), or float16.

    >>> rows = npmoji.Embedding(npmoji.Input(), np.float32([[0, 0], [3, 4]]))
    >>> rows(np.array([[1, 0]])).tolist()
    [[[3.0, 4.0], [0.0, 0.0]]]
    """

    def __init__(self, previous: Layer, embeddings: np.ndarray, mask_zero: bool = True, name: str | None = None):
        super().__init__(previous, name=name)
        self.embeddings = self.expect("embeddings", embeddings, None, None, compact=embeddings.dtype == np.float16)
        self.mask_zero = mask_zero

    def forward(self, ops: Ops, ids: Array) -> Array:  # (N, T) -> (N, T, F)
        if not (isinstance(self.previous[0], Input) and self.previous[0].vocabulary_size):
            ids = self._check(np.asarray(ids))
        rows = ops.embedding(ids, self.packed(ops))
        # The table may be too large to check at load time, so the rows in use are checked here.
        if not ops.all_finite(rows):
            bad = ids[~np.isfinite(np.asarray(rows)).all(axis=-1)][0]
            raise WeightsError(
                f"layer {self.name!r}: embeddings contain NaN, infinite or too large values in row {bad}"
            )
        return rows

    def pack(self, ops: Ops) -> Any:
        return ops.pack_embedding(self.embeddings)

    def _check(self, ids: np.ndarray) -> np.ndarray:
        """Check ids that no `Input` has checked; as in Keras, whole numbers stored as floats are accepted."""
        whole = ids.astype(np.int64)
        if (whole != ids).any() or (ids.size and (whole.min() < 0 or whole.max() >= len(self.embeddings))):
            raise InputError(f"layer {self.name!r}: expected token ids from 0 to {len(self.embeddings) - 1}")
        return whole

    def propagate(self, values, masks):
        return np.asarray(values[0]) != 0 if self.mask_zero else None

    def weights(self) -> dict[str, np.ndarray]:
        return {"embeddings": self.embeddings}


class Dense(Layer):
    """Affine map of the last axis: ``activation(x · kernel + bias)``.

    Args:
        kernel: float32 (F, C).
        bias: float32 (C,), or None.
        activation: ``"linear"``, ``"softmax"``, ``"sigmoid"``, ``"relu"``, ...; any but linear creates a separate layer
            for the values before the activation.
        logits: the name of that layer.

    The predecessor's value may be sparse, see `Csr`; it is multiplied without being made dense.

    >>> dense = npmoji.Dense(npmoji.Input(), np.float32([[1], [2]]), np.float32([3]))
    >>> dense(np.float32([[1, 1]]))
    array([[6.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str = "linear",
        name: str | None = None,
        logits: str = "logits",
    ):
        before = previous if activation == "linear" else Dense(previous, kernel, bias, name=logits)
        super().__init__(before, name=name)
        self.kernel = self.expect("kernel", kernel, None, None)
        self.bias = None if bias is None else self.expect("bias", bias, kernel.shape[1])
        self.activation = activation

    @property
    def logits(self) -> Layer:
        """The layer that holds the values before the activation: this one, if it is linear."""
        return self if self.activation == "linear" else self.previous[0]

    def forward(self, ops: Ops, x: Array | Csr) -> Array:  # (..., F) -> (..., C)
        if self.activation != "linear":  # the logits layer has done the rest
            return ops.activate(self.activation, x)
        if isinstance(x, Csr):
            return x.product(self.kernel, self.bias, self.name)
        if x.shape[-1] != len(self.kernel):
            raise WeightsError(f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {x.shape}")
        return ops.dense(x, self.packed(ops))

    def pack(self, ops: Ops) -> Any:
        return ops.pack_dense(self.kernel, self.bias)

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias)


class Activation(Layer):
    """A function applied to every element (softmax: over the last axis), one of `ACTIVATIONS`.

    >>> npmoji.Activation(npmoji.Input(), "relu")(np.float32([[-1, 2]]))
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, previous: Layer, activation: str, name: str | None = None):
        super().__init__(previous, name=name)
        if activation not in ACTIVATIONS:
            raise WeightsError(f"layer {self.name!r}: unknown activation {activation!r}")
        self.activation = activation

    def forward(self, ops: Ops, x: Array) -> Array:
        return ops.activate(self.activation, x)


class Dropout(Layer):
    """Dropout, noise and similar layers, which act only in training: the identity.

    Args:
        rate: how much there is of it; only `npmoji.learn.Trainer` looks at it.
        kind: Keras' class: ``"Dropout"``, ``"SpatialDropout1D"``, ``"GaussianNoise"``, ...

    >>> npmoji.Dropout(npmoji.Input())(np.float32([[1, 2]]))
    array([[1., 2.]], dtype=float32)
    """

    def __init__(self, previous: Layer, rate: float = 0.0, kind: str = "Dropout", name: str | None = None):
        super().__init__(previous, name=name)
        self.rate, self.kind = float(rate), kind

    def forward(self, ops: Ops, x: Array) -> Array:
        return x


class Masking(Layer):
    """Masks the steps of x (N, T, F) whose features all equal ``mask_value``, and sets them to 0.

    >>> npmoji.MaskedMean(npmoji.Masking(npmoji.Input()))(np.float32([[[4, 2], [0, 0]]]))
    array([[4., 2.]], dtype=float32)
    """

    def __init__(self, previous: Layer, mask_value: float = 0.0, name: str | None = None):
        super().__init__(previous, name=name)
        self.mask_value = np.float32(mask_value)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        return x * self._valid(x)[..., None]

    def _valid(self, x: np.ndarray) -> np.ndarray:
        return (x != self.mask_value).any(axis=-1)

    def propagate(self, values, masks):
        return self._valid(np.asarray(values[0]))
