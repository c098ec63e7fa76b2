"""Activations and single functions in ONNX' operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import Layer
from ...layers.operations import Operation
from .graph import BOOL, FLOAT, INT32, INT64, Graph
from .refused import Refused

# Activations ---------------------------------------------------------------------------------------------------------

Function = Callable[[Graph, str], str]


def _plain(operator: str, **attributes: Any) -> Function:
    return lambda g, x: g.add(operator, x, **attributes)


def _relu6(g: Graph, x: str) -> str:
    return g.add("Clip", x, g.number(0), g.number(6))


def _swish(g: Graph, x: str) -> str:
    return g.add("Mul", x, g.add("Sigmoid", x))


def _mish(g: Graph, x: str) -> str:
    return g.add("Mul", x, g.add("Tanh", g.add("Softplus", x)))


def _gelu(g: Graph, x: str) -> str:
    erf = g.add("Erf", g.add("Mul", x, g.number(math.sqrt(0.5))))
    return g.add("Mul", g.add("Mul", g.number(0.5), x), g.add("Add", g.number(1), erf))


def _hard_sigmoid_keras3(g: Graph, x: str) -> str:
    return g.add("Div", _relu6(g, g.add("Add", x, g.number(3))), g.number(6))


#: the same names as in `backends.activations`
ACTIVATIONS: dict[str, Function] = {
    "linear": lambda g, x: x,
    "tanh": _plain("Tanh"),
    "relu": _plain("Relu"),
    "sigmoid": _plain("Sigmoid"),
    "hard_sigmoid": _plain("HardSigmoid", alpha=0.2, beta=0.5),
    "hard_sigmoid_keras3": _hard_sigmoid_keras3,
    "softmax": _plain("Softmax", axis=-1),
    "log_softmax": _plain("LogSoftmax", axis=-1),
    "elu": _plain("Elu"),
    "selu": _plain("Selu"),
    "softplus": _plain("Softplus"),
    "softsign": _plain("Softsign"),
    "swish": _swish,
    "silu": _swish,
    "mish": _mish,
    "gelu": _gelu,
    "relu6": _relu6,
    "hard_swish": lambda g, x: g.add("Mul", x, _hard_sigmoid_keras3(g, x)),
    "hard_silu": lambda g, x: g.add("Mul", x, _hard_sigmoid_keras3(g, x)),
    "leaky_relu": _plain("LeakyRelu", alpha=0.2),
    "exponential": _plain("Exp"),
}


def activate(g: Graph, layer: Layer, name: str, x: str) -> str:
    """The activation of that name."""
    if name not in ACTIVATIONS:
        raise Refused(layer, f"activation {name!r}")
    return ACTIVATIONS[name](g, x)


# Operations ----------------------------------------------------------------------------------------------------------

ARITHMETIC = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div"}
COMPARISONS = {"Equal": "Equal", "NotEqual": "Equal", "Greater": "Greater", "Less": "Less"}
LOGIC = {"LogicalAnd": "And", "LogicalOr": "Or"}
UNARY = {"Negative": "Neg", "Absolute": "Abs", "LogicalNot": "Not", "ConvertToTensor": "Identity"}


def kind_of(value: Any) -> int:
    """ONNX' element type for numbers like these."""
    return {"b": BOOL, "i": INT64, "u": INT64}.get(np.asarray(value).dtype.kind, FLOAT)


def operation(g: Graph, layer: Operation, names: list[str], like: list[Any]) -> str:
    """One function of layers' outputs and constants.

    Args:
        like: values of the same types as those outputs.
    """
    outputs = iter(zip(names, like))
    values = [next(outputs) if isinstance(argument, Layer) else (None, argument) for argument in layer.arguments]
    name, settings = layer.class_name, layer.settings
    if name in ARITHMETIC:
        return g.add(ARITHMETIC[name], *_common(g, values, (FLOAT,) if "Divide" in name else ()))
    if name in COMPARISONS:
        found = g.add(COMPARISONS[name], *_common(g, values))
        return g.add("Not", found) if name == "NotEqual" else found
    if name in LOGIC:
        return g.add(LOGIC[name], *_common(g, values, (BOOL,)))
    if name in UNARY:
        return g.add(UNARY[name], *_common(g, values, (BOOL,) if name == "LogicalNot" else ()))
    if name == "Concatenate":
        return g.add("Concat", *_common(g, values), axis=settings.get("axis", -1))
    x, kind = values[0][0], kind_of(values[0][1])
    given = values[1][1] if len(values) > 1 else settings.get("dtype" if name == "Cast" else "axis")
    axes = None if given is None or name == "Cast" else g.axes(*np.atleast_1d(given))
    if name == "ExpandDims":
        return g.add("Unsqueeze", x, axes)
    if name == "Squeeze":
        return g.add("Squeeze", x, axes)
    if name == "Cast":
        return g.cast(x, kind_of(np.zeros(0, given)))
    if name in ("ZerosLike", "OnesLike"):
        kind = kind_of(np.zeros(0, settings["dtype"])) if settings.get("dtype") else kind
        fill = g.onnx.numpy_helper.from_array(np.array([name == "OnesLike"], np.int64), "fill")
        return g.cast(g.add("ConstantOfShape", g.add("Shape", x), value=fill), kind)
    if name in ("Any", "All"):
        operator = "ReduceMax" if name == "Any" else "ReduceMin"
        ints = g.cast(g.cast(x, BOOL), INT32)
        return g.cast(g.add(operator, ints, axes, keepdims=int(bool(settings.get("keepdims")))), BOOL)
    raise Refused(layer, f"the operation {name!r}")


def _common(g: Graph, values: list[tuple[str | None, Any]], kinds: tuple[int, ...] = ()) -> list[Any]:
    """The values as one type: the given one, or else that of all of them, or float32 if they differ."""
    own = {kind_of(value) for name, value in values if name is not None} | {
        FLOAT
        for name, value in values
        if name is None and isinstance(value, (float, np.ndarray)) and kind_of(value) == FLOAT
    }
    (kind,) = kinds or (own if len(own) == 1 else {FLOAT})
    dtype = {FLOAT: np.float32, INT64: np.int64, BOOL: np.bool_}[kind]
    return [
        np.asarray(value, dtype) if name is None else name if kind_of(value) == kind else g.cast(name, kind)
        for name, value in values
    ]
