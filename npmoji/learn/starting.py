"""The network that training starts from: the model with a new last layer and more words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import initialisers
from ..errors import InputError
from ..layers import Activation, Dense, Layer, Softmax
from ..model import Model
from ..precision import is_whole
from . import words
from .heads import rebuilt, with_head
from .prepare import Prepared

HEADS = ("new", "keep")


def start(model: Model, data: Prepared, columns: int, classes: Sequence[str], head: str, seed: int) -> Model:
    """The model to train.

    Args:
        columns: of the last layer: 1 for one sigmoid.
        classes: the names it is to have, for a new one.
        head: ``"new"``: a last layer whose kernel is glorot-uniform, its bias 0; ``"keep"``: the model's own.
        seed: of all values that are drawn. The last layer's do not depend on how many words are added.

    Raises:
        InputError: a head that does not fit, or a network that cannot take it.
    """
    if head not in HEADS:
        raise InputError(f"head {head!r:.60}: expected one of {', '.join(HEADS)}")
    random = np.random.default_rng(seed)
    if head == "new":
        kernel = initialisers.glorot_uniform(random, (_features(model), columns))
        model = with_head(model, kernel, classes=classes, multi_label=data.multi_label and columns > 1)
    elif model.classes != columns:
        raise InputError(
            f"{model.path}: its last layer has {model.classes} columns, but the {len(data.classes)} classes need "
            f"{columns}: give it a new one with head='new'"
        )
    return rebuilt(model, _extended(model, data, random), words=data.words) if data.words else model


def last_dense(model: Model) -> Layer:
    """The layer that gives the classes, if it is a Dense one."""
    last = model.graph.outputs[0]
    while isinstance(last, (Activation, Softmax)):
        last = last.previous[0]
    return last


def _features(model: Model) -> int:
    """What the last Dense layer takes, or what one after the attention layer would take."""
    last = last_dense(model)
    width = len(last.weights()["kernel"]) if isinstance(last, Dense) else model.features
    if not width:
        raise InputError(f"{model.path}: has neither a last Dense layer nor an attention layer to put one on")
    return width


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
    if is_whole(model.graph.weights[found[0]]["embeddings"]):
        raise InputError(f"{model.path}: its embeddings are quantised and cannot be extended; give extend_with=0")
    embeddings = np.asarray(model.graph.weights[found[0]]["embeddings"], np.float32)
    return {found[0]: {"embeddings": words.appended(embeddings, rows, random)}}
