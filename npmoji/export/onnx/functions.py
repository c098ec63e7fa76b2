"""Activations in ONNX' operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...layers import Layer
from .graph import FLOAT, Graph
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


def _squareplus(g: Graph, x: str) -> str:
    root = g.add("Sqrt", g.add("Add", g.add("Mul", x, x), g.number(4)))
    return g.add("Mul", g.add("Add", x, root), g.number(0.5))


def _sparse_sigmoid(g: Graph, x: str) -> str:
    return g.add("Clip", g.add("Mul", g.add("Add", x, g.number(1)), g.number(0.5)), g.number(0), g.number(1))


def _sparse_plus(g: Graph, x: str) -> str:
    more = g.add("Add", x, g.number(1))
    parabola = g.add("Mul", g.number(0.25), g.add("Mul", more, more))
    low = g.add("Where", g.add("Less", x, g.number(-1)), g.number(0), parabola)
    return g.add("Where", g.add("Less", x, g.number(1)), low, x)


def _sparsemax(g: Graph, x: str) -> str:
    size = g.add("Shape", x, start=-1)
    ordered, _ = g.add("TopK", x, size, outputs=2, axis=-1, sorted=1)
    sums = g.add("CumSum", ordered, g.axes(-1).reshape(()))
    ranks = g.cast(g.add("Range", g.axes(1).reshape(()), _after(g, size), g.axes(1).reshape(())), FLOAT)
    least = g.add("Div", g.add("Sub", sums, g.number(1)), ranks)
    support = g.cast(g.add("Greater", ordered, least), FLOAT)
    count = g.add("ReduceSum", support, g.axes(-1))
    total = g.add("ReduceSum", g.add("Mul", sums, support), g.axes(-1))
    return g.add("Relu", g.add("Sub", x, g.add("Div", g.add("Sub", total, g.number(1)), count)))


def _after(g: Graph, size: str) -> str:
    """One more, as a number without axes."""
    return g.add("Squeeze", g.add("Add", size, g.axes(1)))


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
    "celu": _plain("Elu"),
    "hard_tanh": lambda g, x: g.add("Clip", x, g.number(-1), g.number(1)),
    "log_sigmoid": lambda g, x: g.add("Neg", g.add("Softplus", g.add("Neg", x))),
    "tanh_shrink": lambda g, x: g.add("Sub", x, g.add("Tanh", x)),
    "hard_shrink": _plain("Shrink", lambd=0.5, bias=0.0),
    "soft_shrink": _plain("Shrink", lambd=0.5, bias=0.5),
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "sparsemax": _sparsemax,
}


def activate(g: Graph, layer: Layer, name: str, x: str) -> str:
    """The activation of that name."""
    if name not in ACTIVATIONS:
        raise Refused(layer, f"activation {name!r}")
    return ACTIVATIONS[name](g, x)
