"""Sums over windows of time steps, which make a convolution of products that have been computed once for each row."""

from __future__ import annotations

import numpy as np
from numba import types

from .checks import check_range
from .target import jit

_PARTS = types.Array(types.float32, 2, "C", readonly=True)
_INDEX = types.Array(types.int64, 2, "C", readonly=True)
_BIAS = types.Array(types.float32, 1, "C", readonly=True)
_OUT = types.Array(types.float32, 3, "C")


@jit(types.void(_PARTS, _INDEX, _BIAS, _OUT, *[types.int64] * 5))
def _window_sums(parts, index, bias, out, strides, dilation, before, first, last):
    width = len(bias)
    size = parts.shape[1] // width
    for text in range(first, last):
        for step in range(out.shape[1]):
            target = out[text, step]
            for c in range(width):
                target[c] = bias[c]
            for position in range(size):
                at = step * strides + position * dilation - before
                if 0 <= at < index.shape[1]:
                    source = parts[index[text, at], position * width : (position + 1) * width]
                    for c in range(width):
                        target[c] += source[c]


def window_sums(
    parts: np.ndarray,
    index: np.ndarray,
    bias: np.ndarray,
    out: np.ndarray,
    *,
    strides: int,
    dilation: int,
    before: int,
    first: int,
    last: int,
) -> None:
    """out[n, s] = bias + the sum over the kernel's positions k, in order, of what row ``index[n, t]`` gives at k, for
    the texts first..last, where t = strides s + dilation k - before; steps beyond the text give nothing.

    parts: (U, size C) float32; index: (N, T) int64, rows of it; bias: (C,); out: (N, steps, C); all contiguous.
    """
    check_range(first, last, min(len(index), len(out)))
    width = len(bias)
    if out.shape[2] != width or not width or parts.shape[1] % width or min(strides, dilation) < 1:
        raise ValueError(f"window_sums: parts {parts.shape}, bias {bias.shape}, out {out.shape} do not fit")
    if index.size and (index.min() < 0 or index.max() >= len(parts)):
        raise ValueError(f"window_sums: an index that is not one of {len(parts)} rows")
    _window_sums(parts, index, bias, out, strides, dilation, before, first, last)
