"""Layers that normalise values to mean 0 and variance 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer


class BatchNormalization(Layer):
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta``, with the moving averages from training.

    Args:
        gamma, beta, mean, variance: float32, one number per index of ``axis``; the first two may be None.

    >>> norm = npmoji.BatchNormalization(npmoji.Input(), None, None, np.float32([1]), np.float32([4]), epsilon=0)
    >>> norm(np.float32([[5]]))
    array([[2.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        mean: np.ndarray,
        variance: np.ndarray,
        epsilon: float = 1e-3,
        axis: int = -1,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.axis, self._arrays = axis, {}
        for label, array in (("gamma", gamma), ("beta", beta), ("moving_mean", mean), ("moving_variance", variance)):
            if array is not None:
                self._arrays[label] = self.expect(label, array, mean.shape[0] if mean.ndim else None)
        if (variance < 0).any():
            raise WeightsError(f"layer {self.name!r}: moving_variance is negative")
        self.epsilon = epsilon
        self.refresh()

    def refresh(self) -> None:
        mean, variance = (self._arrays[f"moving_{name}"] for name in ("mean", "variance"))
        scale = 1 / np.sqrt(variance.astype(np.float64) + self.epsilon)
        self._mean, self._scale = mean, np.float32(scale * self._arrays.get("gamma", 1))
        self._beta = self._arrays.get("beta", np.zeros_like(mean))

    def affine(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, scale and offset: the output is ``(x - mean) scale + offset`` along the axis."""
        return self._mean, self._scale, self._beta

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if not -x.ndim <= self.axis < x.ndim or x.shape[self.axis] != len(self._scale):
            raise WeightsError(
                f"layer {self.name!r}: {len(self._scale)} averages for axis {self.axis} of an input of shape {x.shape}"
            )
        shape = [1] * x.ndim
        shape[self.axis] = -1
        return (x - self._mean.reshape(shape)) * self._scale.reshape(shape) + self._beta.reshape(shape)

    def weights(self) -> dict[str, np.ndarray]:
        return self._arrays


class AlongAxes(Layer):
    """What layers share that normalise each row by its numbers along some axes.

    Args:
        axis: the number of an axis, or several.
    """

    def __init__(self, previous: Layer, axis: int | tuple[int, ...], name: str | None):
        super().__init__(previous, name=name)
        self.axis = axis

    def _axes(self, x: Any) -> tuple[int, ...]:
        """The axes in their order, counted from the front."""
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        found = tuple(sorted(axis + x.ndim if axis < 0 else axis for axis in given))
        if not found or len(set(found)) < len(found) or found[0] < 1 or found[-1] >= x.ndim:
            raise WeightsError(f"layer {self.name!r}: axis {self.axis} of an input of shape {x.shape}")
        return found

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        axes = self._axes(x)
        last = tuple(range(x.ndim - len(axes), x.ndim))
        moved = np.moveaxis(x, axes, last)
        rows = np.ascontiguousarray(moved).reshape(*moved.shape[: last[0]], math.prod(moved.shape[last[0] :]))
        sizes = tuple(x.shape[axis] for axis in axes)
        return np.moveaxis(self.normalised(ops, rows, sizes).reshape(moved.shape), last, axes)

    def normalised(self, ops: Ops, x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        """The rows (..., M) normalised; ``sizes`` are those of the axes that M is the product of."""
        raise NotImplementedError

    def _flat(self, label: str, array: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        """A weight of a number for each of the axes' places, as M numbers."""
        if sorted(array.shape) != sorted(sizes):  # Keras lists them in the order of the config, and reshapes
            wanted = ", ".join(map(str, sizes))
            raise WeightsError(f"layer {self.name!r}: {label} has shape {array.shape}, expected ({wanted})")
        return array.reshape(-1)


def row_mean(ops: Ops, x: np.ndarray) -> np.ndarray:
    """Mean over the last axis, kept as an axis of size 1; summed by the engine, in its fixed order."""
    return np.asarray(ops.feature_sum(x))[..., None] / np.float32(x.shape[-1])


class LayerNormalization(AlongAxes):
    """Each row along the last axis normalised to mean 0 and variance 1, then ``gamma x + beta``.

    Args:
        gamma, beta: float32 (F,), or None; with several axes a number for each place, such as (T, F).
        axis: the number of an axis, or several.
        rms_scaling: divide by the standard deviation, but do not subtract the mean, as Keras 3 does then.

    >>> npmoji.LayerNormalization(npmoji.Input(), None, None)(np.float32([[1, 3]])).round(2)
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        epsilon: float = 1e-3,
        axis: int | tuple[int, ...] = -1,
        rms_scaling: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, axis, name)
        self._arrays = {label: array for label, array in (("gamma", gamma), ("beta", beta)) if array is not None}
        for label, array in self._arrays.items():
            self.expect(label, array, *(None,) * (len(axis) if isinstance(axis, tuple) else 1))
        self.epsilon, self.rms_scaling = np.float32(epsilon), rms_scaling

    def normalised(self, ops: Ops, x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        centred = x - row_mean(ops, x)
        deviation = np.sqrt(row_mean(ops, centred * centred) + self.epsilon)
        out = (x if self.rms_scaling else centred) / deviation
        if "gamma" in self._arrays:
            out = out * self._flat("gamma", self._arrays["gamma"], sizes)
        return out + self._flat("beta", self._arrays["beta"], sizes) if "beta" in self._arrays else out

    def weights(self) -> dict[str, np.ndarray]:
        return self._arrays


class RMSNormalization(AlongAxes):
    """Each row divided by the root of the mean of its squares, times ``scale``; the mask is dropped, as in Keras 3.

    Args:
        scale: float32 (F,), or None; with several axes, which must be the last ones, such as (T, F).

    >>> npmoji.RMSNormalization(npmoji.Input(), np.float32([1, 2]))(np.float32([[3, 3]])).round(3)
    array([[1., 2.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        scale: np.ndarray | None,
        epsilon: float = 1e-6,
        axis: int | tuple[int, ...] = -1,
        name: str | None = None,
    ):
        super().__init__(previous, axis, name)
        several = len(axis) if isinstance(axis, tuple) else 1
        self.scale = None if scale is None else self.expect("scale", scale, *(None,) * several)
        self.epsilon = np.float32(epsilon)

    def normalised(self, ops: Ops, x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        out = x / np.sqrt(row_mean(ops, x * x) + self.epsilon)
        return out if self.scale is None else out * self._flat("scale", self.scale, sizes)

    def _axes(self, x: Any) -> tuple[int, ...]:
        axes = super()._axes(x)
        if axes != tuple(range(x.ndim - len(axes), x.ndim)):  # Keras multiplies the last axes with scale, whatever axis
            raise WeightsError(
                f"layer {self.name!r}: axis {self.axis} of an input of shape {x.shape}, expected the last axes"
            )
        return axes

    def propagate(self, values, masks):
        return None

    def weights(self) -> dict[str, np.ndarray]:
        return {} if self.scale is None else {"scale": self.scale}


class UnitNormalization(AlongAxes):
    """Each row divided by its length, the root of the sum of its squares.

    Args:
        least: a shorter row is divided by this: 1e-6 in Keras 2, 1e-12 in Keras 3.

    >>> npmoji.UnitNormalization(npmoji.Input())(np.float32([[3, 4], [0, 0]]))
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """

    def __init__(
        self, previous: Layer, axis: int | tuple[int, ...] = -1, least: float = 1e-12, name: str | None = None
    ):
        super().__init__(previous, axis, name)
        self.least = np.float32(least)

    def normalised(self, ops: Ops, x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        return unit_rows(ops, x, self.least)


def unit_rows(ops: Ops, x: np.ndarray, least: np.float32) -> np.ndarray:
    """Rows (..., M) of length 1; what is shorter than ``least`` is divided by it."""
    return x / np.maximum(np.sqrt(np.asarray(ops.feature_sum(x * x)))[..., None], least)


class GroupNormalization(Layer):
    """Features in groups, each normalised to mean 0 and variance 1 over a row's steps too, then ``gamma x + beta``.

    Args:
        gamma, beta: float32 (F,), or None.
        groups: how many groups the features are in; -1 as many as features.
        masked: whether the input may have a mask, which is not looked at, as in Keras 3. tf_keras cannot compute the
            layer then: if False, a mask raises a WeightsError.

    >>> layer = npmoji.GroupNormalization(npmoji.Input(), None, None, groups=2)
    >>> layer(np.float32([[[1, 5], [3, 5]]])).round(2).tolist()
    [[[-1.0, 0.0], [1.0, 0.0]]]
    """

    def __init__(
        self,
        previous: Layer,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        groups: int = 32,
        epsilon: float = 1e-3,
        axis: int = -1,
        masked: bool = True,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self._arrays = {label: array for label, array in (("gamma", gamma), ("beta", beta)) if array is not None}
        for label, array in self._arrays.items():
            self.expect(label, array, None)
        self.groups, self.epsilon, self.axis, self.masked = groups, np.float32(epsilon), axis, masked

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        F = x.shape[axis] if 1 <= axis < x.ndim else 0
        groups = F if self.groups == -1 else self.groups
        if not groups or not F or F % groups:
            raise WeightsError(
                f"layer {self.name!r}: {self.groups} groups along axis {self.axis} of an input of shape {x.shape}"
            )
        for label, array in self._arrays.items():
            self.expect(label, array, F)
        moved = np.moveaxis(x, axis, 1)  # (N, F, ...): a group's numbers are beside one another
        rows = np.ascontiguousarray(moved).reshape(len(x), groups, math.prod(moved.shape[1:]) // groups)
        centred = rows - row_mean(ops, rows)
        out = centred / np.sqrt(row_mean(ops, centred * centred) + self.epsilon)
        out = np.moveaxis(out.reshape(moved.shape), 1, axis)
        shape = [F if i == axis else 1 for i in range(x.ndim)]
        if "gamma" in self._arrays:
            out = out * self._arrays["gamma"].reshape(shape)
        return out + self._arrays["beta"].reshape(shape) if "beta" in self._arrays else out

    def propagate(self, values, masks):
        if masks[0] is not None and not self.masked:
            raise WeightsError(f"layer {self.name!r}: GroupNormalization of a masked input, which tf_keras cannot do")
        return masks[0]

    def weights(self) -> dict[str, np.ndarray]:
        return self._arrays
