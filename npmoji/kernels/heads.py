"""What follows the recurrent layers: dense layers, attention, softmax. Plain loops: they take a few per cent of the
time.

Each sum has one fixed order, as everywhere in this package; the dense layer's is kept in float64, since a chain of 2304
float32 roundings would be the largest error of the whole network.
"""

from __future__ import annotations

import numpy as np

from . import signatures
from .blocks import DENSE_COLUMNS, WIDE, add_scaled, address_of, dense_columns, dot_sums
from .elementwise import exp
from .target import FLOAT_BYTES, LANES, inner, jit


@inner
def _add_four(x, row, kernel, sums):
    """sums (4, C) += four rows of x · kernel: they share each load of the kernel, and two of its rows one of a sum."""
    a, b, c, d = sums[0], sums[1], sums[2], sums[3]
    xa, xb, xc, xd = x[row], x[row + 1], x[row + 2], x[row + 3]
    even = len(kernel) - len(kernel) % 2
    for k in range(0, even, 2):
        kernel_0, kernel_1 = kernel[k], kernel[k + 1]
        a0, a1, b0, b1 = np.float64(xa[k]), np.float64(xa[k + 1]), np.float64(xb[k]), np.float64(xb[k + 1])
        c0, c1, d0, d1 = np.float64(xc[k]), np.float64(xc[k + 1]), np.float64(xd[k]), np.float64(xd[k + 1])
        for i in range(len(a)):
            w0, w1 = np.float64(kernel_0[i]), np.float64(kernel_1[i])
            a[i] = a[i] + a0 * w0 + a1 * w1
            b[i] = b[i] + b0 * w0 + b1 * w1
            c[i] = c[i] + c0 * w0 + c1 * w1
            d[i] = d[i] + d0 * w0 + d1 * w1
    for k in range(even, len(kernel)):
        for r in range(4):
            for i in range(len(a)):
                sums[r, i] += np.float64(x[row + r, k]) * np.float64(kernel[k, i])


@jit(signatures.DENSE_FOURS)
def _dense_fours(x, kernel, bias, out, sums, first, last):
    """A product of two floats is exact in float64: the bits depend on the order of the sums only, which is that of k,
    however many rows and products are computed side by side."""
    for row in range(first, last, 4):
        for r in range(4):
            for i in range(len(bias)):
                sums[r, i] = bias[i]
        _add_four(x, row, kernel, sums)
        for r in range(4):
            for i in range(len(bias)):
                out[row + r, i] = sums[r, i]


@jit(signatures.DENSE)
def dense_loop(x, kernel, bias, out, sums, first, last):
    """`dense` for single rows; `sums` is scratch for one of out."""
    near = x.strides[1] == FLOAT_BYTES and kernel.strides[1] == FLOAT_BYTES
    whole = len(bias) - len(bias) % DENSE_COLUMNS if near else 0  # columns that are held in registers
    for row in range(first, last):
        for c in range(len(bias)):
            sums[c] = bias[c]
        for c in range(0, whole, DENSE_COLUMNS):
            source, columns = address_of(x) + row * x.strides[0], address_of(kernel) + c * FLOAT_BYTES
            dense_columns(source, x.shape[1], columns, kernel.strides[0], address_of(sums) + 2 * c * FLOAT_BYTES)
        for k in range(x.shape[1] if whole < len(bias) else 0):
            value = np.float64(x[row, k])
            for c in range(whole, len(bias)):
                sums[c] += value * kernel[k, c]
        for c in range(len(bias)):
            out[row, c] = sums[c]


def dense(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
    """out[first:last] = x[first:last] · kernel + bias: (M, K), (K, C), (C,) -> (M, C), all contiguous."""
    fours = first + max(0, last - first) // 4 * 4
    if fours > first:
        _dense_fours(x, kernel, bias, out, np.empty((4, len(bias))), first, fours)
    if last > fours:
        dense_loop(x, kernel, bias, out, np.empty(len(bias)), fours, last)


@jit(signatures.DOT_ROWS)
def dot_rows_loop(x, w, out, sums, first, last):
    """`dot_rows`; `sums` is scratch for WIDE floats."""
    whole = len(w) - len(w) % WIDE
    near = x.strides[1] == FLOAT_BYTES and w.strides[0] == FLOAT_BYTES
    for row in range(first, last):
        if near:
            source = address_of(x) + row * x.strides[0]
            dot_sums(source, address_of(w), whole * FLOAT_BYTES, address_of(sums))
        else:
            sums[:] = 0
            for k in range(0, whole, WIDE):
                for j in range(WIDE):
                    sums[j] += x[row, k + j] * w[k + j]
        total = np.float32(0)
        for j in range(WIDE):
            total += sums[j]
        for k in range(whole, len(w)):
            total += x[row, k] * w[k]
        out[row] = total


def dot_rows(x: np.ndarray, w: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
    """out[first:last] = the dot products of these rows of x (M, K) with w (K,): (M,)."""
    dot_rows_loop(x, w, out, np.empty(WIDE, np.float32), first, last)


@jit(signatures.NORMALISE)
def normalise_loop(a, mask, epsilon):
    """Each row of a over its sum where the mask is true, plus epsilon; 0 elsewhere."""
    for row in range(a.shape[0]):
        total = np.float32(0)
        for t in range(a.shape[1]):
            if mask[row, t]:
                total += a[row, t]
        for t in range(a.shape[1]):
            a[row, t] = a[row, t] / (total + epsilon) if mask[row, t] else np.float32(0)


def attention_weights(logits: np.ndarray, mask: np.ndarray, epsilon: np.float32) -> np.ndarray:
    """exp(logits - maximum over all steps) over its sum at the valid steps plus epsilon, 0 at masked steps: (N, T)."""
    a = exp(logits - logits.max(axis=1, keepdims=True))
    normalise_loop(a, mask, epsilon)
    return a


@jit(signatures.SHARES)
def _shares(a):
    for row in range(a.shape[0]):
        total = np.float32(0)
        for t in range(a.shape[1]):
            total += a[row, t]
        for t in range(a.shape[1]):
            a[row, t] /= total


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x - maximum) over its sum, on the last axis."""
    a = np.ascontiguousarray(x - x.max(axis=-1, keepdims=True))
    exp(a, a)
    _shares(a.reshape(-1, a.shape[-1]))
    return a


@jit(signatures.WEIGHTED_SUM)
def weighted_sum_loop(x, weights, out, first, last):
    """`weighted_sum`."""
    near = x.strides[2] == FLOAT_BYTES and out.strides[1] == FLOAT_BYTES
    whole = x.shape[2] - x.shape[2] % LANES if near else 0
    for row in range(first, last):
        out[row] = 0
        target = address_of(out) + row * out.strides[0]
        for t in range(x.shape[1]):
            weight = weights[row, t]
            if weight != 0:
                source = address_of(x) + row * x.strides[0] + t * x.strides[1]
                factor = address_of(weights) + row * weights.strides[0] + t * weights.strides[1]
                add_scaled(target, source, whole * FLOAT_BYTES, factor)
                for f in range(whole, x.shape[2]):
                    out[row, f] += weight * x[row, t, f]


def weighted_sum(x: np.ndarray, weights: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
    """out[first:last] = the sum over time of x (N, T, F) times weights (N, T) for these rows: (N, F)."""
    weighted_sum_loop(x, weights, out, first, last)
