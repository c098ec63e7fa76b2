"""The arrays that a network's layers start with, before any training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .. import initialisers as init
from ..errors import InputError
from ..layers import LSTM, AttentionWeightedAverage, Bidirectional, Layer, StackedRNN, TimeDistributed

Arrays = dict[str, np.ndarray]


def fresh_weights(arrays: Iterable[tuple[str, Layer]], seed: init.Random) -> Arrays:
    """New arrays, drawn in this order from one stream: Keras' default initialisers, see `initialisers`.

    Kernels are glorot-uniform, recurrent ones orthogonal; embeddings and DeepMoji's attention uniform within ±0.05;
    biases 0, of an LSTM's forget gate 1; normalisation starts as the identity. What a config says of initialisers is
    not looked at. For DeepMoji these are `initialisers.deepmoji`'s numbers.

    Args:
        arrays: names ``"layer/array"``, each with its layer.

    Raises:
        InputError: an array of a layer of the caller's own, whose start is not known.
    """
    rng = np.random.default_rng(seed)
    return {name: _fresh(rng, layer, name) for name, layer in arrays}


def _fresh(rng: np.random.Generator, layer: Layer, name: str) -> np.ndarray:
    kind = name.rpartition("/")[2]
    shape = layer.weights()[kind].shape
    layer = layer.layer if isinstance(layer, TimeDistributed) else layer
    if isinstance(layer, Bidirectional):
        side, _, kind = kind.partition("_")
        layer = layer.ahead if side == "forward" else layer.behind
    if isinstance(layer, StackedRNN):
        cell, _, kind = kind.partition("_")
        layer = layer.cells[int(cell.removeprefix("cell"))]
    if kind == "embeddings" or (kind == "kernel" and isinstance(layer, AttentionWeightedAverage)):
        return init.uniform(rng, shape)
    if kind in ("kernel", "context"):
        return init.glorot_uniform(rng, shape)
    if kind == "recurrent_kernel":
        return init.orthogonal(rng, shape)
    if kind in ("bias", "beta", "moving_mean", "alpha"):
        array = init.zeros(shape)
        if kind == "bias" and isinstance(layer, LSTM):
            array[layer.units : 2 * layer.units] = 1
        return array
    if kind in ("gamma", "scale", "moving_variance"):
        return init.ones(shape)
    raise InputError(f"layer {layer.name!r} of class {layer.class_name!r}: not known how its array {kind!r} starts")
