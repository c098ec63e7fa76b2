"""Every formula of the network in plain NumPy: the reference that says what the other backends must compute.

Legend: N texts, T steps (padded), F features in, H units per direction, V vocabulary, C classes. Arrays are float32,
masks are bool with True at valid steps. Formulas: Keras 2.0 unless noted (DeepMoji was trained with it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

PACKING = "numpy"  # backends with the same packing may share packed weights
EPSILON = np.float32(1e-7)  # Keras' K.epsilon(), added to the sum of the attention weights


def for_each(batches: Iterable, work: Callable[[Any, Any], None]) -> None:
    """Call ``work(backend, batch)`` for each batch, one after the other."""
    for batch in batches:
        work(sys.modules[__name__], batch)


# Activations -------------------------------------------------------------------------------------------------------


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """Keras 2's hard sigmoid, ``clip(0.2 x + 0.5, 0, 1)``. Keras 3 gave the name to another function, see below."""
    return np.clip(np.float32(0.2) * x + np.float32(0.5), np.float32(0), np.float32(1))


def hard_sigmoid_keras3(x: np.ndarray) -> np.ndarray:
    """Keras 3's hard sigmoid, ``relu6(x + 3) / 6``."""
    return np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function by way of tanh, which cannot overflow."""
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


def relu(x: np.ndarray) -> np.ndarray:
    """The positive part."""
    return np.maximum(x, np.float32(0))


def softmax(x: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis; the row's maximum is taken off first so that exp cannot overflow."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def linear(x: np.ndarray) -> np.ndarray:
    """The identity."""
    return x


ACTIVATIONS = {
    "linear": linear,
    "tanh": np.tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_keras3": hard_sigmoid_keras3,
    "softmax": softmax,
}


def activate(name: str, x: np.ndarray) -> np.ndarray:
    """The activation of that name, applied to every element (softmax: over the last axis)."""
    return ACTIVATIONS[name](x)


# Layers without a memory -------------------------------------------------------------------------------------------


def all_finite(x: np.ndarray) -> bool:
    """Whether no value is NaN or infinite."""
    return bool(np.isfinite(x).all())


def embedding(ids: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Row look-up: ids (N, T) in a table (V, F) -> (N, T, F)."""
    return embeddings[ids]


def pack_dense(kernel: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """The weights as this backend's `dense` wants them: here as they are."""
    return kernel, np.zeros(kernel.shape[1], np.float32) if bias is None else bias


def dense(x: np.ndarray, weights: tuple[np.ndarray, ...]) -> np.ndarray:
    """``x · kernel + bias`` on the last axis: (..., F), (F, H), (H,) -> (..., H); one product for all rows."""
    kernel, bias = weights
    return (x.reshape(-1, kernel.shape[0]) @ kernel + bias).reshape(*x.shape[:-1], kernel.shape[1])


def concatenate(values: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays side by side on the last axis."""
    return np.concatenate(values, axis=-1)


def attention_logits(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """One number a step, ``x · kernel``: (N, T, F), (F, 1) -> (N, T)."""
    return (x.reshape(-1, kernel.shape[0]) @ kernel).reshape(x.shape[:-1])


def attention_weights(logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """DeepMoji's masked softmax over time: logits (N, T), mask (N, T) -> weights (N, T), 0 at masked steps.

    The maximum is taken over *all* steps, padded ones too, and epsilon is added to the sum: so a row of nothing but
    padding gets weights 0, and one whose padding has by far the largest logit sums to less than 1, as in the original.
    """
    a = np.exp(logits - logits.max(axis=1, keepdims=True)) * mask
    return a / (a.sum(axis=1, keepdims=True) + EPSILON)


def weighted_sum(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum over time of x (N, T, F) times weights (N, T) -> (N, F)."""
    return np.matmul(weights[:, None, :], x)[:, 0, :]


# Recurrence --------------------------------------------------------------------------------------------------------


def pack_lstm(
    kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray, exact_projection: bool = False
) -> tuple[np.ndarray, ...]:
    """The weights as this backend's `lstm` wants them: here as they are, in float32 and hence all exact."""
    return kernel, recurrent_kernel, bias


def lstm(
    x: np.ndarray,
    mask: np.ndarray,
    weights: tuple[np.ndarray, ...],
    gate: str = "hard_sigmoid",
    hold_masked: bool = True,
    go_backwards: bool = False,
) -> np.ndarray:
    """Long short-term memory over x (N, T, F) with mask (N, T) -> the outputs of all steps (N, T, H), in time order.

    ``weights``: kernel (F, 4H), recurrent_kernel (H, 4H), bias (4H), column blocks in Keras' order input, forget,
    candidate, output. ``gate`` names the recurrent activation. A masked step carries h and c over unchanged; its output
    is the previous one in the direction of travel if ``hold_masked`` (Keras 2.0 to 2.3), else 0 (tf_keras, Keras 3).
    """
    kernel, recurrent_kernel, bias = weights
    N, T, _ = x.shape
    H = recurrent_kernel.shape[0]
    gate = ACTIVATIONS[gate]
    projection = dense(x, (kernel, bias))  # (N, T, 4H): what does not depend on the step before
    h = np.zeros((N, H), np.float32)
    c = np.zeros((N, H), np.float32)
    outputs = np.empty((N, T, H), np.float32)
    for t in reversed(range(T)) if go_backwards else range(T):
        z = projection[:, t] + h @ recurrent_kernel
        z_i, z_f, z_c, z_o = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
        c_new = gate(z_f) * c + gate(z_i) * np.tanh(z_c)
        h_new = gate(z_o) * np.tanh(c_new)
        valid = mask[:, t, None]
        c = np.where(valid, c_new, c)
        h = np.where(valid, h_new, h)
        outputs[:, t] = h if hold_masked else np.where(valid, h, 0)
    return outputs


def bidirectional(x: np.ndarray, mask: np.ndarray, forward: tuple, backward: tuple, **options) -> np.ndarray:
    """An LSTM over time and another against it, side by side: (N, T, F) -> (N, T, 2H), [forward, backward]."""
    ahead = lstm(x, mask, forward, go_backwards=False, **options)
    behind = lstm(x, mask, backward, go_backwards=True, **options)
    return np.concatenate([ahead, behind], axis=-1)
