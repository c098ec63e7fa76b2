"""Layers over windows of a plane, x (N, T, E, C), or over all of it: convolution and pooling along two axes.

In text networks T is time and E the features of an embedding, so that a kernel of (k, E) covers k words.
"""

from __future__ import annotations

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer, step_sum
from .shapes import Unmasked
from .windows import Grouped, padding

Pair = tuple[int, int]
PADDINGS = ("valid", "same")


def windows_2d(x: np.ndarray, size: Pair, strides: Pair, dilation: Pair = (1, 1)) -> np.ndarray:
    """Views of x (N, T, E, C) as (N, rows, columns, *size, C), as `windows.windows` along both axes."""
    counts = [
        max(0, (total - (n - 1) * apart - 1) // stride + 1)
        for total, n, stride, apart in zip(x.shape[1:3], size, strides, dilation)
    ]
    n, t, e, c = x.strides
    steps = (n, t * strides[0], e * strides[1], t * dilation[0], e * dilation[1], c)
    return np.lib.stride_tricks.as_strided(x, (len(x), *counts, *size, x.shape[3]), steps, writeable=False)


class Windowed(Unmasked):
    """What layers over windows of a plane share: how the windows lie, and what is added around the plane."""

    def __init__(self, previous: Layer, strides: Pair, padding: str, dilation: Pair, name: str | None):
        super().__init__(previous, name=name)
        if padding not in PADDINGS:
            raise WeightsError(f"layer {self.name!r}: padding {padding!r}, expected valid or same")
        self.strides, self.padding, self.dilation = tuple(strides), padding, tuple(dilation)

    def _windows(self, x: np.ndarray, size: Pair, fill: float = 0.0) -> np.ndarray:
        """The windows of x, ``fill`` added around it."""
        if x.ndim != 4:
            raise WeightsError(f"layer {self.name!r}: its input has shape {x.shape}, expected (N, T, E, C)")
        ends = [
            padding(total, n, stride, apart, self.padding)
            for total, n, stride, apart in zip(x.shape[1:3], size, self.strides, self.dilation)
        ]
        if any(map(any, ends)):
            x = np.pad(x, ((0, 0), *ends, (0, 0)), constant_values=np.float32(fill))
        return windows_2d(x, size, self.strides, self.dilation)


class Conv2D(Grouped, Windowed):
    """Convolution over a plane: (N, T, E, F) -> (N, rows, columns, C).

    Args:
        kernel: float32 (height, width, F / groups, C). bias: float32 (C,), or None.
        padding: ``"valid"`` or ``"same"``.

    >>> conv = npmoji.Conv2D(npmoji.Input(), np.ones((2, 2, 1, 1), np.float32))  # sums of two by two
    >>> conv(np.float32([[[[1], [2]], [[3], [4]], [[5], [6]]]])).tolist()
    [[[[10.0]], [[18.0]]]]
    """

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        strides: Pair = (1, 1),
        padding: str = "valid",
        dilation: Pair = (1, 1),
        groups: int = 1,
        name: str | None = None,
    ):
        super().__init__(previous, strides, padding, dilation, name)
        self.kernel = self.expect("kernel", kernel, None, None, None, None)
        self.bias = None if bias is None else self.expect("bias", bias, kernel.shape[3])
        self.groups = groups
        self.check_groups()

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        height, breadth, width, _ = self.kernel.shape
        if x.ndim != 4 or x.shape[3] != width * self.groups:
            raise WeightsError(f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {x.shape}")
        views = self._windows(x, (height, breadth))
        return self.product(ops, views, *views.shape[:3], height * breadth * width)


class Pooling2D(Windowed):
    """The maximum or average of each window of a plane; what ``same`` padding adds counts for neither.

    Args:
        pool_size: height and width of a window.
        strides: by default as large as a window.
        average: the average if True, else the maximum.

    >>> npmoji.Pooling2D(npmoji.Input(), (2, 1))(np.float32([[[[1], [3]], [[2], [0]]]])).tolist()
    [[[[2.0], [3.0]]]]
    """

    def __init__(
        self,
        previous: Layer,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: str = "valid",
        average: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, strides or pool_size, padding, (1, 1), name)
        self.pool_size, self.average = tuple(pool_size), average

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        views = self._windows(x, self.pool_size, 0.0 if self.average else -np.inf)
        if not self.average:
            return views.max(axis=(3, 4))
        there = self._windows(np.ones((1, *x.shape[1:3], 1), np.float32), self.pool_size)
        return self._sum(views) / self._sum(there)

    @staticmethod
    def _sum(views: np.ndarray) -> np.ndarray:
        return step_sum([views[:, :, :, i, j] for i in range(views.shape[3]) for j in range(views.shape[4])])


class GlobalAveragePooling2D(Unmasked):
    """The mean over a plane: (N, T, E, C) -> (N, C).

    >>> npmoji.GlobalAveragePooling2D(npmoji.Input())(np.float32([[[[1], [2]], [[3], [6]]]]))
    array([[3.]], dtype=float32)
    """

    def __init__(self, previous: Layer, keepdims: bool = False, name: str | None = None):
        super().__init__(previous, name=name)
        self.keepdims = keepdims

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if x.ndim != 4 or not x.shape[1] * x.shape[2]:
            raise WeightsError(f"layer {self.name!r}: its input has shape {x.shape}, expected (N, T, E, C)")
        N, T, E, C = x.shape
        mean = step_sum(x.reshape(N, T * E, C).swapaxes(0, 1)) / np.float32(T * E)
        return mean[:, None, None] if self.keepdims else mean


class GlobalMaxPooling2D(Unmasked):
    """The maximum over a plane: (N, T, E, C) -> (N, C).

    >>> npmoji.GlobalMaxPooling2D(npmoji.Input())(np.float32([[[[1], [2]], [[3], [6]]]]))
    array([[6.]], dtype=float32)
    """

    def __init__(self, previous: Layer, keepdims: bool = False, name: str | None = None):
        super().__init__(previous, name=name)
        self.keepdims = keepdims

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if x.ndim != 4:
            raise WeightsError(f"layer {self.name!r}: its input has shape {x.shape}, expected (N, T, E, C)")
        return x.max(axis=(1, 2), keepdims=self.keepdims)
