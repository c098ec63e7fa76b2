"""Blocks of transformers that are classes of their own: those of Keras' example of a text classifier, which many people
have copied, and KerasHub's.

A file does not hold the example's code. It is taken to be that, with ReLU and the epsilon 1e-6 it has, if its config
has the example's settings and no others, and its arrays the shapes that these say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import layers
from ..errors import WeightsError
from ..layers import DroppedMask, Layer
from .place import Place, kind, whole
from .queries import affine_maps, head_arrays, if_nothing

#: settings that any layer has
ANYONES = {"name", "trainable", "dtype", "class_name", "batch_input_shape", "batch_shape"}
#: those of the example, each by the names that people give it
TABLES = (("vocab_size", "vocabulary_size"), ("maxlen", "max_len", "max_length", "sequence_length"), ("embed_dim",))
BLOCK = (("num_heads",), ("embed_dim",), ("ff_dim",))
RATES = ("rate", "dropout", "dropout_rate")
EPSILON = 1e-6


def _sizes(at: Place, wanted: tuple[tuple[str, ...], ...], also: tuple[str, ...] = ()) -> list[int]:
    """The example's settings, or a WeightsError if there are others."""
    found = [next((name for name in names if name in at.config), names[0]) for names in wanted]
    others = sorted(set(at.config) - ANYONES - set(found) - set(also))
    missing = [name for name in found if name not in at.config]
    if others or missing:
        what = f"has other settings ({', '.join(others)})" if others else f"does not say {', '.join(missing)}"
        name = at.config["class_name"]
        raise WeightsError(
            f"layer {at.name!r}: a class {name!r} that {what} than that of Keras' example of a text classifier; "
            f"npmoji.register_layer({name!r}, ...) can supply it"
        )
    return [whole(at, name) for name in found]


def _shaped(at: Place, **wanted: tuple[int, ...]) -> None:
    """Check arrays, the names' dots for slashes: that they have these shapes."""
    for key, shape in wanted.items():
        name = key.replace("__", "/")
        if at.arrays[name].shape != shape:
            raise WeightsError(f"layer {at.name!r}: {name} has shape {at.arrays[name].shape}, expected {shape}")


# Positions -----------------------------------------------------------------------------------------------------------


def _is_hubs(config: dict[str, Any]) -> bool:
    return "tie_weights" in config


def _table_arrays(config: dict[str, Any]) -> list[str]:
    if _is_hubs(config):
        return ["token_embedding/0", *["token_embedding/1"] * (not config["tie_weights"]), "position_embedding/0"]
    return ["token_emb/0", "pos_emb/0"]


@kind("TokenAndPositionEmbedding", arrays=_table_arrays, tables=("token_emb/0", "token_embedding/0"))
def _token_and_position_embedding(at: Place) -> Layer:
    if _is_hubs(at.config):
        sizes = [whole(at, name) for name in ("vocabulary_size", "sequence_length", "embedding_dim")]
        tokens, places, masked = "token_embedding__0", "position_embedding__0", at.flag("mask_zero")
    else:
        sizes, masked = _sizes(at, TABLES), False
        tokens, places = "token_emb__0", "pos_emb__0"
    V, L, F = sizes
    _shaped(at, **{tokens: (V, F), places: (L, F)})
    tokens, places = (at.arrays[name.replace("__", "/")] for name in (tokens, places))
    rows = layers.Embedding(at.previous[0], tokens, masked, name=f"{at.name}/tokens")
    return layers.PositionEmbedding(rows, places, masked=masked, name=at.name)


@kind("PositionEmbedding", arrays=lambda config: ["embeddings"])
def _position_embedding(at: Place) -> Layer:
    """KerasHub's, which gives the rows alone."""
    if set(at.config) - ANYONES - {"sequence_length", "initializer"} or "initializer" not in at.config:
        raise WeightsError(
            f"layer {at.name!r}: a class 'PositionEmbedding' that is not KerasHub's; "
            "npmoji.register_layer('PositionEmbedding', ...) can supply it"
        )
    _shaped(at, embeddings=(whole(at, "sequence_length"), *at.arrays["embeddings"].shape[1:]))
    return layers.PositionEmbedding(at.previous[0], at.arrays["embeddings"], added=False, name=at.name)


# Blocks --------------------------------------------------------------------------------------------------------------


def _block_arrays(config: dict[str, Any]) -> list[str]:
    inner = ["ffn/layers/dense", "ffn/layers/dense_1", "layernorm1", "layernorm2"]
    return [*(f"att/{name}" for name in head_arrays({})), *(f"{name}/{i}" for name in inner for i in range(2))]


def _part(at: Place, prefix: str) -> dict[str, np.ndarray]:
    """The arrays of a layer within, by their own names."""
    return {name.removeprefix(prefix): array for name, array in at.arrays.items() if name.startswith(prefix)}


@kind("TransformerBlock", arrays=_block_arrays, takes_masks_off=True)
def _transformer_block(at: Place) -> Layer:
    heads, F, width = _sizes(at, BLOCK, RATES)
    name, x, arrays = at.name, at.previous[0], at.arrays
    maps = affine_maps(_part(at, "att/"))
    if maps["query_dense"][0].ndim == 3:
        _shaped(at, att__query_dense__0=(F, heads, maps["query_dense"][0].shape[2]))
    _shaped(at, ffn__layers__dense__0=(F, width), ffn__layers__dense_1__0=(width, F))
    nothing = if_nothing(at._replace(config={}), scores=False)
    heads_out = layers.MultiHeadAttention(x, x, **maps, **nothing, name=f"{name}/att")
    between = _normalised(at, "layernorm1/", heads_out, x, f"{name}/layernorm1")
    names = {"name": f"{name}/dense", "logits": f"{name}/dense/logits"}
    bent = layers.Dense(between, arrays["ffn/layers/dense/0"], arrays["ffn/layers/dense/1"], "relu", **names)
    flat = layers.Dense(bent, arrays["ffn/layers/dense_1/0"], arrays["ffn/layers/dense_1/1"], name=f"{name}/dense_1")
    return _normalised(at, "layernorm2/", flat, between, name)


def _normalised(at: Place, prefix: str, x: Layer, residual: Layer, name: str) -> Layer:
    """The sum of two, which has no mask, normalised."""
    total = DroppedMask(layers.Add(residual, x, name=f"{name}/sum"), name=f"{name}/sum/unmasked")
    return layers.LayerNormalization(total, at.arrays[f"{prefix}0"], at.arrays[f"{prefix}1"], EPSILON, name=name)
