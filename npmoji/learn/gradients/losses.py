"""What training makes small: for each kind of output one function of it and the labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from ...errors import InputError
from ...graph import Graph
from ...layers import Activation, Dense, Softmax
from ...layers.wrappers import Named

Tensor = torch.Tensor
EPSILON = 1e-7  # Keras' K.epsilon()
LOSSES = ("auto", "bce_logits_sum")
#: a loss of the caller's own: what is before the last activation (N, C), and the labels as given -> a scalar
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def clipped(p: Tensor) -> Tensor:
    """p between epsilon and 1 - epsilon, both rounded to p's own type; beyond them it has no gradient."""
    low, high = (torch.tensor(end, dtype=p.dtype, device=p.device) for end in (EPSILON, 1 - EPSILON))
    return torch.clamp(p, low, high)


def binary(p: Tensor, y: Tensor) -> Tensor:
    """Keras' binary_crossentropy: the mean of ``-y log q - (1 - y) log(1 - q)`` over all numbers, q the clipped p."""
    q = clipped(p)
    return -(y * torch.log(q) + (1 - y) * torch.log(1 - q)).mean()


def categorical(p: Tensor, y: Tensor) -> Tensor:
    """Keras' categorical_crossentropy: the mean over rows of ``-log q_y``, q the clipped p over its sum."""
    q = clipped(p / p.sum(-1, keepdim=True))
    return -torch.log(q.gather(1, y[:, None])).mean()


def logits_sum(z: Tensor, y: Tensor) -> Tensor:
    """Binary cross-entropy of sigmoid(z), from z, summed over all numbers: PyTorch's BCEWithLogitsLoss of that
    reduction."""
    return torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="sum")


class Output:
    """A network's one output: what its loss is computed from, and what labels it takes.

    Attributes:
        layer: the output. source: the layer whose values the loss is of.
        classes: C. multi_label: whether each class has a probability of its own. binary: one number for two classes.

    Raises:
        InputError: several outputs, or one that ends in neither softmax nor sigmoid.
    """

    def __init__(self, graph: Graph, loss: str | Loss = "auto", multi_label: bool = False):
        if not callable(loss) and loss not in LOSSES:
            raise InputError(f"loss {loss!r:.60}: expected one of {', '.join(LOSSES)}, or a function")
        if len(graph.outputs) != 1:
            raise InputError(f"a network of {len(graph.outputs)} outputs: only one with a single output can be trained")
        self.layer = graph.outputs[0]
        last = self.layer
        while isinstance(last, Named):
            last = last.previous[0]
        function = last.activation if isinstance(last, (Dense, Activation)) else ""
        function = "softmax" if isinstance(last, Softmax) else function
        self.classes = graph.classes
        if function not in ("softmax", "sigmoid") or not self.classes:
            raise InputError(
                f"layer {self.layer.name!r}, the output, gives no probabilities: expected a Dense layer with softmax "
                "or sigmoid; give the model a head for your classes first"
            )
        self.binary, self.multi_label = self.classes == 1, function == "sigmoid" and self.classes > 1
        self.sums, self.source = loss == "bce_logits_sum", self.layer
        self.own = loss if callable(loss) else None
        if self.own:
            self.source = last.previous[0]
        if self.sums:
            if function != "sigmoid":
                raise InputError(f"loss {loss!r}: expected an output with sigmoid, {self.layer.name!r} has {function}")
            self.source = last.previous[0]

    def loss(self, values: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch, without L2."""
        if values.ndim != 2:
            raise InputError(
                f"layer {self.layer.name!r} gives an array of rank {values.ndim}, expected (rows, classes)"
            )
        if self.own:
            return self.own(values, labels)
        if self.sums:
            return logits_sum(values, labels)
        return binary(values, labels) if self.binary or self.multi_label else categorical(values, labels)

    def right(self, p: Tensor, labels: Tensor) -> Tensor:
        """Where the guess is right: round(p), half to even, for sigmoids, else the largest p."""
        if self.binary or self.multi_label:
            return torch.round(p) == labels
        return p.argmax(-1) == labels

    def labels(self, labels: Any, rows: int) -> np.ndarray:
        """The labels, checked, as the loss takes them: class numbers int64 (N,), or 0 and 1 float32 (N, C).

        Raises:
            InputError: another shape or number of rows, or a number that is no class; says the row.
        """
        try:
            found = np.asarray(labels)
        except ValueError as error:
            raise InputError(f"labels: expected class numbers, {error}") from error
        if self.own:
            if len(found) != rows:
                raise InputError(f"{len(found)} labels for {rows} rows")
            return found.astype(np.float32)
        if found.dtype.kind not in "biuf":
            raise InputError(f"labels: expected class numbers, got an array of {found.dtype}")
        if self.binary and found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        wanted = (rows, self.classes) if self.multi_label else (rows,)
        if found.shape != wanted:
            raise InputError(f"labels have shape {found.shape}, expected {wanted}")
        top = 1 if self.binary or self.multi_label else self.classes - 1
        wrong = ~((found >= 0) & (found <= top) & (found == np.floor(found)))
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0])
            raise InputError(f"labels, row {place[0]}: {found[place]}, expected a whole number from 0 to {top}")
        if self.multi_label:
            return found.astype(np.float32)
        return found.astype(np.float32)[:, None] if self.binary else found.astype(np.int64)
