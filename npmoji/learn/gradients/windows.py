"""Convolution, pooling and normalisation."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from ...layers import (
    BatchNormalization,
    Conv1D,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    LayerNormalization,
    MaskedMean,
    Pooling1D,
)
from ...layers.windows import padding
from .table import Run, Seen, rule

Tensor = torch.Tensor


@rule(Conv1D)
def _conv1d(run: Run, layer: Conv1D, values: list[Any], masks: list[Any]) -> Any:
    ends = padding(values[0].shape[1], len(layer.kernel), layer.strides, layer.dilation, layer.padding)
    x = functional.pad(values[0].transpose(1, 2), ends)
    kernel = run.weight(layer.kernel).permute(2, 1, 0)  # (size, F, C) -> (C, F, size)
    bias = None if layer.bias is None else run.weight(layer.bias)
    out = functional.conv1d(x, kernel, bias, layer.strides, 0, layer.dilation, layer.groups)
    return out.transpose(1, 2)


@rule(Pooling1D)
def _pooling(run: Run, layer: Pooling1D, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    ends = padding(x.shape[1], layer.pool_size, layer.strides, 1, layer.padding)
    if not layer.average:
        padded = functional.pad(x, (0, 0, *ends), value=float("-inf"))
        return padded.unfold(1, layer.pool_size, layer.strides).amax(-1)
    there = functional.pad(x.new_ones(1, x.shape[1], 1), (0, 0, *ends)).unfold(1, layer.pool_size, layer.strides)
    return functional.pad(x, (0, 0, *ends)).unfold(1, layer.pool_size, layer.strides).sum(-1) / there.sum(-1)


@rule(GlobalAveragePooling1D, MaskedMean)
def _mean(run: Run, layer: GlobalAveragePooling1D, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    valid = run.mask(layer._valid_steps(Seen(x), masks[0])).to(x.dtype)
    mean = (x * valid[..., None]).sum(1) / valid.sum(1, keepdim=True).clamp(min=1)
    return mean[:, None] if layer.keepdims else mean


@rule(GlobalMaxPooling1D)
def _largest(run: Run, layer: GlobalMaxPooling1D, values: list[Any], masks: list[Any]) -> Any:
    return values[0].amax(1, keepdim=layer.keepdims)


@rule(LayerNormalization)
def _layer_normalization(run: Run, layer: LayerNormalization, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    axes = layer._axes(x)
    shape = [size if i in axes else 1 for i, size in enumerate(x.shape)]
    arrays = {name: run.weight(array).reshape(shape) for name, array in layer.weights().items()}
    centred = x - x.mean(axes, keepdim=True)
    deviation = torch.sqrt((centred * centred).mean(axes, keepdim=True) + float(layer.epsilon))
    out = (x if layer.rms_scaling else centred) / deviation
    if "gamma" in arrays:
        out = out * arrays["gamma"]
    return out + arrays["beta"] if "beta" in arrays else out


@rule(BatchNormalization)
def _batch_normalization(run: Run, layer: BatchNormalization, values: list[Any], masks: list[Any]) -> Any:
    """With the moving averages, as in prediction."""
    x, shape = values[0], [1] * values[0].ndim
    shape[layer.axis] = -1
    arrays = {name: run.weight(array).reshape(shape) for name, array in layer.weights().items()}
    scale = 1 / torch.sqrt(arrays["moving_variance"] + layer.epsilon)
    scale = scale * arrays["gamma"] if "gamma" in arrays else scale
    out = (x - arrays["moving_mean"]) * scale
    return out + arrays["beta"] if "beta" in arrays else out
