"""Functions that make one number of several, and those that go along an axis.

Sums go along one axis of an array that is laid out for it, so that the bits of a row depend on nothing but the row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...backends.ops import Ops
from .arguments import Axes, Axis, Dtype, Flag, Number, Order, Size, Value, at_axes, at_axis, size
from .elementwise import cast
from .numbers import counted, exactly, floats
from .table import function

TINY = np.float32(1e-7)  # Keras' epsilon


def lined_up(x: Any, axis: Axes) -> np.ndarray:
    """The array with the axes to be reduced as one, the last."""
    x = np.asarray(x)
    places = at_axes(axis, x.ndim)
    rest = [i for i in range(x.ndim) if i not in places]
    moved = np.ascontiguousarray(x.transpose([*rest, *places]))
    return moved.reshape(*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in places))


def kept(out: Any, x: Any, axis: Axes, keepdims: bool) -> np.ndarray:
    """What a reduction gave, the axes reduced kept as ones of size 1 if asked for."""
    x = np.asarray(x)
    places = at_axes(axis, x.ndim)
    shape = [1 if i in places else n for i, n in enumerate(x.shape)]
    return np.asarray(out).reshape(shape) if keepdims else np.asarray(out)


def total(x: np.ndarray, axis: Axes, keepdims: bool = False) -> np.ndarray:
    """The sum, of integers in their own type."""
    out = lined_up(x, axis).sum(axis=-1, dtype=x.dtype)
    return kept(out, x, axis, keepdims)


@function("Sum")
def _added(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    return total(counted(x), axis, keepdims)


@function("Mean")
def _mean(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    x = floats(x)
    count = math.prod(x.shape[i] for i in at_axes(axis, x.ndim))
    return np.asarray(total(x, axis, keepdims) / np.float32(count))


@function("Var")
def _variance(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    x = floats(x)
    return _mean(ops, np.square(x - _mean(ops, x, axis, True)), axis, keepdims)


@function("Std")
def _deviation(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    return np.sqrt(_variance(ops, x, axis, keepdims))


@function("Moments", several=True)
def _moments(
    ops: Ops, x: Value, axes: Axes, keepdims: Flag = False, synchronized: Flag = False
) -> tuple[np.ndarray, np.ndarray]:
    return _mean(ops, x, axes, keepdims), _variance(ops, x, axes, keepdims)


@function("Prod")
def _product(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False, dtype: Dtype = None) -> np.ndarray:
    x = counted(x if dtype is None else cast(ops, x, dtype))
    return kept(np.prod(lined_up(x, axis), axis=-1, dtype=x.dtype), x, axis, keepdims)


@function("Max", "Amax")
def _largest(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False, initial: Number = None) -> np.ndarray:
    out = kept(lined_up(x, axis).max(axis=-1), x, axis, keepdims)
    return out if initial is None else np.maximum(out, np.asarray(initial).astype(out.dtype))


@function("Min", "Amin")
def _smallest(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False, initial: Number = None) -> np.ndarray:
    out = kept(lined_up(x, axis).min(axis=-1), x, axis, keepdims)
    return out if initial is None else np.minimum(out, np.asarray(initial).astype(out.dtype))


@function("Any")
def _any_true(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    return kept(lined_up(np.asarray(x).astype(bool), axis).any(axis=-1), x, axis, keepdims)


@function("All")
def _all_true(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    return kept(lined_up(np.asarray(x).astype(bool), axis).all(axis=-1), x, axis, keepdims)


@function("CountNonzero")
def _count_nonzero(ops: Ops, x: Value, axis: Axes = None) -> np.ndarray:
    return total((np.asarray(x) != 0).astype(np.int32), axis)


@function("Average")
def _average(ops: Ops, x: Value, weights: Value = None, axis: Axes = None) -> np.ndarray:
    if weights is None:
        return _mean(ops, x, axis)
    x, weights = floats(x), floats(weights)
    if x.ndim != weights.ndim and (axis is None or len(axis) > 1 or weights.ndim != 1):
        raise ValueError(f"weights of shape {weights.shape} for an array of shape {x.shape}")
    if x.ndim != weights.ndim:
        weights = weights.reshape([-1 if i == at_axis(axis[0], x.ndim) else 1 for i in range(x.ndim)])
    elif x.shape != weights.shape:
        weights = np.broadcast_to(weights, x.shape)
    return total(x * weights, axis) / total(weights, axis)


@function("Logsumexp")
def _log_sum_exp(ops: Ops, x: Value, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    x = floats(x)
    top = _largest(ops, x, axis, True)
    top = np.where(np.isfinite(top), top, np.float32(0))
    out = exactly(np.log, total(np.asarray(ops.activate("exponential", x - top)), axis, True)) + top
    return out if keepdims else np.squeeze(out, at_axes(axis, x.ndim))


@function("Norm")
def _norm(ops: Ops, x: Value, ord: Order = None, axis: Axes = None, keepdims: Flag = False) -> np.ndarray:
    x = floats(x)
    one = axis is not None and len(axis) == 1
    if ord is None or (one and ord == 2):
        return np.sqrt(total(x * x, axis, keepdims))
    if not one:
        raise ValueError(f"a norm of order {ord!r} along {len(axis) if axis else x.ndim} axes")
    if ord == math.inf:
        return _largest(ops, np.abs(x), axis, keepdims)
    if ord == -math.inf:
        return _smallest(ops, np.abs(x), axis, keepdims)
    if ord == 0:
        return total((x != 0).astype(np.float32), axis, keepdims)
    return exactly(np.power, total(exactly(np.power, np.abs(x), ord), axis, keepdims), 1 / ord)


@function("Normalize")
def _normalized(ops: Ops, x: Value, axis: Axes = (-1,), order: Number = 2, epsilon: Number = None) -> np.ndarray:
    x, least = floats(x), TINY if epsilon is None else np.float32(epsilon)
    if order == 2:
        inverse = exactly(lambda square: 1 / np.sqrt(square), total(x * x, axis, True))
        return x * np.minimum(inverse, np.float32(1) / least)
    return x / np.maximum(_norm(ops, x, order, axis, True), least)


@function("L2Normalize")
def _l2_normalized(ops: Ops, x: Value, axis: Axes = None, epsilon: Number = 1e-12) -> np.ndarray:
    x = floats(x)
    least = np.maximum(total(x * x, axis, True), np.float32(epsilon))
    return x * exactly(lambda square: 1 / np.sqrt(square), least)


@function("LayerNorm")
def _layer_norm(
    ops: Ops,
    x: Value,
    gamma: Value = None,
    beta: Value = None,
    axis: Axes = (-1,),
    epsilon: Number = None,
    rms_scaling: Flag = False,
) -> np.ndarray:
    x, least = floats(x), TINY if epsilon is None else np.float32(epsilon)
    inverse = exactly(lambda v: 1 / np.sqrt(v), _variance(ops, x, axis, True) + least)
    out = x * inverse if rms_scaling else (x - _mean(ops, x, axis, True)) * inverse
    return _scaled(out, gamma, beta, axis)


@function("RMSNorm")
def _rms_norm(ops: Ops, x: Value, scale: Value = None, axis: Axes = (-1,), epsilon: Number = None) -> np.ndarray:
    x, least = floats(x), TINY if epsilon is None else np.float32(epsilon)
    inverse = exactly(lambda v: 1 / np.sqrt(v), _mean(ops, x * x, axis, True) + least)
    return _scaled(x * inverse, scale, None, axis)


def _scaled(x: np.ndarray, gamma: Any, beta: Any, axis: Axes) -> np.ndarray:
    """The weights of a normalisation, whose places are along some axes."""
    places = at_axes(axis, x.ndim)
    shape = [n if i in places else 1 for i, n in enumerate(x.shape)]
    x = x if gamma is None else x * floats(gamma).reshape(shape)
    return x if beta is None else x + floats(beta).reshape(shape)


# Places --------------------------------------------------------------------------------------------------------------


def _place(find: Any, x: Value, axis: Axis | None, keepdims: bool, dtype: str) -> np.ndarray:
    x = np.asarray(x)
    axes = None if axis is None else (axis,)
    return kept(find(lined_up(x, axes), axis=-1), x, axes, keepdims).astype(dtype)


@function("Argmax")
def _argmax(ops: Ops, x: Value, axis: Axis = None, keepdims: Flag = False, dtype: Dtype = "int32") -> np.ndarray:
    return _place(np.argmax, x, axis, keepdims, dtype)


@function("Argmin")
def _argmin(ops: Ops, x: Value, axis: Axis = None, keepdims: Flag = False, dtype: Dtype = "int32") -> np.ndarray:
    return _place(np.argmin, x, axis, keepdims, dtype)


@function("Argsort")
def _argsort(ops: Ops, x: Value, axis: Axis = -1, descending: Flag = False) -> np.ndarray:
    x = np.asarray(x)
    order = np.argsort(-counted(x) if descending else x, axis=at_axis(axis, x.ndim), kind="stable")
    return order.astype(np.int32)


@function("Sort")
def _in_order(ops: Ops, x: Value, axis: Axis = -1, descending: Flag = False) -> np.ndarray:
    x = np.asarray(x)
    found = np.sort(x, axis=at_axis(axis, x.ndim))
    return np.flip(found, at_axis(axis, x.ndim)) if descending else found


@function("TopK", several=True)
def _top_k(ops: Ops, x: Value, k: Size, sorted: Flag = True) -> tuple[np.ndarray, np.ndarray]:
    x, count = np.asarray(x), size(k)
    if not x.ndim or not 0 <= count <= x.shape[-1]:
        raise ValueError(f"the {count} largest of an array of shape {x.shape}")
    places = np.argsort(-counted(x), axis=-1, kind="stable")[..., :count]
    return np.take_along_axis(x, places, axis=-1), places.astype(np.int32)


# Along an axis -------------------------------------------------------------------------------------------------------


def _running(step: Any, x: Value, axis: Axis | None, exclusive: bool, reverse: bool, first: int) -> np.ndarray:
    x = counted(x)
    x, axis = (x.reshape(-1), 0) if axis is None else (x, at_axis(axis, x.ndim))
    x = np.flip(x, axis) if reverse else x
    if exclusive:
        start = np.full_like(np.take(x, [0], axis), first)
        x = np.concatenate([start, np.delete(x, -1, axis)], axis)
    out = step(x, axis=axis, dtype=x.dtype)
    return np.flip(out, axis) if reverse else out


@function("Cumsum")
def _running_sum(
    ops: Ops, x: Value, axis: Axis = None, dtype: Dtype = None, exclusive: Flag = False, reverse: Flag = False
) -> np.ndarray:
    return _running(np.cumsum, x if dtype is None else cast(ops, x, dtype), axis, exclusive, reverse, 0)


@function("Cumprod")
def _running_product(
    ops: Ops, x: Value, axis: Axis = None, dtype: Dtype = None, exclusive: Flag = False, reverse: Flag = False
) -> np.ndarray:
    return _running(np.cumprod, x if dtype is None else cast(ops, x, dtype), axis, exclusive, reverse, 1)
