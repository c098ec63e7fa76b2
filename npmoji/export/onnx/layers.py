"""Every layer but the recurrent ones in ONNX' operators: one function for each class, in `KINDS`.

A function takes a `Node` and returns the name of its value, or a list of names if the layer has several outputs; what
becomes of the mask is the layer's own business, see `Masked`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import layers as kinds
from ...backends.ops import EPSILON, REFERENCE
from ...layers import Layer, Pass
from ...layers.base import HiddenMask, ancestors
from ...layers.merging import Extremum, Merge
from ...layers.operations import Operation
from ...precision import float32
from .functions import activate
from .graph import BOOL, FLOAT, INT64, Graph
from .masks import everything
from .node import Names, Node, Value
from .operations import kind_of, operation
from .quantised import QUANTISED
from .queries import QUERIES
from .recurrent import bidirectional, recurrent
from .refused import Refused
from .windows import WINDOWS


def written(g: Graph, layers: list[Layer], done: dict[Layer, Value], like: dict[Layer, tuple[Any, Any]]) -> None:
    """Write the layers that are not done, in graph order.

    Args:
        like: each layer's value and mask for some input, see `Node`.
    """
    for layer in layers:
        if layer not in done:
            names, masks = zip(*(done[one] for one in layer.previous))
            like_values, like_masks = zip(*(like[one] for one in layer.previous))
            node = Node(g, layer, list(names), list(masks), list(like_values), list(like_masks))
            done[layer] = _written(node)


def _written(node: Node) -> Value:
    kind = next((kind for kind in type(node.layer).__mro__ if kind in KINDS), None)
    known = kind is not None and (kind is type(node.layer) or type(node.layer).takes_any_array)
    if not known:  # a class of somebody's own, which may do anything
        raise Refused(node.layer)
    found = KINDS[kind](node)
    return found if isinstance(found, Value) else Value(found, _mask(node))


def _mask(node: Node) -> Any:
    """The mask that the layer passes on, as its `propagate` says; one that depends on values has its own function."""
    marks = [None if mask is None else object() for mask in node.masks]
    passed = node.layer.propagate(node.like, marks)
    names = dict(zip(map(id, marks), node.masks))
    if isinstance(passed, tuple):
        return [None if one is None else names[id(one)] for one in passed]
    return None if passed is None else names[id(passed)]


# Without state -------------------------------------------------------------------------------------------------------


def _embedding(n: Node) -> Value:
    ids = n.x if kind_of(n.like[0]) == INT64 else n.g.cast(n.x, INT64)
    table = float32(n.layer.embeddings)
    mask = n.g.cast(ids, BOOL) if n.layer.mask_zero else None
    return Value(n.g.add("Gather", n.g.constant(table, f"{n.layer.name}/embeddings"), ids), mask)


def _dense(n: Node) -> str:
    if n.layer.activation != "linear":
        return activate(n.g, n.layer, n.layer.activation, n.x)
    product = n.g.add("MatMul", n.x, n.layer.kernel)
    return product if n.layer.bias is None else n.g.add("Add", product, n.layer.bias)


def _masking(n: Node) -> Value:
    other = n.g.add("Not", n.g.add("Equal", n.x, n.g.number(n.layer.mask_value)))
    any_other = n.g.add("ReduceMax", n.g.cast(other, FLOAT), n.g.axes(-1), keepdims=1)
    mask = n.g.cast(n.g.add("Squeeze", any_other, n.g.axes(-1)), BOOL)
    return Value(n.g.add("Mul", n.x, any_other), mask)


def _batch_normalization(n: Node) -> str:
    shape = [1] * n.rank
    shape[n.layer.axis] = -1
    mean, scale, beta = (array.reshape(shape) for array in n.layer.affine())
    return n.g.add("Add", n.g.add("Mul", n.g.add("Sub", n.x, mean), scale), beta)


def _layer_normalization(n: Node) -> str:
    g, layer, axes = n.g, n.layer, _normalised_axes(n)
    centred = g.add("Sub", n.x, g.add("ReduceMean", n.x, axes))
    variance = g.add("ReduceMean", g.add("Mul", centred, centred), axes)
    deviation = g.add("Sqrt", g.add("Add", variance, g.number(layer.epsilon)))
    return _scaled(n, g.add("Div", n.x if layer.rms_scaling else centred, deviation), axes)


def _normalised_axes(n: Node) -> np.ndarray:
    """The axes that a row is normalised along."""
    return n.g.axes(*n.layer._axes(np.asarray(n.like[0])))


def _scaled(n: Node, x: str, axes: np.ndarray) -> str:
    """The weights of a normalisation, whose places are along some axes."""
    shape = [size if i in axes else 1 for i, size in enumerate(np.shape(n.like[0]))]
    arrays = {label: array.reshape(shape) for label, array in n.layer.weights().items()}
    for label in ("gamma", "scale"):
        x = n.g.add("Mul", x, arrays[label]) if label in arrays else x
    return n.g.add("Add", x, arrays["beta"]) if "beta" in arrays else x


def _rms_normalization(n: Node) -> str:
    g, axes = n.g, _normalised_axes(n)
    mean = g.add("ReduceMean", g.add("Mul", n.x, n.x), axes)
    return _scaled(n, g.add("Div", n.x, g.add("Sqrt", g.add("Add", mean, g.number(n.layer.epsilon)))), axes)


def _unit_normalization(n: Node) -> str:
    g = n.g
    length = g.add("Sqrt", g.add("ReduceSum", g.add("Mul", n.x, n.x), _normalised_axes(n)))
    return g.add("Div", n.x, g.add("Max", length, g.number(n.layer.least)))


def _group_normalization(n: Node) -> str:
    """The groups as rows (N, groups, -1) of their own."""
    g, layer, axis = n.g, n.layer, n.layer.axis % n.rank
    order = [0, axis, *(i for i in range(1, n.rank) if i != axis)]
    F = np.shape(n.like[0])[axis]
    moved = g.add("Transpose", n.x, perm=order)
    rows = g.add("Reshape", moved, g.axes(0, F if layer.groups == -1 else layer.groups, -1))
    centred = g.add("Sub", rows, g.add("ReduceMean", rows, g.axes(2)))
    variance = g.add("ReduceMean", g.add("Mul", centred, centred), g.axes(2))
    out = g.add("Div", centred, g.add("Sqrt", g.add("Add", variance, g.number(layer.epsilon))))
    out = g.add("Reshape", out, g.add("Shape", moved))
    return _scaled(n, g.add("Transpose", out, perm=[order.index(i) for i in range(n.rank)]), g.axes(axis))


def _softmax(n: Node) -> Value:
    mask = n.masks[0]
    if mask is None or n.like_masks[0].shape != np.shape(n.like[0]):
        return Value(n.g.add("Softmax", n.x, axis=n.layer.axis), mask)
    less = n.g.add("Add", n.x, n.g.number(-1e9)) if n.layer.added else n.g.number(-1e9)
    out = n.g.add("Softmax", n.g.add("Where", mask, n.x, less), axis=n.layer.axis)
    return Value(n.g.add("Where", mask, out, n.g.number(0)) if n.layer.masked_is_zero else out, mask)


def _relu(n: Node) -> str:
    g, layer = n.g, n.layer
    above = n.x if layer.max_value is None else g.add("Min", n.x, g.number(layer.max_value))
    below = g.add("Mul", g.add("Sub", n.x, g.number(layer.threshold)), layer.negative_slope)
    return g.add("Where", g.add("GreaterOrEqual", n.x, g.number(layer.threshold)), above, below)


def _elu(n: Node) -> str:
    return n.g.add("Elu", n.x, alpha=float(n.layer.alpha))


def _thresholded_relu(n: Node) -> str:
    return n.g.add("Where", n.g.add("Greater", n.x, n.g.number(n.layer.theta)), n.x, n.g.number(0))


def _top_k(n: Node) -> str:
    g, k = n.g, min(n.layer.k, n.like[0].shape[-1])
    values, places = g.add("TopK", n.x, g.axes(k), outputs=2, axis=-1, sorted=1)
    small = g.add("Expand", g.number(n.layer.VERY_SMALL), g.add("Shape", n.x))
    return g.add("ScatterElements", small, places, values, axis=-1)


# Shapes --------------------------------------------------------------------------------------------------------------


def _flatten(n: Node) -> str:
    return n.g.add("Reshape", n.x, n.g.axes(0, -1))


def _reshape(n: Node) -> str:
    return n.g.add("Reshape", n.x, n.g.axes(0, *n.layer.shape))


def _permute(n: Node) -> str:
    return n.g.add("Transpose", n.x, perm=[0, *n.layer.dims])


def _repeat_vector(n: Node) -> str:
    return n.g.add("Expand", n.g.add("Unsqueeze", n.x, n.g.axes(1)), n.g.axes(1, n.layer.n, 1))


def _time_distributed(n: Node) -> Value:
    """The steps as N T rows of their own, and back."""
    g, layer, mask, like = n.g, n.layer, n.masks[0], np.asarray(n.like[0])
    start, *rest = inside = ancestors([layer.layer])
    deep = mask is not None and n.like_masks[0].ndim > 2
    rows, steps = like.reshape(-1, *like.shape[2:]), g.add("Shape", n.x, start=0, end=2)
    run = Pass(REFERENCE)
    run.done[start] = rows, n.like_masks[0].reshape(-1, *n.like_masks[0].shape[2:]) if deep else None
    for one in rest:
        one.pull(rows, run)
    done = {start: Value(_flat(g, n.x), _flat(g, mask) if deep else None)}
    written(g, inside, done, run.done)
    name, inner = done[layer.layer]
    return Value(_unflat(g, name, steps), _mask_of_steps(n, inner, steps))


def _flat(g: Graph, x: str) -> str:
    """(N, T, ...) -> (N T, ...)."""
    return g.add("Reshape", x, g.add("Concat", g.axes(-1), g.add("Shape", x, start=2), axis=0))


def _unflat(g: Graph, x: str, steps: str) -> str:
    return g.add("Reshape", x, g.add("Concat", steps, g.add("Shape", x, start=1), axis=0))


def _mask_of_steps(n: Node, inner: str | None, steps: str) -> str | None:
    """As `layers.TimeDistributed` has it."""
    g, mask = n.g, n.masks[0]
    if not n.layer.inner_mask or (inner is None and mask is None):
        return mask
    if inner is not None:
        return _unflat(g, inner, steps)
    deeper = g.axes(*range(2, n.like_masks[0].ndim))
    return g.cast(g.add("ReduceMax", g.cast(mask, FLOAT), deeper, keepdims=0), BOOL) if deeper.size else mask


# Attention -----------------------------------------------------------------------------------------------------------


def _attention_logits(n: Node) -> str:
    return n.g.add("Squeeze", n.g.add("MatMul", n.x, n.layer.kernel), n.g.axes(2))


def _attention_weights(n: Node) -> str:
    """The maximum over all steps, the sum over the valid ones, with epsilon."""
    g, time = n.g, n.g.axes(1)
    a = g.add("Exp", g.add("Sub", n.x, g.add("ReduceMax", n.x, time)))
    if n.valid is not None:
        a = g.add("Mul", a, g.cast(n.valid, FLOAT))
    return _shares(g, a)


def _shares(g: Graph, a: str) -> str:
    """Each step's share of the row's sum, to which epsilon is added."""
    return g.add("Div", a, g.add("Add", g.add("ReduceSum", a, g.axes(1)), g.number(EPSILON)))


def _weighted_sum(g: Graph, x: str, weights: str) -> str:
    return g.add("Squeeze", g.add("MatMul", g.add("Unsqueeze", weights, g.axes(1)), x), g.axes(1))


def _weighted_average(n: Node) -> str:
    return _weighted_sum(n.g, *n.values)


def _attention_with_context(n: Node) -> Names:
    g, layer, time = n.g, n.layer, n.g.axes(1)
    score = g.add("MatMul", n.x, layer.kernel)
    if layer.context is None:
        logits = g.add("Squeeze", score, g.axes(2))
        logits = g.add("Tanh", logits if layer.bias is None else g.add("Add", logits, layer.bias))
    else:
        hidden = g.add("Tanh", score if layer.bias is None else g.add("Add", score, layer.bias))
        logits = g.add("Squeeze", g.add("MatMul", hidden, layer.context), g.axes(2))
    if layer.masked:
        a = g.add("Exp", logits)
        a = a if n.valid is None else g.add("Mul", a, g.cast(n.valid, FLOAT))
    else:
        a = g.add("Exp", g.add("Sub", logits, g.add("ReduceMax", logits, time)))
    weights = _shares(g, a)
    features = _weighted_sum(g, n.x, weights)
    return [features, weights] if layer.outputs > 1 else features


# Several values ------------------------------------------------------------------------------------------------------


def _reduced(g: Graph, operator: str, names: list[str]) -> str:
    return functools.reduce(lambda a, b: g.add(operator, a, b), names)


def _concatenate(n: Node) -> Value:
    g, layer, given = n.g, n.layer, [mask for mask in n.masks if mask is not None]
    value = g.add("Concat", *n.values, axis=layer.axis)
    if not given:
        return Value(value)
    if layer.axis in (-1, n.rank - 1):
        if not layer.any_valid:
            return Value(value, _reduced(g, "And", given))
        return Value(value, everything(g, n.x) if len(given) < len(n.masks) else _reduced(g, "Or", given))
    whole = [everything(g, x) if mask is None else mask for x, mask in zip(n.values, n.masks)]
    return Value(value, g.add("Concat", *whole, axis=layer.axis if layer.axis > 0 else layer.axis + 1))


def _merge(n: Node) -> Value:
    g, layer, rank = n.g, n.layer, max(np.ndim(x) for x in n.like)
    own = [mask if np.ndim(x) == rank else None for x, mask in zip(n.like, n.masks)]
    values = [
        x if np.ndim(like) == rank else g.add("Unsqueeze", x, g.axes(*range(1, 1 + rank - np.ndim(like))))
        for x, like in zip(n.values, n.like)
    ]
    return Value(_merged(g, layer, values, own), _merged_mask(g, layer, n.masks))


def _merged(g: Graph, layer: Merge, values: list[str], masks: list[str | None]) -> str:
    operator = OPERATORS[type(layer)]
    masked = layer.any_valid and any(mask is not None for mask in masks)
    steps = [None if mask is None else g.add("Unsqueeze", mask, g.axes(-1)) for mask in masks]
    if masked and isinstance(layer, Extremum):
        return _extremum(g, operator, values, steps)
    if masked and isinstance(layer, kinds.Multiply):
        ones = [x if step is None else g.add("Where", step, x, g.number(1)) for x, step in zip(values, steps)]
        out = _reduced(g, operator, ones)
        given = [step for step in steps if step is not None]
        return out if len(given) < len(steps) else g.add("Where", _reduced(g, "Or", given), out, g.number(0))
    out = _reduced(g, operator, values)
    return g.add("Div", out, g.number(len(values))) if isinstance(layer, kinds.Average) else out


def _extremum(g: Graph, operator: str, values: list[str], steps: list[str | None]) -> str:
    """As `layers.merging.Extremum` says."""
    out, valid = values[0], steps[0]
    for x, step in zip(values[1:], steps[1:]):
        x = x if step is None else g.add("Where", step, x, out)
        out = out if valid is None else g.add("Where", valid, out, x)
        valid = None if valid is None or step is None else g.add("Or", valid, step)
        out = g.add(operator, out, x)
    return out


def _merged_mask(g: Graph, layer: Merge, masks: list[str | None]) -> str | None:
    given = [mask for mask in masks if mask is not None]
    if not given or (layer.any_valid and len(given) < len(masks)):
        return None
    return _reduced(g, "Or" if layer.any_valid else "And", given)


def _dot(n: Node) -> str:
    """Both as matrices, one of each text."""
    g, layer = n.g, n.layer
    shapes = [np.shape(one) for one in n.like]
    axes = layer.places((len(shapes[0]), len(shapes[1])), shapes)
    if max(map(len, shapes)) > 3:
        raise Refused(layer, "more than three axes")
    values = []
    for x, axis, shape in zip(n.values, axes, shapes):
        if layer.normalize:
            length = g.add("Sqrt", g.add("ReduceSum", g.add("Mul", x, x), g.axes(axis)))
            x = g.add("Div", x, g.add("Max", length, g.number(layer.least)))
        x = g.add("Unsqueeze", x, g.axes(1)) if len(shape) == 2 else x
        values.append(g.add("Transpose", x, perm=[0, 2, 1]) if len(shape) == 3 and axis == 1 else x)
    out = g.add("MatMul", values[0], g.add("Transpose", values[1], perm=[0, 2, 1]))
    single = [i + 1 for i, shape in enumerate(shapes) if len(shape) == 2]
    return g.add("Squeeze", out, g.axes(single[0])) if single else out


def _rescaling(n: Node) -> str:
    x = n.x if kind_of(n.like[0]) == FLOAT else n.g.cast(n.x, FLOAT)
    return n.g.add("Add", n.g.add("Mul", x, n.layer.scale), n.layer.offset)


def _normalization(n: Node) -> str:
    g, x = n.g, n.x if kind_of(n.like[0]) == FLOAT else n.g.cast(n.x, FLOAT)
    mean, deviation = n.layer.scales(np.shape(n.like[0]))
    if n.layer.invert:
        return g.add("Add", mean, g.add("Mul", x, deviation))
    return g.add("Div", g.add("Sub", x, mean), deviation)


def _remask(n: Node) -> Value:
    mask = n.values[1]
    return Value(n.x, mask if kind_of(n.like[1]) == BOOL else n.g.cast(mask, BOOL))


def _part(n: Node) -> Value:
    mask = n.masks[0]
    return Value(n.x[n.layer.index], mask[n.layer.index] if isinstance(mask, list) else None)


def _several(names: list[str]) -> Names:
    return names if len(names) > 1 else names[0]


OPERATORS: dict[type, str] = {
    kinds.Add: "Add",
    kinds.Average: "Add",
    kinds.Subtract: "Sub",
    kinds.Multiply: "Mul",
    kinds.Maximum: "Max",
    kinds.Minimum: "Min",
}


def _of_words(n: Node) -> str:
    raise Refused(n.layer, "what is made of texts and categories")


#: refused by name: ONNX has few operators for texts, and none that hash
OF_WORDS = (kinds.CategoryEncoding, kinds.Hashing, kinds.IntegerLookup, kinds.StringLookup, kinds.TextVectorization)
#: the class of a layer -> how it is written
KINDS: dict[type, Callable[[Node], Names | Value]] = {
    **WINDOWS,
    **QUANTISED,
    **QUERIES,
    kinds.Activation: lambda n: activate(n.g, n.layer, n.layer.activation, n.x),
    kinds.AttentionLogits: _attention_logits,
    kinds.AttentionWeightedAverage: _weighted_average,
    kinds.AttentionWeights: _attention_weights,
    kinds.AttentionWithContext: _attention_with_context,
    kinds.BatchNormalization: _batch_normalization,
    kinds.Bidirectional: lambda n: _several(bidirectional(n.g, n.layer, n.values, n.valid)),
    kinds.Concatenate: _concatenate,
    kinds.Dense: _dense,
    kinds.DroppedMask: lambda n: n.x,
    kinds.Dot: _dot,
    kinds.Dropout: lambda n: n.x,
    kinds.ELU: _elu,
    kinds.Embedding: _embedding,
    kinds.Flatten: _flatten,
    kinds.GroupNormalization: _group_normalization,
    kinds.LayerNormalization: _layer_normalization,
    kinds.Masking: _masking,
    kinds.Named: lambda n: n.x,
    kinds.Normalization: _normalization,
    kinds.Part: _part,
    kinds.Permute: _permute,
    kinds.RMSNormalization: _rms_normalization,
    kinds.ReLU: _relu,
    kinds.Recurrent: lambda n: _several(recurrent(n.g, n.layer, n.values, n.valid)),
    kinds.Remask: _remask,
    kinds.RepeatVector: _repeat_vector,
    kinds.Rescaling: _rescaling,
    kinds.Reshape: _reshape,
    kinds.Softmax: _softmax,
    **dict.fromkeys(OF_WORDS, _of_words),
    kinds.ThresholdedReLU: _thresholded_relu,
    kinds.TimeDistributed: _time_distributed,
    kinds.TopK: _top_k,
    kinds.UnitNormalization: _unit_normalization,
    HiddenMask: lambda n: n.x,
    Merge: _merge,
    Operation: lambda n: operation(n.g, n.layer, n.values, n.like),
}
