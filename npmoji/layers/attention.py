"""Weighted averages over time with weights that the network computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import EPSILON, Array, Ops
from ..errors import WeightsError
from .base import Layer, given, step_sum


class AttentionLogits(Layer):
    """One number per step, ``x · kernel``: (N, T, F) -> (N, T)."""

    def __init__(self, previous: Layer, kernel: np.ndarray, name: str | None = None):
        super().__init__(previous, name=name)
        self.kernel = self.expect("kernel", kernel, None, 1)

    def forward(self, ops: Ops, x: Array) -> Array:  # (N, T, F) -> (N, T)
        if len(x.shape) != 3 or x.shape[2] != len(self.kernel):
            raise WeightsError(
                f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {tuple(x.shape)}"
            )
        return ops.attention_logits(x, self.kernel)


class AttentionWeights(Layer):
    """DeepMoji's masked softmax over time: logits (N, T) -> weights (N, T), 0 at masked steps."""

    uses_mask = True

    def forward(self, ops: Ops, logits: Array, mask: np.ndarray) -> Array:
        return ops.attention_weights(logits, mask)


class AttentionWeightedAverage(Layer):
    """DeepMoji's attention: the average over time of x (N, T, F), weighted by a softmax of ``x · kernel`` -> (N, F).

    It creates two layers before it, ``attention_logits`` and ``attention``, both (N, T).

    Args:
        kernel: float32 (F, 1), the attention vector.

    >>> average = npmoji.AttentionWeightedAverage(npmoji.Input(), np.zeros((2, 1), np.float32))
    >>> average(np.float32([[[1, 2], [3, 4]]])).round(3)
    array([[2., 3.]], dtype=float32)
    """

    def __init__(self, previous: Layer, kernel: np.ndarray, name: str | None = None):
        self.logits = AttentionLogits(previous, kernel, name="attention_logits")
        self.attention = AttentionWeights(self.logits, name="attention")
        super().__init__(previous, self.attention, name=name)
        self.kernel = kernel

    def forward(self, ops: Ops, x: Array, weights: Array) -> Array:  # (N, T, F), (N, T) -> (N, F)
        return ops.weighted_sum(np.asarray(x), weights)

    def propagate(self, values, masks):
        return None

    def weights(self) -> dict[str, np.ndarray]:
        return {"kernel": self.kernel}


class AttentionWithContext(Layer):
    """The attention layers common in Kaggle's text classifiers: an average over time weighted by
    ``exp(tanh(x · kernel + bias))``, or with a context vector by ``exp(tanh(x · kernel + bias) · context)``,
    normalised.

    Unlike in DeepMoji's, no maximum is subtracted before exp. Epsilon (1e-7) is added to the sum of the weights. Some
    variants use a softmax over all steps instead, and ignore the mask: ``masked=False``.

    Args:
        kernel: float32 (F, 1) without a context; (F, A) with one.
        bias: float32 (T,), one per step, without a context; (A,) with one; or None.
        context: float32 (A, 1), or None.
        return_attention: also return the weights (N, T).
        masked: False for a softmax over all steps, ignoring the mask.

    >>> average = npmoji.AttentionWithContext(npmoji.Input(), np.zeros((2, 1), np.float32))
    >>> average(np.float32([[[1, 2], [3, 4]]])).round(3)
    array([[2., 3.]], dtype=float32)
    """

    uses_mask = True

    def __init__(
        self,
        previous: Layer,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        context: np.ndarray | None = None,
        return_attention: bool = False,
        name: str | None = None,
        masked: bool = True,
    ):
        super().__init__(previous, name=name)
        self.masked = masked
        self.kernel = self.expect("kernel", kernel, None, 1 if context is None else None)
        self.context = None if context is None else self.expect("context", context, kernel.shape[1], 1)
        self.bias = None if bias is None else self.expect("bias", bias, None if context is None else kernel.shape[1])
        self.outputs = 2 if return_attention else 1

    def forward(self, ops: Ops, x: Array, mask: np.ndarray) -> Array | tuple[Array, Array]:  # (N, T, F) -> (N, F)
        x = np.asarray(x)
        if x.ndim != 3 or x.shape[2] != len(self.kernel):
            raise WeightsError(f"layer {self.name!r}: kernel has shape {self.kernel.shape}, but its input {x.shape}")
        if self.context is None:
            logits = np.asarray(ops.attention_logits(x, self.kernel))
            if self.bias is not None and len(self.bias) != x.shape[1]:
                raise WeightsError(
                    f"layer {self.name!r}: bias for {len(self.bias)} steps, but its input has {x.shape[1]}"
                )
            logits = ops.activate("tanh", logits if self.bias is None else logits + self.bias)
        else:
            hidden = ops.activate("tanh", ops.dense(x, self.packed(ops)))
            logits = ops.attention_logits(np.asarray(hidden), self.context)
        weights = self._weights(ops, np.asarray(logits), mask)
        features = ops.weighted_sum(x, weights)
        return (features, weights) if self.outputs > 1 else features

    def _weights(self, ops: Ops, logits: Array, mask: np.ndarray) -> np.ndarray:  # (N, T) -> (N, T)
        if not self.masked:
            return np.asarray(ops.attention_weights(logits, np.ones(logits.shape, bool)))
        a = np.asarray(ops.activate("exponential", logits)) * mask
        return a / (step_sum(a.T)[:, None] + EPSILON)

    def pack(self, ops: Ops) -> Any:
        return ops.pack_dense(self.kernel, self.bias)

    def propagate(self, values, masks):
        return (None, None) if self.outputs > 1 else None

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias, context=self.context)
