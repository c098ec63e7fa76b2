"""Convolutions over time with a kernel for each feature, or for each place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer, given, step_sum
from .shapes import Unmasked
from .windows import padding, windows


class DepthwiseConv1D(Unmasked):
    """Convolution of each feature on its own: (N, T, F) -> (N, steps, F M), the M results of a feature side by side.

    Args:
        kernel: float32 (size, F, M). bias: float32 (F M,), or None.
        padding: ``"valid"``, ``"same"`` or ``"causal"``.

    >>> conv = npmoji.DepthwiseConv1D(npmoji.Input(), np.float32([[[1], [2]], [[1], [0]]]))
    >>> conv(np.float32([[[1, 1], [2, 2], [5, 5]]])).tolist()
    [[[3.0, 2.0], [7.0, 4.0]]]
    """

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        strides: int = 1,
        padding: str = "valid",
        dilation: int = 1,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.kernel = self.expect("kernel", kernel, None, None, None)
        self.bias = None if bias is None else self.expect("bias", bias, kernel.shape[1] * kernel.shape[2])
        if padding not in ("valid", "same", "causal"):
            raise WeightsError(f"layer {self.name!r}: padding {padding!r}, expected valid, same or causal")
        self.strides, self.padding, self.dilation = strides, padding, dilation

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        size, width, times = self.kernel.shape
        if x.ndim != 3 or x.shape[2] != width:
            raise WeightsError(f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {x.shape}")
        ends = padding(x.shape[1], size, self.strides, self.dilation, self.padding)
        views = windows(np.pad(x, ((0, 0), ends, (0, 0))), size, self.strides, self.dilation)
        out = step_sum([views[:, :, k, :, None] * self.kernel[k] for k in range(size)])
        out = out.reshape(*views.shape[:2], width * times)
        return out if self.bias is None else out + self.bias

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias)


class LocallyConnected1D(Unmasked):
    """A convolution with another kernel at each place, for a fixed number of steps: (N, T, F) -> (N, steps, C).

    Args:
        kernel: float32 (steps, size F, C). bias: float32 (steps, C), or None.

    >>> layer = npmoji.layers.LocallyConnected1D(npmoji.Input(), np.float32([[[1], [1]], [[2], [0]]]), size=2)
    >>> layer(np.float32([[[1], [2], [5]]])).tolist()
    [[[3.0], [4.0]]]
    """

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        size: int = 1,
        strides: int = 1,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.kernel = self.expect("kernel", kernel, None, None, None)
        self.bias = None if bias is None else self.expect("bias", bias, kernel.shape[0], kernel.shape[2])
        self.size, self.strides = size, strides

    def forward(self, ops: Ops, x: Array) -> Array:
        x, (steps, width, _) = np.asarray(x), self.kernel.shape
        fits = x.ndim == 3 and self.size * x.shape[2] == width and (x.shape[1] - self.size) // self.strides + 1 == steps
        if not fits:
            raise WeightsError(f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {x.shape}")
        views = windows(x, self.size, self.strides)
        rows = [np.ascontiguousarray(views[:, s]).reshape(len(x), width) for s in range(steps)]
        return np.stack([np.asarray(ops.dense(row, w)) for row, w in zip(rows, self.packed(ops))], axis=1)

    def pack(self, ops: Ops) -> list[Any]:
        """Each place's weights as a dense layer over its window."""
        return [ops.pack_dense(k, None if self.bias is None else self.bias[s]) for s, k in enumerate(self.kernel)]

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias)
