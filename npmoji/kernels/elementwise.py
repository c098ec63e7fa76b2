"""Functions of every element of an array: the same bits as in the gates, whatever an element's position."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import signatures
from .blocks import address_of, apply_exp, apply_hard, apply_hard_keras3, apply_sigmoid, apply_tanh
from .target import (
    EXP,
    FLOAT_BYTES,
    HARD_SIGMOID,
    HARD_SIGMOID_KERAS3,
    LANES,
    SIGMOID,
    TANH,
    inner,
    jit,
)


@inner
def _apply_vector(kind, target, source):
    if kind == TANH:
        apply_tanh(target, source)
    elif kind == EXP:
        apply_exp(target, source)
    elif kind == SIGMOID:
        apply_sigmoid(target, source)
    elif kind == HARD_SIGMOID:
        apply_hard(target, source)
    else:
        apply_hard_keras3(target, source)


@jit(signatures.ELEMENTWISE)
def elementwise_loop(kind, x, out, rest):
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


def _elementwise_function(kind: int, name: str) -> Callable[..., np.ndarray]:
    def apply(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        x = np.ascontiguousarray(x, np.float32)
        out = np.empty_like(x) if out is None else out
        elementwise_loop(kind, x.reshape(-1), out.reshape(-1), np.zeros(LANES, np.float32))
        return out

    apply.__name__ = name
    apply.__doc__ = f"{name} of every element, float32; `out` may be x itself and must be contiguous."
    return apply


tanh = _elementwise_function(TANH, "tanh")
exp = _elementwise_function(EXP, "exp")
sigmoid = _elementwise_function(SIGMOID, "sigmoid")
hard_sigmoid = _elementwise_function(HARD_SIGMOID, "hard_sigmoid")
hard_sigmoid_keras3 = _elementwise_function(HARD_SIGMOID_KERAS3, "hard_sigmoid_keras3")
