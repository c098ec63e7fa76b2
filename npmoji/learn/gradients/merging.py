"""Several arrays to one, other shapes, and layers around layers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch

from ...layers import (
    Add,
    Average,
    Concatenate,
    Flatten,
    Maximum,
    Minimum,
    Multiply,
    Permute,
    RepeatVector,
    Reshape,
    Subtract,
    TimeDistributed,
)
from ...layers.base import ancestors
from .table import Run, WithMask, rule

Tensor = torch.Tensor


@rule(Concatenate)
def _concatenate(run: Run, layer: Concatenate, values: list[Any], masks: list[Any]) -> Any:
    return torch.cat(values, layer.axis)


FUNCTIONS: dict[type, Callable[[Tensor, Tensor], Tensor]] = {
    Add: torch.add,
    Average: torch.add,
    Subtract: torch.sub,
    Multiply: torch.mul,
    Maximum: torch.maximum,
    Minimum: torch.minimum,
}


def _of_one_rank(values: list[Tensor]) -> list[Tensor]:
    """Keras adds axes after the first."""
    rank = max(value.ndim for value in values)
    return [v.reshape(v.shape[0], *(1,) * (rank - v.ndim), *v.shape[1:]) for v in values]


@rule(Add, Average, Subtract)
def _sum(run: Run, layer: Any, values: list[Any], masks: list[Any]) -> Any:
    total = functools.reduce(FUNCTIONS[type(layer)], _of_one_rank(values))
    return total / len(values) if isinstance(layer, Average) else total


def _own_masks(run: Run, values: list[Tensor], masks: list[Any]) -> list[Any]:
    """The masks of the values of the highest rank, as tensors that fit them; in Keras 3 they count."""
    rank = max(value.ndim for value in values)
    return [
        run.mask(mask)[..., None] if mask is not None and value.ndim == rank else None
        for value, mask in zip(values, masks)
    ]


@rule(Multiply)
def _product(run: Run, layer: Multiply, values: list[Any], masks: list[Any]) -> Any:
    own, values = _own_masks(run, values, masks), _of_one_rank(values)
    if not layer.any_valid or all(mask is None for mask in own):
        return functools.reduce(torch.mul, values)
    out = functools.reduce(
        torch.mul, [x if mask is None else torch.where(mask, x, torch.ones_like(x)) for x, mask in zip(values, own)]
    )
    if any(mask is None for mask in own):
        return out
    return torch.where(functools.reduce(torch.logical_or, own), out, torch.zeros_like(out))


@rule(Maximum, Minimum)
def _extremum(run: Run, layer: Any, values: list[Any], masks: list[Any]) -> Any:
    own, values = _own_masks(run, values, masks), _of_one_rank(values)
    function = FUNCTIONS[type(layer)]
    if not layer.any_valid:
        return functools.reduce(function, values)
    out, valid = values[0], own[0]
    for x, mask in zip(values[1:], own[1:]):
        x = x if mask is None else torch.where(mask, x, out)
        out = out if valid is None else torch.where(valid, out, x)
        valid = None if valid is None or mask is None else valid | mask
        out = function(out, x)
    return out


@rule(Flatten)
def _flatten(run: Run, layer: Flatten, values: list[Any], masks: list[Any]) -> Any:
    return values[0].reshape(len(values[0]), math.prod(values[0].shape[1:]))


@rule(Reshape)
def _reshape(run: Run, layer: Reshape, values: list[Any], masks: list[Any]) -> Any:
    return values[0].reshape(len(values[0]), *layer.shape)


@rule(Permute)
def _permute(run: Run, layer: Permute, values: list[Any], masks: list[Any]) -> Any:
    return values[0].permute(0, *layer.dims)


@rule(RepeatVector)
def _repeat_vector(run: Run, layer: RepeatVector, values: list[Any], masks: list[Any]) -> Any:
    return values[0][:, None].expand(-1, layer.n, -1)


@rule(TimeDistributed)
def _time_distributed(run: Run, layer: TimeDistributed, values: list[Any], masks: list[Any]) -> WithMask:
    x, mask = values[0], masks[0]
    steps = tuple(x.shape[:2])
    apart = run.apart()
    deep = mask is not None and mask.ndim > 2
    apart.done[layer._start] = x.reshape(-1, *x.shape[2:]), mask.reshape(-1, *mask.shape[2:]) if deep else None
    for inner in ancestors([layer.layer]):
        apart.compute(inner, {})
    value, own = apart.done[layer.layer]
    return WithMask(value.reshape(*steps, *value.shape[1:]), layer._mask(steps, mask, own))
