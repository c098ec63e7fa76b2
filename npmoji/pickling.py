"""Copies and pickles of models.

A model that `load` made is pickled as its source, the arguments of `load`. It is loaded again where the pickle is, and
must then have the weights and the vocabulary that it had. With ``embed``, or where there is no such source, the pickle
holds weights, vocabulary and settings itself. What engines made of the weights, and what they keep in between, is in no
pickle.

The functions here know models from what is handed to them: `model` is the module that uses this one.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import NpmojiError, WeightsError
from .formats.contents import Contents
from .graph import Graph

SAMPLE = 1024  # numbers of each array that a fingerprint is made of: reading all of a large file takes too long
REMEDY = "a pickle names the model's file and does not hold it, unless the model is loaded with embed=True"


def reduced(model: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What the model's `__reduce_ex__` gives."""
    model.check_ready()
    if model.embed or model.source is None:
        return rebuilt, (type(model), model.graph.copy(), model.tokenizer, _file(model), _rest(model))
    source = {**model.source, **model.settings}  # as they are now
    if isinstance(source["vocabulary"], dict):
        source["vocabulary"] = model.tokenizer.vocabulary
    return reloaded, (model.load, source, fingerprint(model))


def _file(model: Any) -> Contents:
    """What the model's file holds besides the arrays, which are the graph's."""
    return model.contents._replace(layers={})


def _rest(model: Any) -> dict[str, Any]:
    """What a model has besides graph, tokenizer and file, as `rebuilt` takes it."""
    facts = {"weights_file": model.weights_file, "vocabulary_file": model.vocabulary_file}
    return {"settings": model.settings, "embed": model.embed, **facts}


def rebuilt(cls: type, graph: Graph, tokenizer: Any, file: Contents, rest: dict[str, Any]) -> Any:
    """The model that a pickle holds."""
    model = cls(graph, tokenizer, file=file, **rest["settings"])
    model.embed = rest["embed"]
    model.weights_file, model.vocabulary_file = rest["weights_file"], rest["vocabulary_file"]
    return model


def reloaded(load: Callable[..., Any], source: dict[str, Any], wanted: str) -> Any:
    """The model that a pickle names.

    Raises:
        NpmojiError: the file is not there, or not what it was.
    """
    try:
        model = load(**source)
    except NpmojiError as error:
        raise type(error)(f"{error}; {REMEDY}") from error
    if fingerprint(model) != wanted:
        found = f"{model.path}: not the weights or the vocabulary that the model had when it was pickled"
        raise WeightsError(f"{found}; {REMEDY}")
    return model


def duplicate(model: Any, deep: bool) -> Any:
    """What `copy.copy` and `copy.deepcopy` give: a model with layers of its own."""
    model.check_ready()
    tokenizer = copy.deepcopy(model.tokenizer) if deep else model.tokenizer
    file = copy.deepcopy(_file(model)) if deep else _file(model)
    new = rebuilt(type(model), model.graph.copy(deep), tokenizer, file, _rest(model))
    new.source, new.load, new.files = model.source, model.load, model.files
    return new


def fingerprint(model: Any) -> str:
    """A digest of what the model computes with: all layers, about a thousand numbers of each array, the vocabulary's
    size.

    It tells another file, but not a single weight that differs.
    """
    digest = hashlib.sha256()
    for name, layer in model.graph.named.items():
        digest.update(f"{name} {layer.class_name}\n".encode())
        for key, array in layer.weights().items():
            flat = getattr(array, "values", array).reshape(-1)
            digest.update(f"{key} {array.shape} {array.dtype}\n".encode())
            digest.update(np.ascontiguousarray(flat[:: max(1, flat.size // SAMPLE)]).tobytes())
    if (tokenizer := model.tokenizer) is not None:
        digest.update(f"{tokenizer.maxlen} {tokenizer.compat} {tokenizer.largest_id()[1]}".encode())
    return digest.hexdigest()
