"""The fast path: the reference's functions on compiled kernels, on several threads.

A text's outputs have the same bits at any batch size, order and thread count: see `kernels` for why. A batch is packed
first: masked steps are dropped (which equals carrying the state over them), texts sorted by length, longest
first, and their steps stored time-major, so that padding costs nothing. Each distinct token is projected once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..precision import float32, half, halves
from . import numpy_ops
from .packing import Packed, Rows, gather, hold, last_steps, pack

LEAST_ROWS = 24  # fewer rows than this are not worth splitting among threads

ELEMENTWISE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **numpy_ops.ACTIVATIONS,  # what is made of exact operations only, as relu is, has the same bits in NumPy
    "tanh": kernels.tanh,
    "sigmoid": kernels.sigmoid,
    "hard_sigmoid": kernels.hard_sigmoid,
    "hard_sigmoid_keras3": kernels.hard_sigmoid_keras3,
    "softmax": kernels.softmax,
    "exponential": kernels.exp,
    **{name: partial(numpy_ops.ACTIVATIONS[name], exp=kernels.exp) for name in ("elu", "selu", "softplus", "log_softmax")},
    **{name: partial(numpy_ops.swish, sigmoid=kernels.sigmoid) for name in ("swish", "silu")},
    "mish": partial(numpy_ops.mish, tanh=kernels.tanh, exp=kernels.exp),
}


class Products(NamedTuple):
    """The kernels of one precision: `pack` makes of a matrix what the other two take."""

    pack: Callable[[np.ndarray], Any]
    matmul: Callable[..., None]
    lstm: Callable[..., None]


FP32 = Products(lambda matrix: kernels.pack_gates(float32(matrix)), kernels.matmul, kernels.lstm)
FP16 = FP32._replace(pack=lambda matrix: kernels.pack_half_gates(halves(matrix)))


def products(precision: str) -> Products:
    """The kernels of ``"fp32"``, ``"fp16"`` or ``"int8"``; int8's are imported, and compiled, on first use."""
    if precision == "int8":
        from ..kernels import int8

        return Products(int8.quantise_gates, int8.matmul, int8.lstm)
    return FP32 if precision == "fp32" else FP16


class PackedLstm(NamedTuple):
    """An LSTM's weights as the kernels read them: columns in panels, the four gates of some units side by side."""

    units: int
    matmul: Callable[..., None]  # the one that takes this kernel
    kernel: Any
    recurrent_kernel: Any
    bias: np.ndarray
    arrays: tuple[np.ndarray, ...]  # as they were given


class PackedGru(NamedTuple):
    """A GRU's weights as the kernels read them, columns as `kernels.arrange_gates`."""

    units: int
    matmul: Callable[..., None]
    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray  # for the candidate that of the input alone
    recurrent_bias: np.ndarray  # of the candidate's recurrent product
    arrays: tuple[np.ndarray, ...]  # from `numpy_ops.pack_gru`


class Direction(NamedTuple):
    """One way through time. ``state`` holds h and, of an LSTM, c, (N, H) each: before the first step, where they are 0
    unless ``given``, and when all is done after the last. It may be left out where nobody asks for it."""

    weights: PackedLstm | PackedGru
    recur: Callable[..., None]
    backwards: bool
    state: Sequence[np.ndarray] = ()
    given: bool = False

    def state_of(self, texts: np.ndarray) -> dict[str, np.ndarray]:
        """The state before the first step as the kernel takes it, for these texts."""
        state = {name: part[texts] for name, part in zip(("initial", "cells"), self.state)}
        if not self.given:
            state.pop("initial", None)  # the kernel leaves out the first products with 0
        return state

    def finish(self, outputs: np.ndarray, mask: np.ndarray, texts: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Set the state after the last step: h is the last valid output, c what the kernel made of ``state``."""
        self.state[0][texts] = outputs[texts, last_steps(mask, self.backwards)[texts]]
        if "cells" in state:
            self.state[1][texts] = state["cells"]


class NumbaOps:
    """The functions of `numpy_ops` on up to ``threads`` threads; Python threads may share one."""

    def __init__(self, threads: int, precision: str = "fp32"):
        self.threads, self.precision = threads, precision
        self.PACKING = "numba", precision
        self._pool = kernels.Pool(threads)
        self._last = threading.local()  # the mask packed last, and its packing
        self._products = products(precision)

    def for_each(self, batches: Iterable, work: Callable[[Any, Any], None]) -> None:
        """See `numpy_ops.for_each`. Many batches are shared out among the threads whole, which leaves no thread waiting at
        the end of each layer; few are computed by all threads together."""
        batches = list(batches)
        if self.threads == 1 or len(batches) < 3 * self.threads:
            for batch in batches:
                work(self, batch)
        else:
            alone = NumbaOps(1, self.precision)
            self._pool.run([partial(work, alone, batch) for batch in batches])

    # Layers without a memory

    def embedding(self, ids: np.ndarray, embeddings: np.ndarray) -> Rows:
        """See `numpy_ops.embedding`."""
        distinct, index = np.unique(ids, return_inverse=True)
        rows = float32 if self.precision == "fp32" else half
        return Rows(rows(embeddings[distinct]), index.reshape(ids.shape))

    def all_finite(self, x: np.ndarray | Rows) -> bool:
        """See `numpy_ops.all_finite`."""
        return numpy_ops.all_finite(x.values if isinstance(x, Rows) else x)

    def activate(self, name: str, x: np.ndarray | Rows) -> np.ndarray | Rows:
        """See `numpy_ops.activate`."""
        if isinstance(x, Rows) and name != "softmax":
            return Rows(ELEMENTWISE[name](x.values), x.index)
        return ELEMENTWISE[name](np.asarray(x))

    def pack_dense(self, kernel: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """See `numpy_ops.pack_dense`."""
        return numpy_ops.pack_dense(kernel, bias)

    def dense(self, x: np.ndarray | Rows, weights: tuple[np.ndarray, ...]) -> np.ndarray:
        """See `numpy_ops.dense`."""
        kernel, bias = weights
        x = np.asarray(x, np.float32)
        out = np.empty((*x.shape[:-1], len(bias)), np.float32)
        rows, flat = x.reshape(-1, x.shape[-1]), out.reshape(-1, len(bias))
        self._on_rows(len(rows), lambda first, last: kernels.dense(rows, kernel, bias, flat, first, last))
        return out

    def concatenate(self, values: Sequence[np.ndarray | Rows]) -> np.ndarray:
        """See `numpy_ops.concatenate`."""
        return np.concatenate([np.asarray(value) for value in values], axis=-1)

    def attention_logits(self, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """See `numpy_ops.attention_logits`."""
        rows, out = np.asarray(x).reshape(-1, len(kernel)), np.empty(x.shape[:-1], np.float32)
        flat = out.reshape(-1)
        self._on_rows(len(rows), lambda first, last: kernels.dot_rows(rows, kernel[:, 0], flat, first, last))
        return out

    def attention_weights(self, logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """See `numpy_ops.attention_weights`."""
        return kernels.attention_weights(logits, mask, numpy_ops.EPSILON)

    def weighted_sum(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """See `numpy_ops.weighted_sum`."""
        x, out = np.asarray(x), np.empty((len(x), x.shape[2]), np.float32)
        self._on_rows(len(x), lambda first, last: kernels.weighted_sum(x, weights, out, first, last))
        return out

    # Recurrence

    def pack_lstm(
        self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray, exact_projection: bool = False
    ) -> PackedLstm:
        """See `numpy_ops.pack_lstm`, and `precision` for what the precisions mean."""
        projection = FP16 if exact_projection and self.precision == "int8" else self._products
        panels = projection.pack(kernel), self._products.pack(recurrent_kernel)
        arrays = kernel, recurrent_kernel, bias
        return PackedLstm(len(recurrent_kernel), projection.matmul, *panels, kernels.interleave_gates(bias), arrays)

    def lstm(
        self,
        x: np.ndarray | Rows,
        mask: np.ndarray,
        weights: PackedLstm,
        go_backwards: bool = False,
        initial_state: tuple[np.ndarray, np.ndarray] | None = None,
        return_state: bool = False,
        activation: str = "tanh",
        gate: str = "hard_sigmoid",
        hold_masked: bool = True,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `numpy_ops.lstm`. Compiled where its function is tanh; others run step by step on `dense`, in float32."""
        if activation != "tanh" or gate not in kernels.GATES:
            arguments = gate, hold_masked, go_backwards, initial_state, return_state, activation
            return numpy_ops.lstm(np.asarray(x), mask, tuple(map(float32, weights.arrays)), *arguments, ops=self)
        given = initial_state is not None
        state = new_states(initial_state if given else (None, None), len(mask), weights.units)
        wanted = state if given or return_state else ()
        direction = Direction(weights, self._products.lstm, go_backwards, wanted, given)
        outputs = self._recur(x, mask, [direction], gate, hold_masked)
        return (outputs, *state) if return_state else outputs

    def bidirectional(self, x, mask: np.ndarray, forward: PackedLstm, backward: PackedLstm, **options) -> np.ndarray:
        """See `numpy_ops.bidirectional`."""
        recur = self._products.lstm
        return self._recur(x, mask, [Direction(forward, recur, False), Direction(backward, recur, True)], **options)

    def simple_rnn(self, x, mask: np.ndarray, weights: tuple[np.ndarray, ...], **options) -> tuple[np.ndarray, np.ndarray]:
        """See `numpy_ops.simple_rnn`: step by step on `dense`."""
        return numpy_ops.simple_rnn(np.asarray(x), mask, weights, **options, ops=self)

    def pack_gru(self, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray | None) -> PackedGru:
        """See `numpy_ops.pack_gru`; float32 whatever the precision, which is for LSTMs."""
        arrays = kernel, recurrent_kernel, (inputs, recurrent) = numpy_ops.pack_gru(kernel, recurrent_kernel, bias)
        units = len(recurrent_kernel)
        bias = np.concatenate([inputs[: 2 * units] + recurrent[: 2 * units], inputs[2 * units :]])
        panels = kernels.pack_gru(kernel), kernels.pack_gru(recurrent_kernel)
        biases = kernels.arrange_gates(bias), kernels.pack_bias(recurrent[2 * units :])
        return PackedGru(units, kernels.matmul, *panels, *biases, arrays)

    def gru(
        self,
        x: np.ndarray | Rows,
        mask: np.ndarray,
        weights: PackedGru,
        gate: str = "sigmoid",
        activation: str = "tanh",
        reset_after: bool = True,
        hold_masked: bool = True,
        go_backwards: bool = False,
        initial_state: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `numpy_ops.gru`. Compiled where the candidate's function is tanh; others run step by step on `dense`."""
        if activation != "tanh" or gate not in kernels.GATES:
            arguments = gate, activation, reset_after, hold_masked, go_backwards, initial_state
            return numpy_ops.gru(np.asarray(x), mask, weights.arrays, *arguments, ops=self)
        if not reset_after:
            weights = with_one_bias(weights)
        recur = partial(kernels.gru, bias=weights.recurrent_bias, reset_after=reset_after)
        state = new_states([initial_state], len(mask), weights.units)
        direction = Direction(weights, recur, go_backwards, state, initial_state is not None)
        return self._recur(x, mask, [direction], gate, hold_masked), state[0]

    def _recur(
        self,
        x: np.ndarray | Rows,
        mask: np.ndarray,
        directions: list[Direction],
        gate: str = "hard_sigmoid",
        hold_masked: bool = True,
    ) -> np.ndarray:
        """Outputs (N, T, sum of units) of recurrent layers over the same input, side by side."""
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
            projected = np.empty((len(values), len(weights.bias)), np.float32)
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
        """The packing of a mask; layers on top of each other have the same."""
        if getattr(self._last, "mask", None) is not mask:
            self._last.mask, self._last.packed = mask, pack(mask)
        return self._last.packed

    def _run_in_turn(self, first: list[list[Callable[[], None]]], second: list[list[Callable[[], None]]]) -> None:
        """Run tasks and those that need their results, given by direction. Where a direction is one task each, as for a single
        text, its thread goes on without waiting for the other's."""
        if all(len(tasks) == 1 for tasks in (*first, *second)):
            self._pool.run([partial(in_turn, a[0], b[0]) for a, b in zip(first, second)])
        else:
            self._pool.run(list(chain.from_iterable(first)))
            self._pool.run(list(chain.from_iterable(second)))

    def _on_rows(self, rows: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(first, last)`` for all rows, split among the threads."""
        self._pool.run([partial(work, first, last) for first, last in self._split(rows)])

    def _split(self, rows: int, beside: int = 1) -> list[tuple[int, int]]:
        """(first, last) of about equal shares of the rows for each thread, with ``beside`` such lists run together."""
        parts = max(1, min(-(-self.threads // beside), rows // LEAST_ROWS))
        edges = [rows * i // parts for i in range(parts + 1)]
        return list(pairwise(edges))


def in_turn(first: Callable[[], None], second: Callable[[], None]) -> None:
    """One task, then another."""
    first()
    second()


def new_states(given: Iterable[np.ndarray | None], texts: int, units: int) -> list[np.ndarray]:
    """New arrays (N, H) with the given states, or 0."""
    return [np.zeros((texts, units), np.float32) if s is None else np.array(s, np.float32) for s in given]


def with_one_bias(weights: PackedGru) -> PackedGru:
    """The weights with both biases of the candidate in one, as they add up when the reset comes before the product."""
    bias = weights.bias.copy()
    bias[-len(weights.recurrent_bias) :] += weights.recurrent_bias
    return weights._replace(bias=bias)
