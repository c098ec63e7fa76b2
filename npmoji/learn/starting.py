"""The network that training starts from: the model with a new last layer, more words, or all weights fresh."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import initialisers
from ..errors import InputError
from ..layers import LSTM, Activation, AttentionWeightedAverage, Bidirectional, Dense, Layer, Softmax
from ..model import Model
from . import words
from .heads import rebuilt, with_head
from .prepare import Prepared

HEADS = ("new", "keep")


def start(model: Model, data: Prepared, method: str, head: str, seed: int) -> Model:
    """The model to train.

    Args:
        head: ``"new"``: a last layer for the data's classes, its kernel glorot-uniform, its bias 0; ``"keep"``: the
            model's own, which must have as many.
        seed: of all values that are drawn. The last layer's do not depend on how many words are added.

    Raises:
        InputError: an int8 or fp16 model, a head that does not fit, or a network that cannot take it.
    """
    if model.precision != "fp32":
        raise InputError(
            f"{model.path}: is of precision {model.precision}, and training needs float32: load it with precision='fp32'"
        )
    random = np.random.default_rng(seed)
    columns = len(data.classes) if data.multi_label or len(data.classes) > 2 else 1
    if head == "new":
        kernel = initialisers.glorot_uniform(random, (_features(model), columns))
        made = with_head(model, kernel, classes=data.classes, multi_label=data.multi_label)
    else:
        check_fits(model, data, columns)
        made = model
    layers = _extended(made, data, random)
    if method == "new":
        layers = fresh(made, np.random.default_rng(seed), layers)
    return rebuilt(made, layers, words=data.words) if layers or data.words else made


def fresh(model: Model, random: np.random.Generator, sizes: dict[str, dict[str, np.ndarray]]) -> Any:
    """New values for all arrays of a network, drawn in graph order, as Keras starts them.

    Args:
        sizes: arrays whose shape is to be that of these, not the model's.

    Raises:
        InputError: an array whose initial values are not known.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for layer, arrays in model.graph.weights.items():
        for name, array in arrays.items():
            shape = np.shape(sizes.get(layer, {}).get(name, array))
            found.setdefault(layer, {})[name] = _first_values(model, layer, name, shape, random)
    return found


def _first_values(model: Model, layer: str, name: str, shape: tuple[int, ...], random: np.random.Generator) -> Any:
    made: Layer | None = model.graph.named.get(layer)
    kind = name.removeprefix("forward_").removeprefix("backward_")
    if kind == "embeddings" or (isinstance(made, AttentionWeightedAverage) and kind == "kernel"):
        return initialisers.uniform(random, shape)
    if kind == "kernel":
        return initialisers.glorot_uniform(random, shape)
    if kind == "recurrent_kernel":
        return initialisers.orthogonal(random, shape)
    if kind == "bias" and isinstance(made.ahead if isinstance(made, Bidirectional) else made, LSTM):
        return np.repeat(np.float32([0, 1, 0, 0]), shape[0] // 4)  # an open forget gate
    if kind in ("bias", "beta", "moving_mean"):
        return initialisers.zeros(shape)
    if kind in ("gamma", "moving_variance"):
        return initialisers.ones(shape)
    raise InputError(f"method 'new': {model.path}: layer {layer!r}: not known what {name!r} is to start with")


def _last_dense(model: Model) -> Layer:
    """The layer that gives the classes, if it is a Dense one."""
    last = model.graph.outputs[0]
    while isinstance(last, (Activation, Softmax)):
        last = last.previous[0]
    return last


def _features(model: Model) -> int:
    """What the last Dense layer takes, or what one after the attention layer would take."""
    last = _last_dense(model)
    width = len(last.weights()["kernel"]) if isinstance(last, Dense) else model.features
    if not width:
        raise InputError(f"{model.path}: has neither a last Dense layer nor an attention layer to put one on")
    return width


def check_fits(model: Model, data: Prepared, columns: int) -> None:
    """The model's last layer must be one for the data's classes.

    Raises:
        InputError: it has other columns, or other names.
    """
    if model.classes != columns:
        raise InputError(
            f"{model.path}: its last layer has {model.classes} columns, but {len(data.classes)} classes need {columns}: "
            "give it a new one with head='new'"
        )
    names = model.class_names
    if names and list(names) != data.classes:
        raise InputError(f"{model.path}: its classes are {names!r:.80}, the labels' {data.classes!r:.80}")


def _extended(model: Model, data: Prepared, random: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """The embedding with rows for the words added, by layer and name; nothing if it has them."""
    if not data.words:
        return {}
    rows = max(data.words.values()) + 1 - model.vocabulary_size
    if rows <= 0:
        return {}
    found = [name for name, arrays in model.graph.weights.items() if "embeddings" in arrays]
    if len(found) != 1:
        raise InputError(f"{model.path}: has {len(found)} embeddings, expected one to extend; give extend_with=0")
    embeddings = np.asarray(model.graph.weights[found[0]]["embeddings"], np.float32)
    return {found[0]: {"embeddings": words.appended(embeddings, rows, random)}}
