"""Attention of queries to keys, affine maps along any axes, and positions."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...layers import AdditiveAttention, DotAttention, EinsumDense, MultiHeadAttention, PositionEmbedding
from ...layers.queries import VERY_SMALL
from .elementwise import ACTIVATIONS, affine
from .table import Drop, Run, rule

Tensor = torch.Tensor


def lowered(scores: Tensor, valid: Tensor) -> Tensor:
    """Scores that do not count less by 1e9."""
    return torch.where(valid, scores, scores + float(VERY_SMALL))


@rule(DotAttention, AdditiveAttention)
def _step_attention(run: Run, layer: Any, values: list[Any], masks: list[Any]) -> Any:
    query, value, *key = values
    key = key[0] if key else value
    scale = None if layer.scale is None else run.weight(layer.scale)
    if isinstance(layer, AdditiveAttention):
        bent = torch.tanh(query[:, :, None] + key[:, None])
        scores = (bent if scale is None else bent * scale).sum(-1)
    elif layer.concat_weight is None:
        scores = query @ key.transpose(1, 2)
        scores = scores if scale is None else scores * scale
    else:
        both = query[:, :, None] + key[:, None]
        scores = run.weight(layer.concat_weight) * torch.tanh(both if scale is None else scale * both).sum(-1)
    valid = layer.valid(query.shape[1], key.shape[1], masks[1])
    weights = torch.softmax(scores if valid is None else lowered(scores, run.mask(valid)), -1)
    weights = run.dropped(weights, Drop(layer.dropout))
    out = weights @ value
    out = out if masks[0] is None else torch.where(run.mask(masks[0])[..., None], out, torch.zeros_like(out))
    return (out, weights) if layer.outputs > 1 else out


@rule(MultiHeadAttention)
def _heads(run: Run, layer: MultiHeadAttention, values: list[Any], masks: list[Any]) -> Any:
    query, value, *rest = values
    key = rest[0] if layer.has_key else value
    axes = layer.attended(query.ndim, value.ndim, key.ndim)
    q, k, v = (_mapped(run, layer, part, x, axes) for part, x in (("query", query), ("key", key), ("value", value)))
    outer, steps, keys = q.shape[: -len(axes) - 1], q.shape[-len(axes) - 1 : -1], k.shape[-len(axes) - 1 : -1]
    q, k, v = (x.reshape(*outer, -1, x.shape[-1]) for x in (q, k, v))
    scores = ((q * float(layer.scale)) @ k.transpose(-1, -2)).reshape(*outer, *steps, *keys)
    explicit = rest[-1].detach().cpu().numpy() if layer.has_mask else None
    valid, masked = layer.looked_at(scores.ndim, query.shape[1], value.shape[1], explicit, masks, len(axes))
    there = None if valid is None else run.mask(valid)
    if there is not None:
        none = torch.full_like(scores, float(VERY_SMALL))
        scores = lowered(scores, there) if masked == "added" else torch.where(there, scores, none)
    weights = torch.softmax(scores.reshape(*outer, *steps, math.prod(keys)), -1)
    if there is not None and masked == "zero":
        weights = torch.where(there.expand(scores.shape).reshape(weights.shape), weights, torch.zeros_like(weights))
    kept = run.dropped(weights, Drop(layer.dropout))
    heads = kept.reshape(*outer, math.prod(steps), math.prod(keys)) @ v
    out = layer.placed(heads.reshape(*outer, *steps, heads.shape[-1]), query.ndim, axes, torch.Tensor.permute)
    rows = out.reshape(*out.shape[:-2], -1)
    if "gate" in layer.maps:
        rows = rows * torch.sigmoid(_map(run, layer, "gate", query))
    kernel = layer.maps["output"][0]
    out = _map(run, layer, "output", rows).reshape(*rows.shape[:-1], *kernel.shape[2:])
    return (out, weights.reshape(scores.shape)) if layer.outputs > 1 else out


def _map(run: Run, layer: MultiHeadAttention, part: str, x: Tensor) -> Tensor:
    kernel, bias = layer.maps[part]
    matrix = run.weight(kernel).reshape(x.shape[-1], -1)
    return affine(x, matrix, None if bias is None else run.weight(bias).reshape(-1))


def _mapped(run: Run, layer: MultiHeadAttention, part: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Queries, keys or values: (outer, heads, steps, features)."""
    found = _map(run, layer, part, x).reshape(*x.shape[:-1], *layer.maps[part][0].shape[1:])
    others = [axis for axis in range(x.ndim - 1) if axis not in axes]
    rows = found.permute(*others, found.ndim - 2, *axes, found.ndim - 1)
    return rows if part == "query" else rows.repeat_interleave(layer.repeats, len(others))


@rule(EinsumDense)
def _einsum_dense(run: Run, layer: EinsumDense, values: list[Any], masks: list[Any]) -> Tensor:
    letters = layer.letters(tuple(values[0].shape))
    equation = f"{letters.inputs},{letters.kernel}->{letters.outputs}"
    out = torch.einsum(equation, values[0], run.weight(layer.kernel))
    return ACTIVATIONS[layer.activation](out if layer.bias is None else out + run.weight(layer.bias))


@rule(PositionEmbedding)
def _positions(run: Run, layer: PositionEmbedding, values: list[Any], masks: list[Any]) -> Tensor:
    rows = run.weight(layer.embeddings)[: values[0].shape[1]]
    return values[0] + rows if layer.added else rows.expand(values[0].shape)
