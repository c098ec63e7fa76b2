"""Quantised matrix product and LSTM direction in int8, the counterparts of those in `float32`.

Weights are quantised when packed, symmetrically, one scale a column; activations while running, one scale a row: both
to -127..127. Sums of products are whole numbers, hence exact, and the float operations around them are elementwise: so
here, too, the bits of a result depend on nothing but its own row, whatever instructions computed it.

Importing this module compiles it, or loads what was compiled: so it is imported only where int8 is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from ..precision import Int8Array, int8
from .blocks import address_of
from .float32 import (
    aligned_empty,
    block_rows,
    check_lstm,
    check_range,
    check_rows,
    copy_floats,
    interleave_gates,
    load_rows,
    round_up,
    save_rows,
    state_floats,
    state_width,
    states_for,
    update_gates,
    write_rows,
    zero_floats,
)
from .int8_blocks import (
    ARITHMETIC,
    QUAD,
    dequantise,
    largest_of,
    quantise,
    tile_1,
    tile_2,
    tile_3,
    tile_4,
    tile_5,
    tile_6,
)
from .target import (
    CACHE_LINE,
    FLOAT_BYTES,
    FLOATS,
    GATES,
    GROUP,
    GROUP_PANELS,
    GROUP_UNITS,
    INDEX_IN,
    LANES,
    MATRIX,
    MATRIX_IN,
    ROW_CHUNK,
    TILE,
    VECTOR_IN,
    VECTORS,
    inner,
    jit,
)

WORDS = np.dtype(np.int32)  # what four bytes are loaded as
QUANTUM = 127.0
TINY = 1e-30  # rows or columns no larger than this count as zeros
ROWS_INT8 = 6 if VECTORS == 4 else 4  # a block's operands take more registers than the float kernels'
K_BLOCK_STEPS = 256


@inner
def _multiply_panel(rows, a, a_stride, b, c, steps):
    """c[:, :TILE] += a b for `rows` rows and a slice of the steps of one panel."""
    c_stride = GROUP * FLOAT_BYTES
    row = 0
    while row < rows:
        count = block_rows(rows - row, ROWS_INT8)
        if count == 1:
            tile_1(a, a_stride, b, 0, c, c_stride, steps, WORDS)
        elif count == 2:
            tile_2(a, a_stride, b, 0, c, c_stride, steps, WORDS)
        elif count == 3:
            tile_3(a, a_stride, b, 0, c, c_stride, steps, WORDS)
        elif count == 4 or ROWS_INT8 == 4:  # a constant: spares the compiler the larger blocks
            tile_4(a, a_stride, b, 0, c, c_stride, steps, WORDS)
        elif count == 5:
            tile_5(a, a_stride, b, 0, c, c_stride, steps, WORDS)
        else:
            tile_6(a, a_stride, b, 0, c, c_stride, steps, WORDS)
        row += count
        a += count * a_stride
        c += count * c_stride


@inner
def _multiply_group(rows, a, a_stride, group, z, steps):
    """z (rows, GROUP) += a (rows, steps) times a group of panels, all int32."""
    block = K_BLOCK_STEPS if rows > ROWS_INT8 else steps
    for panel in range(GROUP_PANELS):
        for first in range(0, steps, block):
            b = group + (panel * steps + first) * TILE * FLOAT_BYTES
            c = z + panel * TILE * FLOAT_BYTES
            _multiply_panel(rows, a + first * FLOAT_BYTES, a_stride, b, c, min(block, steps - first))


@inner
def _quantise_rows(rows, source, stride, width, target, target_stride, scales, scratch):
    """Bytes and scales of `rows` rows of `width` floats, a multiple of LANES, at address `source`; `scratch` has LANES
    floats. A row with a NaN gets the scale NaN, and so do all products with it."""
    for r in range(rows):
        row = source + r * stride
        zero_floats(address_of(scratch), LANES)
        for at in range(0, width * FLOAT_BYTES, LANES * FLOAT_BYTES):
            largest_of(address_of(scratch), row + at)
        largest = np.float32(0)
        for lane in range(LANES):
            if not np.isnan(largest) and not scratch[lane] <= largest:  # a NaN wins and stays
                largest = scratch[lane]
        scales[r] = np.float32(0) if largest <= np.float32(TINY) else largest / np.float32(QUANTUM)
        scratch[0] = np.float32(0) if largest <= np.float32(TINY) else np.float32(QUANTUM) / largest
        for at in range(0, width, LANES):
            quantise(target + r * target_stride + at, row + at * FLOAT_BYTES, address_of(scratch))


@inner
def _finish_row(z, start, scales, row_scale):
    """z (GROUP) = start + z * (row scale * column scales), from whole numbers to floats in place."""
    for at in range(0, GROUP * FLOAT_BYTES, LANES * FLOAT_BYTES):
        dequantise(z + at, z + at, start + at, scales + at, row_scale)


_QUADS_IN = types.Array(types.int32, 3, "C", readonly=True)
_INTS_IN = types.Array(types.int32, 1, "C", readonly=True)
_BYTES = types.Array(types.int32, 1, "C")


@jit(
    types.void(
        MATRIX_IN, _QUADS_IN, VECTOR_IN, _INTS_IN, VECTOR_IN, MATRIX, types.int64, types.int64,
        FLOATS, _BYTES, FLOATS,
    )
)  # fmt: skip
def _matmul(x, quads, scales, start, bias, out, first, last, z, q, row_scales):
    """out[first:last] = bias + x[first:last] @ kernel, quantised. Scratch: z (ROW_CHUNK groups), q (ROW_CHUNK rows of
    int32), row_scales (ROW_CHUNK + a row of x + LANES)."""
    steps, width = quads.shape[1], out.shape[1]
    k = x.shape[1]
    padded = (k + LANES - 1) // LANES * LANES
    q_stride = q.shape[0] // ROW_CHUNK * FLOAT_BYTES
    z_stride = GROUP * FLOAT_BYTES
    lanes = row_scales[ROW_CHUNK : ROW_CHUNK + LANES]
    line = row_scales[ROW_CHUNK + LANES :]
    for row in range(first, last, ROW_CHUNK):
        rows = min(ROW_CHUNK, last - row)
        for r in range(rows):
            for i in range(k):
                line[i] = x[row + r, i]
            for i in range(k, padded):
                line[i] = np.float32(0)
            target = address_of(q) + r * q_stride
            _quantise_rows(1, address_of(line), 0, padded, target, 0, row_scales[r : r + 1], lanes)
        for column in range(0, bias.shape[0], GROUP):
            at = column * FLOAT_BYTES
            for r in range(rows):
                copy_floats(address_of(z) + r * z_stride, address_of(start) + at, GROUP)
            group = address_of(quads) + column * steps * FLOAT_BYTES
            _multiply_group(rows, address_of(q), q_stride, group, address_of(z), steps)
            for r in range(rows):
                zr = address_of(z) + r * z_stride
                scale = address_of(row_scales) + r * FLOAT_BYTES
                _finish_row(zr, address_of(bias) + at, address_of(scales) + at, scale)
                if column + GROUP <= width:
                    copy_floats(address_of(out) + (row + r) * out.strides[0] + at, zr, GROUP)
                else:
                    for j in range(width - column):
                        out[row + r, column + j] = z[r * GROUP + j]


@inner
def _step(
    rows,
    old,
    group,
    kind,
    projected,
    index,
    panels,
    steps,
    q,
    q_stride,
    row_scales,
    scales,
    start,
    z,
    c,
    source,
    target,
    stride,
):
    """One time step of one group of units; as the float kernels' `_step`, with the rows' states quantised in q."""
    z_stride = GROUP * FLOAT_BYTES
    at = group * GROUP_UNITS * FLOAT_BYTES
    for r in range(old):
        copy_floats(z + r * z_stride, start, GROUP)
    if old:
        _multiply_group(old, q, q_stride, panels, z, steps)
    for r in range(rows):
        place = max(index[r], 0)  # a masked row computes something and throws it away
        projection = address_of(projected) + place * projected.strides[0] + group * z_stride
        if r < old:
            _finish_row(z + r * z_stride, projection, scales, row_scales + r * FLOAT_BYTES)
        else:
            copy_floats(z + r * z_stride, projection, GROUP)
        offset = at + r * stride
        if index[r] >= 0:
            update_gates(kind, z + r * z_stride, c + offset, target + offset)
        else:
            copy_floats(target + offset, source + offset, GROUP_UNITS)


@jit(
    types.void(
        MATRIX_IN, INDEX_IN, _QUADS_IN, VECTOR_IN, _INTS_IN, INDEX_IN, types.boolean, types.int64, MATRIX_IN, MATRIX,
        MATRIX, INDEX_IN, types.int64, types.int64, FLOATS, _BYTES, FLOATS,
    )
)  # fmt: skip
def _lstm(
    projected, index, quads, scales, start, batch_sizes, reverse, kind, initial, cells, out, places, first, last,
    scratch, q, row_scales,
):  # fmt: skip
    """One direction of an LSTM layer for the rows first..last, at most ROW_CHUNK; as the float kernels' `_lstm`."""
    times, steps = batch_sizes.shape[0], quads.shape[1]
    groups = projected.shape[1] // GROUP
    width = state_width(groups)
    stride = width * FLOAT_BYTES
    size = (last - first) * stride
    z = address_of(scratch) + 3 * size
    zero_floats(address_of(scratch), 3 * (last - first) * width)
    for state in range(2):
        load_rows(scratch[state * (last - first) * width :], width, initial[first:last])
    load_rows(scratch[2 * (last - first) * width :], width, cells[first:last])
    lanes = row_scales[ROW_CHUNK : ROW_CHUNK + LANES]
    q_stride = groups * GROUP_UNITS + CACHE_LINE
    here = 0
    if reverse:
        for t in range(times):
            here += batch_sizes[t]
    given = initial.shape[0] > 0
    old = last - first if given else 0
    for time in range(times):
        t = times - 1 - time if reverse else time
        rows = min(batch_sizes[t], last) - first
        if reverse:
            here -= batch_sizes[t]
        if rows > 0:
            odd = time & 1
            source = address_of(scratch) + odd * size
            target = address_of(scratch) + (1 - odd) * size
            tokens = index[here + first : here + first + rows]
            known = min(old, rows)
            _quantise_rows(known, source, stride, groups * GROUP_UNITS, address_of(q), q_stride, row_scales, lanes)
            for g in range(groups):
                group = groups - 1 - g if odd else g
                at = group * GROUP * FLOAT_BYTES
                _step(
                    rows, known, group, kind, projected, tokens, address_of(quads) + at * steps, steps,
                    address_of(q), q_stride, address_of(row_scales), address_of(scales) + at, address_of(start) + at,
                    z, address_of(scratch) + 2 * size, source, target, stride,
                )  # fmt: skip
            write_rows(rows, target, stride, scratch, out, places[here + first : here + first + rows])
        if not given:
            old = max(rows, 0)
        if not reverse:
            here += batch_sizes[t]
    save_rows(cells[first:last], scratch[2 * (last - first) * width :], width)


# Packing, and the functions to be called from Python ----------------------------------------------------------------------


class Quantised(NamedTuple):
    """A kernel (K, N), N padded to whole groups: `w[k, n]` is about `quads` as bytes times `scales[n]`."""

    quads: np.ndarray  # (panels, ceil(K / 4), TILE) int32, four bytes of consecutive k in each
    scales: np.ndarray  # (N',) float32
    start: np.ndarray  # (N',) int32, what a sum starts from: minus the arithmetic's offset times the column's sum
    inputs: int  # K


def quantise_columns(kernel: np.ndarray | Int8Array) -> Quantised:
    """(K, N) -> int8 panels for `matmul`."""
    return _panels(*_parts(kernel))


def quantise_gates(kernel: np.ndarray | Int8Array) -> Quantised:
    """(K, 4H) in Keras' order -> int8 panels of the interleaved columns."""
    return _panels(*map(interleave_gates, _parts(kernel)))


def _parts(kernel: np.ndarray | Int8Array) -> tuple[np.ndarray, np.ndarray]:
    stored = int8(kernel)
    return stored.values, stored.scales


def _panels(values: np.ndarray, column_scales: np.ndarray) -> Quantised:
    """Of whole numbers (K, N), and the scales of their columns."""
    k, n = values.shape
    steps, width = -(-k // QUAD), round_up(n, GROUP)
    scales = np.zeros(width, np.float32)
    scales[:n] = column_scales
    whole = np.zeros((steps * QUAD, width), np.int8)
    whole[:k, :n] = values
    start = -ARITHMETIC.offset * whole.sum(axis=0, dtype=np.int32)
    quads = whole.reshape(steps, QUAD, width // TILE, TILE).transpose(2, 0, 3, 1)
    panels = aligned_empty((width // TILE, steps, TILE), np.int32)
    panels.view(np.int8).reshape(quads.shape)[...] = quads
    return Quantised(panels, scales, start, k)


def matmul(
    x: np.ndarray, kernel: Quantised, bias: np.ndarray, out: np.ndarray, first: int = 0, last: int | None = None
) -> None:
    """out[first:last] = bias + x[first:last] @ kernel, as `float32.matmul`, both sides quantised."""
    last = len(x) if last is None else last
    width = len(kernel.scales)
    if x.shape[1] != kernel.inputs or out.shape[1] > width or bias.shape != (width,):
        raise ValueError(f"matmul: x {x.shape}, {kernel.inputs} inputs, bias {bias.shape}, out {out.shape}")
    if not (0 <= first <= last <= min(len(x), len(out))):
        raise ValueError(f"matmul: rows {first}..{last} of x {x.shape}, out {out.shape}")
    check_rows(x=x, out=out)
    padded = round_up(x.shape[1], max(LANES, QUAD)) + CACHE_LINE
    z, q = aligned_empty((ROW_CHUNK * GROUP,)), np.zeros(ROW_CHUNK * padded // 4, np.int32)
    rest = np.zeros(ROW_CHUNK + LANES + padded, np.float32)
    _matmul(x, *kernel[:3], bias, out, first, last, z, q, rest)


def lstm(
    projected: np.ndarray,
    index: np.ndarray,
    recurrent: Quantised,
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
    """As `float32.lstm`, with the recurrent product in int8; projections, gates and states stay float32."""
    rows = int(batch_sizes[0]) if len(batch_sizes) else 0
    last = rows if last is None else last
    check_lstm(projected, index, recurrent.quads.shape, batch_sizes, out, places, -(-out.shape[1] // QUAD))
    initial, cells = states_for(batch_sizes, out.shape[1], initial, cells)
    check_range(first, last, rows)
    groups = projected.shape[1] // GROUP
    for row in range(first, last, ROW_CHUNK):
        end = min(row + ROW_CHUNK, last)
        scratch = aligned_empty(((end - row) * (3 * state_floats(groups) + GROUP),))
        q = np.zeros((end - row) * (groups * GROUP_UNITS + CACHE_LINE) // 4, np.int32)
        rest = np.zeros(ROW_CHUNK + LANES, np.float32)
        arguments = (batch_sizes, reverse, GATES[gate], initial, cells, out, places, row, end, scratch, q, rest)
        _lstm(projected, index, *recurrent[:3], *arguments)
