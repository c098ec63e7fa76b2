"""Float32 products, LSTM directions and elementwise functions.

Every output element is one chain of fused multiply-adds in a fixed order, `acc = bias; acc = fma(x[k], w[k], acc)` for
k = 0..K-1. Blocking changes which elements are computed side by side, never the chain of one of them. So the bits of a
result do not depend on the batch, the row, the thread count or the width of the machine's vectors.

Panels may also be stored as IEEE halves: the same chains, on weights widened as they are loaded. Their arrays are uint16,
the halves' bits, as Numba knows no float16 on CPUs. The two loops that read panels are compiled for either on first use.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

from .blocks import (
    address_of,
    apply_exp,
    apply_hard,
    apply_hard_keras3,
    apply_sigmoid,
    apply_tanh,
    bytes_of,
    copy_vector,
    gates_hard,
    gates_hard_keras3,
    gates_sigmoid,
    tile_1,
    tile_2,
    tile_3,
    tile_4,
    tile_5,
    tile_6,
    zero_vector,
)
from .target import (
    CACHE_LINE,
    EXP,
    FLOAT_BYTES,
    FLOATS,
    GATES,
    GROUP,
    GROUP_PANELS,
    GROUP_UNITS,
    HARD_SIGMOID,
    HARD_SIGMOID_KERAS3,
    INDEX_IN,
    K_BLOCK,
    LANES,
    MATRIX,
    MATRIX_IN,
    ROW_CHUNK,
    ROWS,
    SIGMOID,
    TANH,
    TILE,
    VECTOR_IN,
    inner,
    jit,
)


@inner
def block_rows(left, most):
    """Rows of the next register block, at most `most`, when `left` remain: as few blocks as possible, of even size,
    since a block of one or two rows leaves most of the multipliers idle."""
    blocks = (left + most - 1) // most
    return (left + blocks - 1) // blocks


@inner
def _multiply_few(rows, a, a_stride, group, z, k, dtype):
    """z (rows, GROUP) += a (rows, K) times a group of panels, for 1 to 3 rows: several panels side by side."""
    panel_bytes = k * TILE * bytes_of(dtype)
    z_stride = GROUP * FLOAT_BYTES
    if rows == 1:
        tile_1(a, a_stride, group, panel_bytes, z, z_stride, k, dtype)
        return
    for panel in range(0, GROUP_PANELS, 2):
        b = group + panel * panel_bytes
        c = z + panel * TILE * FLOAT_BYTES
        if rows == 2:
            tile_2(a, a_stride, b, panel_bytes, c, z_stride, k, dtype)
        else:
            tile_3(a, a_stride, b, panel_bytes, c, z_stride, k, dtype)


@inner
def _multiply_panel(rows, a, a_stride, b, c, k, dtype):
    """c[:, :TILE] += a b for `rows` rows, a sum of blocks of 4 to 6, and a slice of K of one panel."""
    c_stride = GROUP * FLOAT_BYTES
    row = 0
    while row < rows:
        count = block_rows(rows - row, ROWS)
        if count == 6:
            tile_6(a, a_stride, b, 0, c, c_stride, k, dtype)
        elif count == 5:
            tile_5(a, a_stride, b, 0, c, c_stride, k, dtype)
        else:
            tile_4(a, a_stride, b, 0, c, c_stride, k, dtype)
        row += count
        a += count * a_stride
        c += count * c_stride


@inner
def multiply_group(rows, a, a_stride, group, z, k, dtype):
    """z (rows, GROUP) += a (rows, K) times a group of panels; any number of rows."""
    few = rows if rows < 4 else (3 if rows == 7 else 0)  # 7 is the one larger number that 4, 5 and 6 cannot make up
    many = rows - few
    if few:
        _multiply_few(few, a + many * a_stride, a_stride, group, z + many * GROUP * FLOAT_BYTES, k, dtype)
    if many == 0:
        return
    k_block = K_BLOCK if many > ROWS else k
    for panel in range(GROUP_PANELS):
        for start in range(0, k, k_block):
            b = group + (panel * k + start) * TILE * bytes_of(dtype)
            c = z + panel * TILE * FLOAT_BYTES
            _multiply_panel(many, a + start * FLOAT_BYTES, a_stride, b, c, min(k_block, k - start), dtype)


@inner
def copy_floats(target, source, floats):
    """Copies `floats` floats, a multiple of LANES, between addresses."""
    for at in range(0, floats * FLOAT_BYTES, LANES * FLOAT_BYTES):
        copy_vector(target + at, source + at)


@inner
def zero_floats(target, floats):
    """Zeros `floats` floats, a multiple of LANES, at an address."""
    for at in range(0, floats * FLOAT_BYTES, LANES * FLOAT_BYTES):
        zero_vector(target + at)


def _matmul_signature(panels: types.Array) -> types.Type:
    return types.void(MATRIX_IN, panels, VECTOR_IN, MATRIX, types.int64, types.int64, FLOATS)


def _matmul(x, panels, bias, out, first, last, z):
    """out[first:last] = bias + x[first:last] @ panels; the last axis of x and of out is contiguous. z is scratch."""
    k, width = x.shape[1], out.shape[1]
    padded = bias.shape[0]
    z_stride = GROUP * FLOAT_BYTES
    for row in range(first, last, ROW_CHUNK):
        rows = min(ROW_CHUNK, last - row)
        a = address_of(x) + row * x.strides[0]
        for column in range(0, padded, GROUP):
            for r in range(rows):
                copy_floats(address_of(z) + r * z_stride, address_of(bias) + column * FLOAT_BYTES, GROUP)
            group = address_of(panels) + column * k * bytes_of(panels.dtype)
            multiply_group(rows, a, x.strides[0], group, address_of(z), k, panels.dtype)
            for r in range(rows):
                if column + GROUP <= width:
                    target = address_of(out) + (row + r) * out.strides[0] + column * FLOAT_BYTES
                    copy_floats(target, address_of(z) + r * z_stride, GROUP)
                else:
                    for j in range(width - column):
                        out[row + r, column + j] = z[r * GROUP + j]


@inner
def update_gates(kind, z, c, h):
    """The gates of one row's group: two blocks."""
    for block in range(2):
        at = block * LANES * FLOAT_BYTES
        if kind == 0:
            gates_hard(z + 4 * at, c + at, h + at)
        elif kind == 1:
            gates_hard_keras3(z + 4 * at, c + at, h + at)
        else:
            gates_sigmoid(z + 4 * at, c + at, h + at)


@inner
def _step(rows, old, group, kind, projected, index, panels, k, z, c, source, target, stride, dtype):
    """One time step of one group of units for `rows` rows, of which the first `old` have a state that is not zero.
    `index` holds each row's row of `projected`, or -1 where the step is masked and the state carried over."""
    z_stride = GROUP * FLOAT_BYTES
    at = group * GROUP_UNITS * FLOAT_BYTES
    for r in range(rows):
        place = max(index[r], 0)  # a masked row computes something and throws it away
        copy_floats(z + r * z_stride, address_of(projected) + place * projected.strides[0] + group * z_stride, GROUP)
    if old:
        multiply_group(old, source, stride, panels, z, k, dtype)
    for r in range(rows):
        offset = at + r * stride
        if index[r] >= 0:
            update_gates(kind, z + r * z_stride, c + offset, target + offset)
        else:
            copy_floats(target + offset, source + offset, GROUP_UNITS)


@inner
def write_rows(rows, target, stride, scratch, out, places):
    """The new h of each row, at address `target` in `scratch`, to its place in the output."""
    units = out.shape[1]
    whole = units - units % LANES
    for r in range(rows):
        row = target + r * stride
        copy_floats(address_of(out) + places[r] * out.strides[0], row, whole)
        at = (row - address_of(scratch)) // FLOAT_BYTES
        for j in range(whole, units):
            out[places[r], j] = scratch[at + j]


@inner
def load_rows(scratch, width, states):
    """Given states into a buffer in scratch memory, `width` floats a row."""
    for r in range(states.shape[0]):
        for j in range(states.shape[1]):
            scratch[r * width + j] = states[r, j]


@inner
def save_rows(states, scratch, width):
    """What `load_rows` does, the other way round."""
    for r in range(states.shape[0]):
        for j in range(states.shape[1]):
            states[r, j] = scratch[r * width + j]


def state_floats(groups: int) -> int:
    """Floats between the rows of a state: off a power of two, so that the rows spread over the cache's sets."""
    return groups * GROUP_UNITS + 16


state_width = inner(state_floats)


def _lstm_signature(panels: types.Array) -> types.Type:
    return types.void(
        MATRIX_IN, INDEX_IN, panels, INDEX_IN, types.boolean, types.int64, MATRIX_IN, MATRIX, MATRIX, INDEX_IN,
        types.int64, types.int64, FLOATS,
    )  # fmt: skip


def _lstm(projected, index, recurrent, batch_sizes, reverse, kind, initial, cells, out, places, first, last, scratch):
    """One direction of an LSTM layer for the rows first..last, at most ROW_CHUNK, of a packed batch (see `lstm`)."""
    units, steps = out.shape[1], batch_sizes.shape[0]
    groups = projected.shape[1] // GROUP
    width = state_width(groups)
    stride = width * FLOAT_BYTES
    size = (last - first) * stride  # bytes of one state
    z = address_of(scratch) + 3 * size
    zero_floats(address_of(scratch), 3 * (last - first) * width)
    for state in range(2):  # a row that joins later may find its state in either
        load_rows(scratch[state * (last - first) * width :], width, initial[first:last])
    load_rows(scratch[2 * (last - first) * width :], width, cells[first:last])
    start = 0
    if reverse:
        for t in range(steps):
            start += batch_sizes[t]
    given = initial.shape[0] > 0
    old = last - first if given else 0
    for step in range(steps):
        t = steps - 1 - step if reverse else step
        rows = min(batch_sizes[t], last) - first
        if reverse:
            start -= batch_sizes[t]
        if rows > 0:
            # Two states take turns as source and target; the cell, third in the scratch memory, changes in place.
            odd = step & 1
            source = address_of(scratch) + odd * size
            target = address_of(scratch) + (1 - odd) * size
            here = index[start + first : start + first + rows]
            for g in range(groups):
                # There and back: the weights used last by the step before are still in the second-level cache.
                group = groups - 1 - g if odd else g
                cell = address_of(scratch) + 2 * size
                panels = address_of(recurrent) + group * units * GROUP * bytes_of(recurrent.dtype)
                _step(
                    rows, min(old, rows), group, kind, projected, here, panels, units, z, cell, source, target, stride,
                    recurrent.dtype,
                )  # fmt: skip
            write_rows(rows, target, stride, scratch, out, places[start + first : start + first + rows])
        if not given:
            old = max(rows, 0)
        if not reverse:
            start += batch_sizes[t]
    save_rows(cells[first:last], scratch[2 * (last - first) * width :], width)


@inner
def _apply_vector(kind, target, source):
    if kind == 0:
        apply_tanh(target, source)
    elif kind == 1:
        apply_exp(target, source)
    elif kind == 2:
        apply_sigmoid(target, source)
    elif kind == 3:
        apply_hard(target, source)
    else:
        apply_hard_keras3(target, source)


@jit(types.void(types.int64, VECTOR_IN, FLOATS, FLOATS))
def _elementwise(kind, x, out, rest):
    """out = function(x); `rest` holds LANES floats: the last, incomplete vector passes through it."""
    whole = x.shape[0] - x.shape[0] % LANES
    for at in range(0, whole * FLOAT_BYTES, LANES * FLOAT_BYTES):
        _apply_vector(kind, address_of(out) + at, address_of(x) + at)
    if whole < x.shape[0]:
        for i in range(whole, x.shape[0]):
            rest[i - whole] = x[i]
        _apply_vector(kind, address_of(rest), address_of(rest))
        for i in range(whole, x.shape[0]):
            out[i] = rest[i - whole]


# Packing, checks and the functions to be called from Python ------------------------------------------------------------


_COMPILED: dict[tuple[Callable, np.dtype], Callable] = {}
_compiling = threading.Lock()


def compiled(loop: Callable, signature: Callable[[types.Array], types.Type], weights: np.dtype) -> Callable:
    """The loop for panels of this type: whoever stores weights in one way need not wait for the code of the other."""
    if (loop, weights) not in _COMPILED:
        with _compiling:  # threads tend to come here at the same time
            if (loop, weights) not in _COMPILED:
                panels = types.Array(from_dtype(weights), 3, "C", readonly=True)
                _COMPILED[loop, weights] = jit(signature(panels))(loop)
    return _COMPILED[loop, weights]


def round_up(number: int, multiple: int) -> int:
    """The next multiple, or the number itself if it is one."""
    return -(-number // multiple) * multiple


def aligned_empty(shape: tuple[int, ...], dtype: type[np.generic] = np.float32) -> np.ndarray:
    """Uninitialised array that starts on a cache line, so that no vector load straddles two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    skip = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[skip : skip + size].view(dtype).reshape(shape)


def pack_columns(kernel: np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """(K, N) -> panels (P, K, TILE): column blocks, each contiguous; N padded with zeros to whole groups. Of float32, or
    with dtype float16 the bits of halves."""
    k, n = kernel.shape
    panels = aligned_empty((round_up(n, GROUP) // TILE, k, TILE), dtype)
    for p in range(len(panels)):
        columns = kernel[:, p * TILE : (p + 1) * TILE]
        panels[p, :, : columns.shape[1]] = columns
        panels[p, :, columns.shape[1] :] = 0
    return panels if dtype == np.float32 else panels.view(np.uint16)


def pack_bias(bias: np.ndarray) -> np.ndarray:
    """(N,) padded with zeros to the columns of `pack_columns`."""
    return np.pad(np.asarray(bias, np.float32), (0, round_up(len(bias), GROUP) - len(bias)))


def interleave_gates(array: np.ndarray) -> np.ndarray:
    """(..., 4H) in Keras' order i, f, c, o -> (..., 4H'), the four gates of LANES units side by side; H' is H padded
    with zeros to a multiple of GROUP_UNITS. Padded units have h = 0.5 tanh(0) = 0 at every step."""
    units = array.shape[-1] // 4
    padded = round_up(units, GROUP_UNITS)
    gates = np.zeros((*array.shape[:-1], 4, padded), np.float32)
    gates[..., :units] = array.reshape(*array.shape[:-1], 4, units)
    blocks = gates.reshape(*array.shape[:-1], 4, padded // LANES, LANES)
    return np.ascontiguousarray(np.swapaxes(blocks, -3, -2)).reshape(*array.shape[:-1], 4 * padded)


def pack_gates(kernel: np.ndarray) -> np.ndarray:
    """(K, 4H) in Keras' order -> panels of the interleaved columns, for `matmul` (input) and `lstm` (recurrent)."""
    return pack_columns(interleave_gates(kernel))


def pack_half_gates(kernel: np.ndarray) -> np.ndarray:
    """As `pack_gates`, stored as halves."""
    return pack_columns(interleave_gates(kernel), np.float16)


def matmul(
    x: np.ndarray, panels: np.ndarray, bias: np.ndarray, out: np.ndarray, first: int = 0, last: int | None = None
) -> None:
    """out[first:last] = bias + x[first:last] @ kernel, (M, K) x (K, N); `panels`, `bias` packed, the GIL released.

    Rows of x and out must be contiguous, rows themselves may be strided. ValueError for shapes that do not fit.
    """
    last = len(x) if last is None else last
    width = panels.shape[0] * TILE
    if x.shape[1] != panels.shape[1] or out.shape[1] > width or bias.shape != (width,):
        raise ValueError(f"matmul: x {x.shape}, panels {panels.shape}, bias {bias.shape}, out {out.shape} do not fit")
    if not (0 <= first <= last <= min(len(x), len(out))):
        raise ValueError(f"matmul: rows {first}..{last} of x {x.shape}, out {out.shape}")
    check_rows(x=x, out=out)
    loop = compiled(_matmul, _matmul_signature, panels.dtype)
    loop(x, panels, bias, out, first, last, aligned_empty((ROW_CHUNK * GROUP,)))


def check_rows(**arrays: np.ndarray) -> None:
    """The kernels walk along rows: their elements must be neighbours."""
    for name, array in arrays.items():
        if array.dtype != np.float32 or array.shape[1] > 1 and array.strides[1] != FLOAT_BYTES:
            raise ValueError(f"{name}: need float32 with contiguous rows, got {array.dtype} strides {array.strides}")


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
    rows = int(batch_sizes[0]) if len(batch_sizes) else 0
    last = rows if last is None else last
    check_lstm(projected, index, recurrent.shape, batch_sizes, out, places, out.shape[1])
    initial, cells = states_for(batch_sizes, out.shape[1], initial, cells)
    check_range(first, last, rows)
    loop = compiled(_lstm, _lstm_signature, recurrent.dtype)
    groups = projected.shape[1] // GROUP
    for row in range(first, last, ROW_CHUNK):
        end = min(row + ROW_CHUNK, last)
        scratch = aligned_empty(((end - row) * (3 * state_floats(groups) + GROUP),))
        arguments = reverse, GATES[gate], initial, cells, out, places, row, end, scratch
        loop(projected, index, recurrent, batch_sizes, *arguments)


def check_lstm(projected, index, panels, batch_sizes, out, places, steps) -> None:
    """The compiled code follows every index blindly, so nothing out of range may reach it. `panels` is the shape of the
    recurrent kernel's, `steps` the one its axis of K must have."""
    units = out.shape[1]
    width = 4 * round_up(units, GROUP_UNITS)
    if projected.shape[1] != width or panels != (width // TILE, steps, TILE):
        raise ValueError(f"lstm: projected {projected.shape}, recurrent {panels} do not fit {units} units")
    check_packed(projected, index, batch_sizes, out, places)


def check_packed(projected, index, batch_sizes, out, places) -> None:
    """That a packed batch is one, and its indices are in range."""
    tokens = int(batch_sizes.sum())
    if len(index) != tokens or len(places) != tokens or (batch_sizes[1:] > batch_sizes[:-1]).any():
        raise ValueError(f"packed batch: index {index.shape}, places {places.shape}, batch sizes {batch_sizes}")
    if tokens and (index.max() >= len(projected) or places.min() < 0 or places.max() >= len(out)):
        raise ValueError("packed batch: index or places out of range")
    check_rows(projected=projected, out=out)


def check_range(first: int, last: int, rows: int) -> None:
    """That these are rows of a packed batch."""
    if not (0 <= first <= last <= rows):
        raise ValueError(f"packed batch: rows {first}..{last} of {rows}")


def states_for(batch_sizes: np.ndarray, units: int, *given: np.ndarray | None) -> list[np.ndarray]:
    """The states as the compiled code takes them, one for each row of a packed batch: of no rows if None is given."""
    rows = int(batch_sizes[0]) if len(batch_sizes) else 0
    states = [np.empty((0, units), np.float32) if state is None else state for state in given]
    for state in states:
        if state.dtype != np.float32 or state.shape not in ((rows, units), (0, units)):
            raise ValueError(f"state: need float32 ({rows}, {units}), got {state.dtype} {state.shape}")
    return states


def _elementwise_function(kind: int, name: str) -> Callable[..., np.ndarray]:
    def apply(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        x = np.ascontiguousarray(x, np.float32)
        out = np.empty_like(x) if out is None else out
        _elementwise(kind, x.reshape(-1), out.reshape(-1), np.zeros(LANES, np.float32))
        return out

    apply.__name__ = name
    apply.__doc__ = f"{name} of every element, float32; `out` may be x itself and must be contiguous."
    return apply


tanh = _elementwise_function(TANH, "tanh")
exp = _elementwise_function(EXP, "exp")
sigmoid = _elementwise_function(SIGMOID, "sigmoid")
hard_sigmoid = _elementwise_function(HARD_SIGMOID, "hard_sigmoid")
hard_sigmoid_keras3 = _elementwise_function(HARD_SIGMOID_KERAS3, "hard_sigmoid_keras3")
