"""Keras' layer classes in terms of ours: for each, the arrays it has in a file and how the layer is made from its
config.

A class that is not here can be added with `register_layer`; a file that has it is otherwise refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import layers
from ..errors import WeightsError
from ..layers import Layer
from .activations import activated, activation_layer, name_before
from .place import Place, affine, are_axes, axes, axis, channels_last, kind, number, sizes, whole

# One step at a time ------------------------------------------------------------------------------------------------


@kind("Embedding", arrays=lambda config: ["embeddings"], tables=("embeddings",))
def _embedding(at: Place) -> Layer:
    return layers.Embedding(at.previous[0], at.arrays["embeddings"], at.flag("mask_zero"), name=at.name)


@kind("Dense", arrays=affine)
def _dense(at: Place) -> Layer:
    if activation_layer(at) is not None:
        return activated(at, layers.Dense(at.previous[0], **at.arrays, name=name_before(at)))
    return layers.Dense(
        at.previous[0], **at.arrays, activation=at.activation(), name=at.name, logits=f"{at.name}/logits"
    )


@kind("Activation")
def _activation(at: Place) -> Layer:
    if activation_layer(at) is not None:
        return activated(at, at.previous[0])
    return layers.Activation(at.previous[0], at.activation(), name=at.name)


@kind(
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
    "InputLayer",
)
def _identity(at: Place) -> Layer:
    kind = at.config["class_name"] + (" with a noise_shape" if at.setting("noise_shape") is not None else "")
    rate = number(at, "stddev" if kind == "GaussianNoise" else "rate", 0.0)
    return layers.Dropout(at.previous[0], rate, kind, name=at.name)


@kind("Masking")
def _masking(at: Place) -> Layer:
    return layers.Masking(at.previous[0], number(at, "mask_value", 0.0), name=at.name)


@kind("LeakyReLU")
def _leaky_relu(at: Place) -> Layer:
    return layers.ReLU(at.previous[0], number(at, "negative_slope", number(at, "alpha", 0.3)), name=at.name)


@kind("ReLU")
def _relu(at: Place) -> Layer:
    options = {key: number(at, key, 0.0) for key in ("negative_slope", "threshold")}
    most = None if at.setting("max_value") is None else number(at, "max_value", 0.0)
    return layers.ReLU(at.previous[0], max_value=most, **options, name=at.name)


@kind("PReLU", arrays=lambda config: ["alpha"])
def _prelu(at: Place) -> Layer:
    return layers.ReLU(at.previous[0], at.arrays["alpha"], name=at.name)


@kind("ELU")
def _elu(at: Place) -> Layer:
    return layers.ELU(at.previous[0], number(at, "alpha", 1.0), name=at.name)


@kind("ThresholdedReLU")
def _thresholded_relu(at: Place) -> Layer:
    return layers.ThresholdedReLU(at.previous[0], number(at, "theta", 1.0), name=at.name)


@kind("Softmax")
def _softmax(at: Place) -> Layer:
    zero, robust = at.version >= (3, 10), at.flag("robust_masking")
    return layers.Softmax(at.previous[0], axis(at), masked_is_zero=zero, added=not (zero or robust), name=at.name)


def _normalised(config: dict[str, Any]) -> list[str]:
    return [name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True)]


@kind(
    "BatchNormalization",
    arrays=lambda config: [*_normalised(config), "mean", "variance"],
    frozen=("mean", "variance"),
)
def _batch_normalization(at: Place) -> Layer:
    arrays = {"gamma": None, "beta": None, **at.arrays}
    return layers.BatchNormalization(
        at.previous[0], **arrays, epsilon=number(at, "epsilon", 1e-3), axis=axis(at), name=at.name
    )


def _layer_normalised(config: dict[str, Any]) -> list[str]:
    return ["gamma"] if config.get("rms_scaling") else _normalised(config)


@kind("LayerNormalization", arrays=_layer_normalised)
def _layer_normalization(at: Place) -> Layer:
    arrays = {"gamma": None, "beta": None, **at.arrays}
    options = {"epsilon": number(at, "epsilon", 1e-3), "rms_scaling": at.flag("rms_scaling")}
    return layers.LayerNormalization(at.previous[0], **arrays, **options, axis=axes(at), name=at.name)


@kind("RMSNormalization", arrays=lambda config: ["scale"])
def _rms_normalization(at: Place) -> Layer:
    epsilon = number(at, "epsilon", 1e-6)
    return layers.RMSNormalization(at.previous[0], **at.arrays, epsilon=epsilon, axis=axes(at), name=at.name)


@kind("UnitNormalization")
def _unit_normalization(at: Place) -> Layer:
    return layers.UnitNormalization(at.previous[0], axes(at), 1e-12 if at.keras3 else 1e-6, name=at.name)


@kind("GroupNormalization", arrays=_normalised)
def _group_normalization(at: Place) -> Layer:
    arrays = {"gamma": None, "beta": None, **at.arrays}
    groups = -1 if at.setting("groups", 32) == -1 else whole(at, "groups", 32)
    options = {"groups": groups, "epsilon": number(at, "epsilon", 1e-3), "masked": at.keras3}
    return layers.GroupNormalization(at.previous[0], **arrays, **options, axis=axis(at), name=at.name)


# With a memory -----------------------------------------------------------------------------------------------------

CELLS = {
    "LSTM": layers.LSTM,
    "CuDNNLSTM": layers.LSTM,
    "GRU": layers.GRU,
    "CuDNNGRU": layers.GRU,
    "SimpleRNN": layers.SimpleRNN,
}


def recurrent_arrays(config: dict[str, Any]) -> list[str]:
    """The arrays of one recurrent layer or cell."""
    return ["kernel", "recurrent_kernel", "bias"] if config.get("use_bias", True) else ["kernel", "recurrent_kernel"]


class Cell(NamedTuple):
    """What a recurrent layer is made of: its class, and the arrays and options that this takes."""

    cls: type[layers.Recurrent]
    arrays: tuple[np.ndarray, ...]
    options: dict[str, Any]


def cell_of(class_name: str, at: Place, within: bool) -> Cell:
    """A recurrent layer, alone or ``within`` a Bidirectional."""
    if at.flag("time_major"):
        raise WeightsError(f"layer {at.name!r}: time_major is not supported")
    cell, cudnn = CELLS[class_name], class_name.startswith("CuDNN")
    options: dict[str, Any] = {"hold_masked": not at.flag("zero_output_for_mask")}
    if within:
        options["hold_masked"] = not (at.zero_masked and at.flag("return_sequences"))
    dropout = max(number(at, key, 0.0) for key in ("dropout", "recurrent_dropout"))
    if dropout > 0:
        options["dropout"] = dropout
    if not cudnn and at.activation(default="tanh") != "tanh":
        options["activation"] = at.activation(default="tanh")
    if cell is not layers.SimpleRNN:
        options["gate"] = "sigmoid" if cudnn else at.activation("recurrent_activation", "sigmoid")
    arrays = tuple(at.arrays[name] for name in ("kernel", "recurrent_kernel", "bias") if name in at.arrays)
    if cudnn:
        arrays = _from_cudnn(at, cell.GATES, arrays)
    if cell is layers.GRU:
        by_bias = len(arrays) > 2 and arrays[2].ndim == 2
        options["reset_after"] = cudnn or at.flag("reset_after", by_bias)
    if cell is layers.LSTM:
        options["exact_projection"] = at.first
    return Cell(cell, arrays, options)


def _from_cudnn(at: Place, gates: int, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The arrays of a CuDNN layer as those of the plain one.

    cuDNN keeps each gate's matrix (H, F) row by row; Keras stores those numbers in an array of shape (F, H). There are
    two biases: an LSTM's add up, a GRU's are its (2, 3H).
    """
    H = arrays[1].shape[0] if arrays[1].ndim else 0
    found = [array.shape for array in arrays]
    if arrays[0].ndim != 2 or found[1:] != [(H, gates * H), (2 * gates * H,)] or found[0][1] != gates * H or not H:
        raise WeightsError(f"layer {at.name!r}: arrays {', '.join(map(str, found))} are not those of CuDNN")
    kernel, recurrent, bias = arrays
    turned = [
        np.concatenate(
            [np.ascontiguousarray(part).reshape(H, -1).T for part in np.split(matrix, gates, axis=1)], axis=1
        )
        for matrix in (kernel, recurrent)
    ]
    biases = bias.reshape(2, gates * H)
    return (*turned, biases if gates == 3 else biases.sum(axis=0))


# Attention ---------------------------------------------------------------------------------------------------------


@kind("AttentionWeightedAverage", arrays=lambda config: ["kernel"])
def _attention(at: Place) -> Layer | list[Layer]:
    if at.arrays["kernel"].shape[1:] != (1,) or not at.arrays["kernel"].size:
        raise WeightsError(f"layer {at.name!r}: kernel has shape {at.arrays['kernel'].shape}, expected (any, 1)")
    return weighted_average(at, at.previous[0], at.arrays["kernel"], at.flag("return_attention"))


def weighted_average(at: Place, previous: Layer, kernel: np.ndarray, both: bool) -> Layer | list[Layer]:
    """DeepMoji's attention layer, its parts named after it; ``both``: the weights are an output too."""
    layer = layers.AttentionWeightedAverage(previous, kernel, name=at.name)
    layer.logits.name, layer.attention.name = f"{at.name}/logits", f"{at.name}/attention"
    return [layer, layer.attention] if both else layer


# Several to one, and other shapes ----------------------------------------------------------------------------------


def _several(at: Place) -> list[Layer]:
    """The inputs of a layer that combines several: Keras 3.0 to 3.3 let none of their masks through."""
    if not (3, 0) <= at.version < (3, 4):
        return at.previous
    return [layers.DroppedMask(layer, name=f"{at.name}/unmasked{i}") for i, layer in enumerate(at.previous)]


@kind("Concatenate")
def _concatenate(at: Place) -> Layer:
    return layers.Concatenate(*_several(at), axis=axis(at), any_valid=at.keras3, name=at.name)


@kind("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
def _merge(at: Place) -> Layer:
    if len(at.previous) < 2:
        raise WeightsError(
            f"layer {at.name!r}: {at.config['class_name']} of {len(at.previous)} inputs, expected several"
        )
    return getattr(layers, at.config["class_name"])(*_several(at), any_valid=at.keras3, name=at.name)


@kind("Dot")
def _dot(at: Place) -> Layer:
    given = at.setting("axes")
    axes = (given, given) if type(given) is int else tuple(given) if isinstance(given, list) else ()
    if len(at.previous) != 2 or len(axes) != 2 or not are_axes(axes, 1):
        raise WeightsError(
            f"layer {at.name!r}: Dot of {len(at.previous)} inputs along {given!r:.60}, expected two and their axes"
        )
    least = 1e-7 if at.keras3 else 1e-6
    return layers.Dot(*at.previous, axes=axes, normalize=at.flag("normalize"), least=least, name=at.name)


@kind("Flatten")
def _flatten(at: Place) -> Layer:
    channels_last(at)
    return layers.Flatten(at.previous[0], name=at.name)


@kind("Reshape")
def _reshape(at: Place) -> Layer:
    return layers.Reshape(at.previous[0], sizes(at, "target_shape"), name=at.name)


@kind("Permute")
def _permute(at: Place) -> Layer:
    return layers.Permute(at.previous[0], sizes(at, "dims"), name=at.name)


@kind("RepeatVector")
def _repeat_vector(at: Place) -> Layer:
    return layers.RepeatVector(at.previous[0], whole(at, "n"), name=at.name)
