"""Convolution and pooling of planes, of single features and places, and layers that bring numbers to another scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...layers import (
    Conv2D,
    Cropping1D,
    DepthwiseConv1D,
    Dot,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    GroupNormalization,
    LocallyConnected1D,
    Normalization,
    Pooling2D,
    Rescaling,
    RMSNormalization,
    UnitNormalization,
    UpSampling1D,
    ZeroPadding1D,
)
from ...layers.windows import padding
from .table import Run, rule

Tensor = torch.Tensor


def _bias(run: Run, layer: Any) -> Tensor | None:
    return None if layer.bias is None else run.weight(layer.bias)


def _ends(x: Tensor, layer: Any, size: tuple[int, int], dilation: tuple[int, int]) -> list[int]:
    """What is added to (N, C, T, E), as `functional.pad` takes it: the last axis first."""
    sizes = zip(x.shape[2:], size, layer.strides, dilation)
    rows, columns = (padding(total, n, stride, apart, layer.padding) for total, n, stride, apart in sizes)
    return [*columns, *rows]


@rule(Conv2D)
def _conv2d(run: Run, layer: Conv2D, values: list[Any], masks: list[Any]) -> Any:
    x, kernel = values[0].permute(0, 3, 1, 2), run.weight(layer.kernel).permute(3, 2, 0, 1)
    x = functional.pad(x, _ends(x, layer, layer.kernel.shape[:2], layer.dilation))
    x = functional.conv2d(x, kernel, _bias(run, layer), layer.strides, 0, layer.dilation, layer.groups)
    return x.permute(0, 2, 3, 1)


@rule(Pooling2D)
def _pooling2d(run: Run, layer: Pooling2D, values: list[Any], masks: list[Any]) -> Any:
    x = values[0].permute(0, 3, 1, 2)
    ends = _ends(x, layer, layer.pool_size, (1, 1))
    if not layer.average:
        x = functional.max_pool2d(functional.pad(x, ends, value=-math.inf), layer.pool_size, layer.strides)
        return x.permute(0, 2, 3, 1)
    there = functional.pad(torch.ones_like(x[:1, :1]), ends)
    sums = [
        functional.avg_pool2d(one, layer.pool_size, layer.strides) for one in (functional.pad(x, ends), there)
    ]  # the mean of all, and the share of those that are there
    return (sums[0] / sums[1]).permute(0, 2, 3, 1)


@rule(GlobalAveragePooling2D)
def _global_average(run: Run, layer: GlobalAveragePooling2D, values: list[Any], masks: list[Any]) -> Any:
    return values[0].mean((1, 2), keepdim=layer.keepdims)


@rule(GlobalMaxPooling2D)
def _global_max(run: Run, layer: GlobalMaxPooling2D, values: list[Any], masks: list[Any]) -> Any:
    return values[0].amax((1, 2), keepdim=layer.keepdims)


@rule(DepthwiseConv1D)
def _depthwise(run: Run, layer: DepthwiseConv1D, values: list[Any], masks: list[Any]) -> Any:
    size, width, times = layer.kernel.shape
    ends = padding(values[0].shape[1], size, layer.strides, layer.dilation, layer.padding)
    x = functional.pad(values[0].transpose(1, 2), ends)
    kernel = run.weight(layer.kernel).permute(1, 2, 0).reshape(width * times, 1, size)
    x = functional.conv1d(x, kernel, _bias(run, layer), layer.strides, 0, layer.dilation, width)
    return x.transpose(1, 2)


@rule(LocallyConnected1D)
def _locally_connected(run: Run, layer: LocallyConnected1D, values: list[Any], masks: list[Any]) -> Any:
    x, (steps, width, _) = values[0], layer.kernel.shape
    views = x.unfold(1, layer.size, layer.strides).transpose(2, 3).reshape(len(x), steps, width)
    out = torch.einsum("nsj,sjc->nsc", views, run.weight(layer.kernel))
    return out if layer.bias is None else out + run.weight(layer.bias)


@rule(ZeroPadding1D)
def _zero_padding(run: Run, layer: ZeroPadding1D, values: list[Any], masks: list[Any]) -> Any:
    return functional.pad(values[0], (0, 0, layer.before, layer.after))


@rule(Cropping1D)
def _cropping(run: Run, layer: Cropping1D, values: list[Any], masks: list[Any]) -> Any:
    return values[0][:, layer.before : values[0].shape[1] - layer.after]


@rule(UpSampling1D)
def _up_sampling(run: Run, layer: UpSampling1D, values: list[Any], masks: list[Any]) -> Any:
    return values[0].repeat_interleave(layer.size, dim=1)


# Other scales --------------------------------------------------------------------------------------------------------


def _unit(x: Tensor, axes: Any, least: np.float32) -> Tensor:
    """Of length 1 along the axes; clamped before the root, whose gradient at 0 is none."""
    return x / torch.sqrt((x * x).sum(axes, keepdim=True).clamp(min=float(least) ** 2))


@rule(UnitNormalization)
def _unit_normalization(run: Run, layer: UnitNormalization, values: list[Any], masks: list[Any]) -> Any:
    return _unit(values[0], layer._axes(values[0]), layer.least)


@rule(RMSNormalization)
def _rms_normalization(run: Run, layer: RMSNormalization, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    out = x / torch.sqrt((x * x).mean(layer._axes(x), keepdim=True) + float(layer.epsilon))
    return out if layer.scale is None else out * run.weight(layer.scale)


@rule(GroupNormalization)
def _group_normalization(run: Run, layer: GroupNormalization, values: list[Any], masks: list[Any]) -> Any:
    x, axis = values[0], layer.axis % values[0].ndim
    moved = x.movedim(axis, 1)
    arrays = {name: run.weight(array) for name, array in layer.weights().items()}
    groups = moved.shape[1] if layer.groups == -1 else layer.groups
    weights = arrays.get("gamma"), arrays.get("beta")
    return functional.group_norm(moved, groups, *weights, float(layer.epsilon)).movedim(1, axis)


@rule(Rescaling)
def _rescaling(run: Run, layer: Rescaling, values: list[Any], masks: list[Any]) -> Any:
    return values[0].to(run.like.dtype) * run.tensor(layer.scale) + run.tensor(layer.offset)


@rule(Normalization)
def _normalization(run: Run, layer: Normalization, values: list[Any], masks: list[Any]) -> Any:
    """With the mean and variance of the file, which are not trained."""
    x = values[0].to(run.like.dtype)
    mean, deviation = map(run.tensor, layer.scales(tuple(x.shape)))
    return mean + x * deviation if layer.invert else (x - mean) / deviation


@rule(Dot)
def _dot(run: Run, layer: Dot, values: list[Any], masks: list[Any]) -> Any:
    x, y = (value.to(run.like.dtype) for value in values)
    axes = layer.places((x.ndim, y.ndim), [tuple(x.shape), tuple(y.shape)])
    if layer.normalize:
        x, y = (_unit(value, axis, layer.least) for value, axis in zip((x, y), axes))
    x, y = (value.movedim(axis, -1) for value, axis in zip((x, y), axes))
    D, ends = x.shape[-1], (*x.shape[1:-1], *y.shape[1:-1])
    rows = x.reshape(len(x), math.prod(x.shape[1:-1]), D), y.reshape(len(y), math.prod(y.shape[1:-1]), D)
    return (rows[0] @ rows[1].transpose(1, 2)).reshape(len(x), *(ends or (1,)))
