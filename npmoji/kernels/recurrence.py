"""The walk over time that all recurrent kernels share; what one step computes is a function of each kernel's own.

`walk_of` writes that function into the walk, and the walk is written into the compiled function that uses it, which is
an ordinary one of its module: so Numba can cache it. It could not if that function were made here, as a closure over
compiled ones, or handed one on as an argument: Numba knows these by random numbers and addresses, and would compile the
loop again in every process.

A walk's scratch memory holds three buffers with a row for each row of the batch: two states, which take turns as source
and target of a step, and a third for the kernel's own use; then z, GROUP floats a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .blocks import address_of
from .checks import check_range, rows_of
from .memory import aligned_empty, copy_floats, zero_floats
from .target import FLOAT_BYTES, GROUP, GROUP_UNITS, LANES, ROW_CHUNK, inlined, inner


class Batch(NamedTuple):
    """A packed batch, see `float32.lstm`, and the rows of it to compute, at most ROW_CHUNK.

    Made in compiled code. What Python calls takes one argument after the other: there Numba accepts an array of another
    layout, or a read-only one, where it can, but not inside a tuple."""

    index: np.ndarray
    batch_sizes: np.ndarray
    out: np.ndarray
    places: np.ndarray
    reverse: bool
    first: int
    last: int


class Buffers(NamedTuple):
    """Scratch memory of a walk: its parts begin `size` bytes apart; rows of the first three are `width` floats."""

    memory: np.ndarray
    width: int
    size: int


class Step(NamedTuple):
    """One time step. Buffers are given by the address of the first row; from row to row it is `stride` bytes, and in z
    the bytes of a group."""

    rows: int  # still running
    old: int  # the first of them, whose states are not zero
    index: np.ndarray  # each row's row of the projections, or -1: masked
    odd: int  # 1 at every other step
    source: int  # states before the step
    target: int  # states after it
    third: int  # for the kernel's own use
    z: int  # what a group's functions are applied to
    stride: int


@inlined
def _write_rows(states, buffers, out, places):
    """The states at an address in the scratch memory, row by row to their places in the output."""
    units = out.shape[1]
    whole = units - units % LANES
    for r in range(places.shape[0]):
        row = states + r * buffers.width * FLOAT_BYTES
        copy_floats(address_of(out) + places[r] * out.strides[0], row, whole)
        at = (row - address_of(buffers.memory)) // FLOAT_BYTES
        for j in range(whole, units):
            out[places[r], j] = buffers.memory[at + j]


@inlined
def fill_buffers(scratch, batch, groups, initial):
    """The buffers of a walk: zeros, or the initial states if there are any."""
    rows, width = batch.last - batch.first, state_width(groups)
    buffers = Buffers(scratch, width, rows * width * FLOAT_BYTES)
    zero_floats(address_of(scratch), 3 * rows * width)
    for part in range(2):  # a row that joins later may find its state in either
        load_rows(buffers, part, initial[batch.first : batch.last])
    return buffers


@inner
def load_rows(buffers, part, states):
    """Given states into a buffer."""
    memory = buffers.memory[part * buffers.size // FLOAT_BYTES :]
    for r in range(states.shape[0]):
        for j in range(states.shape[1]):
            memory[r * buffers.width + j] = states[r, j]


@inner
def save_rows(states, buffers, part):
    """What `load_rows` does, the other way round."""
    memory = buffers.memory[part * buffers.size // FLOAT_BYTES :]
    for r in range(states.shape[0]):
        for j in range(states.shape[1]):
            states[r, j] = memory[r * buffers.width + j]


@inlined
def projection(projected, place, group):
    """The address of a row of the projections, at a group of columns."""
    return address_of(projected) + place * projected.strides[0] + group * GROUP * FLOAT_BYTES


def walk_of(advance: Callable) -> Callable:
    """The walk whose steps are `advance(weights, step)`, a compiled function that changes a `Step`'s buffers."""

    @inlined
    def walk(weights, batch, buffers, given):
        """Takes every step of a batch, one direction of a layer, and writes the new states to their places. `given`:
        the states before the first step need not be zero, as they otherwise are."""
        base, size, stride = address_of(buffers.memory), buffers.size, buffers.width * FLOAT_BYTES
        first, steps = batch.first, batch.batch_sizes.shape[0]
        start = batch.index.shape[0] if batch.reverse else 0  # packed position of the step's first row
        old = batch.last - first if given else 0
        for turn in range(steps):
            running = batch.batch_sizes[steps - 1 - turn if batch.reverse else turn]
            if batch.reverse:
                start -= running
            rows = min(running, batch.last) - first
            if rows > 0:
                odd = turn & 1
                here = slice(start + first, start + first + rows)
                source, target = base + odd * size, base + (1 - odd) * size
                third, z = base + 2 * size, base + 3 * size
                advance(weights, Step(rows, min(old, rows), batch.index[here], odd, source, target, third, z, stride))
                _write_rows(target, buffers, batch.out, batch.places[here])
            if not given:
                old = max(rows, 0)
            if not batch.reverse:
                start += running

    return walk


# For the functions to be called from Python ---------------------------------------------------------------------------


def _state_floats(groups: int) -> int:
    """Floats between the rows of a state: off a power of two, so that the rows spread over the cache's sets."""
    return groups * GROUP_UNITS + 16


state_width = inner(_state_floats)


def scratch_floats(rows: int, groups: int) -> int:
    """Floats of a walk's scratch memory."""
    return rows * (3 * _state_floats(groups) + GROUP)


def chunks(batch_sizes: np.ndarray, first: int, last: int | None, groups: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """The rows first..last of a packed batch, or all, in turns: where one begins and ends, and its scratch memory.
    `groups` of GROUP_UNITS make up a state. ValueError if the batch has no such rows."""
    rows = rows_of(batch_sizes)
    last = rows if last is None else last
    check_range(first, last, rows)
    for row in range(first, last, ROW_CHUNK):
        end = min(row + ROW_CHUNK, last)
        yield row, end, aligned_empty((scratch_floats(end - row, groups),))
