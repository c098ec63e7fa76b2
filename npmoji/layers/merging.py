"""Layers that make one array of several."""

from __future__ import annotations

import numpy as np

from .base import Layer


class Concatenate(Layer):
    """The predecessors' outputs side by side on the last axis, in the order given."""

    def forward(self, ops, *values):
        return ops.concatenate(values)

    def propagate(self, values, masks):
        masks = [mask for mask in masks if mask is not None]
        return np.logical_and.reduce(masks) if masks else None
