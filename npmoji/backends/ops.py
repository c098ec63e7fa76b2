"""Every function of an engine in plain NumPy: the reference, and the base class of other engines.

Legend: N texts, T steps (padded), F features in, H units per direction, V vocabulary, C classes. Arrays are float32,
masks are bool with True at valid steps. Formulas: Keras 2.0 unless noted (DeepMoji was trained with it).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..precision import float32, half
from .activations import ACTIVATIONS
from .products import product
from .windows import windows

EPSILON = np.float32(1e-7)  # Keras' K.epsilon(), added to the sum of the attention weights


class Array(Protocol):
    """What layers pass on: a NumPy array, or an engine's own kind, which ``np.asarray`` converts to one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def ndim(self) -> int: ...

    def __array__(self) -> np.ndarray: ...


class RecurrentWeights(NamedTuple):
    """The weights of an LSTM or SimpleRNN, each as returned by `Ops.pack_dense`."""

    inputs: Any  # kernel and bias
    recurrent: Any  # recurrent kernel, no bias


class GruWeights(NamedTuple):
    """A GRU's weights, each as returned by `Ops.pack_dense`."""

    inputs: Any  # kernel and bias
    gates: Any  # recurrent kernel and bias of the gates
    candidate: Any  # recurrent kernel and bias of the candidate


class Ops:
    """The arithmetic of all layers in plain NumPy: the engine ``"numpy"``.

    Other engines are subclasses that override what they do better and inherit the rest. The recurrent layers here are
    built on `dense` and `activate`, so overriding these two (and `pack_dense`, if `dense` needs its weights in another
    form) changes every product and activation of every layer.

    The functions here take any `Array` and return NumPy arrays. An engine may return its own kind of array, and is then
    given it again. Weights are passed as the same engine's ``pack_...`` function returned them; nothing else looks
    inside them. Threads may share an engine.

    Args:
        precision: one of `precision.PRECISIONS`, for the embedding and the LSTMs' matrices. In ``"int8"``, the other
            factor of a product with such a matrix is quantised too. Everything else is float32.

    Attributes:
        packing: engines for which this is equal can use each other's packed weights.
        batch_tokens: how many steps, including padding, a batch should have; more would take fresh memory on a CPU.
        program_steps: one text of so many steps, or fewer, runs as a program, see `lowering`.
    """

    batch_tokens = 1536
    program_steps = 0

    def __init__(self, precision: str = "fp32"):
        self.precision = precision
        self.packing: Hashable = (type(self), precision)

    def for_pass(self) -> Ops:
        """This engine for one pass through a graph, on one thread: it may keep what several layers need, such as the
        packing of a mask. By default the engine itself, which keeps nothing."""
        return self

    def for_each(self, batches: Iterable[Any], work: Callable[[Ops, Any], None]) -> None:
        """Call ``work(engine, batch)`` for each batch; here one after another."""
        for batch in batches:
            work(self, batch)

    # Layers without state ------------------------------------------------------------------------------------------

    def all_finite(self, x: Array) -> bool:
        """Whether no value is NaN or infinite."""
        return bool(np.isfinite(x).all())

    def activate(self, name: str, x: Array) -> Array:
        """Apply the activation of that name, a key of `ACTIVATIONS`, elementwise (softmax: over the last axis)."""
        return ACTIVATIONS[name](np.asarray(x))

    def pack_embedding(self, embeddings: np.ndarray) -> Any:
        """The table (V, F), float32 or float16, in the form `embedding` takes: here unchanged, without touching it."""
        return embeddings

    def embedding(self, ids: np.ndarray, embeddings: Any) -> Array:
        """Row look-up: integers (N, T) in a table (V, F) -> (N, T, F), rounded to half precision in fp16 and int8."""
        return self._rounded_rows(embeddings[ids])

    def from_rows(self, rows: np.ndarray, index: np.ndarray) -> Array:
        """The array ``rows[index]``; an engine may keep it as its distinct rows (U, F)."""
        return rows[index]

    def _rounded_rows(self, rows: np.ndarray) -> np.ndarray:
        return float32(rows) if self.precision == "fp32" else half(rows)

    def pack_dense(self, kernel: Any, bias: np.ndarray | None) -> Any:
        """The weights in the form `dense` takes: here unchanged.

        Args:
            kernel: float32 (F, C); for an LSTM in int8 a `quantised.Int8Matrix`, which supports ``x @ kernel``.
            bias: (C,), or None for 0.
        """
        return kernel, np.zeros(kernel.shape[1], np.float32) if bias is None else bias

    def dense(self, x: Array, weights: Any) -> Array:
        """``x · kernel + bias`` on the last axis: (..., F) -> (..., C)."""
        kernel, bias = weights
        rows = np.asarray(x).reshape(-1, kernel.shape[0])
        products = product(rows, kernel) if isinstance(kernel, np.ndarray) else rows @ kernel
        return (products + bias).reshape(*x.shape[:-1], kernel.shape[1])

    def pack_conv1d(self, kernel: np.ndarray, bias: np.ndarray | None) -> Any:
        """The weights of a convolution, float32 (size, F, C) and (C,) or None, in the form `conv1d` takes."""
        return len(kernel), self.pack_dense(np.ascontiguousarray(kernel.reshape(-1, kernel.shape[2])), bias)

    def conv1d(self, x: Array, weights: Any, strides: int, dilation: int, ends: tuple[int, int]) -> Array:
        """Convolution over time: (N, T, F) -> (N, steps, C), with ``ends`` steps of zeros before and after."""
        size, kernel = weights
        views = windows(np.pad(np.asarray(x), ((0, 0), ends, (0, 0))), size, strides, dilation)
        return self.dense(np.ascontiguousarray(views).reshape(*views.shape[:2], size * views.shape[3]), kernel)

    def pack_matrix(self, kernel: np.ndarray, bias: np.ndarray | None) -> Any:
        """The weights (F, C) and (C,) or None in the form `multiply` takes."""
        return self.pack_dense(kernel, bias)

    def multiply(self, x: Array, weights: Any) -> Array:
        """As `dense`, where sums of float32 do: for many rows."""
        return self.dense(x, weights)

    def pair_products(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The product of each pair of matrices: (B, M, K), (B, K, N) -> (B, M, N)."""
        return np.matmul(x, y)

    def concatenate(self, values: Sequence[Array]) -> Array:
        """Arrays concatenated along the last axis."""
        return np.concatenate(values, axis=-1)

    def feature_sum(self, x: Array) -> Array:
        """Sum over the last axis: (..., F) -> (...); a product with ones, in the same order as `attention_logits`."""
        F = x.shape[-1]
        return (np.asarray(x).reshape(-1, F) @ np.ones((F, 1), np.float32)).reshape(x.shape[:-1])

    def attention_logits(self, x: Array, kernel: np.ndarray) -> Array:
        """One number per step, ``x · kernel``: (N, T, F), (F, 1) -> (N, T)."""
        return (np.asarray(x).reshape(-1, kernel.shape[0]) @ kernel).reshape(x.shape[:-1])

    def attention_weights(self, logits: Array, mask: np.ndarray) -> Array:
        """DeepMoji's masked softmax over time: logits (N, T), mask (N, T) -> weights (N, T), 0 at masked steps.

        The maximum is taken over *all* steps, including padded ones, and epsilon is added to the sum. So a row of
        nothing but padding gets weights 0, and a row whose padding has by far the largest logit sums to less than 1, as
        in the original.
        """
        y = np.asarray(logits)
        a = np.exp(y - y.max(axis=1, keepdims=True)) * mask
        return a / (a.sum(axis=1, keepdims=True) + EPSILON)

    def weighted_sum(self, x: Array, weights: Array) -> Array:
        """Sum over time of x (N, T, F) times weights (N, T) -> (N, F)."""
        return np.matmul(np.asarray(weights)[:, None, :], np.asarray(x))[:, 0, :]

    # Recurrence ----------------------------------------------------------------------------------------------------

    def pack_lstm(self, kernel: Any, recurrent_kernel: Any, bias: np.ndarray, exact_projection: bool = False) -> Any:
        """An LSTM's weights in the form `lstm` takes.

        Args:
            kernel, recurrent_kernel: (F, 4H) and (H, 4H), arrays or `precision.Int8Array`; column blocks in Keras'
                order input, forget, candidate, output.
            bias: (4H,).
            exact_projection: in int8, compute ``x · kernel`` with an fp16 kernel instead.
        """
        inputs = half(kernel) if exact_projection and self.precision == "int8" else self._rounded_matrix(kernel)
        return RecurrentWeights(
            self.pack_dense(inputs, bias), self.pack_dense(self._rounded_matrix(recurrent_kernel), None)
        )

    def _rounded_matrix(self, matrix: Any) -> Any:
        if self.precision == "int8":
            from .quantised import Int8Matrix  # not needed for other precisions

            return Int8Matrix(matrix)
        return float32(matrix) if self.precision == "fp32" else half(matrix)

    def lstm(
        self,
        x: Array,
        mask: np.ndarray,
        weights: Any,
        *,
        gate: str = "hard_sigmoid",
        activation: str = "tanh",
        hold_masked: bool = True,
        go_backwards: bool = False,
        initial_state: tuple[Array, Array] | None = None,
        return_state: bool = False,
    ) -> Array | tuple[Array, Array, Array]:
        """Long short-term memory over x (N, T, F) with mask (N, T) -> the outputs of all steps (N, T, H), in time
        order, and with ``return_state`` also h and c (N, H) after the last step in the direction of travel.

        Args:
            gate, activation: names of the recurrent activation, and of the activation of candidate and output.
            hold_masked: a masked step keeps h and c unchanged; its output is the previous one in the direction of
                travel if True (Keras 2.0 to 2.3), else 0 (tf_keras, Keras 3); 0 if there is none before it.
            initial_state: h and c before the first step, (N, H) each; by default 0.
        """
        inputs, recurrent = weights
        projection = np.asarray(self.dense(x, inputs))  # (N, T, 4H): the part that does not depend on the previous step
        H = projection.shape[2] // 4

        def step(projected: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            z = projected + self.dense(h, recurrent)
            i, f, o = (np.asarray(self.activate(gate, z[:, block * H : (block + 1) * H])) for block in (0, 1, 3))
            c = f * c + i * self.activate(activation, z[:, 2 * H : 3 * H])
            return o * self.activate(activation, c), c

        zeros = np.zeros((len(mask), H), np.float32)
        state: Sequence[Array] = (zeros, zeros) if initial_state is None else initial_state
        outputs, (h, c) = over_time(step, projection, mask, state, hold_masked, go_backwards)
        return (outputs, h, c) if return_state else outputs

    def bidirectional(
        self,
        x: Array,
        mask: np.ndarray,
        forward: Any,
        backward: Any,
        *,
        gate: str = "hard_sigmoid",
        activation: str = "tanh",
        hold_masked: bool = True,
    ) -> Array:
        """An LSTM forward in time and another backward, concatenated: (N, T, F) -> (N, T, 2H), [forward, backward]."""
        options: dict[str, Any] = {"gate": gate, "activation": activation, "hold_masked": hold_masked}
        ahead = self.lstm(x, mask, forward, go_backwards=False, **options)
        behind = self.lstm(x, mask, backward, go_backwards=True, **options)
        return self.concatenate([ahead, behind])

    def pack_gru(self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray | None) -> Any:
        """A GRU's weights in the form `gru` takes, float32 in any precision.

        Args:
            kernel, recurrent_kernel: (F, 3H) and (H, 3H), column blocks in Keras' order update, reset, candidate.
            bias: (2, 3H), the input's and the recurrent product's; (3H), the former alone; or None.
        """
        input_bias, recurrent_bias = two_biases(bias, kernel.shape[1])
        recurrent_kernel, H = float32(recurrent_kernel), len(recurrent_kernel)
        return GruWeights(
            self.pack_dense(float32(kernel), input_bias),
            self.pack_dense(recurrent_kernel[:, : 2 * H], recurrent_bias[: 2 * H]),
            self.pack_dense(recurrent_kernel[:, 2 * H :], recurrent_bias[2 * H :]),
        )

    def gru(
        self,
        x: Array,
        mask: np.ndarray,
        weights: Any,
        *,
        gate: str = "sigmoid",
        activation: str = "tanh",
        reset_after: bool = True,
        hold_masked: bool = True,
        go_backwards: bool = False,
        initial_state: Array | None = None,
    ) -> tuple[Array, Array]:
        """Gated recurrent unit over x (N, T, F) with mask (N, T) -> the outputs of all steps (N, T, H), in time order,
        and the state (N, H) after the last step in the direction of travel.

        Args:
            gate, activation: names of the activations of the gates and of the candidate.
            reset_after: multiply the reset gate with the candidate's recurrent product (default of tf_keras and Keras
                3), else with the state before that product (Keras 2.0).
            hold_masked: as in `lstm`.
            initial_state: the state before the first step, (N, H); by default 0.
        """
        inputs, gates, candidate = weights
        projection = np.asarray(self.dense(x, inputs))  # (N, T, 3H): the part that does not depend on the previous step
        H = projection.shape[2] // 3

        def step(projected: np.ndarray, h: np.ndarray) -> tuple[np.ndarray]:
            zr = np.asarray(self.activate(gate, projected[:, : 2 * H] + self.dense(h, gates)))
            z, r = zr[:, :H], zr[:, H:]
            recurrent = r * self.dense(h, candidate) if reset_after else self.dense(r * h, candidate)
            return (z * h + (1 - z) * self.activate(activation, projected[:, 2 * H :] + recurrent),)

        state = np.zeros((len(mask), H), np.float32) if initial_state is None else initial_state
        outputs, (h,) = over_time(step, projection, mask, [state], hold_masked, go_backwards)
        return outputs, h

    def pack_simple_rnn(self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray) -> Any:
        """The weights (F, H), (H, H) and (H,) in the form `simple_rnn` takes, float32 in any precision."""
        return RecurrentWeights(self.pack_dense(kernel, bias), self.pack_dense(recurrent_kernel, None))

    def simple_rnn(
        self,
        x: Array,
        mask: np.ndarray,
        weights: Any,
        *,
        activation: str = "tanh",
        hold_masked: bool = True,
        go_backwards: bool = False,
        initial_state: Array | None = None,
    ) -> tuple[Array, Array]:
        """``h' = activation(x · kernel + bias + h · recurrent_kernel)`` over x (N, T, F); arguments and results as in
        `gru`."""
        inputs, recurrent = weights
        projection = np.asarray(self.dense(x, inputs))  # (N, T, H)

        def step(projected: np.ndarray, h: np.ndarray) -> tuple[Array]:
            return (self.activate(activation, projected + self.dense(h, recurrent)),)

        state = np.zeros((len(mask), projection.shape[2]), np.float32) if initial_state is None else initial_state
        outputs, (h,) = over_time(step, projection, mask, [state], hold_masked, go_backwards)
        return outputs, h


def over_time(
    step: Callable[..., Sequence[Array]],
    projection: np.ndarray,
    mask: np.ndarray,
    state: Sequence[Array],
    hold_masked: bool,
    go_backwards: bool,
) -> tuple[np.ndarray, Sequence[Array]]:
    """Go through time once -> outputs (N, T, H), in time order, and the state after the last step.

    Args:
        step: ``step(projection of the step, *state)`` returns the next state.
        projection: (N, T, ...).
        state: arrays (N, H), the first of which is the output.
    """
    N, T = mask.shape
    state = [np.asarray(one) for one in state]
    H = state[0].shape[1]
    output = np.zeros((N, H), np.float32)
    outputs = np.empty((N, T, H), np.float32)
    for t in reversed(range(T)) if go_backwards else range(T):
        valid = mask[:, t, None]
        if valid.any():  # as at all steps of a text but the padded one, which changes no state
            state = [np.where(valid, new, old) for new, old in zip(step(projection[:, t], *state), state)]
        output = np.where(valid, state[0], output if hold_masked else np.float32(0))
        outputs[:, t] = output
    return outputs, state


def two_biases(bias: np.ndarray | None, width: int) -> np.ndarray:
    """A GRU's biases (2, 3H), the input's and the recurrent product's; what is not given is 0."""
    biases = np.zeros((2, width), np.float32)
    if bias is not None:
        biases[: bias.ndim] = bias
    return biases


REFERENCE = Ops()
