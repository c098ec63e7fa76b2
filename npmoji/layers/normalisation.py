"""Layers that normalise values to mean 0 and variance 1."""

from __future__ import annotations

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


class LayerNormalization(Layer):
    """Each row along the last axis normalised to mean 0 and variance 1, then ``gamma x + beta``.

    Args:
        gamma, beta: float32 (F,), or None.

    >>> npmoji.LayerNormalization(npmoji.Input(), None, None)(np.float32([[1, 3]])).round(2)
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        epsilon: float = 1e-3,
        axis: int = -1,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.axis = axis
        self._arrays = {label: array for label, array in (("gamma", gamma), ("beta", beta)) if array is not None}
        for label, array in self._arrays.items():
            self.expect(label, array, None)
        self.epsilon = np.float32(epsilon)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if self.axis not in (-1, x.ndim - 1):
            raise WeightsError(
                f"layer {self.name!r}: axis {self.axis} of an input of shape {x.shape}, expected the last axis"
            )
        for label, array in self._arrays.items():
            self.expect(label, array, x.shape[-1])
        centred = x - self._mean(ops, x)
        out = centred / np.sqrt(self._mean(ops, centred * centred) + self.epsilon)
        if "gamma" in self._arrays:
            out = out * self._arrays["gamma"]
        return out + self._arrays["beta"] if "beta" in self._arrays else out

    @staticmethod
    def _mean(ops: Ops, x: np.ndarray) -> np.ndarray:
        """Mean over the last axis, kept as an axis of size 1; summed by the engine, in its fixed order."""
        return np.asarray(ops.feature_sum(x))[..., None] / np.float32(x.shape[-1])

    def weights(self) -> dict[str, np.ndarray]:
        return self._arrays
