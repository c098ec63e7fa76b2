"""Functions of tensors, `layers.functions`, in ONNX' operators: reductions and products; `elements` and `moves` have
the rest.

Each takes a graph and the function's arguments, in the order of its parameters, and gives the name of a value, or a
list of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.functions.arguments import at_axes, at_axis, listed
from ...layers.operations import Operation
from .elements import ELEMENTS, cast
from .graph import BOOL, FLOAT, INT32, INT64, Graph
from .moves import MOVES
from .refused import Refused
from .values import Arg, axes_of, counted, floats, kind, kind_of, name_of, of_kind, rank, shape

Names = str | list[str]
TINY = 1e-7  # Keras' epsilon


def operation(g: Graph, layer: Operation, names: list[str], like: list[Any]) -> Names:
    """One function of layers' outputs and constants.

    Args:
        like: values of the same types as those outputs.
    """
    given = [_given(g, layer, i, name, one) for i, (name, one) in enumerate(zip(names, like))]
    function = OPERATIONS.get(layer.class_name)
    if function is None:
        raise Refused(layer, f"the operation {layer.class_name!r}")
    try:
        return function(g, *layer.filled(given).values())
    except NotImplementedError as error:
        raise Refused(layer, f"the operation {layer.class_name!r} with {error}") from error


def _given(g: Graph, layer: Operation, i: int, name: str, like: Any) -> Arg:
    """A predecessor's output with the type that it has in Keras."""
    like = np.asarray(like)
    wanted = layer.typed(i, like)
    return Arg(name if kind_of(like) == kind_of(wanted) else g.cast(name, kind_of(wanted)), wanted)


# Reductions ----------------------------------------------------------------------------------------------------------


def _reduce(operator: str, number: Callable[..., list[Any]] = counted) -> Callable[..., str]:
    def write(g: Graph, x: Any, axis: Any, keepdims: bool = False, *settings: Any) -> str:
        if any(one is not None for one in settings):
            raise NotImplementedError(f"{settings[0]!r:.40}")
        return g.add(operator, *number(g, x), axes_of(g, x, axis), keepdims=int(keepdims))

    return write


def _floating(g: Graph, x: Any) -> list[Any]:
    return [floats(g, x)]


def _extremum(reduce: str, pair: str) -> Callable[..., str]:
    def write(g: Graph, x: Any, axis: Any, keepdims: bool, initial: Any) -> str:
        out = _reduce(reduce)(g, x, axis, keepdims)
        wanted = FLOAT if kind(x) == FLOAT else INT64
        return out if initial is None else g.add(pair, out, of_kind(g, initial, wanted))

    return write


def _truth(operator: str) -> Callable[..., str]:
    def write(g: Graph, x: Any, axis: Any, keepdims: bool) -> str:
        ints = g.cast(of_kind(g, x, BOOL), INT32)
        return g.cast(g.add(operator, ints, axes_of(g, x, axis), keepdims=int(keepdims)), BOOL)

    return write


def _mean(g: Graph, x: Any, axes: Any, keepdims: bool = True) -> str:
    return g.add("ReduceMean", x, axes, keepdims=int(keepdims))


def _squares(g: Graph, x: Any, axes: Any, keepdims: bool = True) -> str:
    return g.add("ReduceSum", g.add("Mul", x, x), axes, keepdims=int(keepdims))


def _variance(g: Graph, x: Any, axis: Any, keepdims: bool = False) -> str:
    axes, x = axes_of(g, x, axis), floats(g, x)
    centred = g.add("Sub", x, _mean(g, x, axes))
    return _mean(g, g.add("Mul", centred, centred), axes, keepdims)


def _moments(g: Graph, x: Any, axes: Any, keepdims: bool, synchronized: bool) -> list[str]:
    mean = _mean(g, floats(g, x), axes_of(g, x, axes), keepdims)
    return [mean, _variance(g, x, axes, keepdims)]


def _average(g: Graph, x: Any, weights: Any, axis: Any) -> str:
    axes = axes_of(g, x, axis)
    if weights is None:
        return _mean(g, floats(g, x), axes, False)
    w = floats(g, weights)
    if rank(weights) != rank(x):
        (place,) = at_axes(axis, rank(x))
        w = g.add("Reshape", w, g.axes(*(-1 if i == place else 1 for i in range(rank(x)))))
    x, full = floats(g, x), g.add("Shape", name_of(g, x))
    w = g.add("Expand", w, full)
    sums = [g.add("ReduceSum", one, axes, keepdims=0) for one in (g.add("Mul", x, w), w)]
    return g.add("Div", *sums)


def _norm(g: Graph, x: Any, order: Any, axis: Any, keepdims: bool) -> str:
    axes, x = axes_of(g, x, axis), floats(g, x)
    options = {"keepdims": int(keepdims)}
    if order in (None, 2):
        return g.add("ReduceL2", x, axes, **options)
    size = g.add("Abs", x)
    if abs(order) == math.inf:
        return g.add("ReduceMax" if order > 0 else "ReduceMin", size, axes, **options)
    if order == 0:
        return g.add("ReduceSum", g.add("Sign", size), axes, **options)
    total = g.add("ReduceSum", g.add("Pow", size, g.number(order)), axes, **options)
    return g.add("Pow", total, g.number(1 / order))


def _normalized(g: Graph, x: Any, axis: Any, order: float, epsilon: float | None) -> str:
    least = g.number(TINY if epsilon is None else epsilon)
    return g.add("Div", floats(g, x), g.add("Max", _norm(g, x, order, axis, True), least))


def _l2_normalized(g: Graph, x: Any, axis: Any, epsilon: float) -> str:
    axes, x = axes_of(g, x, axis), floats(g, x)
    return g.add("Div", x, g.add("Sqrt", g.add("Max", _squares(g, x, axes), g.number(epsilon))))


def _layer_norm(g: Graph, x: Any, gamma: Any, beta: Any, axis: Any, epsilon: float | None, rms: bool) -> str:
    deviation = g.add("Sqrt", g.add("Add", _variance(g, x, axis, True), g.number(epsilon or TINY)))
    values = floats(g, x)
    centred = values if rms else g.add("Sub", values, _mean(g, values, axes_of(g, x, axis)))
    return _scaled(g, g.add("Div", centred, deviation), x, gamma, beta, axis)


def _rms_norm(g: Graph, x: Any, scale: Any, axis: Any, epsilon: float | None) -> str:
    values = floats(g, x)
    mean = _mean(g, g.add("Mul", values, values), axes_of(g, x, axis))
    deviation = g.add("Sqrt", g.add("Add", mean, g.number(epsilon or TINY)))
    return _scaled(g, g.add("Div", values, deviation), x, scale, None, axis)


def _scaled(g: Graph, out: str, x: Any, gamma: Any, beta: Any, axis: Any) -> str:
    places = at_axes(axis, rank(x))
    sizes = g.axes(*(size if i in places else 1 for i, size in enumerate(shape(x))))
    for operator, array in (("Mul", gamma), ("Add", beta)):
        out = out if array is None else g.add(operator, out, g.add("Reshape", floats(g, array), sizes))
    return out


def _place(operator: str) -> Callable[..., str]:
    def write(g: Graph, x: Any, axis: int | None, keepdims: bool, dtype: str) -> str:
        (values,) = counted(g, x)
        if axis is None:
            if keepdims:
                raise NotImplementedError("keepdims")
            values, axis = g.add("Reshape", values, g.axes(-1)), 0
        return g.add(operator, values, axis=axis, keepdims=int(keepdims))

    return write


def _ordered(which: int) -> Callable[..., str]:
    def write(g: Graph, x: Any, axis: int, descending: bool) -> str:
        (values,), place = counted(g, x), at_axis(axis, rank(x))
        size = g.add("Shape", values, start=place, end=place + 1)
        return g.add("TopK", values, size, outputs=2, axis=place, largest=int(descending), sorted=1)[which]

    return write


def _top_k(g: Graph, x: Any, k: Any, in_order: bool) -> list[str]:
    return g.add("TopK", *counted(g, x), g.axes(int(k)), outputs=2, axis=-1, sorted=1)


def _running_sum(g: Graph, x: Any, axis: int | None, dtype: str | None, exclusive: bool, reverse: bool) -> str:
    (values,) = counted(g, x) if dtype is None else (cast(g, x, dtype),)
    values, axis = (g.add("Reshape", values, g.axes(-1)), 0) if axis is None else (values, axis)
    place = g.axes(axis).reshape(())
    return g.add("CumSum", values, place, exclusive=int(exclusive), reverse=int(reverse))


def _count(g: Graph, x: Any, axis: Any) -> str:
    return g.add("ReduceSum", g.cast(of_kind(g, x, BOOL), INT64), axes_of(g, x, axis), keepdims=0)


REDUCTIONS: dict[str, Callable[..., Names]] = {
    "All": _truth("ReduceMin"),
    "Amax": _extremum("ReduceMax", "Max"),
    "Amin": _extremum("ReduceMin", "Min"),
    "Any": _truth("ReduceMax"),
    "Argmax": _place("ArgMax"),
    "Argmin": _place("ArgMin"),
    "Argsort": _ordered(1),
    "Average": _average,
    "CountNonzero": _count,
    "Cumsum": _running_sum,
    "L2Normalize": _l2_normalized,
    "LayerNorm": _layer_norm,
    "Logsumexp": _reduce("ReduceLogSumExp", _floating),
    "Max": _extremum("ReduceMax", "Max"),
    "Mean": _reduce("ReduceMean", _floating),
    "Min": _extremum("ReduceMin", "Min"),
    "Moments": _moments,
    "Norm": _norm,
    "Normalize": _normalized,
    "Prod": _reduce("ReduceProd"),
    "RMSNorm": _rms_norm,
    "Sort": _ordered(0),
    "Std": lambda g, x, axis, keepdims: g.add("Sqrt", _variance(g, x, axis, keepdims)),
    "Sum": _reduce("ReduceSum"),
    "TopK": _top_k,
    "Var": _variance,
}

# Products ------------------------------------------------------------------------------------------------------------


def _turned(g: Graph, x: Any, turn: bool) -> Any:
    order = [*range(rank(x) - 2), rank(x) - 1, rank(x) - 2]
    return g.add("Transpose", floats(g, x), perm=order) if turn else floats(g, x)


def _matmul(g: Graph, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> str:
    out = g.add("MatMul", _turned(g, a, transpose_a), _turned(g, b, transpose_b))
    return out if FLOAT in (kind(a), kind(b)) else g.cast(out, INT64)


def _einsum(g: Graph, operands: list[Any], subscripts: str) -> str:
    return g.add("Einsum", *(floats(g, one) for one in operands), equation=subscripts.replace(" ", ""))


def _tensordot(g: Graph, a: Any, b: Any, axes: Any) -> str:
    if isinstance(axes, int):
        axes = [list(range(rank(a) - axes, rank(a))), list(range(axes))]
    left, right = (at_axes(tuple(listed(own)), rank(one)) for own, one in zip(axes, (a, b)))
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    first = [next(letters) for _ in range(rank(a))]
    second = [first[left[right.index(i)]] if i in right else next(letters) for i in range(rank(b))]
    rest = [c for i, c in enumerate(first) if i not in left] + [c for i, c in enumerate(second) if i not in right]
    return _einsum(g, [a, b], f"{''.join(first)},{''.join(second)}->{''.join(rest)}")


def _dot(g: Graph, a: Any, b: Any) -> str:
    if not rank(a) or not rank(b):
        return g.add("Mul", floats(g, a), floats(g, b))
    return _tensordot(g, a, b, [[rank(a) - 1], [max(0, rank(b) - 2)]])


PRODUCTS: dict[str, Callable[..., str]] = {
    "Dot": _dot,
    "Einsum": _einsum,
    "Matmul": _matmul,
    "Tensordot": _tensordot,
}

#: by the names of `layers.functions.FUNCTIONS`
OPERATIONS: dict[str, Callable[..., Names]] = {**ELEMENTS, **MOVES, **REDUCTIONS, **PRODUCTS}
