"""The DeepMoji network, top to bottom: read this file first.

    | layer       | what it does                                                    | output       |
    |-------------|-----------------------------------------------------------------|--------------|
    | input       | token ids; 0 is padding                                         | (N, T)       |
    | embedding   | one row per token; from here on a mask marks the padding        | (N, T, E)    |
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
from .formats.contents import Contents, Layers, named
from .formats.fields import item
from .layers import Activation, AttentionWeightedAverage, Bidirectional, Concatenate, Dense, Embedding, Input, Layer
from .precision import LARGEST_HALF, fits_half, is_finite, is_whole

KERNELS = ("forward_kernel", "backward_kernel")  # a bi_lstm's matrices for its input
RECURRENT = ("forward_recurrent_kernel", "backward_recurrent_kernel")
LSTM = (KERNELS[0], RECURRENT[0], "forward_bias", KERNELS[1], RECURRENT[1], "backward_bias")
#: layers that have weights, in the order of the file, with the names of their arrays in Keras' order
WEIGHTED: dict[str, tuple[str, ...]] = {
    "embedding": ("embeddings",),
    "bi_lstm_0": LSTM,
    "bi_lstm_1": LSTM,
    "attlayer": ("kernel",),
    "softmax": ("kernel", "bias"),
}
#: those that feature-only weights have
FEATURES = [name for name in WEIGHTED if name != "softmax"]

#: arrays that a precision rounds to IEEE halves: layer -> their names
HALVES: dict[str, dict[str, tuple[str, ...]]] = {
    "fp32": {},
    "fp16": {"embedding": ("embeddings",), "bi_lstm_0": KERNELS + RECURRENT, "bi_lstm_1": KERNELS + RECURRENT},
    "int8": {"embedding": ("embeddings",), "bi_lstm_0": KERNELS},
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

    ids = Input(vocabulary_size=len(w["embedding"]["embeddings"]), name="input")
    embedding = Embedding(ids, **w["embedding"], mask_zero=True, name="embedding")
    x = Activation(embedding, "tanh", name="activation")
    # Its projection runs once a distinct token: int8 would gain little there, and it is where it errs most.
    lstm_0 = Bidirectional(x, **directions(w["bi_lstm_0"]), exact_projection=True, name="bi_lstm_0", **lstm)
    lstm_1 = Bidirectional(lstm_0, **directions(w["bi_lstm_1"]), name="bi_lstm_1", **lstm)
    skips = Concatenate(lstm_1, lstm_0, x, name="concatenate")  # the order the trained weights expect
    features = AttentionWeightedAverage(skips, **w["attlayer"], name="attlayer")
    layers = [ids, embedding, x, lstm_0, lstm_1, skips, features]
    if "softmax" in w:
        activation = final_activation(file, w["softmax"]["kernel"])
        layers.append(Dense(features, **w["softmax"], activation=activation, name="softmax"))
    check_widths(x, lstm_0, lstm_1, *layers[6:])
    return layers


def matches(file: Contents) -> bool:
    """Whether a file has just the layers with weights that DeepMoji has, by their names; `softmax` may be missing. Nor
    does anything come after that."""
    found = {name for name, arrays in file.layers.items() if arrays}
    if any(is_whole(array) for arrays in file.layers.values() for array in arrays.values()):  # quantised by Keras
        return False
    if found == set(WEIGHTED):
        return _output(file) in ("softmax", None)
    return found == set(FEATURES) and _ends_in_features(file)


def _output(file: Contents) -> Any:
    """The name of the layer that the config, if there is one, has for the model's output."""
    inner = file.config.get("config") if file.config else None
    output: Any = inner.get("output_layers") if isinstance(inner, dict) else None
    while isinstance(output, list) and output:
        output = output[0]
    return output


def _ends_in_features(file: Contents) -> bool:
    """Whether the config, if there is one, is of DeepMoji's first layers: its output all that they give, averaged."""
    if not file.config:
        return True
    output = _output(file)
    if output != "attlayer" or any(len(file.layers[name]) != len(WEIGHTED[name]) for name in FEATURES):
        return False
    w = weights(file)
    widths = w["embedding"]["embeddings"], w["bi_lstm_0"]["backward_bias"], w["bi_lstm_1"]["backward_bias"]
    E, *gates = (array.shape[-1] if array.ndim else 0 for array in widths)
    F = E + sum(gates) // 2  # of a bias of 4H there are 2H
    return w["attlayer"]["kernel"].shape[:1] == (F,)


def weights(file: Contents) -> Layers:
    """The file's arrays by name: of a file that tells only their order, as Keras has it, the names are given here.

    Raises:
        WeightsError: a layer has another number of arrays.
    """
    found: Layers = {}
    for name, arrays in file.layers.items():
        names = WEIGHTED.get(name, ()) if arrays else ()
        if len(arrays) != len(names):
            raise WeightsError(f"layer {name!r} has {len(arrays)} arrays, expected {len(names)}")
        found[name] = named(arrays, names)
    return found


def check(file: Contents) -> Layers:
    """The weights, after checking which layers there are, their number of arrays and finiteness."""
    if not matches(file):
        found = [name for name, arrays in file.layers.items() if arrays]
        missing = [name for name in WEIGHTED if name not in found]
        unexpected = [name for name in found if name not in WEIGHTED]
        raise WeightsError(
            f"not the weights of a DeepMoji network: expected the layers {list(WEIGHTED)}, found missing {missing}, "
            f"unexpected {unexpected}; another network needs the config of its model"
        )
    w = weights(file)
    for name, arrays in w.items():
        for array in arrays.values():
            if name != "embedding" or array.nbytes <= LARGE:
                check_finite(name, array)
    return w


def check_finite(layer: str, array: np.ndarray) -> None:
    """Raise a WeightsError if the array holds NaN or infinity."""
    if not is_finite(array):
        raise WeightsError(f"layer {layer!r} holds NaN or infinite values in its array of shape {array.shape}")


def directions(arrays: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """A bi_lstm's arrays as `Bidirectional` takes them: by direction kernel, recurrent kernel and bias."""
    names = ("kernel", "recurrent_kernel", "bias")
    return {way: tuple(arrays[f"{way}_{name}"] for name in names) for way in ("forward", "backward")}


def check_half_range(layers: Layers, precision: str) -> None:
    """Raise a WeightsError if a weight that the precision rounds to an IEEE half is too large for it."""
    for name, halves in HALVES[precision].items():
        for array in (layers[name][half] for half in halves):
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
        wrapped = item(item(_settings(config), "bi_lstm_0", "the model", dict), "layer", where, dict)
        return item(item(wrapped, "config", where, dict), "recurrent_activation", where, str)
    except WeightsError as error:
        raise WeightsError(f"{where}: no recurrent_activation in the model_config ({error})") from error


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of each layer of a full model's config."""
    entries = item(item(config, "config", "the model", dict), "layers", "the model", list)
    inner = [item(entry, "config", "a layer", dict) for entry in entries]
    return {item(settings, "name", "a layer", str): settings for settings in inner}


def final_activation(file: Contents, kernel: np.ndarray) -> str:
    """What a full model's config says of its last layer. Else softmax over C classes, or a sigmoid: for one column, as
    a 2-class transfer model has, and if each class has a probability of its own. It is named `softmax` all the same."""
    if file.config and (settings := _settings(file.config).get("softmax")) and "activation" in settings:
        from .keras.place import Place

        return Place("softmax", settings, [], {}, file.version, not file.holds_masked_outputs).activation()
    one = kernel.ndim == 2 and kernel.shape[1] == 1
    return "sigmoid" if one or file.multi_label else "softmax"
