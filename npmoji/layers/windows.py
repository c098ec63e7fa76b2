"""Layers over windows of time steps, or over all of them: convolution and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..backends.windows import windows
from ..errors import WeightsError
from .base import Layer, given, step_sum
from .shapes import Unmasked


def padding(T: int, size: int, strides: int, dilation: int, kind: str) -> tuple[int, int]:
    """Steps to add before and after: ``same`` as TensorFlow splits them, ``causal`` all before, ``valid`` none."""
    reach = (size - 1) * dilation
    if kind == "causal":
        return reach, 0
    if kind == "valid":
        return 0, 0
    total = max(0, (-(-T // strides) - 1) * strides + reach + 1 - T)
    return total // 2, total - total // 2


class Grouped(Unmasked):
    """What convolutions share: the product of windows with the kernel, group by group.

    Attributes:
        kernel: (*size, F / groups, C); bias: (C,), or None.
        groups: how many parts of the features have results of their own.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    groups: int

    def check_groups(self) -> None:
        """Raise a WeightsError unless each group has as many results."""
        C = self.kernel.shape[-1]
        if C % self.groups:
            raise WeightsError(f"layer {self.name!r}: {C} filters in {self.groups} groups")

    def product(self, ops: Ops, views: np.ndarray, *shape: int) -> Array:
        """The results (..., C) of windows (..., *size, F), each group's part of which is of this shape."""
        width = self.kernel.shape[-2]
        groups = [
            ops.dense(np.ascontiguousarray(views[..., g * width : (g + 1) * width]).reshape(shape), weights)
            for g, weights in enumerate(self.packed(ops))
        ]
        return groups[0] if len(groups) == 1 else ops.concatenate(groups)

    def pack(self, ops: Ops) -> list[Any]:
        """Each group's weights as a dense layer over whole windows."""
        share = self.kernel.shape[-1] // self.groups
        columns = [slice(g * share, (g + 1) * share) for g in range(self.groups)]
        return [
            ops.pack_dense(
                np.ascontiguousarray(self.kernel[..., c].reshape(-1, share)),
                None if self.bias is None else self.bias[c],
            )
            for c in columns
        ]

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias)


class Conv1D(Grouped):
    """Convolution over time: (N, T, F) -> (N, steps, C).

    Args:
        kernel: float32 (size, F / groups, C). bias: float32 (C,), or None.
        padding: ``"valid"``, ``"same"`` or ``"causal"``.

    >>> conv = npmoji.Conv1D(npmoji.Input(), np.ones((2, 1, 1), np.float32))  # sums of two neighbours
    >>> conv(np.float32([[[1], [2], [5]]])).tolist()
    [[[3.0], [7.0]]]
    """

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        strides: int = 1,
        padding: str = "valid",
        dilation: int = 1,
        groups: int = 1,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.kernel = self.expect("kernel", kernel, None, None, None)
        self.bias = None if bias is None else self.expect("bias", bias, kernel.shape[2])
        if padding not in ("valid", "same", "causal"):
            raise WeightsError(f"layer {self.name!r}: padding {padding!r}, expected valid, same or causal")
        self.strides, self.padding, self.dilation, self.groups = strides, padding, dilation, groups
        self.check_groups()

    def forward(self, ops: Ops, x: Array) -> Array:
        size, width, _ = self.kernel.shape
        if x.ndim != 3 or x.shape[2] != width * self.groups:
            raise WeightsError(f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {x.shape}")
        ends = padding(x.shape[1], size, self.strides, self.dilation, self.padding)
        if self.groups == 1:
            return ops.conv1d(x, self.packed(ops), self.strides, self.dilation, ends)
        views = windows(np.pad(np.asarray(x), ((0, 0), ends, (0, 0))), size, self.strides, self.dilation)
        return self.product(ops, views, *views.shape[:2], -1)

    def pack(self, ops: Ops) -> Any:
        return ops.pack_conv1d(self.kernel, self.bias) if self.groups == 1 else super().pack(ops)


class Pooling1D(Unmasked):
    """The maximum or average of each window of steps; steps added by ``same`` padding count for neither.

    Args:
        average: the average if True, else the maximum.

    >>> npmoji.Pooling1D(npmoji.Input(), 2)(np.float32([[[1], [3], [2], [0]]])).tolist()
    [[[3.0], [2.0]]]
    """

    def __init__(
        self,
        previous: Layer,
        pool_size: int = 2,
        strides: int | None = None,
        padding: str = "valid",
        average: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        if padding not in ("valid", "same"):
            raise WeightsError(f"layer {self.name!r}: padding {padding!r}, expected valid or same")
        self.pool_size, self.strides, self.padding, self.average = pool_size, strides or pool_size, padding, average

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        ends = padding(x.shape[1], self.pool_size, self.strides, 1, self.padding)
        fill = np.float32(0 if self.average else -np.inf)
        views = windows(np.pad(x, ((0, 0), ends, (0, 0)), constant_values=fill), self.pool_size, self.strides)
        if not self.average:
            return views.max(axis=2)
        there = windows(
            np.pad(np.ones((1, x.shape[1], 1), np.float32), ((0, 0), ends, (0, 0))), self.pool_size, self.strides
        )
        return step_sum(views.transpose(2, 0, 1, 3)) / step_sum(there.transpose(2, 0, 1, 3))


class GlobalAveragePooling1D(Layer):
    """The mean over the valid steps: (N, T, F) -> (N, F). It is 0 for a text without any, where Keras divides 0 by 0.

    >>> npmoji.GlobalAveragePooling1D(npmoji.Input())(np.float32([[[1, 2], [3, 4]]]))
    array([[2., 3.]], dtype=float32)
    """

    uses_mask = True

    def __init__(self, previous: Layer, keepdims: bool = False, name: str | None = None):
        super().__init__(previous, name=name)
        self.keepdims = keepdims

    def forward(self, ops: Ops, x: Array, mask: np.ndarray) -> Array:
        x = np.asarray(x)
        count = np.maximum(mask.sum(axis=1), 1).astype(np.float32)
        mean = step_sum((x * mask[..., None]).swapaxes(0, 1)) / count[:, None]
        return mean[:, None] if self.keepdims else mean

    def propagate(self, values, masks):
        return None


class GlobalMaxPooling1D(Unmasked):
    """The maximum over all steps, including masked ones, as in Keras: (N, T, F) -> (N, F).

    >>> npmoji.GlobalMaxPooling1D(npmoji.Input())(np.float32([[[1, 5], [3, 4]]]))
    array([[3., 5.]], dtype=float32)
    """

    def __init__(self, previous: Layer, keepdims: bool = False, name: str | None = None):
        super().__init__(previous, name=name)
        self.keepdims = keepdims

    def forward(self, ops: Ops, x: Array) -> Array:
        return np.asarray(x).max(axis=1, keepdims=self.keepdims)


class MaskedMean(GlobalAveragePooling1D):
    """The mean of the embedding's rows at valid steps, ``sum(mask · rows) / max(1, number of valid steps)``.

    >>> rows = npmoji.Embedding(npmoji.Input(), np.float32([[0, 0], [3, 4]]))
    >>> npmoji.MaskedMean(rows)(np.array([[1, 0, 0]]))  # 0 is padding
    array([[3., 4.]], dtype=float32)
    """
