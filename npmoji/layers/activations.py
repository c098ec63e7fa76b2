"""Activations that are layers of their own, with settings or weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer


class Softmax(Layer):
    """Probabilities along ``axis``; if the mask has the shape of the input, masked elements get probability 0.

    Args:
        axis: the axis along which the probabilities add up to 1.
        masked_is_zero: also if a whole slice is masked (Keras from 3.10 on); if False, such a slice is uniform.
        added: masked elements are lowered by 1e9, and not set to -1e9: then what is uniform is so but for rounding.

    >>> npmoji.Softmax(npmoji.Input())(np.float32([[1, 1, 1, 1]]))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        axis: int = -1,
        masked_is_zero: bool = True,
        name: str | None = None,
        added: bool = False,
    ):
        super().__init__(previous, name=name)
        self.axis, self.masked_is_zero, self.added = axis, masked_is_zero, added

    def evaluate(self, ops: Ops, values: list[Any], masks: list[Any]) -> tuple[Any, Any]:
        x, mask = values[0], masks[0]
        masked = mask is not None and np.shape(x) == mask.shape
        return self._masked(ops, x, mask) if masked else self.forward(ops, x), mask

    def forward(self, ops: Ops, x: Array) -> Array:
        if self.axis in (-1, x.ndim - 1):
            return ops.activate("softmax", x)
        last = np.ascontiguousarray(np.moveaxis(np.asarray(x), self.axis, -1))
        return np.moveaxis(np.asarray(ops.activate("softmax", last)), -1, self.axis)

    def _masked(self, ops: Ops, x: Array, mask: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        out = self.forward(ops, np.where(mask, x, (x if self.added else 0) + np.float32(-1e9)))
        return np.where(mask, np.asarray(out), np.float32(0)) if self.masked_is_zero else out


class ReLU(Layer):
    """Rectified linear unit: ``x`` from ``threshold`` up to ``max_value``; below, ``negative_slope (x - threshold)``.

    Args:
        negative_slope: one number, or one per element of the last axes (PReLU's alpha).

    >>> npmoji.ReLU(npmoji.Input(), negative_slope=0.5, max_value=2)(np.float32([[-1, 1, 3]]))
    array([[-0.5,  1. ,  2. ]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        negative_slope: float | np.ndarray = 0.0,
        max_value: float | None = None,
        threshold: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.negative_slope = np.asarray(negative_slope, np.float32)
        self.max_value, self.threshold = max_value, np.float32(threshold)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if self.negative_slope.ndim >= x.ndim or any(
            n not in (1, m) for n, m in zip(self.negative_slope.shape[::-1], x.shape[::-1])
        ):
            raise WeightsError(
                f"layer {self.name!r}: alpha has shape {self.negative_slope.shape}, but its input {x.shape}"
            )
        above = x if self.max_value is None else np.minimum(x, np.float32(self.max_value))
        return np.where(x >= self.threshold, above, self.negative_slope * (x - self.threshold))

    def weights(self) -> dict[str, np.ndarray]:
        return {"alpha": self.negative_slope} if self.negative_slope.ndim else {}


class ELU(Layer):
    """Exponential linear unit: ``x`` above 0, ``alpha (exp(x) - 1)`` below.

    >>> npmoji.ELU(npmoji.Input())(np.float32([[-1, 0, 1]])).round(2)
    array([[-0.63,  0.  ,  1.  ]], dtype=float32)
    """

    def __init__(self, previous: Layer, alpha: float = 1.0, name: str | None = None):
        super().__init__(previous, name=name)
        self.alpha = np.float32(alpha)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        return np.where(x > 0, x, self.alpha * np.asarray(ops.activate("elu", x)))


class ThresholdedReLU(Layer):
    """``x`` where it is above ``theta``, else 0.

    >>> npmoji.ThresholdedReLU(npmoji.Input())(np.float32([[0.5, 2]]))
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, previous: Layer, theta: float = 1.0, name: str | None = None):
        super().__init__(previous, name=name)
        self.theta = np.float32(theta)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        return np.where(x > self.theta, x, np.float32(0))


class TopK(Layer):
    """Keeps the ``k`` largest values of the last axis; the others become so small that softmax gives them exactly 0.

    Among equal values the earlier ones are kept. From "Outrageously Large Neural Networks", arXiv:1701.06538, section
    2.1.

    >>> npmoji.Softmax(npmoji.TopK(npmoji.Input(), 2))(np.float32([[3, 1, 3]]))
    array([[0.5, 0. , 0.5]], dtype=float32)
    """

    VERY_SMALL = np.float32(-1e30)

    def __init__(self, previous: Layer, k: int, name: str | None = None):
        super().__init__(previous, name=name)
        self.k = k

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        order = np.argsort(-x, axis=-1, kind="stable")
        out = x.copy()
        np.put_along_axis(out, order[..., self.k :], self.VERY_SMALL, axis=-1)
        return out
