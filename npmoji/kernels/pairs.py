"""Products of many pairs of small matrices in float32: those of queries and keys, of one text and head each.

Every number is the chain of `float32.matmul`, so its bits depend on its own pair only. The second matrix of a pair is
packed just before its product, into panels that all pairs of a thread share. Compiled on first use.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .blocks import address_of
from .checks import FLOAT32, check_range
from .memory import aligned_empty, store_group, zero_floats
from .panels import round_up
from .products import multiply_panel, multiply_panels
from .target import FLOAT_BYTES, FLOATS, GROUP, ROW_CHUNK, TILE, compiled

_IN = types.Array(types.float32, 3, "A", readonly=True)
_OUT = types.Array(types.float32, 3, "A")


def _signature(panels: types.Array) -> types.Type:
    return types.void(_IN, _IN, _OUT, panels.copy(readonly=False), types.int64, types.int64, FLOATS)


def _pairs(x, y, out, panels, first, last, z):
    """out[first:last] = x[first:last] @ y[first:last]; panels and z are scratch."""
    k = y.shape[1]
    for pair in range(first, last):
        for panel in range(panels.shape[0]):
            start = panel * TILE
            width = max(0, min(TILE, y.shape[2] - start))
            for i in range(k):
                for j in range(width):
                    panels[panel, i, j] = y[pair, i, start + j]
                for j in range(width, TILE):
                    panels[panel, i, j] = 0
        for row in range(0, x.shape[1], ROW_CHUNK):
            rows = min(ROW_CHUNK, x.shape[1] - row)
            a = address_of(x) + pair * x.strides[0] + row * x.strides[1]
            for column in range(0, y.shape[2], GROUP):
                zero_floats(address_of(z), rows * GROUP)
                if rows < 4 or rows == 7:  # what register blocks of one panel cannot make up
                    multiply_panels(rows, a, x.strides[1], panels, column // GROUP, address_of(z))
                else:
                    for start in range(0, min(GROUP, y.shape[2] - column), TILE):
                        b = address_of(panels) + (column + start) * k * FLOAT_BYTES
                        multiply_panel(rows, a, x.strides[1], b, address_of(z) + start * FLOAT_BYTES, k, panels.dtype)
                for r in range(rows):
                    store_group(out[pair], row + r, column, z, r)


def pairs(x: np.ndarray, y: np.ndarray, out: np.ndarray, first: int = 0, last: int | None = None) -> None:
    """out[first:last] = x[first:last] @ y[first:last]: (B, M, K), (B, K, N) -> (B, M, N); the GIL is released.

    Rows of x and out must be contiguous, y may be strided in any way. ValueError for shapes that do not fit.
    """
    last = len(x) if last is None else last
    fits = x.shape[::2] == y.shape[:2] and out.shape == (len(x), x.shape[1], y.shape[2])
    if x.ndim != 3 or y.ndim != 3 or not fits:
        raise ValueError(f"pairs: x {x.shape}, y {y.shape}, out {out.shape} do not fit")
    for array in (x, y, out):
        scattered = array is not y and array.size and array.shape[2] > 1 and array.strides[2] != FLOAT_BYTES
        if array.dtype != FLOAT32 or scattered:
            raise ValueError(f"pairs: need float32 with contiguous rows, got {array.dtype} strides {array.strides}")
    check_range(first, last, len(x))
    panels = aligned_empty((round_up(y.shape[2], GROUP) // TILE, y.shape[1], TILE))
    loop = compiled(_pairs, _signature, panels.dtype)
    loop(x, y, out, panels, first, last, aligned_empty((ROW_CHUNK * GROUP,)))
