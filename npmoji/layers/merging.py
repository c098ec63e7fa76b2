"""Layers that combine several arrays into one, elementwise or by concatenation.

Masks are combined in two ways: in Keras 2 a step is valid if it is valid in all inputs' masks, in Keras 3 if it is
valid in any of them (``any_valid``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer


class Concatenate(Layer):
    """The predecessors' outputs concatenated along ``axis``, by default the last, in the order given.

    >>> x = npmoji.Input()
    >>> npmoji.Concatenate(x, x)(np.float32([[1, 2]]))
    array([[1., 2., 1., 2.]], dtype=float32)
    """

    def __init__(self, *previous: Layer, name: str | None = None, axis: int = -1, any_valid: bool = False):
        super().__init__(*previous, name=name)
        self.axis, self.any_valid = axis, any_valid

    def forward(self, ops: Ops, *values: Array) -> Array:
        last = self.axis in (-1, len(values[0].shape) - 1)
        try:
            return ops.concatenate(values) if last else np.concatenate([np.asarray(v) for v in values], axis=self.axis)
        except (ValueError, RuntimeError) as error:
            shapes = ", ".join(str(tuple(value.shape)) for value in values)
            raise WeightsError(f"layer {self.name!r}: cannot concatenate {shapes} on axis {self.axis}") from error

    def propagate(self, values, masks):
        if all(mask is None for mask in masks):
            return None
        rank = len(values[0].shape)
        if self.axis in (-1, rank - 1):  # an input without a mask counts as valid
            given = [mask for mask in masks if mask is not None]
            if not self.any_valid:
                return functools.reduce(np.logical_and, given)
            return (
                np.ones(values[0].shape[:-1], bool)
                if len(given) < len(masks)
                else functools.reduce(np.logical_or, given)
            )
        whole = [np.ones(v.shape[:-1], bool) if mask is None else mask for v, mask in zip(values, masks)]
        return np.concatenate(whole, axis=self.axis if self.axis > 0 else self.axis + 1)


class Merge(Layer):
    """Combines values elementwise; subclasses say how.

    Args:
        any_valid: how masks are combined, see the module.
    """

    function: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def __init__(self, *previous: Layer, name: str | None = None, any_valid: bool = False):
        super().__init__(*previous, name=name)
        self.any_valid = any_valid

    def evaluate(self, ops: Ops, values: list[Any], masks: list[Any]) -> tuple[Any, Any]:
        values = [np.asarray(value) for value in values]
        rank = max(value.ndim for value in values)
        own = [mask if value.ndim == rank else None for value, mask in zip(values, masks)]
        # Keras adds axes after the first
        values = [v.reshape(v.shape[0], *(1,) * (rank - v.ndim), *v.shape[1:]) for v in values]
        try:
            return self.merge(values, own), self.propagate(values, masks)
        except ValueError as error:
            shapes = ", ".join(str(value.shape) for value in values)
            raise WeightsError(f"layer {self.name!r}: cannot combine {shapes}") from error

    def merge(self, values: list[np.ndarray], masks: list[np.ndarray | None]) -> np.ndarray:
        """The combination of arrays of the same rank; in Keras 3 some kinds of it depend on the masks."""
        return functools.reduce(type(self).function, values)

    def propagate(self, values, masks):
        given = [mask for mask in masks if mask is not None]
        if not given or (self.any_valid and len(given) < len(masks)):
            return None
        return functools.reduce(np.logical_or if self.any_valid else np.logical_and, given)


class Extremum(Merge):
    """The largest or smallest value. In Keras 3 a masked step is replaced by the other inputs' value."""

    def merge(self, values, masks):
        if not self.any_valid:
            return super().merge(values, masks)
        out, valid = values[0], masks[0]
        for x, mask in zip(values[1:], masks[1:]):
            x = x if mask is None else np.where(mask[..., None], x, out)
            out = out if valid is None else np.where(valid[..., None], out, x)
            valid = None if valid is None or mask is None else valid | mask
            out = type(self).function(out, x)
        return out


class Add(Merge):
    """The sum.

    >>> x = npmoji.Input()
    >>> npmoji.Add(x, npmoji.Activation(x, "relu"))(np.float32([[-1, 2]]))
    array([[-1.,  4.]], dtype=float32)
    """

    function = np.add


class Subtract(Merge):
    """The difference, first minus second.

    >>> x = npmoji.Input()
    >>> npmoji.Subtract(x, npmoji.Activation(x, "relu"))(np.float32([[-1, 2]]))
    array([[-1.,  0.]], dtype=float32)
    """

    function = np.subtract


class Multiply(Merge):
    """The product. In Keras 3 a masked step counts as 1, and if all inputs are masked, the product is 0.

    >>> x = npmoji.Input()
    >>> npmoji.Multiply(x, npmoji.Activation(x, "relu"))(np.float32([[-1, 2]]))
    array([[-0.,  4.]], dtype=float32)
    """

    function = np.multiply

    def merge(self, values, masks):
        if not self.any_valid or all(mask is None for mask in masks):
            return super().merge(values, masks)
        ones = [x if mask is None else np.where(mask[..., None], x, np.float32(1)) for x, mask in zip(values, masks)]
        out = super().merge(ones, masks)
        if any(mask is None for mask in masks):
            return out
        return np.where(functools.reduce(np.logical_or, masks)[..., None], out, np.float32(0))


class Maximum(Extremum):
    """The larger value.

    >>> x = npmoji.Input()
    >>> npmoji.Maximum(x, npmoji.Activation(x, "relu"))(np.float32([[-1, 2]]))
    array([[0., 2.]], dtype=float32)
    """

    function = np.maximum


class Minimum(Extremum):
    """The smaller value.

    >>> x = npmoji.Input()
    >>> npmoji.Minimum(x, npmoji.Activation(x, "relu"))(np.float32([[-1, 2]]))
    array([[-1.,  2.]], dtype=float32)
    """

    function = np.minimum


class Average(Merge):
    """The mean.

    >>> x = npmoji.Input()
    >>> npmoji.Average(x, npmoji.Activation(x, "relu"))(np.float32([[-1, 2]]))
    array([[-0.5,  2. ]], dtype=float32)
    """

    function = np.add

    def merge(self, values, masks):
        return super().merge(values, masks) / np.float32(len(values))


class Dot(Layer):
    """The products of two arrays, summed along an axis of each, text by text: (N, A, D) and (N, B, D) along the last
    axes -> (N, A, B); two rows (N, D) -> (N, 1).

    Args:
        axes: the number of the axis of each, not 0.
        normalize: first bring all that is summed to the length 1: cosines.
        least: a shorter length counts as this: 1e-6 in Keras 2, 1e-7 in Keras 3.

    >>> x = npmoji.Input()
    >>> npmoji.Dot(x, npmoji.Activation(x, "relu"), axes=(1, 1))(np.float32([[-1, 2]]))
    array([[4.]], dtype=float32)
    """

    def __init__(
        self,
        first: Layer,
        second: Layer,
        axes: tuple[int, int] = (-1, -1),
        normalize: bool = False,
        least: float = 1e-7,
        name: str | None = None,
    ):
        super().__init__(first, second, name=name)
        self.axes, self.normalize, self.least = tuple(axes), normalize, np.float32(least)

    def places(self, ranks: tuple[int, int], shapes: Any) -> list[int]:
        """The axes counted from the front, if they fit."""
        found = [axis + rank if axis < 0 else axis for axis, rank in zip(self.axes, ranks)]
        fits = all(1 <= axis < rank for axis, rank in zip(found, ranks))
        if not fits or len({shape[axis] for axis, shape in zip(found, shapes)}) > 1:
            raise WeightsError(f"layer {self.name!r}: axes {self.axes} of {', '.join(map(str, shapes))} do not fit")
        return found

    def forward(self, ops: Ops, a: Array, b: Array) -> Array:
        values = [np.asarray(a, np.float32), np.asarray(b, np.float32)]
        axes = self.places((values[0].ndim, values[1].ndim), [value.shape for value in values])
        x, y = (np.moveaxis(value, axis, -1) for value, axis in zip(values, axes))
        D = x.shape[-1]
        rows = [np.ascontiguousarray(v).reshape(len(v), math.prod(v.shape[1:-1]), D) for v in (x, y)]
        if self.normalize:
            from .normalisation import unit_rows  # alone here, of what DeepMoji does not need

            rows = [unit_rows(ops, v, self.least) for v in rows]
        out = row_products(ops, *rows)
        return out.reshape(len(out), *x.shape[1:-1], *y.shape[1:-1]) if x.ndim + y.ndim > 4 else out[:, 0]

    def propagate(self, values, masks):
        return None


def row_products(ops: Ops, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x (N, A, D) times y (N, B, D) of the same text -> (N, A, B), summed by the engine in its fixed order."""
    if 1 in (x.shape[1], y.shape[1]):
        return np.asarray(ops.feature_sum(x * y)).reshape(len(x), x.shape[1], y.shape[1])
    return np.asarray(ops.pair_products(x, y.swapaxes(1, 2)))
