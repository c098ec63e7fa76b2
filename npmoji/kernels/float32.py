"""Float32 products and LSTM directions.

Every output element is one chain of fused multiply-adds in a fixed order, `acc = bias; acc = fma(x[k], w[k], acc)` for
k = 0..K-1. Blocking changes which elements are computed side by side, never the chain of one of them. So the bits of a
result do not depend on the batch, the row, the thread count or the width of the machine's vectors.

Weights may also be stored as halves: the same chains, on weights widened as they are loaded. The two loops that read
panels are compiled for either on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import signatures
from .blocks import address_of
from .checks import check_lstm, check_packed, check_product, check_range, states_for
from .lstm_cell import lstm_walk_of, projection_of, there_and_back, update_row
from .memory import aligned_empty, copy_floats, store_group
from .products import multiply_panels
from .recurrence import Batch, chunks
from .target import (
    FLOAT_BYTES,
    GATES,
    GROUP,
    ROW_CHUNK,
    TILE,
    compiled,
    inlined,
)


def _matmul(x, panels, bias, out, first, last, z):
    """out[first:last] = bias + x[first:last] @ panels; the last axis of x and of out is contiguous. z is scratch."""
    z_stride = GROUP * FLOAT_BYTES
    for row in range(first, last, ROW_CHUNK):
        rows = min(ROW_CHUNK, last - row)
        a = address_of(x) + row * x.strides[0]
        for column in range(0, bias.shape[0], GROUP):
            for r in range(rows):
                copy_floats(address_of(z) + r * z_stride, address_of(bias) + column * FLOAT_BYTES, GROUP)
            multiply_panels(rows, a, x.strides[0], panels, column // GROUP, address_of(z))
            for r in range(rows):
                store_group(out, row + r, column, z, r)


class _Weights(NamedTuple):
    projected: np.ndarray
    panels: np.ndarray
    kind: int  # of the gates' function


@inlined
def _advance(weights, step):
    """One time step of an LSTM, a group of units after the other: projections plus product, then the gates."""
    groups = weights.projected.shape[1] // GROUP
    for turn in range(groups):
        group = there_and_back(turn, groups, step.odd)
        for r in range(step.rows):
            copy_floats(step.z + r * GROUP * FLOAT_BYTES, projection_of(weights.projected, step, r, group), GROUP)
        if step.old:
            multiply_panels(step.old, step.source, step.stride, weights.panels, group, step.z)
        for r in range(step.rows):
            update_row(weights.kind, step, r, group)


_walk = lstm_walk_of(_advance)


def _lstm(projected, index, recurrent, batch_sizes, reverse, kind, initial, cells, out, places, first, last, scratch):
    """One direction of an LSTM layer for the rows first..last, at most ROW_CHUNK, of a packed batch (see `lstm`)."""
    batch = Batch(index, batch_sizes, out, places, reverse, first, last)
    _walk(_Weights(projected, recurrent, kind), batch, initial, cells, scratch)


def matmul_loop(weights: np.dtype) -> Callable[..., None]:
    """The compiled product for panels of this type."""
    return compiled(_matmul, signatures.matmul, weights)


def lstm_loop(weights: np.dtype) -> Callable[..., None]:
    """The compiled LSTM direction for panels of this type."""
    return compiled(_lstm, signatures.lstm, weights)


# The functions to be called from Python -------------------------------------------------------------------------------


def matmul(
    x: np.ndarray, panels: np.ndarray, bias: np.ndarray, out: np.ndarray, first: int = 0, last: int | None = None
) -> None:
    """out[first:last] = bias + x[first:last] @ kernel, (M, K) x (K, N); `panels`, `bias` packed, the GIL released.

    Rows of x and out must be contiguous, rows themselves may be strided. ValueError for shapes that do not fit.
    """
    last = len(x) if last is None else last
    check_product(x, panels.shape[1], panels.shape[0] * TILE, bias, out)
    check_range(first, last, min(len(x), len(out)))
    matmul_loop(panels.dtype)(x, panels, bias, out, first, last, aligned_empty((ROW_CHUNK * GROUP,)))


def lstm(
    projected: np.ndarray,
    index: np.ndarray,
    recurrent: np.ndarray,
    batch_sizes: np.ndarray,
    out: np.ndarray,
    places: np.ndarray,
    *,
    reverse: bool = False,
    gate: str = "hard_sigmoid",
    initial: np.ndarray | None = None,
    cells: np.ndarray | None = None,
    first: int = 0,
    last: int | None = None,
) -> None:
    """One direction of an LSTM layer over a packed batch; the GIL is released.

    The rows are sorted by length, longest first, and their steps stored time-major: step t of row r is the packed
    position sum(batch_sizes[:t]) + r. A row's initial state is zero, and its first product with it is left out, unless
    `initial` gives another.

    projected: (P, 4H') input projections with bias, columns as `interleave_gates`
    index: (tokens,) int64, row of `projected` for each packed position; -1: masked, h and c are carried over
    recurrent: panels from `pack_gates`
    batch_sizes: (T,) int64, rows still running at each step, not growing
    out: (any, H) float32 view with contiguous rows, e.g. one half of a (N * T, 2H) array
    places: (tokens,) int64, row of `out` for each packed position
    initial: (rows, H) h before the first step
    cells: (rows, H) c before the first step, 0 if not given; changed to the c after the last one
    first, last: range of rows to compute, for splitting the work
    """
    check_lstm(projected, recurrent.shape, out.shape[1], out.shape[1])
    check_packed(projected, index, batch_sizes, out, places)
    initial, cells = states_for(batch_sizes, out.shape[1], initial, cells)
    loop = lstm_loop(recurrent.dtype)
    for row, end, scratch in chunks(batch_sizes, first, last, projected.shape[1] // GROUP):
        arguments = reverse, GATES[gate], initial, cells, out, places, row, end, scratch
        loop(projected, index, recurrent, batch_sizes, *arguments)
