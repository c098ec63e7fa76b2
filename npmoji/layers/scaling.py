"""Layers that bring numbers to another scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer

SMALLEST = np.float32(1e-7)  # Keras' epsilon: a smaller deviation counts as this


class Rescaling(Layer):
    """``scale x + offset``, each one number or several for the last axes.

    >>> npmoji.Rescaling(npmoji.Input(), 0.5, 1)(np.float32([[2, 4]]))
    array([[2., 3.]], dtype=float32)
    """

    def __init__(
        self, previous: Layer, scale: float | np.ndarray, offset: float | np.ndarray = 0.0, name: str | None = None
    ):
        super().__init__(previous, name=name)
        self.scale, self.offset = np.asarray(scale, np.float32), np.asarray(offset, np.float32)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        for label, array in (("scale", self.scale), ("offset", self.offset)):
            sizes = zip(array.shape[::-1], x.shape[::-1])
            if array.ndim >= max(1, x.ndim) or any(n not in (1, m) for n, m in sizes):
                raise WeightsError(f"layer {self.name!r}: {label} has shape {array.shape}, but its input {x.shape}")
        return np.asarray(x, np.float32) * self.scale + self.offset


class Normalization(Layer):
    """``(x - mean) / deviation`` with the mean and variance of the data that Keras' layer was adapted to.

    Args:
        mean, variance: float32, a number for each place along ``axes``, or one number.
        axes: those along which they differ, in the order of the axes; none: one mean and variance for all.
        invert: the inverse, ``mean + deviation x``.

    >>> npmoji.Normalization(npmoji.Input(), np.float32([1, 2]), np.float32([4, 1]))(np.float32([[5, 5]]))
    array([[2., 3.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        mean: np.ndarray,
        variance: np.ndarray,
        axes: tuple[int, ...] = (-1,),
        invert: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        if mean.shape != variance.shape or mean.ndim > len(axes):
            raise WeightsError(
                f"layer {self.name!r}: mean has shape {mean.shape}, variance {variance.shape}, for axes {tuple(axes)}"
            )
        if not (np.isfinite(mean).all() and (variance >= 0).all()):
            raise WeightsError(f"layer {self.name!r}: a mean or variance that is none")
        self.mean, self.variance = np.asarray(mean, np.float32), np.asarray(variance, np.float32)
        self.axes, self.invert = tuple(axes), invert

    def scales(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation for an input of that shape."""
        kept = sorted(axis + len(shape) if axis < 0 else axis for axis in self.axes)
        own = [1] * len(shape)
        if kept and not 1 <= kept[0] <= kept[-1] < len(shape):
            raise WeightsError(f"layer {self.name!r}: axes {self.axes} of an input of shape {shape}")
        for axis, size in zip(kept[::-1], self.mean.shape[::-1]):
            own[axis] = size
            if size not in (1, shape[axis]):
                raise WeightsError(f"layer {self.name!r}: mean has shape {self.mean.shape}, but its input {shape}")
        deviation = np.maximum(np.sqrt(self.variance), SMALLEST)
        return self.mean.reshape(own), deviation.reshape(own)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x, np.float32)
        mean, deviation = self.scales(x.shape)
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def weights(self) -> dict[str, Any]:
        return {"mean": self.mean, "variance": self.variance}
