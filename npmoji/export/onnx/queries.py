"""Attention of queries to keys, affine maps along any axes and positions in ONNX' operators."""

from __future__ import annotations

import functools
import string
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...layers import AdditiveAttention, DotAttention, EinsumDense, MultiHeadAttention, PositionEmbedding
from ...layers.queries import VERY_SMALL
from .functions import activate
from .graph import BOOL, FLOAT, INT64, Graph
from .node import Names, Node


def _steps(g: Graph, x: str) -> str:
    """The numbers 0 to T - 1 of the steps of (N, T, F)."""
    length = g.add("Squeeze", g.add("Shape", x, start=1, end=2), g.axes(0))
    return g.add("Range", np.int64(0), length, np.int64(1))


def _apart(g: Graph, query: str, value: str) -> str:
    """How many steps each step of the value comes after each of the query: (T, S)."""
    return g.add("Sub", _steps(g, value), g.add("Unsqueeze", _steps(g, query), g.axes(1)))


def _all(g: Graph, found: list[str]) -> str | None:
    return functools.reduce(lambda a, b: g.add("And", a, b), found) if found else None


def _lowered(g: Graph, scores: str, valid: str | None, masked: str) -> str:
    """The scores, less where they do not count."""
    if valid is None:
        return scores
    less = g.add("Add", scores, g.number(VERY_SMALL)) if masked == "added" else g.number(VERY_SMALL)
    return g.add("Where", valid, scores, less)


def _step_attention(n: Node) -> Names:
    g, layer = n.g, n.layer
    query, value, key = (*n.values, n.values[1])[:3]
    scale = 1 if layer.scale is None else layer.scale
    if isinstance(layer, DotAttention) and layer.concat_weight is None:
        scores = g.add("Mul", g.add("MatMul", query, g.add("Transpose", key, perm=[0, 2, 1])), np.float32(scale))
    else:
        both = g.add("Add", g.add("Unsqueeze", query, g.axes(2)), g.add("Unsqueeze", key, g.axes(1)))
        if isinstance(layer, AdditiveAttention):
            scores = g.add("ReduceSum", g.add("Mul", g.add("Tanh", both), np.float32(scale)), g.axes(3), keepdims=0)
        else:
            bent = g.add("Tanh", g.add("Mul", both, np.float32(scale)))
            scores = g.add("Mul", g.add("ReduceSum", bent, g.axes(3), keepdims=0), layer.concat_weight)
    found = [] if n.masks[1] is None else [g.add("Unsqueeze", n.masks[1], g.axes(1))]
    if layer.causal:
        found.append(g.add("LessOrEqual", _apart(g, query, key), np.int64(0)))
    weights = g.add("Softmax", _lowered(g, scores, _all(g, found), "added"), axis=-1)
    out = g.add("MatMul", weights, value)
    if n.masks[0] is not None:
        out = g.add("Where", g.add("Unsqueeze", n.masks[0], g.axes(-1)), out, g.number(0))
    return [out, weights] if layer.outputs > 1 else out


# Several heads -------------------------------------------------------------------------------------------------------


class Axes(NamedTuple):
    """The axes of query and key as letters: those of a text (and places not attended along), steps, keys."""

    query: str
    key: str
    outer: str
    steps: str
    keys: str


def _axes(n: Node) -> Axes:
    rank = np.ndim(n.like[0])
    axes = n.layer.attended(*(np.ndim(like) for like in n.like[: 2 + n.layer.has_key]))
    query = string.ascii_lowercase[: rank - 1]
    key = "".join(letter.upper() if i in axes else letter for i, letter in enumerate(query))
    outer = "".join(letter for i, letter in enumerate(query) if i not in axes)
    return Axes(query, key, outer, *("".join(part[axis] for axis in axes) for part in (query, key)))


def _heads(n: Node) -> Names:
    g, layer, axes = n.g, n.layer, _axes(n)
    query, value, *rest = n.values
    key = rest[0] if layer.has_key else value
    q, k, v = (_mapped(n, part, x) for part, x in (("query", query), ("key", key), ("value", value)))
    products = f"{axes.query}yz,{axes.key}yz->{axes.outer}y{axes.steps}{axes.keys}"
    scores = g.add("Einsum", g.add("Mul", q, g.number(layer.scale)), k, equation=products)
    rank, count = len(axes.query) + 1 + len(axes.keys), len(axes.keys)
    valid, masked = _valid(n, query, value, rank, count), "uniform" if layer.fused and rank == 4 else layer.masked
    scores = _lowered(g, scores, valid, masked)
    if count > 1:
        flat = g.add("Softmax", g.add("Reshape", scores, g.axes(*[0] * (rank - count), -1)), axis=-1)
        weights = g.add("Reshape", flat, g.add("Shape", scores))
    else:
        weights = g.add("Softmax", scores, axis=-1)
    if valid is not None and masked == "zero":
        weights = g.add("Where", valid, weights, g.number(0))
    sums = f"{axes.outer}y{axes.steps}{axes.keys},{axes.key}yz->{axes.query}yz"
    rows = g.add("Reshape", g.add("Einsum", weights, v, equation=sums), g.axes(*[0] * len(axes.query), -1))
    if "gate" in layer.maps:
        rows = g.add("Mul", rows, g.add("Sigmoid", _map(n, "gate", query)))
    out, sizes = _map(n, "output", rows), layer.maps["output"][0].shape[2:]
    out = out if len(sizes) == 1 else g.add("Reshape", out, g.axes(*[0] * len(axes.query), *sizes))
    return [out, weights] if layer.outputs > 1 else out


def _map(n: Node, part: str, x: str) -> str:
    kernel, bias = n.layer.maps[part]
    rows = kernel.shape[0] * kernel.shape[1] if part == "output" else len(kernel)
    product = n.g.add("MatMul", x, kernel.reshape(rows, -1))
    return product if bias is None else n.g.add("Add", product, bias.reshape(-1))


def _mapped(n: Node, part: str, x: str) -> str:
    """Queries, keys or values: (N, T, H, D)."""
    g, (_, heads, width) = n.g, n.layer.maps[part][0].shape
    rank = np.ndim(n.like[0])
    found = g.add("Reshape", _map(n, part, x), g.axes(*[0] * (rank - 1), heads, width))
    if part == "query" or n.layer.repeats == 1:
        return found
    return g.add("Gather", found, np.repeat(np.arange(heads), n.layer.repeats), axis=rank - 1)


def _valid(n: Node, query: str, value: str, rank: int, axes: int) -> str | None:
    """As `MultiHeadAttention.looked_at` has it; all but an explicit mask are (N, T, S) or (1, T, S)."""
    g, layer = n.g, n.layer
    masks = n.masks[: 2 + layer.has_key]
    found = [g.add("Unsqueeze", one, g.axes(2 if i == 0 else 1)) for i, one in enumerate(masks) if one is not None]
    if layer.causal:
        found.append(g.add("Unsqueeze", g.add("LessOrEqual", _apart(g, query, value), np.int64(0)), g.axes(0)))
    if layer.window is not None:
        near = g.add("Less", g.add("Abs", _apart(g, query, value)), np.int64(layer.window))
        found.append(g.add("Unsqueeze", near, g.axes(0)))
    have = 3
    if layer.has_mask:
        found.append(g.cast(n.values[-1], BOOL))
        have = max(3 if len(found) > 1 else 0, np.ndim(n.like[-1]))
    valid = _all(g, found)
    for ndim in range(have, rank if found else have):
        valid = g.add("Unsqueeze", valid, g.axes(ndim + 1 - 2 * axes - 1))
    return valid


def _einsum_dense(n: Node) -> str:
    g, layer = n.g, n.layer
    letters = layer.letters(np.shape(n.like[0]))
    x = n.x if np.asarray(n.like[0]).dtype.kind == "f" else g.cast(n.x, FLOAT)
    out = g.add("Einsum", x, layer.kernel, equation=f"{letters.inputs},{letters.kernel}->{letters.outputs}")
    return activate(g, layer, layer.activation, out if layer.bias is None else g.add("Add", out, layer.bias))


def _positions(n: Node) -> str:
    g, length = n.g, n.g.add("Shape", n.x, start=1, end=2)
    rows = g.add("Slice", n.layer.embeddings, g.axes(0), g.cast(length, INT64), g.axes(0))
    return g.add("Add", n.x, rows) if n.layer.added else g.add("Expand", rows, g.add("Shape", n.x))


QUERIES: dict[type, Callable[[Node], Names]] = {
    AdditiveAttention: _step_attention,
    DotAttention: _step_attention,
    EinsumDense: _einsum_dense,
    MultiHeadAttention: _heads,
    PositionEmbedding: _positions,
}
