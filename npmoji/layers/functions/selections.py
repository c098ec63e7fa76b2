"""Functions that choose among numbers, and those that make numbers of places and sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.ops import Ops
from .arguments import DTYPES, Axis, Dtype, Flag, Size, Sizes, Value, Values, at_axis, check_size, size, sizes
from .elementwise import broadcast
from .numbers import common
from .table import function


@function("Where")
def _where(ops: Ops, condition: Value, x1: Value, x2: Value) -> np.ndarray:
    x1, x2 = common(x1, x2)
    condition = np.asarray(condition).astype(bool)
    arrays = (condition, x1, x2)
    check_size(np.broadcast_shapes(*(array.shape for array in arrays)), max(arrays, key=np.ndim))
    return np.where(condition, x1, x2)


@function("Select")
def _select(ops: Ops, condlist: Values, choicelist: Values, default: Value = 0) -> np.ndarray:
    if len(condlist) != len(choicelist):
        raise ValueError(f"{len(condlist)} conditions, {len(choicelist)} choices")
    out: Any = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1]):
        out = _where(ops, condition, choice, out)
    return out


def places(indices: Any) -> np.ndarray:
    """Whole numbers as places along an axis."""
    return np.asarray(indices).astype(np.int64)


@function("Take")
def take(ops: Ops, x: Value, indices: Value, axis: Axis = None, batch_dims: Axis = 0) -> np.ndarray:
    """The places ``indices`` of an axis; the first axes of both are the same where there are ``batch_dims``."""
    x, indices = np.asarray(x), places(indices)
    if batch_dims:
        return _take_each(x, indices, batch_dims if axis is None else axis, batch_dims)
    x, axis = (x.reshape(-1), 0) if axis is None else (x, at_axis(axis, x.ndim))
    check_size([x.size // max(1, x.shape[axis]), indices.size], max(x, indices, key=np.ndim))
    return np.take(x, indices, axis)


@function("Gather")
def gather(ops: Ops, x: Value, indices: Value, axis: Axis = None, batch_dims: Axis = 0) -> np.ndarray:
    """As TensorFlow has it: by default along the first axis that both do not have."""
    return take(ops, x, indices, batch_dims if axis is None else axis, batch_dims)


def _take_each(x: np.ndarray, indices: np.ndarray, axis: int, batch_dims: int) -> np.ndarray:
    axis, batch_dims = at_axis(axis, x.ndim), at_axis(batch_dims, indices.ndim + 1)
    if axis < batch_dims or x.shape[:batch_dims] != indices.shape[:batch_dims]:
        raise ValueError(f"places of shape {indices.shape} of an array of shape {x.shape} along axis {axis}")
    check_size([x.size // max(1, x.shape[axis]), indices.size], x)
    if not batch_dims:
        return np.take(x, indices, axis)
    parts = [_take_each(one, own, axis - 1, batch_dims - 1) for one, own in zip(x, indices)]
    if parts:
        return np.stack(parts)
    return np.zeros((*x.shape[:axis], *indices.shape[batch_dims:], *x.shape[axis + 1 :]), x.dtype)


@function("TakeAlongAxis")
def _take_along_axis(ops: Ops, x: Value, indices: Value, axis: Axis = None) -> np.ndarray:
    x, indices = np.asarray(x), places(indices)
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = at_axis(axis, x.ndim)
    if x.ndim != indices.ndim:
        raise ValueError(f"places of shape {indices.shape} of an array of shape {x.shape}")
    rest = [np.broadcast_shapes(n, m) for n, m in zip(x.shape, indices.shape)] if x.shape != indices.shape else None
    if rest is not None and axis >= 0:
        shapes = [[n if i == axis else m[0] for i, (n, m) in enumerate(zip(a.shape, rest))] for a in (x, indices)]
        x, indices = (np.broadcast_to(a, shape) for a, shape in zip((x, indices), shapes))
    return np.take_along_axis(x, indices, axis)


@function("OneHot")
def _one_hot(
    ops: Ops,
    x: Value,
    num_classes: Size,
    axis: Axis = -1,
    dtype: Dtype = "float32",
    sparse: Flag = False,
    on_value: Value = None,
    off_value: Value = None,
) -> np.ndarray:
    if sparse:
        raise ValueError("a sparse result")
    x, count = places(x), size(num_classes)
    check_size([*x.shape, count], x)
    axis = at_axis(axis, x.ndim + 1)
    found = np.expand_dims(x, axis) == np.arange(count).reshape([-1 if i == axis else 1 for i in range(x.ndim + 1)])
    on, off = (default if value is None else value for value, default in ((on_value, 1), (off_value, 0)))
    return np.where(found, on, off).astype(DTYPES[dtype])


@function("MultiHot")
def _multi_hot(
    ops: Ops, inputs: Value, num_classes: Size, axis: Axis = -1, dtype: Dtype = "float32", sparse: Flag = False
) -> np.ndarray:
    found = _one_hot(ops, inputs, num_classes, axis, dtype, sparse)
    return found.max(axis=1 if np.ndim(inputs) > 1 else 0)


@function("SequenceMask")
def _sequence_mask(ops: Ops, lengths: Value, maxlen: Size = None, dtype: Dtype = "bool") -> np.ndarray:
    lengths = places(lengths)
    steps = int(lengths.max(initial=0)) if maxlen is None else size(maxlen)
    check_size([*lengths.shape, max(0, steps)], lengths)
    return (np.arange(steps) < lengths[..., None]).astype(DTYPES[dtype])


# Made of sizes -------------------------------------------------------------------------------------------------------


@function("ZerosLike", "EmptyLike")
def _zeros_like(ops: Ops, x: Value, dtype: Dtype = None) -> np.ndarray:
    return _full_like(ops, x, 0, dtype)


@function("OnesLike")
def _ones_like(ops: Ops, x: Value, dtype: Dtype = None) -> np.ndarray:
    return _full_like(ops, x, 1, dtype)


@function("FullLike")
def _full_like(ops: Ops, x: Value, fill_value: Value, dtype: Dtype = None) -> np.ndarray:
    return np.full_like(np.asarray(x), fill_value, np.asarray(x).dtype if dtype is None else DTYPES[dtype])


@function("Full")
def _full(ops: Ops, fill_value: Value, shape: Sizes, dtype: Dtype = None) -> np.ndarray:
    (value,), wanted = common(fill_value), sizes(shape)
    check_size(wanted)
    return np.full(wanted, value, value.dtype if dtype is None else DTYPES[dtype])


@function("Fill")
def fill(ops: Ops, dims: Sizes, fill_value: Value) -> np.ndarray:
    """As TensorFlow has it."""
    return _full(ops, fill_value, dims)


@function("Arange")
def _arange(ops: Ops, start: Value, stop: Value = None, step: Value = None, dtype: Dtype = None) -> np.ndarray:
    start, stop = (0, start) if stop is None else (start, stop)
    first, end, width = common(start, stop, 1 if step is None else step)
    if first.ndim or end.ndim or width.ndim or not width:
        raise ValueError(f"numbers from {start} to {stop} in steps of {step}")
    check_size([max(0, int((end - first) / width) + 1)])
    return np.arange(first, end, width).astype(first.dtype if dtype is None else DTYPES[dtype])


@function("AddN")
def _add_all(ops: Ops, inputs: Values) -> np.ndarray:
    out, *rest = inputs
    for value in rest:
        out = np.add(*broadcast(out, value))
    return np.asarray(out)
