"""The reference's functions with the recurrent loops compiled by Numba; what is not worth compiling is the reference's own.

A batch is packed first: the masked steps are dropped (for an LSTM that equals carrying its state over them), the texts
sorted by length, longest first, and their steps stored time-major, so that step t concerns the first batch_sizes[t] rows
and padding costs nothing. Going backwards is the same loop over each text's steps in reverse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np

from .numpy_ops import (
    activate,
    attention_logits,
    attention_weights,
    concatenate,
    dense,
    embedding,
    pack_dense,
    pack_lstm,
    weighted_sum,
)

__all__ = [
    "activate",
    "attention_logits",
    "attention_weights",
    "bidirectional",
    "concatenate",
    "dense",
    "embedding",
    "lstm",
    "pack_dense",
    "pack_lstm",
    "weighted_sum",
]

GATES = {"hard_sigmoid": 0, "hard_sigmoid_keras3": 1, "sigmoid": 2}


def _jit(function: Callable) -> Callable:
    """Compile on first use and keep the result on disk, beside this file or in the user's cache directory.

    Where neither can be written, each process compiles for itself.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # "no locator available"
        return numba.njit(nogil=True)(function)


class Packed(NamedTuple):
    """Where each packed step comes from: ``x[rows, steps]`` is the packed data, time-major, (total steps, F)."""

    rows: np.ndarray
    steps: np.ndarray
    batch_sizes: np.ndarray


def pack(mask: np.ndarray, go_backwards: bool = False) -> Packed:
    """The valid steps of a mask (N, T) in the order they are to be run: texts sorted by length (stable), time-major."""
    rows, steps = np.nonzero(mask)
    lengths = mask.sum(axis=1)
    starts = np.cumsum(lengths) - lengths
    turn = np.arange(len(rows)) - starts[rows]  # a step's place among the valid ones of its text
    if go_backwards:
        turn = lengths[rows] - 1 - turn
    rank = np.empty(len(mask), np.intp)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(mask))
    order = np.lexsort((rank[rows], turn))
    return Packed(rows[order], steps[order], np.bincount(turn))


def lstm(
    x: np.ndarray,
    mask: np.ndarray,
    weights: tuple[np.ndarray, ...],
    gate: str = "hard_sigmoid",
    hold_masked: bool = True,
    go_backwards: bool = False,
) -> np.ndarray:
    """See `numpy_ops.lstm`."""
    kernel, recurrent_kernel, bias = weights
    packed = pack(mask, go_backwards)
    projection = dense(x[packed.rows, packed.steps], (kernel, bias))
    outputs = np.zeros((*mask.shape, len(recurrent_kernel)), np.float32)
    outputs[packed.rows, packed.steps] = _lstm_loop(projection, packed.batch_sizes, recurrent_kernel, GATES[gate])
    if hold_masked and not mask.all():
        _hold(outputs, mask, go_backwards)
    return outputs


def bidirectional(x: np.ndarray, mask: np.ndarray, forward: tuple, backward: tuple, **options) -> np.ndarray:
    """See `numpy_ops.bidirectional`."""
    ahead = lstm(x, mask, forward, go_backwards=False, **options)
    behind = lstm(x, mask, backward, go_backwards=True, **options)
    return np.concatenate([ahead, behind], axis=-1)


def _hold(outputs: np.ndarray, mask: np.ndarray, go_backwards: bool) -> None:
    """Let masked steps repeat the output before them in the direction of travel; those before the first stay 0."""
    if go_backwards:
        outputs, mask = outputs[:, ::-1], mask[:, ::-1]
    before = np.maximum.accumulate(np.where(mask, np.arange(mask.shape[1]), -1), axis=1)
    rows, steps = np.nonzero(~mask & (before >= 0))
    outputs[rows, steps] = outputs[rows, before[rows, steps]]


@_jit
def _gate(x, kind):
    if kind == 0:
        return min(max(np.float32(0.2) * x + np.float32(0.5), np.float32(0)), np.float32(1))
    if kind == 1:
        return min(max(x + np.float32(3), np.float32(0)), np.float32(6)) / np.float32(6)
    return np.float32(0.5) * math.tanh(np.float32(0.5) * x) + np.float32(0.5)


@_jit
def _lstm_loop(projection, batch_sizes, recurrent_kernel, kind):
    """Outputs (total, H) for packed input projections (total, 4H)."""
    H = recurrent_kernel.shape[0]
    outputs = np.empty((len(projection), H), np.float32)
    c = np.zeros((batch_sizes[0] if len(batch_sizes) else 0, H), np.float32)
    before = now = 0
    for size in batch_sizes:
        z = projection[now : now + size]
        if now > 0:
            _add_product(outputs[before : before + size], recurrent_kernel, z)
        for row in range(size):
            for unit in range(H):
                i = _gate(z[row, unit], kind)
                f = _gate(z[row, H + unit], kind)
                o = _gate(z[row, 3 * H + unit], kind)
                c[row, unit] = f * c[row, unit] + i * math.tanh(z[row, 2 * H + unit])
                outputs[now + row, unit] = o * math.tanh(c[row, unit])
        before, now = now, now + size
    return outputs


@_jit
def _add_product(h, kernel, z):
    """``z += h · kernel``, four rows at a time so that each kernel row is read from memory once for them."""
    for start in range(0, len(h), 4):
        for k in range(kernel.shape[0]):
            weights = kernel[k]
            for row in range(start, min(start + 4, len(h))):
                value = h[row, k]
                for j in range(len(weights)):
                    z[row, j] += value * weights[j]
