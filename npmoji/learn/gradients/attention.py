"""Weighted averages over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...backends.ops import EPSILON
from ...layers import AttentionLogits, AttentionWeightedAverage, AttentionWeights, AttentionWithContext
from .table import Run, Seen, rule

Tensor = torch.Tensor


class RowMaximum(torch.autograd.Function):
    """The largest value of each row, (N, T) -> (N, 1). The gradient goes in full to *every* value equal to it, as
    Theano has it: not a share to each, nor all to the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        largest = x.amax(1, keepdim=True)
        ctx.save_for_backward(x == largest)
        return largest

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (equal,) = ctx.saved_tensors
        return grad * equal


def attention_weights(logits: Tensor, valid: Tensor) -> Tensor:
    """DeepMoji's masked softmax, see `Ops.attention_weights`: the maximum is over all steps, padded ones too."""
    a = torch.exp(logits - RowMaximum.apply(logits)) * valid
    return a / (a.sum(1, keepdim=True) + float(EPSILON))


def weighted_sum(x: Tensor, weights: Tensor) -> Tensor:
    """Sum over time of x (N, T, F) times weights (N, T)."""
    return torch.bmm(weights[:, None], x)[:, 0]


def logits(x: Tensor, kernel: Tensor) -> Tensor:
    """One number per step: (N, T, F), (F, 1) -> (N, T)."""
    return (x.reshape(-1, len(kernel)) @ kernel).view(x.shape[:-1])


@rule(AttentionLogits)
def _logits(run: Run, layer: AttentionLogits, values: list[Any], masks: list[Any]) -> Tensor:
    return logits(values[0], run.weight(layer.kernel))


@rule(AttentionWeights)
def _weights(run: Run, layer: AttentionWeights, values: list[Any], masks: list[Any]) -> Tensor:
    return attention_weights(values[0], run.mask(layer._valid_steps(Seen(values[0]), masks[0])))


@rule(AttentionWeightedAverage)
def _average(run: Run, layer: AttentionWeightedAverage, values: list[Any], masks: list[Any]) -> Tensor:
    return weighted_sum(*values)


@rule(AttentionWithContext)
def _with_context(run: Run, layer: AttentionWithContext, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    bias = None if layer.bias is None else run.weight(layer.bias)
    if layer.context is None:
        scores = logits(x, run.weight(layer.kernel))
        scores = torch.tanh(scores if bias is None else scores + bias)
    else:
        hidden = x @ run.weight(layer.kernel)
        scores = logits(torch.tanh(hidden if bias is None else hidden + bias), run.weight(layer.context))
    if layer.masked:
        a = torch.exp(scores) * run.mask(layer._valid_steps(Seen(x), masks[0]))
        weights = a / (a.sum(1, keepdim=True) + float(EPSILON))
    else:
        weights = attention_weights(scores, run.mask(np.ones(scores.shape, bool)))
    features = weighted_sum(x, weights)
    return (features, weights) if layer.outputs > 1 else features
