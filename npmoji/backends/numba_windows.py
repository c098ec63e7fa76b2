"""Convolution over time on compiled kernels.

What a row gives at each position of the kernel is computed once for each distinct row, in one product, however many
windows the row is in. A window's result is the bias and then what its positions give, in order: its bits depend on the
window's rows alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from .. import kernels
from .packing import Rows, as_rows
from .windows import count

OnRows = Callable[[int, Callable[[int, int], None]], None]


class PackedConv(NamedTuple):
    """A convolution's weights: the kernel's positions side by side in panels, (F, size C)."""

    panels: np.ndarray
    no_bias: np.ndarray  # zeros, as wide as the panels
    bias: np.ndarray
    size: int


def pack_conv1d(kernel: np.ndarray, bias: np.ndarray | None) -> PackedConv:
    """See `Ops.pack_conv1d`."""
    size, F, C = kernel.shape
    panels = kernels.pack_columns(np.ascontiguousarray(kernel.swapaxes(0, 1)).reshape(F, size * C))
    no_bias = np.zeros(panels.shape[0] * panels.shape[2], np.float32)
    return PackedConv(panels, no_bias, no_bias[:C] if bias is None else np.ascontiguousarray(bias, np.float32), size)


def conv1d(
    x: np.ndarray | Rows,
    weights: PackedConv,
    strides: int,
    dilation: int,
    ends: tuple[int, int],
    scratch: kernels.Scratch,
    on_rows: OnRows,
) -> np.ndarray:
    """See `Ops.conv1d`; ``on_rows(rows, work)`` calls ``work(first, last)`` for all rows, on several threads."""
    (values, index), (panels, no_bias, bias, size) = as_rows(x), weights
    parts = scratch.array(len(values), size * len(bias))
    on_rows(len(parts), lambda first, last: kernels.matmul(values, panels, no_bias, parts, first, last))
    steps = count(index.shape[1] + sum(ends), size, strides, dilation)
    out = np.empty((len(index), steps, len(bias)), np.float32)
    add = partial(kernels.window_sums, parts, index, bias, out, strides=strides, dilation=dilation, before=ends[0])
    on_rows(len(out), lambda first, last: add(first=first, last=last))
    return out
