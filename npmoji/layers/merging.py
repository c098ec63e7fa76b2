"""Layers that make one array of several, element by element or side by side.

How the masks of several inputs become one differs: Keras 2 takes a step as valid if all inputs' masks say so, Keras 3 if
any does (``any_valid``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from ..errors import WeightsError
from .base import Layer


class Concatenate(Layer):
    """The predecessors' outputs side by side on ``axis``, by default the last, in the order given."""

    def __init__(self, *previous: Layer, name: str | None = None, axis: int = -1, any_valid: bool = False):
        super().__init__(*previous, name=name)
        self.axis, self.any_valid = axis, any_valid

    def forward(self, ops, *values):
        last = self.axis in (-1, len(values[0].shape) - 1)
        try:
            return ops.concatenate(values) if last else np.concatenate([np.asarray(v) for v in values], axis=self.axis)
        except (ValueError, RuntimeError) as error:
            shapes = ", ".join(str(tuple(value.shape)) for value in values)
            raise WeightsError(f"layer {self.name!r}: cannot concatenate {shapes} on axis {self.axis}") from error

    def propagate(self, values, masks):
        if all(mask is None for mask in masks):
            return None
        if self.axis in (-1, len(values[0].shape) - 1):  # each is of its steps: an input without a mask counts as valid
            given = [mask for mask in masks if mask is not None]
            if self.any_valid:
                return None if len(given) < len(masks) else np.logical_or.reduce(given)
            return np.logical_and.reduce(given)
        whole = [np.ones(v.shape[:2], bool) if mask is None else mask for v, mask in zip(values, masks)]
        return np.concatenate(whole, axis=self.axis)


class Merge(Layer):
    """Element by element; subclasses say how.

    Args:
        any_valid: see the module.
    """

    function: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def __init__(self, *previous: Layer, name: str | None = None, any_valid: bool = False):
        super().__init__(*previous, name=name)
        self.any_valid = any_valid

    def forward(self, ops, *values):
        arrays = [np.asarray(value) for value in values]
        rank = max(array.ndim for array in arrays)  # Keras inserts axes after the first, not before it
        arrays = [a.reshape(a.shape[0], *(1,) * (rank - a.ndim), *a.shape[1:]) for a in arrays]
        try:
            return self.finish(functools.reduce(type(self).function, arrays), len(arrays))
        except ValueError as error:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise WeightsError(f"layer {self.name!r}: cannot combine {shapes}") from error

    def finish(self, x: np.ndarray, count: int) -> np.ndarray:
        """What is done to the combination of ``count`` arrays."""
        return x

    def propagate(self, values, masks):
        given = [mask for mask in masks if mask is not None]
        if not given or (self.any_valid and len(given) < len(masks)):
            return None
        return (np.logical_or if self.any_valid else np.logical_and).reduce(given)


class Add(Merge):
    """The sum."""

    function = np.add


class Subtract(Merge):
    """The first less the second."""

    function = np.subtract


class Multiply(Merge):
    """The product."""

    function = np.multiply


class Maximum(Merge):
    """The larger value."""

    function = np.maximum


class Minimum(Merge):
    """The smaller value."""

    function = np.minimum


class Average(Merge):
    """The mean."""

    function = np.add

    def finish(self, x: np.ndarray, count: int) -> np.ndarray:
        """The sum divided by the number of arrays."""
        return x / np.float32(count)
