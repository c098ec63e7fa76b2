"""What every layer has: predecessors, a name, weights, and a call that pulls the network's input through what lies before.

    ids = Input(name="input")
    x = Embedding(ids, table)
    y = Dense(x, kernel, bias)
    y(tokens)                       # y asks x, x asks ids, ids gives the tokens back

A call pulls every layer it needs once, however many paths lead to it; nothing is kept on the objects, so threads may
share a network. With each value travels its mask, as in Keras: bool (N, T), True at valid steps, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import numpy_ops
from ..errors import InputError, WeightsError


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
