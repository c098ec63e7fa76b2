"""Layers that act on one step at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...layers import (
    ELU,
    Activation,
    Csr,
    Dense,
    Dropout,
    DroppedMask,
    Embedding,
    Masking,
    Part,
    ReLU,
    Remask,
    Softmax,
    ThresholdedReLU,
)
from ...layers.base import HiddenMask
from ...layers.wrappers import Named
from .table import Drop, Run, rule

Tensor = torch.Tensor


def hard_sigmoid(x: Tensor) -> Tensor:
    """Keras 2's; slope 0.2 where 0 <= 0.2 x + 0.5 <= 1, both ends included: so does `torch.clamp`."""
    return torch.clamp(0.2 * x + 0.5, 0, 1)


def hard_sigmoid_keras3(x: Tensor) -> Tensor:
    """Keras 3's."""
    return torch.clamp(x + 3, 0, 6) / 6


def sparsemax(x: Tensor, dim: int = -1) -> Tensor:
    """Keras', over one axis; see `backends.activations`."""
    ordered = torch.sort(x, dim=dim, descending=True).values.movedim(dim, -1)
    sums, ranks = ordered.cumsum(-1), torch.arange(1, ordered.shape[-1] + 1, dtype=x.dtype, device=x.device)
    support = (ordered - (sums - 1) / ranks > 0).to(x.dtype)
    least = ((sums * support).sum(-1, keepdim=True) - 1) / support.sum(-1, keepdim=True)
    return torch.relu(x - least.movedim(-1, dim))


def sparse_plus(x: Tensor) -> Tensor:
    """A parabola between 0 and the identity."""
    return torch.where(x <= -1, torch.zeros_like(x), torch.where(x < 1, 0.25 * (x + 1) ** 2, x))


#: the functions of `backends.activations.ACTIVATIONS`
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_keras3": hard_sigmoid_keras3,
    "softmax": lambda x: torch.softmax(x, -1),
    "elu": functional.elu,
    "selu": functional.selu,
    "softplus": lambda x: torch.clamp(x, min=0) + torch.log1p(torch.exp(-x.abs())),
    "softsign": functional.softsign,
    "swish": functional.silu,
    "silu": functional.silu,
    "mish": functional.mish,
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x * math.sqrt(0.5))),
    "relu6": lambda x: torch.clamp(x, 0, 6),
    "hard_swish": lambda x: x * hard_sigmoid_keras3(x),
    "hard_silu": lambda x: x * hard_sigmoid_keras3(x),
    "leaky_relu": lambda x: torch.where(x >= 0, x, 0.2 * x),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "exponential": torch.exp,
    "celu": functional.elu,
    "hard_tanh": lambda x: torch.clamp(x, -1, 1),
    "log_sigmoid": functional.logsigmoid,
    "tanh_shrink": lambda x: x - torch.tanh(x),
    "hard_shrink": lambda x: x * (x.abs() > 0.5),
    "soft_shrink": functional.softshrink,
    "squareplus": lambda x: (x + torch.sqrt(x * x + 4)) / 2,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": lambda x: torch.clamp((x + 1) / 2, 0, 1),
    "sparsemax": sparsemax,
}


@rule(Embedding)
def _embedding(run: Run, layer: Embedding, values: list[Any], masks: list[Any]) -> Any:
    ids = values[0] if not values[0].is_floating_point() else layer._check(values[0].cpu().numpy())
    return functional.embedding(run.tensor(ids), run.weight(layer.embeddings))


@rule(Dense)
def _dense(run: Run, layer: Dense, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    if layer.activation != "linear":  # the logits layer has done the rest
        return ACTIVATIONS[layer.activation](x)
    kernel = run.weight(layer.kernel)
    bias = None if layer.bias is None else run.weight(layer.bias)
    if isinstance(x, Csr):
        rows = np.repeat(np.arange(len(x)), np.diff(x.indptr))
        places, data = torch.from_numpy(np.stack([rows, x.indices])), torch.from_numpy(x.data).to(kernel.dtype)
        sparse = torch.sparse_coo_tensor(places, data, (len(x), len(kernel)), check_invariants=True)
        product = torch.sparse.mm(sparse.to(kernel.device), kernel)
        return product if bias is None else product + bias
    return affine(x, kernel, bias)


def affine(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """``x · kernel + bias`` on the last axis."""
    flat = x.reshape(-1, x.shape[-1])
    product = flat @ kernel if bias is None else torch.addmm(bias, flat, kernel)
    return product.view(*x.shape[:-1], kernel.shape[1])


@rule(Activation)
def _activation(run: Run, layer: Activation, values: list[Any], masks: list[Any]) -> Any:
    return ACTIVATIONS[layer.activation](values[0])


@rule(Softmax)
def _softmax(run: Run, layer: Softmax, values: list[Any], masks: list[Any]) -> Any:
    x, mask = values[0], masks[0]
    if mask is None or tuple(x.shape) != mask.shape:
        return torch.softmax(x, layer.axis)
    valid = run.mask(mask)
    out = torch.softmax(torch.where(valid, x, x - 1e9 if layer.added else torch.full_like(x, -1e9)), layer.axis)
    return torch.where(valid, out, torch.zeros_like(out)) if layer.masked_is_zero else out


@rule(ReLU)
def _relu(run: Run, layer: ReLU, values: list[Any], masks: list[Any]) -> Any:
    x, slope = values[0], layer.negative_slope
    below = (run.weight(slope) if slope.ndim else float(slope)) * (x - float(layer.threshold))
    above = x if layer.max_value is None else torch.clamp(x, max=layer.max_value)
    return torch.where(x >= float(layer.threshold), above, below)


@rule(ELU)
def _elu(run: Run, layer: ELU, values: list[Any], masks: list[Any]) -> Any:
    return functional.elu(values[0], float(layer.alpha))


@rule(ThresholdedReLU)
def _thresholded_relu(run: Run, layer: ThresholdedReLU, values: list[Any], masks: list[Any]) -> Any:
    return values[0] * (values[0] > float(layer.theta))


@rule(Dropout)
def _dropout(run: Run, layer: Dropout, values: list[Any], masks: list[Any]) -> Any:
    """By Keras' formulas of each kind."""
    x = values[0]
    if run.generator is None or not layer.rate:
        return x
    if layer.kind in ("Dropout", "SpatialDropout1D"):
        return run.dropped(x, Drop(layer.rate, spatial=layer.kind != "Dropout"))
    noise = torch.randn(x.shape, generator=run.generator).to(x.device, x.dtype)
    if layer.kind == "GaussianNoise":
        return x + layer.rate * noise
    return x * (1 + math.sqrt(layer.rate / (1 - layer.rate)) * noise)


@rule(Masking)
def _masking(run: Run, layer: Masking, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    return x * (x.detach() != float(layer.mask_value)).any(-1, keepdim=True)


@rule(Named, DroppedMask, HiddenMask, Remask)
def _same(run: Run, layer: Any, values: list[Any], masks: list[Any]) -> Any:
    return values[0]


@rule(Part)
def _part(run: Run, layer: Part, values: list[Any], masks: list[Any]) -> Any:
    return values[0][layer.index]
