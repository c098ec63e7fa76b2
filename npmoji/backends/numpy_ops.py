"""Every formula of the network in plain NumPy: the reference that says what the other backends must compute.

Legend: N texts, T steps (padded), F features in, H units per direction, V vocabulary, C classes. Arrays are float32,
masks are bool with True at valid steps. Formulas: Keras 2.0 unless noted (DeepMoji was trained with it).
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..precision import float32

Function = Callable[[np.ndarray], np.ndarray]

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


def elu(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """``x``, or ``exp(x) - 1`` below 0."""
    return np.where(x > 0, x, exp(np.minimum(x, np.float32(0))) - np.float32(1))


def selu(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """Scaled elu; the two numbers are those of "Self-Normalizing Neural Networks", arXiv:1706.02515."""
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
    """``x``, or ``0.2 x`` below 0: Keras' activation of that name."""
    return np.where(x >= 0, x, np.float32(0.2) * x)


def log_softmax(x: np.ndarray, exp: Function = np.exp) -> np.ndarray:
    """The logarithm of `softmax`."""
    x = x - x.max(axis=-1, keepdims=True)
    total = functools.reduce(np.add, np.moveaxis(exp(x), -1, 0))
    return x - one_by_one(math.log, total)[..., None]


def one_by_one(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """The function of every element: slow, for what few networks use and neither NumPy nor the kernels have alike."""
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
    return float32(embeddings[ids])


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
    """The weights as this backend's `lstm` wants them: here in float32 and hence all exact."""
    return float32(kernel), float32(recurrent_kernel), bias


def lstm(
    x: np.ndarray,
    mask: np.ndarray,
    weights: tuple[np.ndarray, ...],
    gate: str = "hard_sigmoid",
    hold_masked: bool = True,
    go_backwards: bool = False,
    initial_state: tuple[np.ndarray, np.ndarray] | None = None,
    return_state: bool = False,
    activation: str = "tanh",
    ops: Any = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Long short-term memory over x (N, T, F) with mask (N, T) -> the outputs of all steps (N, T, H), in time order, and
    with ``return_state`` also h and c (N, H) after the last one in the direction of travel.

    ``weights``: kernel (F, 4H), recurrent_kernel (H, 4H), bias (4H), column blocks in Keras' order input, forget,
    candidate, output. ``gate`` names the recurrent activation, ``activation`` that of the candidate and the output. A masked
    step carries h and c over unchanged; its output is the previous one in the direction of travel if ``hold_masked`` (Keras
    2.0 to 2.3), else 0 (tf_keras, Keras 3), and 0 where there is none before it. Before the first step h and c are
    ``initial_state``, or 0. ``ops``: the backend that computes products and functions, by default this one.
    """
    ops = ops or sys.modules[__name__]
    kernel, recurrent_kernel, bias = weights
    N, T, _ = x.shape
    H = recurrent_kernel.shape[0]
    none = np.zeros(4 * H, np.float32)
    projection = ops.dense(x, (kernel, bias))  # (N, T, 4H): what does not depend on the step before
    h, c = np.zeros((2, N, H), np.float32) if initial_state is None else initial_state
    output = np.zeros((N, H), np.float32)
    outputs = np.empty((N, T, H), np.float32)
    for t in reversed(range(T)) if go_backwards else range(T):
        z = projection[:, t] + ops.dense(h, (recurrent_kernel, none))
        i, f, o = (ops.activate(gate, z[:, block * H : (block + 1) * H]) for block in (0, 1, 3))
        c_new = f * c + i * ops.activate(activation, z[:, 2 * H : 3 * H])
        h_new = o * ops.activate(activation, c_new)
        valid = mask[:, t, None]
        c = np.where(valid, c_new, c)
        h = np.where(valid, h_new, h)
        output = np.where(valid, h, output if hold_masked else np.float32(0))
        outputs[:, t] = output
    return (outputs, h, c) if return_state else outputs


def bidirectional(x: np.ndarray, mask: np.ndarray, forward: tuple, backward: tuple, **options) -> np.ndarray:
    """An LSTM over time and another against it, side by side: (N, T, F) -> (N, T, 2H), [forward, backward]."""
    ahead = lstm(x, mask, forward, go_backwards=False, **options)
    behind = lstm(x, mask, backward, go_backwards=True, **options)
    return np.concatenate([ahead, behind], axis=-1)


def pack_gru(kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """The weights as this backend's `gru` wants them: kernel, recurrent_kernel, and a bias of two rows (2, 3H), the input's
    and that of the recurrent product. Of a bias (3H) the second row is 0, of None both."""
    biases = np.zeros((2, kernel.shape[1]), np.float32)
    if bias is not None:
        biases[: bias.ndim] = bias
    return float32(kernel), float32(recurrent_kernel), biases


def gru(
    x: np.ndarray,
    mask: np.ndarray,
    weights: tuple[np.ndarray, ...],
    gate: str = "sigmoid",
    activation: str = "tanh",
    reset_after: bool = True,
    hold_masked: bool = True,
    go_backwards: bool = False,
    initial_state: np.ndarray | None = None,
    ops: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Gated recurrent unit over x (N, T, F) with mask (N, T) -> the outputs of all steps (N, T, H), in time order, and the
    state (N, H) after the last one in the direction of travel.

    ``weights``: kernel (F, 3H), recurrent_kernel (H, 3H) and biases (2, 3H) as from `pack_gru`, column blocks in Keras'
    order update, reset, candidate. ``gate`` and ``activation`` name the functions of the gates and of the candidate. The
    reset gate is multiplied with the candidate's recurrent product if ``reset_after`` (default of tf_keras and Keras 3),
    else with the state before that product (Keras 2.0). A masked step carries the state over; its output is the
    previous one in the direction of travel if ``hold_masked``, else 0, and 0 where there is none before it. The state
    before the first step is ``initial_state`` (N, H), or 0. ``ops``: the backend that computes products and functions, by
    default this one.
    """
    ops = ops or sys.modules[__name__]
    kernel, recurrent_kernel, (bias, recurrent_bias) = weights
    N, T, _ = x.shape
    H = recurrent_kernel.shape[0]
    gates = recurrent_kernel[:, : 2 * H], recurrent_bias[: 2 * H]
    candidate = recurrent_kernel[:, 2 * H :], recurrent_bias[2 * H :]
    projection = ops.dense(x, (kernel, bias))  # (N, T, 3H): what does not depend on the step before
    h = np.zeros((N, H), np.float32) if initial_state is None else initial_state
    output = np.zeros((N, H), np.float32)
    outputs = np.empty((N, T, H), np.float32)
    for t in reversed(range(T)) if go_backwards else range(T):
        x_gates, x_candidate = projection[:, t, : 2 * H], projection[:, t, 2 * H :]
        zr = ops.activate(gate, x_gates + ops.dense(h, gates))
        z, r = zr[:, :H], zr[:, H:]
        recurrent = r * ops.dense(h, candidate) if reset_after else ops.dense(r * h, candidate)
        h_new = z * h + (1 - z) * ops.activate(activation, x_candidate + recurrent)
        valid = mask[:, t, None]
        h = np.where(valid, h_new, h)
        output = np.where(valid, h, output if hold_masked else np.float32(0))
        outputs[:, t] = output
    return outputs, h


def simple_rnn(
    x: np.ndarray,
    mask: np.ndarray,
    weights: tuple[np.ndarray, ...],
    activation: str = "tanh",
    hold_masked: bool = True,
    go_backwards: bool = False,
    initial_state: np.ndarray | None = None,
    ops: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """``h' = activation(x · kernel + bias + h · recurrent_kernel)`` over x (N, T, F); takes and returns what `gru` does."""
    ops = ops or sys.modules[__name__]
    kernel, recurrent_kernel, bias = weights
    N, T, _ = x.shape
    H = len(recurrent_kernel)
    none = np.zeros(H, np.float32)
    projection = ops.dense(x, (kernel, bias))
    h = np.zeros((N, H), np.float32) if initial_state is None else initial_state
    output = np.zeros((N, H), np.float32)
    outputs = np.empty((N, T, H), np.float32)
    for t in reversed(range(T)) if go_backwards else range(T):
        h_new = ops.activate(activation, projection[:, t] + ops.dense(h, (recurrent_kernel, none)))
        valid = mask[:, t, None]
        h = np.where(valid, h_new, h)
        output = np.where(valid, h, output if hold_masked else np.float32(0))
        outputs[:, t] = output
    return outputs, h
