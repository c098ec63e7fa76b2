"""Which network a weights file holds: DeepMoji, known by its layers' names, or what the file's own config describes."""

from __future__ import annotations

import os
from typing import Any

from . import deepmoji
from .errors import InputError, WeightsError
from .formats import Contents
from .network import Graph


def build(file: Contents, precision: str = "fp32", layers: dict[str, Any] | None = None) -> Graph:
    """The network with the weights of ``file``, checked to fit together.

    Args:
        layers: what layers of classes or names are made by, as `load` takes it.

    Raises:
        WeightsError: neither, or layers and weights that do not fit.
        InputError: ``layers`` is not what it should be, or has a key that is of no use.
    """
    if deepmoji.matches(file) or not file.config:
        if layers:
            raise InputError(f"layers: {file.path} is a DeepMoji network, which is known by its layers' names")
        made = deepmoji.build(file, precision)
        return Graph(made, made[-1:], trims_padding=True)
    from .keras import graph as keras_graph  # of no use to DeepMoji's start
    from .keras.known import Known

    for name, arrays in file.layers.items():
        for array in arrays:
            # one large array alone may be an embedding, which checks the rows in use
            if len(arrays) > 1 or array.nbytes <= deepmoji.LARGE:
                deepmoji.check_finite(name, array)
    known = Known(layers)
    graph = keras_graph.build(file, known)
    known.check_all_used(file.path)
    graph.try_out()
    return graph


def with_config(file: Contents, config: str | os.PathLike | dict[str, Any] | None) -> Contents:
    """The file with the config given; a file that has none, and is not DeepMoji's, takes `config.json` beside it.

    Raises:
        WeightsError: the config cannot be read. InputError: what is given is no path.
    """
    if config is None:
        beside = os.path.join(os.path.dirname(file.path), "config.json")
        if file.config or deepmoji.matches(file) or not os.path.isfile(beside):
            return file
        config = beside
    import json  # neither is of use to DeepMoji's start

    from .formats import keras3
    from .paths import local

    if not isinstance(config, dict):
        if not isinstance(config, (str, bytes, os.PathLike)):
            raise WeightsError(f"the config: expected a dict or the path of a .json file, got {type(config).__name__}")
        path = local(config, "config")
        try:
            with open(path, encoding="utf-8") as text:
                config = json.load(text)
        except (OSError, ValueError, RecursionError) as error:
            raise WeightsError(f"the config {path!r} cannot be read: {error}") from error
    if not isinstance(config, dict) or "class_name" not in config or "config" not in config:
        raise WeightsError("the config is not that of a model: expected the keys 'class_name' and 'config'")
    file = file._replace(keras_version=str(config.get("keras_version", "")) or file.keras_version)
    return keras3.with_config(file, config)
