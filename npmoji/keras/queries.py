"""Keras' attention of queries to keys, and affine maps along any axes, in terms of our layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import layers
from ..errors import WeightsError
from ..layers import Layer, Remask
from .place import Place, are_axes, kind, number, whole

#: the parameters of a call, and those that several heads take
BOTH = ("inputs", "mask")
SEVERAL = ("query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask")
PARTS = ("query", "key", "gate", "value", "output")  # in the order of their arrays

# the versions of Keras 3 that changed what becomes of a step that may look at nothing
FUSED, ZERO = (3, 7), (3, 10)


def said(at: Place, name: str) -> bool:
    """Whether the layer is called with this keyword as true."""
    value = at.called.get(name)
    if value is not None and type(value) not in (bool, int):
        raise WeightsError(f"layer {at.name!r}: called with {name} {value!r:.60}, expected true or false")
    return bool(value)


def _steps(at: Place) -> dict[str, Any]:
    """What the layers of a single head take but for weights."""
    if len(at.previous) not in (2, 3):
        raise WeightsError(
            f"layer {at.name!r}: called with {len(at.previous)} inputs, expected query, value, perhaps key"
        )
    return {
        **dict(zip(("query", "value", "key"), at.previous)),
        "causal": said(at, "use_causal_mask") or at.flag("causal"),
        "return_scores": said(at, "return_attention_scores"),
        "dropout": number(at, "dropout", 0.0),
        "name": at.name,
    }


def dot_arrays(config: dict[str, Any]) -> list[str]:
    """The arrays of Keras' own `Attention`."""
    return ["scale"] * bool(config.get("use_scale")) + ["concat_weight"] * (config.get("score_mode") == "concat")


def dot_attention(at: Place) -> Layer:
    """Keras' own `Attention`."""
    mode = at.setting("score_mode", "dot")
    if mode not in ("dot", "concat"):
        raise WeightsError(f"layer {at.name!r}: score_mode {mode!r:.60}, expected 'dot' or 'concat'")
    return layers.DotAttention(**_steps(at), **at.arrays)


@kind(
    "AdditiveAttention",
    arrays=lambda config: ["scale"] if config.get("use_scale", True) else [],
    parameters=BOTH,
)
def _additive_attention(at: Place) -> Layer:
    return layers.AdditiveAttention(**_steps(at), **at.arrays)


# Several heads -------------------------------------------------------------------------------------------------------


def head_arrays(config: dict[str, Any]) -> list[str]:
    """The names of the arrays: each part has a kernel, and unless ``use_bias`` is off a bias."""
    parts = [part for part in PARTS if part != "gate" or config.get("use_gate")]
    return [f"{part}_dense/{i}" for part in parts for i in range(1 + bool(config.get("use_bias", True)))]


def affine_maps(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The same as `layers.MultiHeadAttention` takes them."""
    return {
        f"{part}_dense": (arrays[f"{part}_dense/0"], arrays.get(f"{part}_dense/1"))
        for part in PARTS
        if f"{part}_dense/0" in arrays
    }


def if_nothing(at: Place, scores: bool) -> dict[str, Any]:
    """What becomes of a step that may look at nothing, by the version and the settings: Keras 3 has a function of its
    own for layers that neither drop out nor return the weights."""
    if not at.keras3:
        return {"masked": "uniform" if at.flag("softmax_robust_masking") else "added"}
    fused = at.version >= FUSED and not scores and number(at, "dropout", 0.0) == 0
    return {"masked": "zero" if at.version >= ZERO else "added", "fused": fused}


def _inputs(at: Place, ignored: tuple[str, ...]) -> dict[str, Layer]:
    """Query, value and key with the masks given for them, and the mask of them all."""
    found = {}
    for name in ("query", "value", "key"):
        layer, mask = at.called.get(name), at.called.get(f"{name}_mask")
        if layer is None and name == "key":
            continue
        for one in (layer, layer if mask is None else mask):
            if not isinstance(one, Layer):
                raise WeightsError(
                    f"layer {at.name!r}: called with {one!r:.60}, expected the output of a layer as {name}"
                )
        given = mask is not None and f"{name}_mask" not in ignored
        found[name] = Remask(layer, mask, name=f"{at.name}/{name}_mask") if given else layer
    mask = at.called.get("attention_mask")
    if mask is not None and not isinstance(mask, Layer):
        raise WeightsError(f"layer {at.name!r}: attention_mask is a constant, expected the output of a layer")
    return found if mask is None else {**found, "attention_mask": mask}


def _heads(at: Place, ignored: tuple[str, ...] = (), **shapes: tuple[int, int]) -> Layer:
    maps = affine_maps(at.arrays)
    for part, shape in shapes.items():
        found = maps[f"{part}_dense"][0].shape
        if found[1:] != shape:
            wanted = ", ".join(map(str, shape))
            raise WeightsError(f"layer {at.name!r}: {part} kernel has shape {found}, expected (any, {wanted})")
    axes = at.setting("attention_axes")
    axes = [axes] if type(axes) is int else axes
    if axes is not None and (not isinstance(axes, (list, tuple)) or not axes or not are_axes(axes, 1)):
        raise WeightsError(f"layer {at.name!r}: attention_axes {axes!r:.60}, expected numbers of axes")
    scores = said(at, "return_attention_scores")
    return layers.MultiHeadAttention(
        **_inputs(at, ignored),
        **maps,
        axes=None if axes is None else tuple(axes),
        causal=said(at, "use_causal_mask"),
        window=None if at.setting("sliding_window") is None else whole(at, "sliding_window"),
        return_scores=scores,
        **if_nothing(at, scores),
        dropout=number(at, "dropout", 0.0),
        name=at.name,
    )


@kind("MultiHeadAttention", arrays=head_arrays, parameters=SEVERAL, takes_masks_off=True)
def _multi_head_attention(at: Place) -> Layer:
    heads, width = whole(at, "num_heads"), whole(at, "key_dim")
    values = whole(at, "value_dim", width)
    ignored = ("query_mask",) if at.version >= (3, 8) else ()  # Keras takes the query's own
    return _heads(at, ignored, query=(heads, width), key=(heads, width), value=(heads, values))


@kind("GroupQueryAttention", "GroupedQueryAttention", arrays=head_arrays, parameters=SEVERAL)
def _group_query_attention(at: Place) -> Layer:
    width, groups = whole(at, "head_dim"), whole(at, "num_key_value_heads")
    return _heads(at, query=(whole(at, "num_query_heads"), width), key=(groups, width), value=(groups, width))


# Along any axes ------------------------------------------------------------------------------------------------------


@kind("EinsumDense", arrays=lambda config: ["kernel", "bias"] if config.get("bias_axes") else ["kernel"])
def _einsum_dense(at: Place) -> Layer:
    return layers.EinsumDense(at.previous[0], equation(at), **at.arrays, activation=at.activation(), name=at.name)


def equation(at: Place) -> str:
    """Which axes an EinsumDense sums over."""
    found = at.setting("equation")
    if not isinstance(found, str):
        raise WeightsError(f"layer {at.name!r}: equation {found!r:.60}, expected one like 'abc,cd->abd'")
    return found
