"""Layers that Keras has quantised to int8: their weights are whole numbers with scales, and so is what they are
multiplied with.

The arithmetic is Keras': products are sums of integers, exact in any order, and all else is one float32 operation after
the other. So the bits are the same in every engine, and a row's do not depend on the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from ..precision import is_whole
from .base import Layer, given
from .core import Embedding
from .einsum import EinsumDense, Letters, letters_of, simplest
from .sparse import Csr

LEAST, MOST = -127, 127  # of what inputs are rounded to
EPSILON = 1e-7  # Keras'
EXACT = 1 << 10  # so many products of int8 numbers have a sum that float32 represents, in any order


class Int8Dense(Layer):
    """Affine map of the last axis by whole numbers: each row of x becomes ``q = round(s x)`` with
    ``s = most / (max |x| + epsilon)``; the result is ``activation(q · kernel / (kernel_scale s) + bias)``.

    Args:
        kernel: int8 (F, C).
        kernel_scale: float32 (C,), positive; divides.
        bias: float32 (C,), or None.
        activation, logits: as `Dense` has them.
        least, most: the bounds of q.
        epsilon: see above.
        whole_inputs: if False, x stays as it is: ``x · kernel / kernel_scale``.

    >>> layer = npmoji.layers.Int8Dense(npmoji.Input(), np.int8([[127], [0]]), np.float32([127]))
    >>> layer(np.float32([[0.5, 1]])).round(2)
    array([[0.5]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        kernel_scale: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str = "linear",
        name: str | None = None,
        logits: str = "logits",
        least: int = LEAST,
        most: int = MOST,
        epsilon: float = EPSILON,
        whole_inputs: bool = True,
    ):
        options: dict[str, Any] = {"least": least, "most": most, "epsilon": epsilon, "whole_inputs": whole_inputs}
        linear = activation == "linear"
        before = previous if linear else Int8Dense(previous, kernel, kernel_scale, bias, name=logits, **options)
        super().__init__(before, name=name)
        self.kernel = _whole(self, "kernel", kernel)
        self.kernel_scale = _scale(self, "kernel_scale", kernel_scale, kernel.shape[1])
        self.bias = None if bias is None else self.expect("bias", bias, kernel.shape[1])
        self.activation = activation
        _set_rounding(self, **options)

    @property
    def logits(self) -> Layer:
        """The layer that holds the values before the activation: this one, if it is linear."""
        return self if self.activation == "linear" else self.previous[0]

    def forward(self, ops: Ops, x: Array) -> Array:  # (..., F) -> (..., C)
        if self.activation != "linear":  # the logits layer has done the rest
            return ops.activate(self.activation, x)
        if isinstance(x, Csr) or x.shape[-1] != len(self.kernel):
            found = "sparse" if isinstance(x, Csr) else x.shape
            raise WeightsError(f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {found}")
        if not self.whole_inputs:
            out = np.asarray(ops.dense(x, self.packed(ops))) / self.kernel_scale
            return out if self.bias is None else out + self.bias
        whole, scale = rounded(np.asarray(x, np.float32), -1, self.least, self.most, self.epsilon)
        sums = self._product(whole.reshape(-1, len(self.kernel))).reshape(*whole.shape[:-1], -1)
        out = sums / (self.kernel_scale * scale)
        return out if self.bias is None else out + self.bias

    def _product(self, whole: np.ndarray) -> np.ndarray:
        """Rows of integers (M, F) times the kernel, rounded once to float32."""
        return products(whole, _kept(self, "whole", lambda: self.kernel.astype(np.float32)))

    def pack(self, ops: Ops) -> Any:
        return ops.pack_dense(self.kernel.astype(np.float32), None)

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias, kernel_scale=self.kernel_scale)


class Int8EinsumDense(EinsumDense):
    """Affine map along the axes that an equation names, by whole numbers: as `Int8Dense`, with a scale of x for each
    place along the axes that are not summed over.

    Args:
        equation, activation: as `EinsumDense` has them.
        kernel: int8, its axes those of the equation's second part.
        kernel_scale: float32, positive, of the output's axes, 1 for those that the kernel has not; divides. It tells
            how many axes an ellipsis stands for.
        bias: float32, as `EinsumDense` has it, or None.
        least, most, epsilon, whole_inputs: as `Int8Dense` has them.

    >>> kernel, scale = np.int8([[127], [0]]), np.float32([[127]])
    >>> layer = npmoji.layers.Int8EinsumDense(npmoji.Input(), "ab,bc->ac", kernel, scale)
    >>> layer(np.float32([[0.5, 1]])).round(2)
    array([[0.5]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        equation: str,
        kernel: np.ndarray,
        kernel_scale: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str = "linear",
        name: str | None = None,
        least: int = LEAST,
        most: int = MOST,
        epsilon: float = EPSILON,
        whole_inputs: bool = True,
    ):
        super().__init__(previous, equation, kernel, bias, activation, name)
        least_axes = simplest(equation)
        rank = kernel_scale.ndim + len(least_axes.inputs) - len(least_axes.outputs)
        letters = letters_of(equation, rank) or least_axes
        sizes = dict(zip(letters.kernel, self.kernel.shape))
        self.kernel_scale = _scale(self, "kernel_scale", kernel_scale, *(sizes.get(a, 1) for a in letters.outputs))
        _set_rounding(self, least, most, epsilon, whole_inputs)

    def _expected(self, kernel: np.ndarray, rank: int) -> np.ndarray:
        return _whole(self, "kernel", kernel, rank)

    def letters(self, shape: tuple[int, ...]) -> Letters:
        found = super().letters(shape)
        if len(found.outputs) != self.kernel_scale.ndim:
            raise WeightsError(
                f"layer {self.name!r}: equation {self.equation!r} and kernel_scale {self.kernel_scale.shape}, "
                f"but its input {shape}"
            )
        return found

    def forward(self, ops: Ops, x: Array) -> Array:
        letters, x = self.letters(tuple(x.shape)), np.asarray(x, np.float32)
        if not self.whole_inputs:
            return self._ended(ops, self._mapped(ops, letters, x) / self.kernel_scale)
        summed = tuple(map(letters.inputs.index, letters.summed))
        whole, scale = rounded(x, summed, self.least, self.most, self.epsilon)
        order, missing = scale_axes(letters)
        scale = np.expand_dims(scale.squeeze(summed).transpose(order), missing)
        return self._ended(ops, self._mapped(ops, letters, whole) / (self.kernel_scale * scale))

    def _product(self, ops: Ops, letters: Letters, rows: np.ndarray) -> np.ndarray:
        return products(rows, self._matrices(letters)) if self.whole_inputs else super()._product(ops, letters, rows)

    def _matrices(self, letters: Letters) -> np.ndarray:
        matrices = super()._matrices  # not to be asked for in the lambda
        return _kept(self, "whole", lambda: matrices(letters).astype(np.float32))

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias, kernel_scale=self.kernel_scale)


class Int8Embedding(Embedding):
    """Row look-up in whole numbers: ``embeddings[id] / embeddings_scale[id]``; with ``mask_zero`` id 0 is padding.

    Args:
        embeddings: int8 (V, F).
        embeddings_scale: float32 (V,), positive.

    >>> rows = npmoji.layers.Int8Embedding(npmoji.Input(), np.int8([[0, 0], [3, 4]]), np.float32([1, 2]))
    >>> rows(np.array([[1, 0]])).tolist()
    [[[1.5, 2.0], [0.0, 0.0]]]
    """

    def __init__(
        self,
        previous: Layer,
        embeddings: np.ndarray,
        embeddings_scale: np.ndarray,
        mask_zero: bool = True,
        name: str | None = None,
    ):
        Layer.__init__(self, previous, name=name)
        self.embeddings = _whole(self, "embeddings", embeddings)
        self.embeddings_scale = _scale(self, "embeddings_scale", embeddings_scale, len(embeddings))
        self.mask_zero = mask_zero

    def forward(self, ops: Ops, ids: Array) -> Array:  # (N, T) -> (N, T, F)
        distinct, index = np.unique(self._check(np.asarray(ids)), return_inverse=True)
        rows = self.embeddings[distinct].astype(np.float32) / self.embeddings_scale[distinct, None]
        return ops.from_rows(rows, index.reshape(ids.shape))

    def weights(self) -> dict[str, np.ndarray]:
        return {"embeddings": self.embeddings, "embeddings_scale": self.embeddings_scale}


def products(whole: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Rows of integers (..., M, F) times integers (..., F, C), all as float32, rounded once to that."""
    if kernel.shape[-2] <= EXACT:
        return whole @ kernel
    parts = (slice(first, first + EXACT) for first in range(0, kernel.shape[-2], EXACT))
    return sum((whole[..., part] @ kernel[..., part, :]).astype(np.float64) for part in parts).astype(np.float32)


def scale_axes(letters: Letters) -> tuple[list[int], tuple[int, ...]]:
    """What makes of the scale of an input, without the axes summed over, one for the output: the axes' order, and the
    places of those that are missing then."""
    left = [a for a in letters.inputs if a not in letters.summed]
    order = [left.index(a) for a in letters.outputs if a in left]
    return order, tuple(i for i, a in enumerate(letters.outputs) if a not in left)


def _kept(layer: Layer, key: str, make: Callable[[], Any]) -> Any:
    if key not in layer._packed:
        layer._packed[key] = make()
    return layer._packed[key]


def rounded(
    x: np.ndarray, axis: int | tuple[int, ...], least: np.float32, most: np.float32, epsilon: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """What `Int8Dense` makes of x: whole numbers as float32, and the scale that they were multiplied with, one for all
    along the axis or axes."""
    with np.errstate(all="ignore"):  # what is infinite becomes NaN
        scale = most / (np.abs(x).max(axis=axis, keepdims=True) + epsilon)
        return np.clip(np.rint(x * scale), least, most), scale


def _set_rounding(
    layer: Int8Dense | Int8EinsumDense, least: int, most: int, epsilon: float, whole_inputs: bool
) -> None:
    """How a layer rounds what comes in, as `rounded` takes it."""
    layer.whole_inputs = bool(whole_inputs)
    layer.least, layer.most, layer.epsilon = np.float32(least), np.float32(most), np.float32(epsilon)


def _whole(layer: Layer, label: str, array: np.ndarray, rank: int = 2) -> np.ndarray:
    """An int8 matrix, or an array of another rank."""
    if not is_whole(array):
        raise WeightsError(f"layer {layer.name!r}: {label} is of type {array.dtype}, expected int8")
    return layer.expect(label, array, *(None,) * rank, compact=True)


def _scale(layer: Layer, label: str, array: np.ndarray, *shape: int) -> np.ndarray:
    """What whole numbers are divided by."""
    if is_whole(array):
        raise WeightsError(f"layer {layer.name!r}: {label} is of type int8, expected float32")
    array = layer.expect(label, array, *shape)
    if not (array > 0).all():
        raise WeightsError(f"layer {layer.name!r}: {label} holds numbers that are not above 0")
    return array
