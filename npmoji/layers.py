"""Layers as callable objects: each is made from its predecessor(s) and its arrays, and called with the network's input.

    ids = Input(name="input")
    x = Embedding(ids, table)
    y = Dense(x, kernel, bias)
    y(tokens)                       # y asks x, x asks ids, ids gives the tokens back

A call pulls every layer it needs once, however many paths lead to it; nothing is kept on the objects, so threads may
share a network. With each value travels its mask, as in Keras: bool (N, T), True at valid steps, or None.

Legend: N texts, T steps (padded), F features in, H units, V vocabulary, C classes. Layer names are the weights file's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .backends import numpy_ops
from .errors import InputError, WeightsError


class Pass:
    """One pass through the graph: the backend it runs on and what has been computed so far."""

    def __init__(self, ops: Any):
        self.ops = ops
        self.done: dict[Layer, tuple[np.ndarray, np.ndarray | None]] = {}


class Layer:
    """A node of the network.

    Subclasses define `forward`, arithmetic only, and `propagate` if they change the mask. Those that need the mask for
    their arithmetic set ``uses_mask`` and take it as a keyword.
    """

    uses_mask = False

    def __init__(self, *previous: Layer, name: str | None = None):
        self.previous = previous
        self.name = name or type(self).__name__.lower()
        #: chooses the backend for an input of the network; `Model` sets its own
        self.backend_for: Callable[[np.ndarray], Any] = lambda X: numpy_ops
        self._packed: dict[Any, Any] = {}

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """This layer's output for the network's input ``X``, token ids (N, T), as Keras would return it."""
        return np.asarray(self.pull(X, Pass(self.backend_for(X)))[0])

    def pull(self, X: np.ndarray, run: Pass) -> tuple[np.ndarray, np.ndarray | None]:
        """Output and mask, computed at most once per pass."""
        if self not in run.done:
            pulled = [layer.pull(X, run) for layer in self.previous]
            values = [value for value, _ in pulled] or [X]
            masks = [mask for _, mask in pulled]
            extra = {"mask": self._mask_or_all_valid(values[0], masks[0])} if self.uses_mask else {}
            run.done[self] = self.forward(run.ops, *values, **extra), self.propagate(values, masks)
        return run.done[self]

    def forward(self, ops: Any, *values: np.ndarray) -> np.ndarray:
        """This layer's arithmetic: the predecessors' outputs in, its own output out."""
        raise NotImplementedError

    def propagate(self, values: list[np.ndarray], masks: list[np.ndarray | None]) -> np.ndarray | None:
        """The mask that goes on to the next layer; by default the one that came."""
        return masks[0]

    @staticmethod
    def _mask_or_all_valid(x: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return np.ones(x.shape[:2], bool) if mask is None else mask

    def packed(self, ops: Any) -> Any:
        """The weights as the backend wants them, rearranged once for all backends of that kind."""
        if ops.PACKING not in self._packed:
            self._packed[ops.PACKING] = self.pack(ops)
        return self._packed[ops.PACKING]

    def pack(self, ops: Any) -> Any:
        """What `packed` keeps; defined by layers whose backend functions take packed weights."""
        raise NotImplementedError

    def weights(self) -> dict[str, np.ndarray]:
        """The layer's own arrays by their Keras names; none by default."""
        return {}

    def expect(self, label: str, array: np.ndarray, *shape: int | None) -> np.ndarray:
        """The array, if it has this shape (None: any size); else a WeightsError with layer, array and both shapes."""
        fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
        if not fits or 0 in array.shape:
            wanted = ", ".join("any" if want is None else str(want) for want in shape)
            raise WeightsError(f"layer {self.name!r}: {label} has shape {array.shape}, expected ({wanted})")
        return array

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {array.shape}" for name, array in self.weights().items())
        return f"<{type(self).__name__} {self.name!r}{': ' + arrays if arrays else ''}>"


class Input(Layer):
    """Where the network's input comes in.

    Args:
        vocabulary_size: V; if given, the input must be token ids (N, T), integers from 0 to V - 1, T >= 1.

    Raises (when called):
        InputError: the array is not of integers or not of rank 2, or holds an id outside the vocabulary; names the row.
    """

    def __init__(self, vocabulary_size: int | None = None, name: str = "input"):
        super().__init__(name=name)
        self.vocabulary_size = vocabulary_size

    def forward(self, ops: Any, X: np.ndarray) -> np.ndarray:
        return np.asarray(X) if self.vocabulary_size is None else self.check(X)

    def check(self, X: np.ndarray) -> np.ndarray:
        """``X`` as an array of token ids, or an InputError."""
        ids = np.asarray(X)
        if ids.dtype.kind not in "iu" and ids.size:
            raise InputError(f"token ids must be integers, got an array of {ids.dtype}")
        if ids.ndim != 2 or ids.shape[1] == 0:
            raise InputError(f"token ids must have shape (texts, steps) with at least one step, got {ids.shape}")
        if ids.size and (ids.max() >= self.vocabulary_size or ids.min() < 0):
            row, step = np.argwhere((ids >= self.vocabulary_size) | (ids < 0))[0]
            raise InputError(
                f"row {row}, step {step}: token id {ids[row, step]} is outside the vocabulary, "
                f"expected 0 to {self.vocabulary_size - 1}"
            )
        return ids if ids.dtype.kind in "iu" else ids.astype(np.int64)

    def propagate(self, values, masks):
        return None


class Embedding(Layer):
    """Row look-up; with ``mask_zero`` token id 0 is padding.

    Args:
        embeddings: float32 (V, F).
    """

    def __init__(self, previous: Layer, embeddings: np.ndarray, mask_zero: bool = True, name: str | None = None):
        super().__init__(previous, name=name)
        self.embeddings = self.expect("embeddings", embeddings, None, None)
        self.mask_zero = mask_zero

    def forward(self, ops, ids):  # (N, T) -> (N, T, F)
        rows = ops.embedding(ids, self.embeddings)
        # The table may be too large to be checked when it is loaded, so the rows in use are checked here.
        if not ops.all_finite(rows):
            bad = ids[~np.isfinite(np.asarray(rows)).all(axis=-1)][0]
            raise WeightsError(f"layer {self.name!r}: embeddings hold NaN or infinite values in row {bad}")
        return rows

    def propagate(self, values, masks):
        return values[0] != 0 if self.mask_zero else None

    def weights(self):
        return {"embeddings": self.embeddings}


class Activation(Layer):
    """A function applied to every element (softmax: over the last axis), one of `numpy_ops.ACTIVATIONS`."""

    def __init__(self, previous: Layer, activation: str, name: str | None = None):
        super().__init__(previous, name=name)
        if activation not in numpy_ops.ACTIVATIONS:
            raise WeightsError(f"layer {self.name!r}: unknown activation {activation!r}")
        self.activation = activation

    def forward(self, ops, x):
        return ops.activate(self.activation, x)


class Dropout(Layer):
    """Dropout and its relatives act in training only: here the identity."""

    def forward(self, ops, x):
        return x


class LSTM(Layer):
    """Long short-term memory that returns the outputs of all steps.

    Args:
        kernel: float32 (F, 4H), recurrent_kernel (H, 4H), bias (4H); column blocks input, forget, candidate, output.
        gate: the recurrent activation, ``"hard_sigmoid"`` (Keras 2's), ``"hard_sigmoid_keras3"`` or ``"sigmoid"``.
        hold_masked: what a masked step returns: the previous output (Keras 2.0 to 2.3), or 0 (tf_keras and Keras 3).
        go_backwards: run from the last step to the first; outputs are in time order all the same.
        exact_projection: keep ``x · kernel`` in float32 when the precision is int8.
    """

    uses_mask = True

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        recurrent_kernel: np.ndarray,
        bias: np.ndarray,
        gate: str = "hard_sigmoid",
        hold_masked: bool = True,
        go_backwards: bool = False,
        exact_projection: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        H = recurrent_kernel.shape[0] if recurrent_kernel.ndim else 0
        self.kernel = self.expect("kernel", kernel, None, 4 * H)
        self.recurrent_kernel = self.expect("recurrent_kernel", recurrent_kernel, H, 4 * H)
        self.bias = self.expect("bias", bias, 4 * H)
        self.options = {"gate": gate, "hold_masked": hold_masked}
        self.go_backwards = go_backwards
        self.exact_projection = exact_projection

    def forward(self, ops, x, mask):  # (N, T, F) -> (N, T, H)
        return ops.lstm(x, mask, self.packed(ops), go_backwards=self.go_backwards, **self.options)

    def pack(self, ops):
        return ops.pack_lstm(self.kernel, self.recurrent_kernel, self.bias, self.exact_projection)

    def weights(self):
        return {"kernel": self.kernel, "recurrent_kernel": self.recurrent_kernel, "bias": self.bias}


class Bidirectional(Layer):
    """Two LSTMs over the same input, one along time and one against it, outputs side by side: (N, T, 2H).

    Args:
        forward, backward: kernel, recurrent_kernel and bias of each direction, as `LSTM` takes them.
        options: ``gate``, ``hold_masked`` and ``exact_projection``, as `LSTM` takes them.
    """

    uses_mask = True

    def __init__(self, previous: Layer, forward: tuple, backward: tuple, name: str | None = None, **options):
        super().__init__(previous, name=name)
        self.ahead = LSTM(previous, *forward, name=f"{self.name}/forward", **options)
        self.behind = LSTM(previous, *backward, name=f"{self.name}/backward", go_backwards=True, **options)
        self.behind.expect("kernel", self.behind.kernel, *self.ahead.kernel.shape)

    def forward(self, ops, x, mask):  # (N, T, F) -> (N, T, 2H)
        return ops.bidirectional(x, mask, self.ahead.packed(ops), self.behind.packed(ops), **self.ahead.options)

    def weights(self):
        return {f"{part}_{name}": array
                for part, lstm in (("forward", self.ahead), ("backward", self.behind))
                for name, array in lstm.weights().items()}  # fmt: skip


class Concatenate(Layer):
    """The predecessors' outputs side by side on the last axis, in the order given."""

    def forward(self, ops, *values):
        return ops.concatenate(values)

    def propagate(self, values, masks):
        masks = [mask for mask in masks if mask is not None]
        return np.logical_and.reduce(masks) if masks else None


class AttentionLogits(Layer):
    """One number a step, ``x · kernel``: (N, T, F) -> (N, T)."""

    def __init__(self, previous: Layer, kernel: np.ndarray, name: str | None = None):
        super().__init__(previous, name=name)
        self.kernel = self.expect("kernel", kernel, None, 1)

    def forward(self, ops, x):
        return ops.attention_logits(x, self.kernel)


class AttentionWeights(Layer):
    """DeepMoji's masked softmax over time: logits (N, T) -> weights (N, T), 0 at masked steps."""

    uses_mask = True

    def forward(self, ops, logits, mask):
        return ops.attention_weights(logits, mask)


class AttentionWeightedAverage(Layer):
    """DeepMoji's attention: the average over time of x (N, T, F), weighted by a softmax of ``x · kernel`` -> (N, F).

    Two layers of their own come before it, ``attention_logits`` and ``attention``, both (N, T).

    Args:
        kernel: float32 (F, 1), the attention vector.
    """

    def __init__(self, previous: Layer, kernel: np.ndarray, name: str | None = None):
        self.logits = AttentionLogits(previous, kernel, name="attention_logits")
        self.attention = AttentionWeights(self.logits, name="attention")
        super().__init__(previous, self.attention, name=name)
        self.kernel = kernel

    def forward(self, ops, x, weights):  # (N, T, F), (N, T) -> (N, F)
        return ops.weighted_sum(x, weights)

    def propagate(self, values, masks):
        return None

    def weights(self):
        return {"kernel": self.kernel}


class Dense(Layer):
    """Affine map of the last axis: ``activation(x · kernel + bias)``.

    Args:
        kernel: float32 (F, C).
        bias: float32 (C,), or None.
        activation: ``"linear"``, ``"softmax"``, ``"sigmoid"``, ``"relu"``, ...; before one other than linear comes a
            layer of its own, ``logits``, which holds the values before the activation.
    """

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str = "linear",
        name: str | None = None,
    ):
        self.logits = self
        if activation != "linear":
            self.logits = Dense(previous, kernel, bias, name="logits")
        super().__init__(previous if activation == "linear" else self.logits, name=name)
        self.kernel = self.expect("kernel", kernel, None, None)
        self.bias = None if bias is None else self.expect("bias", bias, kernel.shape[1])
        self.activation = activation

    def forward(self, ops, x):  # (..., F) -> (..., C)
        if self.logits is not self:
            return ops.activate(self.activation, x)
        return ops.dense(x, self.packed(ops))

    def pack(self, ops):
        return ops.pack_dense(self.kernel, self.bias)

    def weights(self):
        return {"kernel": self.kernel} if self.bias is None else {"kernel": self.kernel, "bias": self.bias}
