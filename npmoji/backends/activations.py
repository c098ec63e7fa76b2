"""The activation functions in plain NumPy, and the table of their names.

Arrays are float32 in and out, of any shape; softmax and log_softmax work along the last axis. Functions with a
parameter ``exp``, ``tanh`` or ``sigmoid`` can be given an engine's own, see `numba_ops`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
SLOPE = np.float32(0.2)  # of Keras 2's hard sigmoid
FOUR = np.float32(4)


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """Keras 2's hard sigmoid, ``clip(0.2 x + 0.5, 0, 1)``. Keras 3 uses the name for another function, see below."""
    return np.clip(SLOPE * x + HALF, ZERO, ONE)


def hard_sigmoid_keras3(x: np.ndarray) -> np.ndarray:
    """Keras 3's hard sigmoid, ``relu6(x + 3) / 6``."""
    return np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function, computed with tanh, which cannot overflow."""
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


def relu(x: np.ndarray) -> np.ndarray:
    """The positive part."""
    return np.maximum(x, np.float32(0))


def softmax(x: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis; the row's maximum is subtracted first so that exp cannot overflow."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def linear(x: np.ndarray) -> np.ndarray:
    """The identity."""
    return x


def elu(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """``x`` above 0, ``exp(x) - 1`` below."""
    return np.where(x > 0, x, exp(np.minimum(x, np.float32(0))) - np.float32(1))


def selu(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """Scaled elu; the two constants are from "Self-Normalizing Neural Networks", arXiv:1706.02515."""
    return np.float32(1.0507009873554805) * np.where(x > 0, x, np.float32(1.6732632423543772) * elu(x, exp))


def softplus(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """``log(1 + exp(x))``, without overflow."""
    return np.maximum(x, np.float32(0)) + one_by_one(math.log1p, exp(-np.abs(x)))


def softsign(x: np.ndarray) -> np.ndarray:
    """``x / (1 + |x|)``."""
    return x / (np.float32(1) + np.abs(x))


def swish(x: np.ndarray, sigmoid: Function = sigmoid) -> np.ndarray:
    """``x sigmoid(x)``, also called silu."""
    return x * sigmoid(x)


def mish(x: np.ndarray, tanh: Function = np.tanh, exp: Function = np.exp) -> np.ndarray:
    """``x tanh(softplus(x))``."""
    return x * tanh(softplus(x, exp))


def gelu(x: np.ndarray) -> np.ndarray:
    """``x`` times the normal distribution function at x."""
    return np.float32(0.5) * x * (np.float32(1) + one_by_one(math.erf, x * np.float32(math.sqrt(0.5))))


def relu6(x: np.ndarray) -> np.ndarray:
    """The positive part, up to 6."""
    return np.clip(x, np.float32(0), np.float32(6))


def hard_swish(x: np.ndarray) -> np.ndarray:
    """``x relu6(x + 3) / 6``."""
    return x * hard_sigmoid_keras3(x)


def leaky_relu(x: np.ndarray) -> np.ndarray:
    """``x`` above 0, ``0.2 x`` below: Keras' activation of that name."""
    return np.where(x >= 0, x, np.float32(0.2) * x)


def celu(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """`elu`, whose slope is 1 at 0 with any setting; it has none here."""
    return elu(x, exp)


def hard_tanh(x: np.ndarray) -> np.ndarray:
    """``x`` from -1 to 1."""
    return np.clip(x, -ONE, ONE)


def log_sigmoid(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """The logarithm of the logistic function."""
    return -softplus(-x, exp)


def tanh_shrink(x: np.ndarray, tanh: Function = np.tanh) -> np.ndarray:
    """``x - tanh(x)``."""
    return x - tanh(x)


def hard_shrink(x: np.ndarray, threshold: np.float32 = HALF) -> np.ndarray:
    """``x`` where it is larger than the threshold, whatever its sign, else 0."""
    return np.where(np.abs(x) > threshold, x, ZERO)


def soft_shrink(x: np.ndarray, threshold: np.float32 = HALF) -> np.ndarray:
    """The same, nearer to 0 by the threshold."""
    return np.where(x > threshold, x - threshold, np.where(x < -threshold, x + threshold, ZERO))


def squareplus(x: np.ndarray, b: np.float32 = FOUR) -> np.ndarray:
    """``(x + sqrt(x² + b)) / 2``."""
    return (x + np.sqrt(x * x + b)) / np.float32(2)


def sparse_plus(x: np.ndarray) -> np.ndarray:
    """0 up to -1, ``x`` from 1 on, and a parabola between."""
    return np.where(x <= -1, ZERO, np.where(x < 1, np.float32(0.25) * np.square(x + ONE), x))


def sparse_sigmoid(x: np.ndarray) -> np.ndarray:
    """``(x + 1) / 2``, from 0 to 1."""
    return np.where(x <= -1, ZERO, np.where(x >= 1, ONE, HALF * (x + ONE)))


def sparsemax(x: np.ndarray) -> np.ndarray:
    """What Keras has by this name: not quite arXiv:1602.02068, as it adds up all sums of the largest values instead of
    taking the last of them, so that the results do not always add up to 1."""
    ordered = np.flip(np.sort(x, axis=-1), -1)
    sums = np.cumsum(ordered, axis=-1, dtype=np.float32)
    support = ordered - (sums - ONE) / np.arange(1, x.shape[-1] + 1, dtype=np.float32) > 0
    total = np.cumsum(np.where(support, sums, ZERO), axis=-1, dtype=np.float32)[..., -1:]
    return np.maximum(x - (total - ONE) / support.sum(axis=-1, keepdims=True).astype(np.float32), ZERO)


def log_softmax(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """The logarithm of `softmax`."""
    x = x - x.max(axis=-1, keepdims=True)
    total = functools.reduce(np.add, np.moveaxis(exp(x), -1, 0))
    return x - one_by_one(math.log, total)[..., None]


def one_by_one(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """Apply a function to each element: slow, for rarely used functions that NumPy and the kernels do not share."""
    return np.frompyfunc(function, 1, 1)(x).astype(np.float32) if x.ndim else np.float32(function(x))


ACTIVATIONS: dict[str, Function] = {
    "linear": linear,
    "tanh": np.tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_keras3": hard_sigmoid_keras3,
    "softmax": softmax,
    "elu": elu,
    "selu": selu,
    "softplus": softplus,
    "softsign": softsign,
    "swish": swish,
    "silu": swish,
    "mish": mish,
    "gelu": gelu,
    "relu6": relu6,
    "hard_swish": hard_swish,
    "hard_silu": hard_swish,
    "leaky_relu": leaky_relu,
    "log_softmax": log_softmax,
    "exponential": np.exp,
    "celu": celu,
    "hard_tanh": hard_tanh,
    "log_sigmoid": log_sigmoid,
    "tanh_shrink": tanh_shrink,
    "hard_shrink": hard_shrink,
    "soft_shrink": soft_shrink,
    "squareplus": squareplus,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": sparse_sigmoid,
    "sparsemax": sparsemax,
}
