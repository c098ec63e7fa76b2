"""Quantised matrix product and LSTM direction in int8, the counterparts of those in `float32`.

Weights are quantised when packed, symmetrically, one scale a column; activations while running, one scale a row: both
to -127..127. Sums of products are whole numbers, hence exact, and the float operations around them are elementwise: so
here, too, the bits of a result depend on nothing but its own row, whatever instructions computed it.

Importing this module compiles it, or loads what was compiled: so it is imported only where int8 is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..precision import QUANTUM, TINY, Int8Array, int8
from . import signatures
from .blocks import address_of
from .checks import check_lstm, check_packed, check_product, check_range, states_for
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
from .lstm_cell import lstm_walk_of, projection_of, there_and_back, update_row
from .memory import aligned_empty, copy_floats, store_group, zero_floats
from .panels import interleave_gates, round_up
from .products import block_rows
from .recurrence import Batch, chunks
from .target import (
    CACHE_LINE,
    FLOAT_BYTES,
    GATES,
    GROUP,
    GROUP_PANELS,
    GROUP_UNITS,
    LANES,
    ROW_CHUNK,
    TILE,
    VECTORS,
    inlined,
    inner,
    jit,
)

WORDS = np.dtype(np.int32)  # what four bytes are loaded as
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


class _Rows(NamedTuple):
    """Rows in memory."""

    address: int  # of the first
    stride: int  # bytes from row to row


@inner
def _multiply_group(rows, inputs, group, z, steps):
    """z (rows, GROUP) += quantised rows times a group of panels, all int32."""
    block = K_BLOCK_STEPS if rows > ROWS_INT8 else steps
    for panel in range(GROUP_PANELS):
        for first in range(0, steps, block):
            b = group + (panel * steps + first) * TILE * FLOAT_BYTES
            c = z + panel * TILE * FLOAT_BYTES
            _multiply_panel(rows, inputs.address + first * FLOAT_BYTES, inputs.stride, b, c, min(block, steps - first))


@inner
def _quantise_rows(rows, source, width, target, scales, lanes):
    """Bytes and scales of `rows` rows of `width` floats, a multiple of LANES; `lanes` is scratch for LANES floats. A
    row with a NaN gets the scale NaN, and so do all products with it."""
    for r in range(rows):
        row = source.address + r * source.stride
        zero_floats(address_of(lanes), LANES)
        for at in range(0, width * FLOAT_BYTES, LANES * FLOAT_BYTES):
            largest_of(address_of(lanes), row + at)
        largest = np.float32(0)
        for lane in range(LANES):
            if not np.isnan(largest) and not lanes[lane] <= largest:  # a NaN wins and stays
                largest = lanes[lane]
        scales[r] = np.float32(0) if largest <= TINY else largest / QUANTUM
        lanes[0] = np.float32(0) if largest <= TINY else QUANTUM / largest
        for at in range(0, width, LANES):
            quantise(target.address + r * target.stride + at, row + at * FLOAT_BYTES, address_of(lanes))


@inner
def _finish_row(z, start, scales, row_scale):
    """z (GROUP) = start + z * (row scale * column scales), from whole numbers to floats in place."""
    for at in range(0, GROUP * FLOAT_BYTES, LANES * FLOAT_BYTES):
        dequantise(z + at, z + at, start + at, scales + at, row_scale)


@jit(signatures.INT8_MATMUL)
def matmul_loop(x, quads, scales, start, bias, out, first, last, z, q, row_scales):
    """out[first:last] = bias + x[first:last] @ kernel, quantised. Scratch: z (ROW_CHUNK groups), q (ROW_CHUNK rows of
    int32), row_scales (ROW_CHUNK + a row of x + LANES)."""
    k, steps = x.shape[1], quads.shape[1]
    padded = (k + LANES - 1) // LANES * LANES
    inputs = _Rows(address_of(q), q.shape[0] // ROW_CHUNK * FLOAT_BYTES)
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
            target = _Rows(inputs.address + r * inputs.stride, 0)
            _quantise_rows(1, _Rows(address_of(line), 0), padded, target, row_scales[r : r + 1], lanes)
        for column in range(0, bias.shape[0], GROUP):
            at = column * FLOAT_BYTES
            for r in range(rows):
                copy_floats(address_of(z) + r * z_stride, address_of(start) + at, GROUP)
            group = address_of(quads) + column * steps * FLOAT_BYTES
            _multiply_group(rows, inputs, group, address_of(z), steps)
            for r in range(rows):
                zr = address_of(z) + r * z_stride
                scale = address_of(row_scales) + r * FLOAT_BYTES
                _finish_row(zr, address_of(bias) + at, address_of(scales) + at, scale)
                store_group(out, row + r, column, z, r)


class _Kernel(NamedTuple):
    """A `Quantised` in compiled code: addresses of its arrays."""

    steps: int  # length of the panels' axis of K, four of them at once
    quads: int
    scales: int
    start: int


class _Weights(NamedTuple):
    projected: np.ndarray
    kind: int  # of the gates' function
    recurrent: _Kernel
    states: _Rows  # quantised
    row_scales: np.ndarray  # theirs, and room for LANES floats more


@inlined
def _advance(weights, step):
    """One time step of an LSTM; as the float kernels', with the rows' states quantised first."""
    groups = weights.projected.shape[1] // GROUP
    source, lanes = _Rows(step.source, step.stride), weights.row_scales[ROW_CHUNK:]
    _quantise_rows(step.old, source, groups * GROUP_UNITS, weights.states, weights.row_scales, lanes)
    for turn in range(groups):
        _advance_group(weights, step, there_and_back(turn, groups, step.odd))


@inlined
def _advance_group(weights, step, group):
    """Product, projections and gates of one group of units."""
    z_stride, at, recurrent = GROUP * FLOAT_BYTES, group * GROUP * FLOAT_BYTES, weights.recurrent
    for r in range(step.old):
        copy_floats(step.z + r * z_stride, recurrent.start + at, GROUP)
    if step.old:
        _multiply_group(step.old, weights.states, recurrent.quads + at * recurrent.steps, step.z, recurrent.steps)
    for r in range(step.rows):
        x, z = projection_of(weights.projected, step, r, group), step.z + r * z_stride
        if r < step.old:
            _finish_row(z, x, recurrent.scales + at, address_of(weights.row_scales) + r * FLOAT_BYTES)
        else:
            copy_floats(z, x, GROUP)
        update_row(weights.kind, step, r, group)


_walk = lstm_walk_of(_advance)


@jit(signatures.INT8_LSTM)
def lstm_loop(
    projected, index, quads, scales, start, batch_sizes, reverse, kind, initial, cells, out, places, first, last,
    scratch, q, row_scales,
):  # fmt: skip
    """One direction of an LSTM layer for the rows first..last, at most ROW_CHUNK; as the float kernels' `_lstm`."""
    batch = Batch(index, batch_sizes, out, places, reverse, first, last)
    states = _Rows(address_of(q), projected.shape[1] // GROUP * GROUP_UNITS + CACHE_LINE)
    recurrent = _Kernel(quads.shape[1], address_of(quads), address_of(scales), address_of(start))
    _walk(_Weights(projected, kind, recurrent, states, row_scales), batch, initial, cells, scratch)


# Packing, and the functions to be called from Python ------------------------------------------------------------------


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


def matmul_scratch(inputs: int) -> tuple[int, int]:
    """Words of quantised inputs, and floats beside them, that a product needs."""
    padded = round_up(inputs, max(LANES, QUAD)) + CACHE_LINE
    return ROW_CHUNK * padded // 4, ROW_CHUNK + LANES + padded


def lstm_scratch(rows: int, groups: int) -> tuple[int, int]:
    """The same for so many rows of an LSTM."""
    return rows * (groups * GROUP_UNITS + CACHE_LINE) // 4, ROW_CHUNK + LANES


def matmul(
    x: np.ndarray, kernel: Quantised, bias: np.ndarray, out: np.ndarray, first: int = 0, last: int | None = None
) -> None:
    """out[first:last] = bias + x[first:last] @ kernel, as `float32.matmul`, both sides quantised."""
    last = len(x) if last is None else last
    check_product(x, kernel.inputs, len(kernel.scales), bias, out)
    check_range(first, last, min(len(x), len(out)))
    words, floats = matmul_scratch(kernel.inputs)
    z, q, rest = aligned_empty((ROW_CHUNK * GROUP,)), np.zeros(words, np.int32), np.zeros(floats, np.float32)
    matmul_loop(x, *kernel[:3], bias, out, first, last, z, q, rest)


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
    check_lstm(projected, recurrent.quads.shape, -(-out.shape[1] // QUAD), out.shape[1])
    check_packed(projected, index, batch_sizes, out, places)
    initial, cells = states_for(batch_sizes, out.shape[1], initial, cells)
    groups = projected.shape[1] // GROUP
    for row, end, scratch in chunks(batch_sizes, first, last, groups):
        words, floats = lstm_scratch(end - row, groups)
        q, rest = np.zeros(words, np.int32), np.zeros(floats, np.float32)
        arguments = (batch_sizes, reverse, GATES[gate], initial, cells, out, places, row, end, scratch, q, rest)
        lstm_loop(projected, index, *recurrent[:3], *arguments)
