"""Layers around layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from .base import Layer, Pass


class Named(Layer):
    """Its predecessor under another name: the output of a nested model."""

    def forward(self, ops: Ops, x: Array) -> Array:
        return x


class TimeDistributed(Layer):
    """A layer applied to each step of (N, T, ...) separately, as if the steps were N T texts.

    A mask (N, T) is passed on unchanged. A mask with more axes is also the mask within each step.

    Args:
        layer: a layer with an `Input` of its own.
        inner_mask: pass on the layer's own mask of each step, as in Keras 2 from 2.2 on; if it has none, a step with
            anything valid in it is valid.

    >>> step = npmoji.Dense(npmoji.Input(), np.float32([[2], [1]]))
    >>> npmoji.TimeDistributed(npmoji.Input(), step)(np.float32([[[1, 0], [0, 1]]])).tolist()
    [[[2.0], [1.0]]]
    """

    def __init__(self, previous: Layer, layer: Layer, inner_mask: bool = False, name: str | None = None):
        super().__init__(previous, name=name)
        self.layer, self.inner_mask = layer, inner_mask
        self._start = layer
        while self._start.previous:
            self._start = self._start.previous[0]

    def evaluate(self, ops: Ops, values: list[Any], masks: list[Any]) -> tuple[Any, Any]:
        x, mask = np.asarray(values[0]), masks[0]
        flat = x.reshape(-1, *x.shape[2:])
        apart = Pass(ops)
        deep = mask is not None and mask.ndim > 2
        apart.done[self._start] = flat, mask.reshape(-1, *mask.shape[2:]) if deep else None
        value, inner = self.layer.pull(flat, apart)
        value = np.asarray(value)
        return value.reshape(*x.shape[:2], *value.shape[1:]), self._mask(x.shape[:2], mask, inner)

    def _mask(self, steps: tuple[int, ...], mask: np.ndarray | None, inner: np.ndarray | None) -> np.ndarray | None:
        if not self.inner_mask:
            return mask
        if inner is not None:
            return inner.reshape(*steps, *inner.shape[1:])
        return None if mask is None else mask.reshape(*steps, -1).any(axis=2)

    def weights(self) -> dict[str, np.ndarray]:
        return self.layer.weights()
