"""Functions of each element, of one array or several, and activations with settings, in ONNX' operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.functions.activations import PLAIN
from ...layers.functions.arguments import at_axis
from .functions import ACTIVATIONS
from .graph import BOOL, FLOAT, INT64, Graph
from .values import axes_of, common, counted, dtype_kind, floats, kind, name_of, of_kind, rank

# Of one array --------------------------------------------------------------------------------------------------------


def _same(g: Graph, x: Any, *settings: Any) -> str:
    return name_of(g, x)


def _unary(operator: str) -> Callable[[Graph, Any], str]:
    return lambda g, x: g.add(operator, floats(g, x))


def _counting(operator: str) -> Callable[[Graph, Any], str]:
    return lambda g, x: g.add(operator, *counted(g, x))


def _of_one(function: Callable[[Graph, Any], str]) -> Callable[[Graph, Any], str]:
    return lambda g, x: function(g, floats(g, x))


def _twice(g: Graph, x: Any) -> str:
    (x,) = counted(g, x)
    return g.add("Mul", x, x)


def _logarithm(base: float) -> Callable[[Graph, Any], str]:
    return lambda g, x: g.add("Mul", g.add("Log", x), g.number(1 / math.log(base)))


def _finite(g: Graph, x: Any) -> str:
    return g.add("Not", g.add("Or", g.add("IsNaN", x), g.add("IsInf", x)))


def _round(g: Graph, x: Any, decimals: float) -> str:
    if kind(x) != FLOAT:
        return name_of(g, x)
    factor = g.number(10.0**decimals)
    return g.add("Div", g.add("Round", g.add("Mul", floats(g, x), factor)), factor)


def _nan_to_num(g: Graph, x: Any, nan: float, posinf: float | None, neginf: float | None) -> str:
    x, most = floats(g, x), float(np.finfo(np.float32).max)
    out = g.add("Where", g.add("IsNaN", x), g.number(nan), x)
    for value, sign in ((posinf, 1), (neginf, -1)):
        where = g.add("IsInf", x, detect_positive=int(sign > 0), detect_negative=int(sign < 0))
        out = g.add("Where", where, g.number(sign * most if value is None else value), out)
    return out


UNARY: dict[str, Callable[..., str]] = {
    **{name: _same for name in ("Copy", "StopGradient")},
    **{name: _counting(operator) for name, operator in (("Abs", "Abs"), ("Absolute", "Abs"), ("Negative", "Neg"),
                                                       ("Sign", "Sign"))},
    **{name: _unary(operator) for name, operator in (
        ("Arccos", "Acos"), ("Arccosh", "Acosh"), ("Arcsin", "Asin"), ("Arcsinh", "Asinh"), ("Arctan", "Atan"),
        ("Arctanh", "Atanh"), ("Ceil", "Ceil"), ("Cos", "Cos"), ("Cosh", "Cosh"), ("Erf", "Erf"), ("Exp", "Exp"),
        ("Floor", "Floor"), ("Isinf", "IsInf"), ("Isnan", "IsNaN"), ("Log", "Log"), ("Reciprocal", "Reciprocal"),
        ("Sin", "Sin"), ("Sinh", "Sinh"), ("Sqrt", "Sqrt"), ("Tan", "Tan"))},
    **{name: _of_one(ACTIVATIONS[activation]) for name, activation in PLAIN.items()},
    "Exp2": _of_one(lambda g, x: g.add("Pow", g.number(2), x)),
    "Expm1": _of_one(lambda g, x: g.add("Sub", g.add("Exp", x), g.number(1))),
    "Isfinite": _of_one(_finite),
    "Log10": _of_one(_logarithm(10)),
    "Log1p": _of_one(lambda g, x: g.add("Log", g.add("Add", x, g.number(1)))),
    "Log2": _of_one(_logarithm(2)),
    "LogicalNot": lambda g, x: g.add("Not", of_kind(g, x, BOOL)),
    "NanToNum": _nan_to_num,
    "Round": _round,
    "Rsqrt": _of_one(lambda g, x: g.add("Reciprocal", g.add("Sqrt", x))),
    "Square": _twice,
    "Trunc": _of_one(lambda g, x: g.add("Mul", g.add("Sign", x), g.add("Floor", g.add("Abs", x)))),
}  # fmt: skip


def _binary(operator: str) -> Callable[[Graph, Any, Any], str]:
    return lambda g, a, b: g.add(operator, *common(g, a, b))


def _arithmetic(operator: str) -> Callable[[Graph, Any, Any], str]:
    return lambda g, a, b: g.add(operator, *counted(g, a, b))


def _logic(operator: str) -> Callable[[Graph, Any, Any], str]:
    return lambda g, a, b: g.add(operator, of_kind(g, a, BOOL), of_kind(g, b, BOOL))


def _divide(g: Graph, a: Any, b: Any) -> str:
    return g.add("Div", floats(g, a), floats(g, b))


def _divide_no_nan(g: Graph, a: Any, b: Any) -> str:
    a, b = floats(g, a), floats(g, b)
    none = g.add("Equal", b, g.number(0))
    return g.add("Where", none, g.number(0), g.add("Div", a, g.add("Where", none, g.number(1), b)))


def _squared_difference(g: Graph, a: Any, b: Any) -> str:
    difference = g.add("Sub", *counted(g, a, b))
    return g.add("Mul", difference, difference)


def _log_add_exp(g: Graph, a: Any, b: Any) -> str:
    a, b = floats(g, a), floats(g, b)
    apart = g.add("Neg", g.add("Abs", g.add("Sub", a, b)))
    return g.add("Add", g.add("Max", a, b), g.add("Log", g.add("Add", g.number(1), g.add("Exp", apart))))


def _hypot(g: Graph, a: Any, b: Any) -> str:
    a, b = floats(g, a), floats(g, b)
    return g.add("Sqrt", g.add("Add", g.add("Mul", a, a), g.add("Mul", b, b)))


def _arctan2(g: Graph, y: Any, x: Any) -> str:
    """By quadrants: of a positive x the angle itself, else half a turn on or back."""
    y, x = floats(g, y), floats(g, x)
    back = g.add("Where", g.add("Less", y, g.number(0)), g.number(-math.pi), g.number(math.pi))
    none = g.add("Equal", x, g.number(0))
    angle = g.add("Atan", g.add("Div", y, g.add("Where", none, g.number(1), x)))
    angle = g.add("Where", g.add("Less", x, g.number(0)), g.add("Add", angle, back), angle)
    return g.add("Where", none, g.add("Mul", g.add("Sign", y), g.number(math.pi / 2)), angle)


def _add_all(g: Graph, values: list[Any]) -> str:
    out, *rest = counted(g, *values)
    for one in rest:
        out = g.add("Add", out, one)
    return str(out)


BINARY: dict[str, Callable[..., str]] = {
    **{name: _arithmetic(operator) for name, operator in (
        ("Add", "Add"), ("Maximum", "Max"), ("Minimum", "Min"), ("Multiply", "Mul"), ("Power", "Pow"),
        ("Subtract", "Sub"), ("Greater", "Greater"), ("GreaterEqual", "GreaterOrEqual"), ("Less", "Less"),
        ("LessEqual", "LessOrEqual"))},
    **{f"Logical{operator}": _logic(operator) for operator in ("And", "Or", "Xor")},
    "AddN": _add_all,
    "Arctan2": _arctan2,
    "Divide": _divide,
    "DivideNoNan": _divide_no_nan,
    "Equal": _binary("Equal"),
    "Hypot": _hypot,
    "Logaddexp": _log_add_exp,
    "NotEqual": lambda g, a, b: g.add("Not", _binary("Equal")(g, a, b)),
    "SquaredDifference": _squared_difference,
    "TrueDivide": _divide,
}  # fmt: skip


def _floor_divide(g: Graph, a: Any, b: Any) -> str:
    whole = FLOAT not in (kind(a), kind(b))
    a, b = counted(g, a, b)
    if whole:
        return g.add("Div", g.add("Sub", a, g.add("Mod", a, b)), b)
    return g.add("Floor", g.add("Div", a, b))


def _remainder(g: Graph, a: Any, b: Any) -> str:
    whole = FLOAT not in (kind(a), kind(b))
    a, b = counted(g, a, b)
    return g.add("Mod", a, b) if whole else g.add("Sub", a, g.add("Mul", g.add("Floor", g.add("Div", a, b)), b))


BINARY |= {"FloorDivide": _floor_divide, "Mod": _remainder}


def cast(g: Graph, x: Any, dtype: str | None, *settings: Any) -> str:
    """The value as numbers of a type."""
    return name_of(g, x) if dtype is None or kind(x) == dtype_kind(dtype) else g.cast(name_of(g, x), dtype_kind(dtype))


def _where(g: Graph, condition: Any, a: Any, b: Any) -> str:
    return g.add("Where", of_kind(g, condition, BOOL), *common(g, a, b))


def _select(g: Graph, conditions: list[Any], choices: list[Any], default: Any) -> str:
    wanted = FLOAT if FLOAT in map(kind, [*choices, default]) else INT64
    out = of_kind(g, default, wanted)
    for condition, choice in zip(conditions[::-1], choices[::-1]):
        out = g.add("Where", of_kind(g, condition, BOOL), of_kind(g, choice, wanted), out)
    return str(out)


def _clip(g: Graph, x: Any, low: Any, high: Any) -> str:
    wanted = FLOAT if kind(x) == FLOAT else INT64
    x, low, high = (of_kind(g, one, wanted) for one in (x, low, high))
    return g.add("Min", g.add("Max", x, low), high)


# Activations with settings -------------------------------------------------------------------------------------------


def _gelu(g: Graph, x: Any, approximate: Any) -> str:
    x = floats(g, x)
    if not approximate:
        return ACTIVATIONS["gelu"](g, x)
    cube = g.add("Mul", g.number(0.044715), g.add("Mul", x, g.add("Mul", x, x)))
    inner = g.add("Mul", g.number(math.sqrt(2 / math.pi)), g.add("Add", x, cube))
    return g.add("Mul", g.add("Mul", g.number(0.5), x), g.add("Add", g.number(1), g.add("Tanh", inner)))


def _relu(g: Graph, x: Any, slope: float, most: float | None, threshold: float) -> str:
    x = floats(g, x)
    above = g.add("Where", g.add("Greater", x, g.number(threshold)), x, g.number(0))
    above = above if most is None else g.add("Clip", above, g.number(0), g.number(most))
    below = g.add("Mul", g.number(slope), g.add("Relu", g.add("Sub", g.number(threshold), x)))
    return g.add("Sub", above, below) if slope else above


def _softmax(g: Graph, x: Any, axis: Any) -> str:
    axes, x = axes_of(g, x, axis), floats(g, x)
    e = g.add("Exp", g.add("Sub", x, g.add("ReduceMax", x, axes)))
    return g.add("Div", e, g.add("ReduceSum", e, axes))


def _log_softmax(g: Graph, x: Any, axis: Any) -> str:
    axes, x = axes_of(g, x, axis), floats(g, x)
    x = g.add("Sub", x, g.add("ReduceMax", x, axes))
    return g.add("Sub", x, g.add("Log", g.add("ReduceSum", g.add("Exp", x), axes)))


def _sparsemax(g: Graph, x: Any, axis: int) -> str:
    last, place = rank(x) - 1, at_axis(axis, rank(x))
    order = [i if i not in (place, last) else place + last - i for i in range(rank(x))]
    out = ACTIVATIONS["sparsemax"](g, g.add("Transpose", floats(g, x), perm=order))
    return g.add("Transpose", out, perm=order)


def _squareplus(g: Graph, x: Any, b: float) -> str:
    x = floats(g, x)
    return g.add("Mul", g.number(0.5), g.add("Add", x, g.add("Sqrt", g.add("Add", g.add("Mul", x, x), g.number(b)))))


def _glu(g: Graph, x: Any, axis: int) -> str:
    first, second = g.add("Split", floats(g, x), outputs=2, axis=axis, num_outputs=2)
    return g.add("Mul", first, g.add("Sigmoid", second))


def _celu(g: Graph, x: Any, alpha: float) -> str:
    x = floats(g, x)
    low = g.add("Sub", g.add("Exp", g.add("Div", g.add("Min", x, g.number(0)), g.number(alpha))), g.number(1))
    return g.add("Add", g.add("Relu", x), g.add("Mul", g.number(alpha), low))


def _threshold(g: Graph, x: Any, threshold: float, value: float) -> str:
    x = floats(g, x)
    return g.add("Where", g.add("Greater", x, g.number(threshold)), x, g.number(value))


SETTINGS: dict[str, Callable[..., str]] = {
    "Array": cast,
    "Cast": cast,
    "Celu": _celu,
    "Clip": _clip,
    "ConvertToTensor": cast,
    "Elu": lambda g, x, alpha: g.add("Elu", floats(g, x), alpha=float(alpha)),
    "Gelu": _gelu,
    "Glu": _glu,
    "HardShrink": lambda g, x, threshold: g.add("Shrink", floats(g, x), lambd=float(threshold), bias=0.0),
    "LeakyRelu": lambda g, x, slope: g.add("LeakyRelu", floats(g, x), alpha=float(slope)),
    "LogSoftmax": _log_softmax,
    "ReLU": _relu,
    "SaturateCast": cast,
    "Select": _select,
    "SoftShrink": lambda g, x, threshold: g.add("Shrink", floats(g, x), lambd=float(threshold), bias=float(threshold)),
    "Softmax": _softmax,
    "Sparsemax": _sparsemax,
    "Squareplus": _squareplus,
    "Threshold": _threshold,
    "Where": _where,
}

ELEMENTS: dict[str, Callable[..., str]] = {**UNARY, **BINARY, **SETTINGS}
