"""Layers of whole numbers in ONNX' operators: the same arithmetic, as ONNX' own quantisation rounds in other ways."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ... import layers as kinds
from ...layers.quantised import scale_axes
from .functions import activate
from .graph import BOOL, FLOAT, INT8, INT32, INT64
from .node import Node, Value
from .values import kind_of


def _dense(n: Node) -> str:
    g, layer = n.g, n.layer
    if layer.activation != "linear":
        return activate(g, layer, layer.activation, n.x)
    scale = layer.kernel_scale
    if layer.whole_inputs:
        whole, own = _rounded(n, n.x, (-1,))
        out = g.cast(g.add("MatMulInteger", g.cast(whole, INT8), layer.kernel), FLOAT)
        scale = g.add("Mul", scale, own)
    else:
        out = g.add("MatMul", n.x, g.cast(g.constant(layer.kernel), FLOAT))
    out = g.add("Div", out, scale)
    return out if layer.bias is None else g.add("Add", out, layer.bias)


def _rounded(n: Node, x: str, axes: tuple[int, ...]) -> tuple[str, str]:
    """As `layers.quantised.rounded`."""
    g, layer = n.g, n.layer
    largest = g.add("Abs", x)
    if axes:
        largest = g.add("ReduceMax", largest, g.axes(*axes), keepdims=1)
    own = g.add("Div", g.number(layer.most), g.add("Add", largest, g.number(layer.epsilon)))
    whole = g.add("Round", g.add("Mul", x, own))  # to even, as everywhere
    return g.add("Clip", whole, g.number(layer.least), g.number(layer.most)), own


def _einsum_dense(n: Node) -> str:
    g, layer = n.g, n.layer
    letters = layer.letters(np.shape(n.like[0]))
    equation = f"{letters.inputs},{letters.kernel}->{letters.outputs}"
    x = n.x if np.asarray(n.like[0]).dtype.kind == "f" else g.cast(n.x, FLOAT)
    kernel, scale = g.constant(layer.kernel), layer.kernel_scale
    if layer.whole_inputs:
        summed = tuple(map(letters.inputs.index, letters.summed))
        whole, own = _rounded(n, x, summed)
        out = g.add("Einsum", g.cast(whole, INT32), g.cast(kernel, INT32), equation=equation)
        out = g.cast(out, FLOAT)
        order, missing = scale_axes(letters)
        own = g.add("Squeeze", own, g.axes(*summed)) if summed else own
        own = g.add("Transpose", own, perm=order)
        scale = g.add("Mul", scale, g.add("Unsqueeze", own, g.axes(*missing)) if missing else own)
    else:
        out = g.add("Einsum", x, g.cast(kernel, FLOAT), equation=equation)
    out = g.add("Div", out, scale)
    return activate(g, layer, layer.activation, out if layer.bias is None else g.add("Add", out, layer.bias))


def _embedding(n: Node) -> Value:
    g, layer = n.g, n.layer
    ids = n.x if kind_of(n.like[0]) == INT64 else g.cast(n.x, INT64)
    rows = g.cast(g.add("Gather", g.constant(layer.embeddings, f"{layer.name}/embeddings"), ids), FLOAT)
    scales = g.add("Unsqueeze", g.add("Gather", layer.embeddings_scale, ids), g.axes(-1))
    return Value(g.add("Div", rows, scales), g.cast(ids, BOOL) if layer.mask_zero else None)


QUANTISED: dict[type, Callable[[Node], str | Value]] = {
    kinds.Int8Dense: _dense,
    kinds.Int8EinsumDense: _einsum_dense,
    kinds.Int8Embedding: _embedding,
}
