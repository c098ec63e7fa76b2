"""Activations as functions, with the settings that Keras' have."""

from __future__ import annotations

import math

import numpy as np

from ...backends import activations
from ...backends.ops import Ops
from .arguments import Axes, Axis, Number, Value, at_axes, at_axis
from .numbers import floats
from .table import function

#: those without settings, by the names that `backends.activations` has for them
PLAIN = {
    "HardSigmoid": "hard_sigmoid_keras3",
    "HardSilu": "hard_silu",
    "HardTanh": "hard_tanh",
    "LogSigmoid": "log_sigmoid",
    "Mish": "mish",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "SparsePlus": "sparse_plus",
    "SparseSigmoid": "sparse_sigmoid",
    "Tanh": "tanh",
    "TanhShrink": "tanh_shrink",
}


def activate(ops: Ops, name: str, x: Value) -> np.ndarray:
    """The engine's activation of that name."""
    return np.asarray(ops.activate(name, np.ascontiguousarray(floats(x)).reshape(np.shape(x))))


def _plain(name: str) -> None:
    def compute(ops: Ops, x: Value) -> np.ndarray:
        x = np.asarray(x)
        return np.maximum(x, 0) if name == "Relu" and x.dtype.kind in "iu" else activate(ops, PLAIN[name], x)

    function(name)(compute)


for _name in PLAIN:
    _plain(_name)


def along(ops: Ops, name: str, x: Value, axes: Axes) -> np.ndarray:
    """An activation of the last axis along others: several count as one."""
    x = floats(x)
    places = at_axes(axes, x.ndim)
    rest = [i for i in range(x.ndim) if i not in places]
    order = [*rest, *places]
    moved = np.ascontiguousarray(x.transpose(order))
    flat = moved.reshape(*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in places))
    return activate(ops, name, flat).reshape(moved.shape).transpose(np.argsort(order))


@function("Softmax")
def _softmax(ops: Ops, x: Value, axis: Axes = (-1,)) -> np.ndarray:
    return along(ops, "softmax", x, axis)


@function("LogSoftmax")
def _log_softmax(ops: Ops, x: Value, axis: Axes = (-1,)) -> np.ndarray:
    return along(ops, "log_softmax", x, axis)


@function("Sparsemax")
def _sparsemax(ops: Ops, x: Value, axis: Axis = -1) -> np.ndarray:
    return along(ops, "sparsemax", x, (axis,))


@function("Gelu")
def _gelu(ops: Ops, x: Value, approximate: Value = True) -> np.ndarray:
    x = floats(x)
    if not approximate:
        return activate(ops, "gelu", x)
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (np.float32(1) + activate(ops, "tanh", inner))


@function("Elu")
def _elu(ops: Ops, x: Value, alpha: Number = 1.0) -> np.ndarray:
    x = floats(x)
    return np.where(x > 0, x, np.float32(alpha) * activate(ops, "elu", x))


@function("Celu")
def _celu(ops: Ops, x: Value, alpha: Number = 1.0) -> np.ndarray:
    x, alpha = floats(x), np.float32(alpha)
    return np.maximum(x, np.float32(0)) + alpha * activate(ops, "elu", np.minimum(x, np.float32(0)) / alpha)


@function("LeakyRelu")
def _leaky_relu(ops: Ops, x: Value, negative_slope: Number = 0.2) -> np.ndarray:
    x = floats(x)
    return np.where(x > 0, x, np.float32(negative_slope) * x)


@function("ReLU")
def _relu(
    ops: Ops, x: Value, negative_slope: Number = 0.0, max_value: Number = None, threshold: Number = 0.0
) -> np.ndarray:
    x, threshold = floats(x), np.float32(threshold)
    above = np.where(x > threshold, x, np.float32(0))
    if max_value is not None:
        above = np.clip(above, np.float32(0), np.float32(max_value))
    return above - np.float32(negative_slope) * np.maximum(threshold - x, np.float32(0)) if negative_slope else above


@function("HardShrink")
def _hard_shrink(ops: Ops, x: Value, threshold: Number = 0.5) -> np.ndarray:
    return activations.hard_shrink(floats(x), np.float32(threshold))


@function("SoftShrink")
def _soft_shrink(ops: Ops, x: Value, threshold: Number = 0.5) -> np.ndarray:
    return activations.soft_shrink(floats(x), np.float32(threshold))


@function("Threshold")
def _threshold(ops: Ops, x: Value, threshold: Number, default_value: Number) -> np.ndarray:
    x = floats(x)
    return np.where(x > np.float32(threshold), x, np.float32(default_value))


@function("Squareplus")
def _squareplus(ops: Ops, x: Value, b: Number = 4) -> np.ndarray:
    return activations.squareplus(floats(x), np.float32(b))


@function("Glu")
def _glu(ops: Ops, x: Value, axis: Axis = -1) -> np.ndarray:
    x = floats(x)
    first, second = np.split(x, 2, at_axis(axis, x.ndim))
    return first * activate(ops, "sigmoid", second)
