"""Layers that only rearrange values."""

from __future__ import annotations

import math

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import InputError, WeightsError
from .base import Layer


class Unmasked(Layer):
    """A layer that drops the mask, like Keras layers without mask support."""

    def propagate(self, values, masks):
        return None


class Flatten(Unmasked):
    """(N, ...) -> (N, F), the last axis fastest.

    >>> npmoji.Flatten(npmoji.Input())(np.float32([[[1, 2], [3, 4]]]))
    array([[1., 2., 3., 4.]], dtype=float32)
    """

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        return x.reshape(len(x), math.prod(x.shape[1:]))


class Reshape(Unmasked):
    """(N, ...) -> (N, *shape), where one size may be -1.

    >>> npmoji.Reshape(npmoji.Input(), (2, -1))(np.float32([[1, 2, 3, 4]])).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """

    def __init__(self, previous: Layer, shape: tuple[int, ...], name: str | None = None):
        super().__init__(previous, name=name)
        self.shape = tuple(shape)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        size, known = math.prod(x.shape[1:]), math.prod(n for n in self.shape if n != -1)
        fits = size == known if -1 not in self.shape else self.shape.count(-1) == 1 and known and size % known == 0
        if not fits:
            raise WeightsError(f"layer {self.name!r}: cannot reshape {x.shape[1:]} to {self.shape}")
        return x.reshape(len(x), *(size // known if n == -1 else n for n in self.shape))


class Permute(Unmasked):
    """The axes after the first in another order: ``dims`` (2, 1) swaps axes 1 and 2.

    >>> npmoji.Permute(npmoji.Input(), (2, 1))(np.float32([[[1, 2], [3, 4]]])).tolist()
    [[[1.0, 3.0], [2.0, 4.0]]]
    """

    def __init__(self, previous: Layer, dims: tuple[int, ...], name: str | None = None):
        super().__init__(previous, name=name)
        if sorted(dims) != list(range(1, len(dims) + 1)):
            raise WeightsError(f"layer {self.name!r}: dims {dims}, expected each of 1 to {len(dims)} once")
        self.dims = tuple(dims)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if x.ndim != len(self.dims) + 1:
            raise WeightsError(f"layer {self.name!r}: dims {self.dims} for an input of shape {x.shape}")
        return np.ascontiguousarray(x.transpose(0, *self.dims))


class RepeatVector(Unmasked):
    """(N, F) -> (N, n, F).

    >>> npmoji.RepeatVector(npmoji.Input(), 2)(np.float32([[1, 2]])).tolist()
    [[[1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, previous: Layer, n: int, name: str | None = None):
        super().__init__(previous, name=name)
        self.n = n

    def forward(self, ops: Ops, x: Array) -> Array:
        return np.repeat(np.asarray(x)[:, None], self.n, axis=1)


class Steps(Unmasked):
    """Layers that add or remove steps of x (N, T, F)."""

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if x.ndim != 3:
            raise WeightsError(f"layer {self.name!r}: its input has shape {x.shape}, expected (N, T, F)")
        return self.changed(x)

    def changed(self, x: np.ndarray) -> np.ndarray:
        """The array with other steps."""
        raise NotImplementedError


class ZeroPadding1D(Steps):
    """Steps of zeros before and after: (N, T, F) -> (N, before + T + after, F).

    >>> npmoji.ZeroPadding1D(npmoji.Input(), 1, 0)(np.float32([[[1, 2]]])).tolist()
    [[[0.0, 0.0], [1.0, 2.0]]]
    """

    def __init__(self, previous: Layer, before: int = 1, after: int = 1, name: str | None = None):
        super().__init__(previous, name=name)
        self.before, self.after = before, after

    def changed(self, x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((0, 0), (self.before, self.after), (0, 0)))


class Cropping1D(Steps):
    """All but the first and last steps: (N, T, F) -> (N, T - before - after, F).

    >>> npmoji.Cropping1D(npmoji.Input(), 1, 0)(np.float32([[[1, 2], [3, 4]]])).tolist()
    [[[3.0, 4.0]]]
    """

    def __init__(self, previous: Layer, before: int = 1, after: int = 1, name: str | None = None):
        super().__init__(previous, name=name)
        self.before, self.after = before, after

    def changed(self, x: np.ndarray) -> np.ndarray:
        if x.shape[1] <= self.before + self.after:
            raise InputError(
                f"layer {self.name!r}: {x.shape[1]} steps, of which {self.before} before and {self.after} after are cut"
            )
        return x[:, self.before : x.shape[1] - self.after]


class UpSampling1D(Steps):
    """Each step ``size`` times: (N, T, F) -> (N, size T, F).

    >>> npmoji.UpSampling1D(npmoji.Input(), 2)(np.float32([[[1], [3]]])).tolist()
    [[[1.0], [1.0], [3.0], [3.0]]]
    """

    def __init__(self, previous: Layer, size: int = 2, name: str | None = None):
        super().__init__(previous, name=name)
        self.size = size

    def changed(self, x: np.ndarray) -> np.ndarray:
        return np.repeat(x, self.size, axis=1)
