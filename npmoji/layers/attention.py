"""Averages over time whose weights the network computes."""

from __future__ import annotations

import numpy as np

from .base import Layer


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
