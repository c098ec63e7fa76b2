"""The fast path: the reference's functions on compiled kernels, on several threads.

A text's outputs have the same bits at any batch size, order and thread count: see `kernels` for why. A batch is packed
first: masked steps are dropped (for an LSTM that equals carrying its state over them), texts sorted by length, longest
first, and their steps stored time-major, so that padding costs nothing. Each distinct token is projected once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from . import numpy_ops

LEAST_ROWS = 24  # fewer rows than this are not worth splitting among threads

ELEMENTWISE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **numpy_ops.ACTIVATIONS,  # linear and relu are exact in NumPy too
    "tanh": kernels.tanh,
    "sigmoid": kernels.sigmoid,
    "hard_sigmoid": kernels.hard_sigmoid,
    "hard_sigmoid_keras3": kernels.hard_sigmoid_keras3,
    "softmax": kernels.softmax,
}


class Rows:
    """An array (N, T, F) kept as its distinct rows: ``values[index]``, with values (U, F) and index (N, T)."""

    def __init__(self, values: np.ndarray, index: np.ndarray):
        self.values, self.index = values, index
        self.shape = (*index.shape, values.shape[1])

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.values[self.index]


class Packed(NamedTuple):
    """The valid steps of a batch, time-major: packed step i is step ``steps[i]`` of text ``rows[i]``."""

    rows: np.ndarray
    steps: np.ndarray
    batch_sizes: np.ndarray


class Products(NamedTuple):
    """The kernels of one precision: `pack` makes of a float32 matrix what the other two take."""

    pack: Callable[[np.ndarray], Any]
    matmul: Callable[..., None]
    lstm: Callable[..., None]


FP32 = Products(kernels.pack_gates, kernels.matmul, kernels.lstm)


def products(precision: str) -> Products:
    """The kernels of ``"fp32"``, ``"fp16"`` or ``"int8"``; int8's are imported, and compiled, on first use."""
    if precision == "int8":
        from ..kernels import int8

        return Products(int8.quantise_gates, int8.matmul, int8.lstm)
    return FP32 if precision == "fp32" else FP32._replace(pack=kernels.pack_half_gates)


class PackedLstm(NamedTuple):
    """An LSTM's weights as the kernels read them: columns in panels, the four gates of some units side by side."""

    units: int
    matmul: Callable[..., None]  # the one that takes this kernel
    kernel: Any
    recurrent_kernel: Any
    bias: np.ndarray


class NumbaOps:
    """The functions of `numpy_ops` on up to ``threads`` threads; Python threads may share one."""

    def __init__(self, threads: int, precision: str = "fp32"):
        self.threads, self.precision = threads, precision
        self.PACKING = "numba", precision
        self._pool = kernels.Pool(threads)
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
        return Rows(embeddings[distinct], index.reshape(ids.shape))

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
        """See `numpy_ops.pack_lstm`, and `numpy_precision` for what the precisions mean."""
        projection = FP32 if exact_projection and self.precision == "int8" else self._products
        panels = projection.pack(kernel), self._products.pack(recurrent_kernel)
        return PackedLstm(len(recurrent_kernel), projection.matmul, *panels, kernels.interleave_gates(bias))

    def lstm(self, x, mask: np.ndarray, weights: PackedLstm, go_backwards: bool = False, **options) -> np.ndarray:
        """See `numpy_ops.lstm`."""
        return self._recur(x, mask, [(weights, go_backwards)], **options)

    def bidirectional(self, x, mask: np.ndarray, forward: PackedLstm, backward: PackedLstm, **options) -> np.ndarray:
        """See `numpy_ops.bidirectional`."""
        return self._recur(x, mask, [(forward, False), (backward, True)], **options)

    def _recur(
        self,
        x: np.ndarray | Rows,
        mask: np.ndarray,
        directions: list[tuple[PackedLstm, bool]],
        gate: str = "hard_sigmoid",
        hold_masked: bool = True,
    ) -> np.ndarray:
        """Outputs (N, T, sum of units) of LSTMs over the same input side by side, each with whether it goes backwards."""
        outputs = np.zeros((*mask.shape, sum(weights.units for weights, _ in directions)), np.float32)
        if not mask.any():
            return outputs
        packed = pack(mask)
        if isinstance(x, Rows):
            values, index = x.values, x.index[packed.rows, packed.steps]
        else:
            values, index = x[packed.rows, packed.steps], np.arange(len(packed.rows))
        projections = self._project(values, [weights for weights, _ in directions])
        places = packed.rows * mask.shape[1] + packed.steps
        start, tasks, holds = 0, [], []
        for (weights, backwards), projected in zip(directions, projections):
            part = outputs[:, :, start : start + weights.units]
            flat = outputs.reshape(-1, outputs.shape[2])[:, start : start + weights.units]
            arguments = projected, index, weights.recurrent_kernel, packed.batch_sizes, flat, places
            tasks += [
                partial(self._products.lstm, *arguments, reverse=backwards, gate=gate, first=first, last=last)
                for first, last in self._split(int(packed.batch_sizes[0]), len(directions))
            ]
            holds.append(partial(hold, part, mask, backwards))
            start += weights.units
        self._pool.run(tasks)
        if hold_masked and not mask.all():
            self._pool.run(holds)
        return outputs

    def _project(self, values: np.ndarray, directions: list[PackedLstm]) -> list[np.ndarray]:
        """``values · kernel + bias`` for each direction, with columns as the recurrence reads them."""
        out = [np.empty((len(values), len(weights.bias)), np.float32) for weights in directions]
        self._pool.run([
            partial(weights.matmul, values, weights.kernel, weights.bias, projected, first, last)
            for weights, projected in zip(directions, out)
            for first, last in self._split(len(values), len(directions))
        ])  # fmt: skip
        return out

    def _on_rows(self, rows: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(first, last)`` for all rows, split among the threads."""
        self._pool.run([partial(work, first, last) for first, last in self._split(rows)])

    def _split(self, rows: int, beside: int = 1) -> list[tuple[int, int]]:
        """(first, last) of about equal shares of the rows for each thread, with ``beside`` such lists run together."""
        parts = max(1, min(-(-self.threads // beside), rows // LEAST_ROWS))
        edges = [rows * i // parts for i in range(parts + 1)]
        return list(pairwise(edges))


def pack(mask: np.ndarray) -> Packed:
    """The valid steps of a mask (N, T), texts sorted by length, longest first (stable)."""
    rows, steps = np.nonzero(mask)
    lengths = mask.sum(axis=1)
    turn = np.arange(len(rows)) - (np.cumsum(lengths) - lengths)[rows]  # a step's place among the valid ones of its text
    rank = np.empty(len(mask), np.intp)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(mask))
    order = np.lexsort((rank[rows], turn))
    return Packed(rows[order], steps[order], np.bincount(turn))


def hold(outputs: np.ndarray, mask: np.ndarray, go_backwards: bool) -> None:
    """Let masked steps repeat the output before them in the direction of travel; those before the first stay 0."""
    if go_backwards:
        outputs, mask = outputs[:, ::-1], mask[:, ::-1]
    before = np.maximum.accumulate(np.where(mask, np.arange(mask.shape[1]), -1), axis=1)
    rows, steps = np.nonzero(~mask & (before >= 0))
    outputs[rows, steps] = outputs[rows, before[rows, steps]]
