"""What the LSTMs share, in whatever arithmetic their recurrent product is computed: gates, cells and the order of
groups."""

from __future__ import annotations

from collections.abc import Callable

from .blocks import gates_hard, gates_hard_keras3, gates_sigmoid
from .memory import copy_floats
from .recurrence import fill_buffers, load_rows, projection, save_rows, walk_of
from .target import FLOAT_BYTES, GROUP, GROUP_UNITS, HARD_SIGMOID, HARD_SIGMOID_KERAS3, LANES, inlined, inner

CELLS = 2  # the walk's third buffer


def lstm_walk_of(advance: Callable) -> Callable:
    """`walk_of` for an LSTM: its third buffer holds the cells, which change in place."""
    walk = walk_of(advance)

    @inlined
    def lstm_walk(weights, batch, initial, cells, scratch):
        buffers = fill_buffers(scratch, batch, weights.projected.shape[1] // GROUP, initial)
        load_rows(buffers, CELLS, cells[batch.first : batch.last])
        walk(weights, batch, buffers, initial.shape[0] > 0)
        save_rows(cells[batch.first : batch.last], buffers, CELLS)

    return lstm_walk


@inlined
def there_and_back(turn, groups, odd):
    """The group whose turn it is: the weights used last by the step before are still in the second-level cache."""
    return groups - 1 - turn if odd else turn


@inlined
def projection_of(projected, step, r, group):
    """The address of row r's projections; of some row's, if it is masked and what is computed will not be used."""
    return projection(projected, max(step.index[r], 0), group)


@inlined
def update_row(kind, step, r, group):
    """The new state of row r's units of a group from what the gates are applied to, in z; a masked row keeps its
    own."""
    z = step.z + r * GROUP * FLOAT_BYTES
    offset = r * step.stride + group * GROUP_UNITS * FLOAT_BYTES
    if step.index[r] >= 0:
        _update_gates(kind, z, step.third + offset, step.target + offset)
    else:
        copy_floats(step.target + offset, step.source + offset, GROUP_UNITS)


@inner
def _update_gates(kind, z, c, h):
    """The gates of one row's group: two blocks."""
    for block in range(2):
        at = block * LANES * FLOAT_BYTES
        if kind == HARD_SIGMOID:
            gates_hard(z + 4 * at, c + at, h + at)
        elif kind == HARD_SIGMOID_KERAS3:
            gates_hard_keras3(z + 4 * at, c + at, h + at)
        else:
            gates_sigmoid(z + 4 * at, c + at, h + at)
