"""Layers around layers."""

from __future__ import annotations

import numpy as np

from .base import Layer, Pass


class Named(Layer):
    """Its predecessor under another name: the output of a model that is used as a layer."""

    def forward(self, ops, x):
        return x


class TimeDistributed(Layer):
    """A layer applied to each step of (N, T, ...) alone, as if the steps were N T texts.

    Args:
        layer: made over an `Input` of its own.
    """

    def __init__(self, previous: Layer, layer: Layer, name: str | None = None):
        super().__init__(previous, name=name)
        self.layer = layer

    def forward(self, ops, x):
        x = np.asarray(x)
        value, _ = self.layer.pull(x.reshape(-1, *x.shape[2:]), Pass(ops))
        value = np.asarray(value)
        return value.reshape(*x.shape[:2], *value.shape[1:])

    def weights(self):
        return self.layer.weights()
