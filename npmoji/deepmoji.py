"""The DeepMoji network, top to bottom: read this file first.

    | layer       | what it does                                                    | output       |
    |-------------|-----------------------------------------------------------------|--------------|
    | input       | token ids; 0 is padding                                         | (N, T)       |
    | embedding   | a row a token; from here on a mask tells the padding            | (N, T, E)    |
    | activation  | tanh of it                                                      | (N, T, E)    |
    | bi_lstm_0   | LSTM along time and against it, side by side                    | (N, T, 2H)   |
    | bi_lstm_1   | the same again, on top                                          | (N, T, 2H)   |
    | concatenate | [bi_lstm_1, bi_lstm_0, activation]                              | (N, T, F)    |
    | attlayer    | average over time, weighted by attention: the 2304 features     | (N, F)       |
    | softmax     | probabilities of the 64 emojis (one number for a 2-class model) | (N, C)       |

N texts of T steps; sizes E, H, C and the vocabulary V come from the weights, F = 4H + E. Feature-only weights, without
`softmax`, make a network that ends at `attlayer`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import WeightsError
from .formats import Contents
from .formats.fields import item
from .layers import Activation, AttentionWeightedAverage, Bidirectional, Concatenate, Dense, Embedding, Input, Layer
from .precision import LARGEST_HALF, fits_half, is_finite

#: layers that have weights, in the order of the file, with the number of their arrays
WEIGHTED = {"embedding": 1, "bi_lstm_0": 6, "bi_lstm_1": 6, "attlayer": 1, "softmax": 2}
#: those that feature-only weights have
FEATURES = [name for name in WEIGHTED if name != "softmax"]

KERNELS, MATRICES = (0, 3), (0, 1, 3, 4)  # places of a bi_lstm's input matrices, and of all, among its arrays
#: arrays that a precision rounds to IEEE halves: layer -> their places
HALVES: dict[str, dict[str, tuple[int, ...]]] = {
    "fp32": {},
    "fp16": {"embedding": (0,), "bi_lstm_0": MATRICES, "bi_lstm_1": MATRICES},
    "int8": {"embedding": (0,), "bi_lstm_0": KERNELS},
}

LARGE = 16 << 20  # bytes; an embedding beyond this is not scanned for NaN when loaded: its rows are checked in use


def build(file: Contents, precision: str = "fp32") -> list[Layer]:
    """The network with the weights of ``file``: its layers in graph order, the last one giving the probabilities, or
    the features if the file has no more.

    Raises:
        WeightsError: a layer is missing, unexpected or out of order, an array has the wrong shape or is not finite, or
            the precision cannot hold a weight.
    """
    w = check(file)
    check_half_range(w, precision)
    lstm = {"gate": gate(file), "hold_masked": file.holds_masked_outputs}

    ids = Input(vocabulary_size=len(w["embedding"][0]), name="input")
    embedding = Embedding(ids, *w["embedding"], mask_zero=True, name="embedding")
    x = Activation(embedding, "tanh", name="activation")
    # Its projection runs once a distinct token: int8 would gain little there, and it is where it errs most.
    lstm_0 = Bidirectional(x, w["bi_lstm_0"][:3], w["bi_lstm_0"][3:], exact_projection=True, name="bi_lstm_0", **lstm)
    lstm_1 = Bidirectional(lstm_0, w["bi_lstm_1"][:3], w["bi_lstm_1"][3:], name="bi_lstm_1", **lstm)
    skips = Concatenate(lstm_1, lstm_0, x, name="concatenate")  # the order the trained weights expect
    features = AttentionWeightedAverage(skips, *w["attlayer"], name="attlayer")
    layers = [ids, embedding, x, lstm_0, lstm_1, skips, features]
    if "softmax" in w:
        activation = final_activation(w["softmax"][0])
        layers.append(Dense(features, *w["softmax"], activation=activation, name="softmax"))
    check_widths(x, lstm_0, lstm_1, *layers[6:])
    return layers


def matches(file: Contents) -> bool:
    """Whether a file has just the layers with weights that DeepMoji has, by their names; `softmax` may be missing."""
    found = {name for name, arrays in file.layers.items() if arrays}
    return found == set(WEIGHTED) or (found == set(FEATURES) and _ends_in_features(file))


def _ends_in_features(file: Contents) -> bool:
    """Whether the config, if there is one, is of DeepMoji's first layers: its output all that they give, averaged."""
    if not file.config:
        return True
    inner, w = file.config.get("config"), file.layers
    output: Any = inner.get("output_layers") if isinstance(inner, dict) else None
    while isinstance(output, list) and output:
        output = output[0]
    E, *gates = (array.shape[-1] if array.ndim else 0 for array in (w[name][-1] for name in FEATURES[:3]))
    F = E + sum(gates) // 2  # of a bias of 4H there are 2H
    return output == "attlayer" and w["attlayer"][0].shape[:1] == (F,)


def check(file: Contents) -> dict[str, list[np.ndarray]]:
    """The weights by layer, after checking which layers there are, their number of arrays and finiteness."""
    found = {name: arrays for name, arrays in file.layers.items() if arrays}
    if not matches(file):
        missing = [name for name in WEIGHTED if name not in found]
        unexpected = [name for name in found if name not in WEIGHTED]
        raise WeightsError(
            f"not the weights of a DeepMoji network: expected the layers {list(WEIGHTED)}, found missing {missing}, "
            f"unexpected {unexpected}; another network needs the config of its model"
        )
    for name, arrays in found.items():
        if len(arrays) != WEIGHTED[name]:
            raise WeightsError(f"layer {name!r} has {len(arrays)} arrays, expected {WEIGHTED[name]}")
        for array in arrays:
            if name != "embedding" or array.nbytes <= LARGE:
                check_finite(name, array)
    return found


def check_finite(layer: str, array: np.ndarray) -> None:
    """Raise a WeightsError if the array holds NaN or infinity."""
    if not is_finite(array):
        raise WeightsError(f"layer {layer!r} holds NaN or infinite values in its array of shape {array.shape}")


def check_half_range(layers: dict[str, list[np.ndarray]], precision: str) -> None:
    """Raise a WeightsError if a weight that the precision rounds to an IEEE half is too large for it."""
    for name, places in HALVES[precision].items():
        for array in (layers[name][i] for i in places):
            if (name != "embedding" or array.nbytes <= LARGE) and not fits_half(array):
                raise WeightsError(
                    f"layer {name!r} holds weights beyond {LARGEST_HALF:.0f} in its array of shape {array.shape}: "
                    f"too large for precision {precision!r}"
                )


def check_widths(x: Layer, lstm_0: Layer, lstm_1: Layer, *ends: Layer) -> None:
    """Each layer must take what the one before gives; the layers themselves have checked the rest.

    Args:
        ends: what takes the F features of a step or a text.
    """
    E = x.previous[0].embeddings.shape[1]
    H_0, H_1 = (len(layer.ahead.recurrent_kernel) for layer in (lstm_0, lstm_1))
    F = 2 * H_1 + 2 * H_0 + E
    for layer, kernel, width in (
        (lstm_0, lstm_0.ahead.kernel, E),
        (lstm_1, lstm_1.ahead.kernel, 2 * H_0),
        *((layer, layer.kernel, F) for layer in ends),
    ):
        layer.expect("kernel", kernel, width, kernel.shape[1])


def gate(file: Contents) -> str:
    """The recurrent activation. Keras 3 means another function by `hard_sigmoid`; without a config it is Keras 2's."""
    name = _recurrent_activation(file.config) if file.config else "hard_sigmoid"
    if name not in ("hard_sigmoid", "sigmoid"):
        raise WeightsError(f"layer 'bi_lstm_0': recurrent activation {name!r}, expected 'hard_sigmoid' or 'sigmoid'")
    return "hard_sigmoid_keras3" if name == "hard_sigmoid" and file.version >= (3, 0) else name


def _recurrent_activation(config: dict[str, Any]) -> str:
    """What a full model's config says of bi_lstm_0's gates."""
    where = "layer 'bi_lstm_0'"
    try:
        entries = item(item(config, "config", "the model", dict), "layers", "the model", list)
        inner = [item(entry, "config", "a layer", dict) for entry in entries]
        named = {item(settings, "name", "a layer", str): settings for settings in inner}
        wrapped = item(item(named, "bi_lstm_0", "the model", dict), "layer", where, dict)
        return item(item(wrapped, "config", where, dict), "recurrent_activation", where, str)
    except WeightsError as error:
        raise WeightsError(f"{where}: no recurrent_activation in the model_config ({error})") from error


def final_activation(kernel: np.ndarray) -> str:
    """Softmax over C classes; a 2-class transfer model has one column and a sigmoid, and is still named `softmax`."""
    return "sigmoid" if kernel.ndim == 2 and kernel.shape[1] == 1 else "softmax"
