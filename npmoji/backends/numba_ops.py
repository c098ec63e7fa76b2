"""The fast path: the functions of `Ops` on compiled kernels and several threads.

A text's outputs are bit-identical at any batch size, order and thread count: see `kernels` for why. A batch is packed
first: masked steps are dropped (which is equivalent to carrying the state over them), texts are sorted by length,
longest first, and their steps are stored time-major, so that padding costs nothing. Each distinct token is projected
once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..precision import float32, halves
from .activations import ACTIVATIONS
from .numba_windows import PackedConv, conv1d, pack_conv1d
from .ops import EPSILON, REFERENCE, Array, Ops, two_biases
from .packing import Packed, Rows, gather, hold, last_steps, pack

PROGRAM_STEPS = 128  # for longer texts the kernels take so long that what is around them does not matter
LEAST_ROWS = 24  # fewer rows than this are not worth splitting among threads

ELEMENTWISE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **ACTIVATIONS,  # functions made of exact operations only, such as relu, have the same bits in NumPy
    "tanh": kernels.tanh,
    "sigmoid": kernels.sigmoid,
    "hard_sigmoid": kernels.hard_sigmoid,
    "hard_sigmoid_keras3": kernels.hard_sigmoid_keras3,
    "softmax": kernels.softmax,
    "exponential": kernels.exp,
    **{
        name: partial(ACTIVATIONS[name], exp=kernels.exp)
        for name in ("elu", "selu", "softplus", "log_softmax", "celu", "log_sigmoid")
    },
    **{name: partial(ACTIVATIONS[name], sigmoid=kernels.sigmoid) for name in ("swish", "silu")},
    "mish": partial(ACTIVATIONS["mish"], tanh=kernels.tanh, exp=kernels.exp),
    "tanh_shrink": partial(ACTIVATIONS["tanh_shrink"], tanh=kernels.tanh),
}


class Products(NamedTuple):
    """The kernels of one precision; `pack` turns a matrix into the form that the other two take."""

    pack: Callable[[np.ndarray], Any]
    matmul: Callable[..., None]
    lstm: Callable[..., None]


FP32 = Products(lambda matrix: kernels.pack_gates(float32(matrix)), kernels.matmul, kernels.lstm)
FP16 = FP32._replace(pack=lambda matrix: kernels.pack_half_gates(halves(matrix)))


def products(precision: str) -> Products:
    """The kernels for ``"fp32"``, ``"fp16"`` or ``"int8"``; those for int8 are imported, and compiled, on first use."""
    if precision == "int8":
        from ..kernels import int8

        return Products(int8.quantise_gates, int8.matmul, int8.lstm)
    return FP32 if precision == "fp32" else FP16


class PackedLstm(NamedTuple):
    """An LSTM's weights as the kernels read them: columns in panels, with the four gates of the same units adjacent."""

    units: int
    matmul: Callable[..., None]  # the function for this kernel
    kernel: Any
    recurrent_kernel: Any
    bias: np.ndarray
    arrays: tuple[Any, Any, np.ndarray]  # as they were given


class PackedGru(NamedTuple):
    """A GRU's weights as the kernels read them, with columns as in `kernels.arrange_gates`."""

    units: int
    matmul: Callable[..., None]
    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray  # for the candidate only the input's bias
    recurrent_bias: np.ndarray  # that of the candidate's recurrent product
    plain: Any  # the weights for `Ops.gru`


class Direction(NamedTuple):
    """One direction of a recurrent layer. ``state`` holds h and, for an LSTM, c, (N, H) each: first the state before
    the first step, 0 unless ``given``, and in the end the state after the last. It may be left out if it is not needed.
    """

    weights: PackedLstm | PackedGru
    recur: Callable[..., None]
    backwards: bool
    state: Sequence[np.ndarray] = ()
    given: bool = False

    def state_of(self, texts: np.ndarray) -> dict[str, np.ndarray]:
        """The state before the first step in the form the kernel takes, for these texts."""
        state = {name: part[texts] for name, part in zip(("initial", "cells"), self.state)}
        if not self.given:
            state.pop("initial", None)  # the kernel skips the first products with 0
        return state

    def finish(self, outputs: np.ndarray, mask: np.ndarray, texts: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Set the state after the last step: h is the last valid output, c the kernel's update of ``state``."""
        self.state[0][texts] = outputs[texts, last_steps(mask, self.backwards)[texts]]
        if "cells" in state:
            self.state[1][texts] = state["cells"]


class NumbaOps(Ops):
    """The functions on up to ``threads`` threads; Python threads may share an engine."""

    def __init__(self, threads: int, precision: str = "fp32"):
        super().__init__(precision)
        self.threads = threads
        self._pool = kernels.Pool(threads)
        if type(self) is NumbaOps:  # the rows of a longer text are split if there are threads for that
            self.program_steps = PROGRAM_STEPS if threads <= 2 else 2 * LEAST_ROWS - 1
        self._products = products(precision)
        self._scratch = kernels.Scratch()
        #: packings of the masks of a pass, by shape and bits
        self._packings: dict[tuple[tuple[int, ...], bytes], Packed] | None = None

    def for_pass(self) -> NumbaOps:
        """This engine, with a cache for the packings of one pass' masks: stacked layers share theirs."""
        engine = copy.copy(self)
        engine._packings = {}
        return engine

    def for_each(self, batches: Iterable[Any], work: Callable[[Ops, Any], None]) -> None:
        """See `Ops.for_each`. Many batches are distributed among the threads as wholes, so that no thread waits at the
        end of each layer; few batches are each computed by all threads together."""
        batches = list(batches)
        if self.threads == 1 or len(batches) < 3 * self.threads:
            for batch in batches:
                work(self, batch)
        else:
            alone = NumbaOps(1, self.precision)
            self._pool.run([partial(work, alone, batch) for batch in batches])

    # Layers without state

    def embedding(self, ids: np.ndarray, embeddings: np.ndarray) -> Rows:
        """See `Ops.embedding`; each distinct row is looked up once."""
        distinct, index = np.unique(ids, return_inverse=True)
        return Rows(self._rounded_rows(embeddings[distinct]), index.reshape(ids.shape))

    def from_rows(self, rows: np.ndarray, index: np.ndarray) -> Rows:
        """See `Ops.from_rows`."""
        return Rows(rows, index)

    def all_finite(self, x: Array) -> bool:
        """See `Ops.all_finite`."""
        return super().all_finite(x.values if isinstance(x, Rows) else x)

    def activate(self, name: str, x: Array) -> np.ndarray | Rows:
        """See `Ops.activate`."""
        if isinstance(x, Rows) and name != "softmax":
            return Rows(ELEMENTWISE[name](x.values), x.index)
        return ELEMENTWISE[name](np.asarray(x))

    def pack_dense(self, kernel: Any, bias: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """See `Ops.pack_dense`."""
        kernel, bias = super().pack_dense(kernel, bias)
        return np.ascontiguousarray(kernel, np.float32), np.ascontiguousarray(bias, np.float32)

    def dense(self, x: Array, weights: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """See `Ops.dense`."""
        kernel, bias = map(np.ascontiguousarray, weights)
        x = np.ascontiguousarray(x, np.float32)
        out = np.empty((*x.shape[:-1], len(bias)), np.float32)
        rows, flat = x.reshape(-1, x.shape[-1]), out.reshape(-1, len(bias))
        self._on_rows(len(rows), lambda first, last: kernels.dense(rows, kernel, bias, flat, first, last))
        return out

    def pack_conv1d(self, kernel: np.ndarray, bias: np.ndarray | None) -> PackedConv:
        """See `Ops.pack_conv1d`."""
        return pack_conv1d(kernel, bias)

    def conv1d(self, x: Array, weights: PackedConv, strides: int, dilation: int, ends: tuple[int, int]) -> np.ndarray:
        """See `Ops.conv1d`."""
        return conv1d(x, weights, strides, dilation, ends, self._scratch, self._on_rows)

    def pack_matrix(self, kernel: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, int]:
        """See `Ops.pack_matrix`."""
        bias = np.zeros(kernel.shape[1], np.float32) if bias is None else bias
        return kernels.pack_columns(float32(kernel)), kernels.pack_bias(bias), len(bias)

    def multiply(self, x: Array, weights: tuple[np.ndarray, np.ndarray, int]) -> np.ndarray:
        """See `Ops.multiply`."""
        panels, bias, columns = weights
        x = np.ascontiguousarray(x, np.float32)
        rows, out = x.reshape(-1, x.shape[-1]), np.empty((*x.shape[:-1], columns), np.float32)
        flat = out.reshape(-1, columns)
        self._on_rows(len(rows), lambda first, last: kernels.matmul(rows, panels, bias, flat, first, last))
        return out

    def pair_products(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """See `Ops.pair_products`."""
        x, y = np.ascontiguousarray(x, np.float32), np.asarray(y, np.float32)
        out = np.empty((*x.shape[:2], y.shape[2]), np.float32)
        self._on_rows(len(x), lambda first, last: kernels.pairs(x, y, out, first, last))
        return out

    def feature_sum(self, x: Array) -> np.ndarray:
        """See `Ops.feature_sum`."""
        return self._dot(x, np.ones(x.shape[-1], np.float32))

    def attention_logits(self, x: Array, kernel: np.ndarray) -> np.ndarray:
        """See `Ops.attention_logits`."""
        return self._dot(x, kernel[:, 0])

    def _dot(self, x: Array, vector: np.ndarray) -> np.ndarray:
        """Dot products of the last axis with a vector: (..., F), (F,) -> (...)."""
        rows, out = np.asarray(x).reshape(-1, len(vector)), np.empty(x.shape[:-1], np.float32)
        flat = out.reshape(-1)
        self._on_rows(len(rows), lambda first, last: kernels.dot_rows(rows, vector, flat, first, last))
        return out

    def attention_weights(self, logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """See `Ops.attention_weights`."""
        return kernels.attention_weights(logits, mask, EPSILON)

    def weighted_sum(self, x: Array, weights: np.ndarray) -> np.ndarray:
        """See `Ops.weighted_sum`."""
        x, out = np.asarray(x), np.empty((x.shape[0], x.shape[2]), np.float32)
        self._on_rows(len(x), lambda first, last: kernels.weighted_sum(x, weights, out, first, last))
        return out

    # Recurrence

    def pack_lstm(
        self, kernel: Any, recurrent_kernel: Any, bias: np.ndarray, exact_projection: bool = False
    ) -> PackedLstm:
        """See `Ops.pack_lstm`."""
        projection = FP16 if exact_projection and self.precision == "int8" else self._products
        panels = projection.pack(kernel), self._products.pack(recurrent_kernel)
        arrays = kernel, recurrent_kernel, bias
        return PackedLstm(len(recurrent_kernel), projection.matmul, *panels, kernels.interleave_gates(bias), arrays)

    def lstm(
        self,
        x: Array,
        mask: np.ndarray,
        weights: PackedLstm,
        *,
        gate: str = "hard_sigmoid",
        activation: str = "tanh",
        hold_masked: bool = True,
        go_backwards: bool = False,
        initial_state: tuple[np.ndarray, np.ndarray] | None = None,
        return_state: bool = False,
    ) -> Array | tuple[Array, Array, Array]:
        """See `Ops.lstm`. Compiled if the activation is tanh; others run step by step on `dense`, in float32."""
        if not compiled(gate, activation):
            plain = REFERENCE.pack_lstm(*weights.arrays)
            options = {"go_backwards": go_backwards, "initial_state": initial_state, "return_state": return_state}
            return super().lstm(x, mask, plain, gate=gate, activation=activation, hold_masked=hold_masked, **options)
        given = initial_state is not None
        state = new_states(initial_state if given else (None, None), len(mask), weights.units)
        wanted = state if given or return_state else ()
        direction = Direction(weights, self._products.lstm, go_backwards, wanted, given)
        outputs = self._recur(x, mask, [direction], gate, hold_masked)
        return (outputs, *state) if return_state else outputs

    def bidirectional(
        self,
        x: Array,
        mask: np.ndarray,
        forward: PackedLstm,
        backward: PackedLstm,
        *,
        gate: str = "hard_sigmoid",
        activation: str = "tanh",
        hold_masked: bool = True,
    ) -> Array:
        """See `Ops.bidirectional`."""
        if not compiled(gate, activation):
            options = {"gate": gate, "activation": activation, "hold_masked": hold_masked}
            return super().bidirectional(x, mask, forward, backward, **options)
        recur = self._products.lstm
        directions = [Direction(forward, recur, False), Direction(backward, recur, True)]
        return self._recur(x, mask, directions, gate, hold_masked)

    def pack_gru(self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray | None) -> PackedGru:
        """See `Ops.pack_gru`."""
        kernel, recurrent_kernel, units = float32(kernel), float32(recurrent_kernel), len(recurrent_kernel)
        inputs, recurrent = two_biases(bias, kernel.shape[1])
        both = np.concatenate([inputs[: 2 * units] + recurrent[: 2 * units], inputs[2 * units :]])
        panels = kernels.pack_gru(kernel), kernels.pack_gru(recurrent_kernel)
        biases = kernels.arrange_gates(both), kernels.pack_bias(recurrent[2 * units :])
        plain = super().pack_gru(kernel, recurrent_kernel, bias)
        return PackedGru(units, kernels.matmul, *panels, *biases, plain)

    def gru(
        self,
        x: Array,
        mask: np.ndarray,
        weights: PackedGru,
        *,
        gate: str = "sigmoid",
        activation: str = "tanh",
        reset_after: bool = True,
        hold_masked: bool = True,
        go_backwards: bool = False,
        initial_state: np.ndarray | None = None,
    ) -> tuple[Array, Array]:
        """See `Ops.gru`. Compiled if the candidate's activation is tanh; others run step by step on `dense`."""
        if not compiled(gate, activation):
            options = {"reset_after": reset_after, "go_backwards": go_backwards, "initial_state": initial_state}
            options |= {"gate": gate, "activation": activation, "hold_masked": hold_masked}
            return super().gru(x, mask, weights.plain, **options)
        if not reset_after:
            weights = with_one_bias(weights)
        recur = partial(kernels.gru, bias=weights.recurrent_bias, reset_after=reset_after)
        state = new_states([initial_state], len(mask), weights.units)
        direction = Direction(weights, recur, go_backwards, state, initial_state is not None)
        return self._recur(x, mask, [direction], gate, hold_masked), state[0]

    def _recur(
        self,
        x: Array,
        mask: np.ndarray,
        directions: list[Direction],
        gate: str,
        hold_masked: bool,
    ) -> np.ndarray:
        """Outputs (N, T, sum of units) of recurrent layers over the same input, concatenated."""
        outputs = np.zeros((*mask.shape, sum(direction.weights.units for direction in directions)), np.float32)
        if not mask.any():
            return outputs
        packed = self._packed(mask)
        texts = packed.rows[: packed.batch_sizes[0]]  # those with a valid step, longest first
        values, index = gather(x, packed)
        places = packed.rows * mask.shape[1] + packed.steps
        column, projecting, recurring, afterwards = 0, [], [], []
        for direction in directions:
            weights, backwards = direction.weights, direction.backwards
            part = outputs[:, :, column : column + weights.units]
            flat = outputs.reshape(-1, outputs.shape[2])[:, column : column + weights.units]
            state = direction.state_of(texts)
            projected = self._scratch.array(len(values), len(weights.bias), len(projecting))
            project = partial(weights.matmul, values, weights.kernel, weights.bias, projected)
            recur = partial(
                *(direction.recur, projected, index, weights.recurrent_kernel, packed.batch_sizes, flat, places),
                **{"reverse": backwards, "gate": gate, **state},
            )
            projecting.append([partial(project, *rows) for rows in self._split(len(values), len(directions))])
            parts = self._split(len(texts), len(directions))
            recurring.append([partial(recur, first=first, last=last) for first, last in parts])
            if direction.state:
                afterwards.append(partial(direction.finish, part, mask, texts, state))
            if hold_masked and not mask.all():
                afterwards.append(partial(hold, part, mask, packed, backwards))
            column += weights.units
        self._run_in_turn(projecting, recurring)
        for task in afterwards:
            task()
        return outputs

    def _packed(self, mask: np.ndarray) -> Packed:
        """The packing of a mask, made once per pass."""
        if self._packings is None:  # called outside of a pass
            return pack(mask)
        key = mask.shape, mask.tobytes()
        if key not in self._packings:
            self._packings[key] = pack(mask)
        return self._packings[key]

    def _run_in_turn(self, first: list[list[Callable[[], None]]], second: list[list[Callable[[], None]]]) -> None:
        """Run tasks, then those that need their results, both given by direction. If each direction is one task, as for
        a single text, its thread continues without waiting for the other's."""
        if all(len(tasks) == 1 for tasks in (*first, *second)):
            self._pool.run([partial(in_turn, a[0], b[0]) for a, b in zip(first, second)])
        else:
            self._pool.run(list(chain.from_iterable(first)))
            self._pool.run(list(chain.from_iterable(second)))

    def _on_rows(self, rows: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(first, last)`` for all rows, split among the threads."""
        self._pool.run([partial(work, first, last) for first, last in self._split(rows)])

    def _split(self, rows: int, beside: int = 1) -> list[tuple[int, int]]:
        """(first, last) of about equal shares of the rows for each thread, if ``beside`` such lists run at the same
        time."""
        parts = max(1, min(-(-self.threads // beside), rows // LEAST_ROWS))
        edges = [rows * i // parts for i in range(parts + 1)]
        return list(pairwise(edges))


def compiled(gate: str, activation: str) -> bool:
    """Whether the kernels for LSTMs and GRUs support these activations."""
    return activation == "tanh" and gate in kernels.GATES


def in_turn(first: Callable[[], None], second: Callable[[], None]) -> None:
    """One task, then another."""
    first()
    second()


def new_states(given: Iterable[np.ndarray | None], texts: int, units: int) -> list[np.ndarray]:
    """New arrays (N, H) with the given states, or zeros."""
    return [np.zeros((texts, units), np.float32) if s is None else np.array(s, np.float32) for s in given]


def with_one_bias(weights: PackedGru) -> PackedGru:
    """The weights with the candidate's biases added together, for a reset gate that acts before the product."""
    bias = weights.bias.copy()
    bias[-len(weights.recurrent_bias) :] += weights.recurrent_bias
    return weights._replace(bias=bias)
