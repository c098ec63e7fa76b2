"""Networks made by hand, kept as plain NumPy arrays: layers to one `.npz` file and back.

    save_layers("net.npz", net[-1])
    net = load_layers("net.npz")           # all layers in graph order; net[-1](X)

The file holds the arrays that the layers were made from, and how they were made as JSON: classes by name, nothing that
could be executed.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from typing import Any

import numpy as np

from .. import layers
from ..errors import InputError, WeightsError
from ..files.paths import local
from . import Layer
from .base import ancestors

CLASSES = {name: cls for name, cls in vars(layers).items() if isinstance(cls, type) and issubclass(cls, Layer)}
GRAPH = "graph"  # the member that holds the JSON
DAMAGES = (  # what NumPy's reader, the zip file under it, and layers made from the wrong things may raise
    *(
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        EOFError,
        RuntimeError,
        MemoryError,
        ArithmeticError,
        SyntaxError,
    ),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


def save_layers(path: str | os.PathLike[str], *outputs: Layer) -> None:
    """Write the layers, and all they are computed from, to a `.npz` file.

    Raises:
        InputError: a layer of a class that is not npmoji's, made from something that is neither numbers nor layers, or a
            place that cannot be written to.

    >>> npmoji.save_layers("net.npz", npmoji.Activation(npmoji.Input(), "relu"))
    >>> npmoji.load_layers("net.npz")
    [<Input 'input'>, <Activation 'activation'>]
    """
    from ..files.whole import whole_file

    if not outputs or not all(isinstance(layer, Layer) for layer in outputs):
        raise InputError("save_layers: expected the layers at the end of a network")
    writer = _Writer()
    entries = [writer.entry(layer) for layer in writer.order(outputs)]
    graph = {"format": 1, "layers": entries, "outputs": [writer.places[layer] for layer in outputs]}
    writer.arrays[GRAPH] = np.frombuffer(json.dumps(graph).encode(), np.uint8)
    with whole_file(path) as file:
        np.savez(file, **writer.arrays)


def load_layers(path: str | os.PathLike[str]) -> list[Layer]:
    """The layers that `save_layers` wrote, in graph order, the outputs last.

    Raises:
        WeightsError: missing, damaged, or not written by `save_layers`.

    >>> npmoji.save_layers("net.npz", npmoji.Activation(npmoji.Input(), "relu"))
    >>> npmoji.load_layers("net.npz")[-1](np.float32([[-1, 2]]))
    array([[0., 2.]], dtype=float32)
    """
    path = local(path)
    try:
        with open(path, "rb") as file, np.load(io.BytesIO(file.read()), allow_pickle=False) as arrays:
            members = {name: arrays[name] for name in arrays.files}
        graph = json.loads(members.pop(GRAPH).tobytes())
        made: list[Layer] = []
        for entry in graph["layers"]:
            cls = CLASSES[entry["class"]]
            positional, options = (_read(entry[key], made, members) for key in ("arguments", "options"))
            made.append(cls(*positional, **options))
        ends = [made[place] for place in graph["outputs"]]
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except DAMAGES as error:
        raise WeightsError(f"{path}: not a network written by npmoji ({type(error).__name__}: {error})") from error
    return [layer for layer in made if layer not in ends] + ends


class _Writer:
    """Numbers layers and collects their arrays."""

    def __init__(self) -> None:
        self.places: dict[Layer, int] = {}
        self.arrays: dict[str, np.ndarray] = {}

    def order(self, outputs: tuple[Layer, ...]) -> list[Layer]:
        """The layers that were made by the caller: those that a layer makes for itself come with it."""
        wanted: dict[Layer, None] = {}
        stack = list(outputs)
        while stack:
            layer = stack.pop()
            if layer not in wanted:
                wanted[layer] = None
                stack.extend(_layers_in(layer.made_from))
        ordered = [layer for layer in ancestors(wanted) if layer in wanted]
        self.places = {layer: i for i, layer in enumerate(ordered)}
        return ordered

    def entry(self, layer: Layer) -> dict[str, Any]:
        """How a layer was made."""
        name = type(layer).__name__
        if CLASSES.get(name) is not type(layer):
            raise InputError(f"layer {layer.name!r}: class {name!r} is not one of npmoji's and cannot be saved")
        arguments, options = layer.made_from
        label = f"{self.places[layer]}.{layer.name}"
        return {
            "class": name,
            "arguments": [self.written(value, f"{label}.{i}") for i, value in enumerate(arguments)],
            "options": {key: self.written(value, f"{label}.{key}") for key, value in options.items()},
        }

    def written(self, value: Any, label: str) -> Any:
        """A value as JSON; arrays are put aside under the label."""
        if isinstance(value, Layer):
            return {"layer": self.places[value]}
        if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__"):
            self.arrays[label] = np.asarray(value)
            return {"array": label}
        if isinstance(value, (tuple, list)):
            return {"tuple": [self.written(item, f"{label}.{i}") for i, item in enumerate(value)]}
        if isinstance(value, dict):
            return {"dict": {key: self.written(item, f"{label}.{key}") for key, item in value.items()}}
        if isinstance(value, type) and CLASSES.get(value.__name__) is value:
            return {"class": value.__name__}
        if value is None or isinstance(value, (str, int, float, bool)):
            return value
        raise InputError(f"{label}: a {type(value).__name__} cannot be saved")


def _layers_in(value: Any) -> list[Layer]:
    if isinstance(value, Layer):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [layer for item in items for layer in _layers_in(item)]


def _read(value: Any, made: list[Layer], arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of `_Writer.written`, and lists and dicts of such values."""
    if isinstance(value, list):
        return [_read(item, made, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, inner), *_ = value.items()
        if key == "layer" and isinstance(inner, int):
            return made[inner]
        if key == "array" and isinstance(inner, str):
            return arrays[inner]
        if key == "class" and isinstance(inner, str):
            return CLASSES[inner]
        if key == "tuple" and isinstance(inner, list):
            return tuple(_read(inner, made, arrays))
        if key == "dict" and isinstance(inner, dict):
            return {name: _read(item, made, arrays) for name, item in inner.items()}
    return {name: _read(item, made, arrays) for name, item in value.items()}
