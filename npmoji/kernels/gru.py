"""The gated recurrent unit's direction: each step is two products, since the candidate may need the reset gate first.

As in `float32`, every number of a step is one chain of fused multiply-adds in a fixed order, followed by elementwise
functions, so its bits depend on nothing but its own row.

Columns are arranged in groups of GROUP: first those of the gates, each half update gate z and half reset gate r of the
same units, then those of the candidate. The first pass over the gates' groups leaves z and r (or r h) of all units in
buffers; the second, over the candidate's, writes the new state over z. That buffer and the old state's then change
places. Buffers are as wide as the candidate's groups; units of padding stay 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from .blocks import address_of, apply_hard, apply_hard_keras3, apply_sigmoid, on_addresses
from .checks import check_packed, states_for
from .memory import copy_floats
from .panels import pack_columns, round_up
from .products import multiply_panels
from .recurrence import Batch, chunks, fill_buffers, projection, walk_of
from .target import (
    FLOAT_BYTES,
    FLOATS,
    GATES,
    GROUP,
    GROUP_UNITS,
    HARD_SIGMOID,
    HARD_SIGMOID_KERAS3,
    INDEX_IN,
    LANES,
    MATRIX,
    MATRIX_IN,
    TILE,
    VECTOR_IN,
    compiled,
    inlined,
    inner,
)
from .vectors import emit_tanh

HALF = GROUP // 2  # units in a group of gates
VECTOR_BYTES = LANES * FLOAT_BYTES
GROUP_BYTES = GROUP * FLOAT_BYTES
HALF_BYTES = HALF * FLOAT_BYTES


class _Weights(NamedTuple):
    projected: np.ndarray
    panels: np.ndarray
    bias: np.ndarray
    reset_after: bool
    kind: int  # of the gates' function


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
    """The gates' function of HALF floats."""
    if kind == HARD_SIGMOID:
        for at in range(0, HALF_BYTES, VECTOR_BYTES):
            apply_hard(target + at, source + at)
    elif kind == HARD_SIGMOID_KERAS3:
        for at in range(0, HALF_BYTES, VECTOR_BYTES):
            apply_hard_keras3(target + at, source + at)
    else:
        for at in range(0, HALF_BYTES, VECTOR_BYTES):
            apply_sigmoid(target + at, source + at)


@inner
def _update_and_reset(kind, reset_after, z, state, update, reset):
    """The gates of one row's group: from z to `update` and to `reset`, there times the state if the reset comes before
    the product."""
    _gate(kind, update, z)
    _gate(kind, reset, z + HALF_BYTES)
    if not reset_after:
        for at in range(0, HALF_BYTES, VECTOR_BYTES):
            multiply(reset + at, state + at)


@inner
def _new_state(reset_after, z, x, state, update, reset):
    """The new state of one row's group, in place of its update gates; z holds the candidates, or what of them the reset
    gates are still to be applied to, and x the rest."""
    if reset_after:
        for at in range(0, GROUP_BYTES, VECTOR_BYTES):
            multiply_and_add(z + at, reset + at, x + at)
    for at in range(0, GROUP_BYTES, VECTOR_BYTES):
        blend(z + at, state + at, update + at)


@inlined
def _first_pass(weights, step, group):
    """The gates of one group: update gates to the target, reset gates or r h to the third buffer."""
    for r in range(step.rows):
        copy_floats(step.z + r * GROUP_BYTES, projection(weights.projected, step.index[r], group), GROUP)
    if step.old:
        multiply_panels(step.old, step.source, step.stride, weights.panels, group, step.z)
    for r in range(step.rows):
        z, unit = step.z + r * GROUP_BYTES, group * HALF_BYTES + r * step.stride
        state, update, reset = step.source + unit, step.target + unit, step.third + unit
        _update_and_reset(weights.kind, weights.reset_after, z, state, update, reset)


@inlined
def _second_pass(weights, step, group, column):
    """The new states of one group of candidates, found at group `column` of the matrices."""
    after = weights.reset_after
    for r in range(step.rows):
        bias, x = address_of(weights.bias) + group * GROUP_BYTES, projection(weights.projected, step.index[r], column)
        copy_floats(step.z + r * GROUP_BYTES, bias if after else x, GROUP)
    if step.old:
        source = step.source if after else step.third
        multiply_panels(step.old, source, step.stride, weights.panels, column, step.z)
    for r in range(step.rows):
        z, unit = step.z + r * GROUP_BYTES, group * GROUP_BYTES + r * step.stride
        x = projection(weights.projected, step.index[r], column)
        _new_state(after, z, x, step.source + unit, step.target + unit, step.third + unit)


@inlined
def _advance(weights, step):
    """One time step of a GRU."""
    groups = weights.bias.shape[0] // GROUP
    gates = weights.projected.shape[1] // GROUP - groups
    for group in range(gates):
        _first_pass(weights, step, group)
    for group in range(groups):
        _second_pass(weights, step, group, gates + group)


_walk = walk_of(_advance)


def _signature(panels: types.Array) -> types.Type:
    return types.void(
        MATRIX_IN, INDEX_IN, panels, VECTOR_IN, INDEX_IN, types.boolean, types.boolean, types.int64, MATRIX_IN,
        MATRIX, INDEX_IN, types.int64, types.int64, FLOATS,
    )  # fmt: skip


def _gru(
    projected, index, recurrent, bias, batches, reverse, reset_after, kind, initial, out, places, first, last, scratch
):
    """One direction of a GRU layer for the rows first..last, at most ROW_CHUNK, of a packed batch (see `gru`)."""
    batch = Batch(index, batches, out, places, reverse, first, last)
    buffers = fill_buffers(scratch, batch, bias.shape[0] // GROUP_UNITS, initial)
    _walk(_Weights(projected, recurrent, bias, reset_after, kind), batch, buffers, initial.shape[0] > 0)


# Packing, and the functions to be called from Python ------------------------------------------------------------------


def arrange_gates(array: np.ndarray) -> np.ndarray:
    """(..., 3H) in Keras' order z, r, h -> (..., W): groups of z and r, each half and half, then h; zeros fill each
    part up to whole groups."""
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
    (initial,) = states_for(batch_sizes, out.shape[1], initial)
    _check(projected, index, recurrent, bias, out.shape[1])
    check_packed(projected, index, batch_sizes, out, places)
    loop = compiled(_gru, _signature, recurrent.dtype)
    for row, end, scratch in chunks(batch_sizes, first, last, len(bias) // GROUP_UNITS):
        arguments = reverse, reset_after, GATES[gate], initial, out, places, row, end, scratch
        loop(projected, index, recurrent, bias, batch_sizes, *arguments)


def _check(projected: np.ndarray, index: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, units: int) -> None:
    """As `check_lstm`; there are no masked steps."""
    candidates = round_up(units, GROUP)
    width = 2 * round_up(units, HALF) + candidates
    shapes = projected.shape[1], recurrent.shape, bias.shape
    if shapes != (width, (width // TILE, units, TILE), (candidates,)):
        raise ValueError(f"gru: projected {projected.shape}, others {shapes[1:]} do not fit {units} units")
    if len(index) and index.min() < 0:
        raise ValueError("gru: index out of range")
