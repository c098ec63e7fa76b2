"""Layers of whole numbers in ONNX' operators: the same arithmetic, as ONNX' own quantisation rounds in other ways."""

from __future__ import annotations

from collections.abc import Callable

from ... import layers as kinds
from .functions import activate
from .graph import BOOL, FLOAT, INT8, INT64
from .node import Node, Value
from .values import kind_of


def _dense(n: Node) -> str:
    g, layer = n.g, n.layer
    if layer.activation != "linear":
        return activate(g, layer, layer.activation, n.x)
    scale = layer.kernel_scale
    if layer.whole_inputs:
        largest = g.add("ReduceMax", g.add("Abs", n.x), g.axes(-1), keepdims=1)
        own = g.add("Div", g.number(layer.most), g.add("Add", largest, g.number(layer.epsilon)))
        whole = g.add("Round", g.add("Mul", n.x, own))  # to even, as everywhere
        whole = g.add("Clip", whole, g.number(layer.least), g.number(layer.most))
        out = g.cast(g.add("MatMulInteger", g.cast(whole, INT8), layer.kernel), FLOAT)
        scale = g.add("Mul", scale, own)
    else:
        out = g.add("MatMul", n.x, g.cast(g.constant(layer.kernel), FLOAT))
    out = g.add("Div", out, scale)
    return out if layer.bias is None else g.add("Add", out, layer.bias)


def _embedding(n: Node) -> Value:
    g, layer = n.g, n.layer
    ids = n.x if kind_of(n.like[0]) == INT64 else g.cast(n.x, INT64)
    rows = g.cast(g.add("Gather", g.constant(layer.embeddings, f"{layer.name}/embeddings"), ids), FLOAT)
    scales = g.add("Unsqueeze", g.add("Gather", layer.embeddings_scale, ids), g.axes(-1))
    return Value(g.add("Div", rows, scales), g.cast(ids, BOOL) if layer.mask_zero else None)


QUANTISED: dict[type, Callable[[Node], str | Value]] = {kinds.Int8Dense: _dense, kinds.Int8Embedding: _embedding}
