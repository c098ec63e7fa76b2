"""Functions that put the same numbers into another shape or order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...backends.ops import Ops
from .arguments import (
    Axes,
    Axis,
    Key,
    Number,
    Size,
    Sizes,
    Text,
    Value,
    Values,
    Whole,
    at_axes,
    at_axis,
    check_size,
    listed,
    size,
    sizes,
    whole,
)
from .numbers import common
from .table import function


@function("Reshape")
def _reshape(ops: Ops, x: Value, newshape: Sizes) -> np.ndarray:
    x, shape = np.asarray(x), sizes(newshape)
    if shape.count(-1) == 1 and not x.size:  # NumPy cannot tell what is open of an array without numbers
        rest = math.prod(n for n in shape if n != -1)
        shape = [0 if n == -1 and rest else n for n in shape]
    return x.reshape(shape)


@function("Ravel")
def _ravel(ops: Ops, x: Value) -> np.ndarray:
    return np.asarray(x).reshape(-1)


@function("BatchFlatten")
def _batch_flatten(ops: Ops, x: Value) -> np.ndarray:
    x = np.asarray(x)
    return x.reshape(-1, math.prod(x.shape[1:]))


@function("Transpose")
def _transpose(ops: Ops, x: Value, axes: Axes = None) -> np.ndarray:
    x = np.asarray(x)
    return x.transpose(None if axes is None else at_axes(axes, x.ndim))


@function("Swapaxes")
def _swap_axes(ops: Ops, x: Value, axis1: Axis, axis2: Axis) -> np.ndarray:
    return np.swapaxes(x, axis1, axis2)


@function("Moveaxis")
def _move_axis(ops: Ops, x: Value, source: Axes, destination: Axes) -> np.ndarray:
    return np.moveaxis(np.asarray(x), source, destination)


@function("ExpandDims")
def _expand_dims(ops: Ops, x: Value, axis: Axes) -> np.ndarray:
    return np.expand_dims(x, axis)


@function("Squeeze")
def _squeeze(ops: Ops, x: Value, axis: Axes = None) -> np.ndarray:
    return np.squeeze(x, axis)


@function("Concatenate")
def _concatenate(ops: Ops, xs: Values, axis: Axis = 0) -> np.ndarray:
    return np.concatenate(common(*xs), axis=axis)


@function("Hstack")
def _side_by_side(ops: Ops, xs: Values) -> np.ndarray:
    return np.hstack(common(*xs))


@function("Vstack")
def _one_under_the_other(ops: Ops, xs: Values) -> np.ndarray:
    return np.vstack(common(*xs))


@function("Stack")
def _stack(ops: Ops, x: Values, axis: Axis = 0) -> np.ndarray:
    return np.stack(common(*x), axis=axis)


@function("Unstack", several=True)
def _unstack(ops: Ops, x: Value, num: Size = None, axis: Axis = 0) -> tuple[np.ndarray, ...]:
    x = np.asarray(x)
    return tuple(np.moveaxis(x, at_axis(axis, x.ndim), 0))


@function("Split", several=True)
def _split(ops: Ops, x: Value, indices_or_sections: Whole, axis: Axis = 0) -> tuple[np.ndarray, ...]:
    x = np.asarray(x)
    return tuple(np.split(x, whole(indices_or_sections), at_axis(axis, x.ndim)))


@function("SplitSizes", several=True)
def split_sizes(ops: Ops, value: Value, num_or_size_splits: Whole, axis: Axis = 0) -> tuple[np.ndarray, ...]:
    """As TensorFlow has it: the sizes of the parts, one of which may be open, or how many parts."""
    x, parts = np.asarray(value), whole(num_or_size_splits)
    axis = at_axis(axis, x.ndim)
    if isinstance(parts, list):
        rest = x.shape[axis] - sum(part for part in parts if part != -1)
        parts = [rest if part == -1 else part for part in parts]
        if sum(parts) != x.shape[axis] or min(parts) < 0:
            raise ValueError(f"parts of {parts} of an array of shape {x.shape}")
        parts = [int(end) for end in np.cumsum(parts)[:-1]]
    return tuple(np.split(x, parts, axis))


@function("GetItem")
def _get_item(ops: Ops, x: Value, key: Key) -> np.ndarray:
    return np.asarray(x)[python_key(key)]


def python_key(key: Key) -> tuple[Any, ...]:
    """A key as Python has it, slices and ellipses made of their descriptions."""
    return tuple(_python_part(part) for part in (key if isinstance(key, (list, tuple)) else [key]))


def _python_part(part: Any) -> Any:
    if isinstance(part, dict):
        ends = (part[name] for name in ("start", "stop", "step"))
        return slice(*(None if end is None else size(end) for end in ends))
    return ... if isinstance(part, str) else None if part is None else size(part)


@function("Slice")
def part(ops: Ops, inputs: Value, start_indices: Whole, shape: Sizes) -> np.ndarray:
    """So much from there on; -1 is all there is."""
    x, starts, counts = np.asarray(inputs), listed(whole(start_indices)), sizes(shape)
    if len(starts) != x.ndim or len(counts) != x.ndim:
        raise ValueError(f"a part from {starts} on, of sizes {counts}, of an array of shape {x.shape}")
    return x[tuple(slice(at, None if n == -1 else at + n) for at, n in zip(starts, counts))]


@function("Shape")
def _shape_of(ops: Ops, x: Value) -> np.ndarray:
    return np.array(np.shape(x), np.int32)


@function("Size")
def _size_of(ops: Ops, x: Value) -> np.ndarray:
    return np.array(np.size(x), np.int32)


# More of the same ----------------------------------------------------------------------------------------------------


@function("Tile")
def _tile(ops: Ops, x: Value, repeats: Sizes) -> np.ndarray:
    x, counts = np.asarray(x), sizes(repeats)
    counts = [1] * (x.ndim - len(counts)) + counts
    check_size([max(0, n) * m for n, m in zip(counts[::-1], (*x.shape[::-1], *[1] * len(counts)))], x)
    return np.tile(x, counts)


@function("Repeat")
def _repeat(ops: Ops, x: Value, repeats: Whole, axis: Axis = None) -> np.ndarray:
    x, counts = np.asarray(x), whole(repeats)
    along = x.size if axis is None else x.shape[at_axis(axis, x.ndim)]
    times = sum(counts) if isinstance(counts, list) and len(counts) > 1 else along * listed(counts)[0]
    check_size([x.size // max(1, along), max(0, times)], x)
    return np.repeat(x, counts, axis)


@function("BroadcastTo")
def _broadcast_to(ops: Ops, x: Value, shape: Sizes) -> np.ndarray:
    x, wanted = np.asarray(x), sizes(shape)
    own = [1] * (len(wanted) - x.ndim) + list(x.shape)
    wanted = [m if n == -1 else n for n, m in zip(wanted, own)]
    check_size(wanted, x)
    return np.broadcast_to(x, wanted)


@function("Pad")
def _pad(ops: Ops, x: Value, pad_width: Whole, mode: Text = "constant", constant_values: Number = None) -> np.ndarray:
    x, widths, mode = np.asarray(x), whole(pad_width), mode.lower()
    widths = widths if isinstance(widths, list) else [widths]
    if mode not in ("constant", "reflect", "symmetric"):
        raise ValueError(f"padding of mode {mode!r}")
    pairs = np.broadcast_to(np.array(widths), (x.ndim, 2))
    if (pairs < 0).any():
        raise ValueError(f"padding of {widths}")
    check_size([int(n + sum(pair)) for n, pair in zip(x.shape, pairs.tolist())], x)
    options = {"constant_values": 0 if constant_values is None else constant_values} if mode == "constant" else {}
    return np.pad(x, pairs, mode, **options)


# In another order ----------------------------------------------------------------------------------------------------


@function("Flip")
def _flip(ops: Ops, x: Value, axis: Axes = None) -> np.ndarray:
    return np.flip(np.asarray(x), axis)


@function("Roll")
def _roll(ops: Ops, x: Value, shift: Whole, axis: Axes = None) -> np.ndarray:
    return np.roll(np.asarray(x), whole(shift), axis)


@function("Tril")
def _lower(ops: Ops, x: Value, k: Whole = 0) -> np.ndarray:
    return np.tril(x, size(k))


@function("Triu")
def _upper(ops: Ops, x: Value, k: Whole = 0) -> np.ndarray:
    return np.triu(x, size(k))


@function("BandPart")
def _band_part(ops: Ops, x: Value, num_lower: Whole, num_upper: Whole) -> np.ndarray:
    below, above = size(num_lower), size(num_upper)
    x = np.asarray(x) if below < 0 else np.triu(x, -below)
    return x if above < 0 else np.tril(x, above)
