"""The gated recurrent unit's direction: each step is two products, since the candidate may need the reset gate first.

As in `float32`, every number of a step is one chain of fused multiply-adds in a fixed order, followed by elementwise
functions, so its bits depend on nothing but its own row.

Columns are arranged in groups of GROUP: first those of the gates, each half update gate z and half reset gate r of the
same units, then those of the candidate. The first pass over the gates' groups leaves z and r (or r h) of all units in
buffers; the second, over the candidate's, writes the new state over z. That buffer and the old state's then change
places. Buffers are as wide as the candidate's groups; units of padding stay 0.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .blocks import address_of, apply_hard, apply_hard_keras3, apply_sigmoid, bytes_of, on_addresses
from .float32 import (
    aligned_empty,
    check_packed,
    check_range,
    compiled,
    copy_floats,
    load_rows,
    multiply_group,
    pack_columns,
    round_up,
    state_floats,
    state_width,
    states_for,
    write_rows,
    zero_floats,
)
from .target import (
    FLOAT_BYTES,
    FLOATS,
    GATES,
    GROUP,
    GROUP_UNITS,
    INDEX_IN,
    LANES,
    MATRIX,
    MATRIX_IN,
    ROW_CHUNK,
    TILE,
    VECTOR_IN,
    inner,
)
from .vectors import emit_tanh

HALF = GROUP // 2  # units in a group of gates
VECTOR_BYTES = LANES * FLOAT_BYTES
Z_STRIDE = GROUP * FLOAT_BYTES
STATE_GROUPS = GROUP // GROUP_UNITS  # a group of candidates, counted in the LSTM's groups of units


def _blend(e, candidate, state, update):
    """update = update · state + (1 - update) · tanh(candidate)."""
    z = e.load(update)
    new = e.mul(e.builder.fsub(e.const(1.0), z), emit_tanh(e, e.load(candidate)))
    e.store(e.fma(z, e.load(state), new), update)


multiply = on_addresses(2, lambda e, target, source: e.store(e.mul(e.load(target), e.load(source)), target))
multiply_and_add = on_addresses(3, lambda e, target, a, b: e.store(e.fma(e.load(target), e.load(a), e.load(b)), target))
blend = on_addresses(3, _blend)


@inner
def _gate(kind, target, source):
    if kind == 0:
        apply_hard(target, source)
    elif kind == 1:
        apply_hard_keras3(target, source)
    else:
        apply_sigmoid(target, source)


@inner
def _reset_and_update(
    rows, old, group, kind, reset_after, projected, index, panels, k, z, state, update, reset, stride, dtype
):
    """First pass over one group for `rows` rows, of which the first `old` have a state that is not zero: z to `update`,
    and to `reset` r, or r times the state if the reset comes before the product."""
    for r in range(rows):
        x = address_of(projected) + index[r] * projected.strides[0] + group * Z_STRIDE
        copy_floats(z + r * Z_STRIDE, x, GROUP)
    if old:
        multiply_group(old, state, stride, panels + group * k * GROUP * bytes_of(dtype), z, k, dtype)
    for r in range(rows):
        for at in range(0, HALF * FLOAT_BYTES, VECTOR_BYTES):
            gates, unit = z + r * Z_STRIDE + at, group * HALF * FLOAT_BYTES + r * stride + at
            _gate(kind, update + unit, gates)
            _gate(kind, reset + unit, gates + HALF * FLOAT_BYTES)
            if not reset_after:
                multiply(reset + unit, state + unit)


@inner
def _new_state(
    rows, old, group, column, reset_after, projected, index, bias, panels, k, z, state, update, reset, stride, dtype
):
    """Second pass: the candidate of a group's units, found at group `column` of the matrices; the new state replaces z."""
    for r in range(rows):
        x = address_of(projected) + index[r] * projected.strides[0] + column * Z_STRIDE
        copy_floats(z + r * Z_STRIDE, address_of(bias) + group * Z_STRIDE if reset_after else x, GROUP)
    if old:
        source = state if reset_after else reset
        multiply_group(old, source, stride, panels + column * k * GROUP * bytes_of(dtype), z, k, dtype)
    for r in range(rows):
        x = address_of(projected) + index[r] * projected.strides[0] + column * Z_STRIDE
        for at in range(0, GROUP * FLOAT_BYTES, VECTOR_BYTES):
            candidate, unit = z + r * Z_STRIDE + at, group * GROUP * FLOAT_BYTES + r * stride + at
            if reset_after:
                multiply_and_add(candidate, reset + unit, x + at)
            blend(candidate, state + unit, update + unit)


def _signature(panels: types.Array) -> types.Type:
    return types.void(
        MATRIX_IN, INDEX_IN, panels, VECTOR_IN, INDEX_IN, types.boolean, types.boolean, types.int64, MATRIX_IN,
        MATRIX, INDEX_IN, types.int64, types.int64, FLOATS,
    )  # fmt: skip


def _gru(
    projected, index, recurrent, bias, batches, reverse, reset_after, kind, initial, out, places, first, last, scratch
):
    """One direction of a GRU layer for the rows first..last, at most ROW_CHUNK, of a packed batch (see `gru`)."""
    units, steps = out.shape[1], batches.shape[0]
    groups = bias.shape[0] // GROUP
    gates = projected.shape[1] // GROUP - groups
    width = state_width(groups * STATE_GROUPS)
    stride = width * FLOAT_BYTES
    size = (last - first) * stride  # bytes of one buffer
    reset = address_of(scratch) + 2 * size
    z = address_of(scratch) + 3 * size
    panels, dtype = address_of(recurrent), recurrent.dtype
    zero_floats(address_of(scratch), 3 * (last - first) * width)
    for buffer in range(2):  # a row that joins later may find its state in either
        load_rows(scratch[buffer * (last - first) * width :], width, initial[first:last])
    start = 0
    if reverse:
        for t in range(steps):
            start += batches[t]
    given = initial.shape[0] > 0
    old = last - first if given else 0
    for step in range(steps):
        t = steps - 1 - step if reverse else step
        rows = min(batches[t], last) - first
        if reverse:
            start -= batches[t]
        if rows > 0:
            state = address_of(scratch) + (step & 1) * size
            update = address_of(scratch) + (1 - (step & 1)) * size
            here = index[start + first : start + first + rows]
            known = min(old, rows)
            for group in range(gates):
                _reset_and_update(
                    rows, known, group, kind, reset_after, projected, here, panels, units, z, state, update, reset,
                    stride, dtype,
                )  # fmt: skip
            for group in range(groups):
                _new_state(
                    rows, known, group, gates + group, reset_after, projected, here, bias, panels, units, z, state,
                    update, reset, stride, dtype,
                )  # fmt: skip
            write_rows(rows, update, stride, scratch, out, places[start + first : start + first + rows])
        if not given:
            old = max(rows, 0)
        if not reverse:
            start += batches[t]


# Packing, and the functions to be called from Python ----------------------------------------------------------------------


def arrange_gates(array: np.ndarray) -> np.ndarray:
    """(..., 3H) in Keras' order z, r, h -> (..., W): groups of z and r, each half and half, then h; zeros fill each part
    up to whole groups."""
    units = array.shape[-1] // 3
    gates = np.zeros((*array.shape[:-1], 2, round_up(units, HALF)), np.float32)
    gates[..., :units] = array[..., : 2 * units].reshape(*array.shape[:-1], 2, units)
    blocks = np.swapaxes(gates.reshape(*array.shape[:-1], 2, -1, HALF), -3, -2)
    candidate = np.zeros((*array.shape[:-1], round_up(units, GROUP)), np.float32)
    candidate[..., :units] = array[..., 2 * units :]
    return np.concatenate([blocks.reshape(*array.shape[:-1], -1), candidate], axis=-1)


def pack_gru(kernel: np.ndarray) -> np.ndarray:
    """(K, 3H) in Keras' order -> panels of the arranged columns, for `matmul` (input) and `gru` (recurrent)."""
    return pack_columns(arrange_gates(kernel))


def gru(
    projected: np.ndarray,
    index: np.ndarray,
    recurrent: np.ndarray,
    batch_sizes: np.ndarray,
    out: np.ndarray,
    places: np.ndarray,
    *,
    bias: np.ndarray,
    reset_after: bool,
    reverse: bool = False,
    gate: str = "sigmoid",
    initial: np.ndarray | None = None,
    first: int = 0,
    last: int | None = None,
) -> None:
    """One direction of a GRU layer over a packed batch, see `float32.lstm`; the GIL is released.

    projected: (P, W) input projections with bias, columns as `arrange_gates`
    index: (tokens,) int64, row of `projected` for each packed position
    recurrent: panels from `pack_gru`
    batch_sizes: (T,) int64, rows still running at each step, not growing
    out: (any, H) float32 view with contiguous rows
    places: (tokens,) int64, row of `out` for each packed position
    bias: (H',) from `pack_bias`, added to the candidate's recurrent product if the reset comes after it; else not used
    initial: (rows, H) states before the first step; None: zeros, and the first products are left out
    first, last: range of rows to compute, for splitting the work
    """
    rows = int(batch_sizes[0]) if len(batch_sizes) else 0
    last = rows if last is None else last
    (initial,) = states_for(batch_sizes, out.shape[1], initial)
    _check(projected, index, recurrent, bias, batch_sizes, out, places)
    check_range(first, last, rows)
    loop = compiled(_gru, _signature, recurrent.dtype)
    width = state_floats(len(bias) // GROUP_UNITS)
    for row in range(first, last, ROW_CHUNK):
        end = min(row + ROW_CHUNK, last)
        scratch = aligned_empty(((end - row) * (3 * width + GROUP),))
        arguments = reverse, reset_after, GATES[gate], initial, out, places, row, end, scratch
        loop(projected, index, recurrent, bias, batch_sizes, *arguments)


def _check(projected, index, recurrent, bias, batch_sizes, out, places) -> None:
    """As `check_lstm`: nothing out of range may reach the compiled code."""
    units = out.shape[1]
    candidates = round_up(units, GROUP)
    width = 2 * round_up(units, HALF) + candidates
    shapes = projected.shape[1], recurrent.shape, bias.shape
    if shapes != (width, (width // TILE, units, TILE), (candidates,)):
        raise ValueError(f"gru: projected {projected.shape}, others {shapes[1:]} do not fit {units} units")
    if len(index) and index.min() < 0:
        raise ValueError("gru: index out of range")
    check_packed(projected, index, batch_sizes, out, places)
