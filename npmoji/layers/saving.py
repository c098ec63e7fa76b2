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
from typing import Any

import numpy as np

from .. import layers
from ..errors import InputError, WeightsError
from ..files.paths import local
from ..formats.fields import check_json
from . import Layer
from .arguments import made
from .base import ancestors

CLASSES = {name: cls for name in layers.__all__ if issubclass(cls := getattr(layers, name), Layer)}
GRAPH = "graph"  # the member that holds the JSON
NOT_OURS = "not a network written by npmoji"


def save_layers(path: str | os.PathLike[str], *outputs: Layer) -> None:
    """Write the layers, and all they are computed from, to a `.npz` file.

    Raises:
        InputError: a layer of a class that is not npmoji's, made from something that is neither numbers nor layers, or
            a place that cannot be written to.

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
        with open(path, "rb") as file:
            data = file.read()
        return _Reader(_members(data)).layers()
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (OSError, MemoryError) as error:
        raise WeightsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


class _Writer:
    """Numbers layers and collects their arrays."""

    def __init__(self) -> None:
        self.places: dict[Layer, int] = {}
        self.arrays: dict[str, np.ndarray] = {}

    def order(self, outputs: tuple[Layer, ...]) -> list[Layer]:
        """The layers that were made by the caller, each after those it is made from: those that a layer makes for
        itself come with it."""
        ordered = ancestors(outputs, lambda layer: _layers_in(layer.made_from))
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


def _members(data: bytes) -> dict[str, Any]:
    """The arrays of a `.npz` file."""
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        members = {name: loaded[name] for name in loaded.files} if isinstance(loaded, np.lib.npyio.NpzFile) else {}
    except Exception as error:  # only NumPy's and zipfile's readers run here, to which damage is whatever it leads to
        raise WeightsError(f"{NOT_OURS} ({type(error).__name__}: {error})") from error
    wrong = [name for name, array in members.items() if not isinstance(array, np.ndarray)]
    if wrong or GRAPH not in members:
        found = f"the member {wrong[0]!r} is no array" if wrong else f"no member {GRAPH!r}"
        raise WeightsError(f"{NOT_OURS}: {found}")
    return members


class _Reader:
    """The inverse of `_Writer`: makes layers of the members of a file, all of which is checked."""

    def __init__(self, members: dict[str, np.ndarray]):
        self.arrays = {name: array for name, array in members.items() if name != GRAPH}
        self.made: list[Layer] = []
        try:
            self._graph = json.loads(members[GRAPH].tobytes())
        except (ValueError, RecursionError) as error:
            raise WeightsError(f"{NOT_OURS}: its graph is no JSON ({error})") from error
        check_json(self._graph, "the graph")

    def layers(self) -> list[Layer]:
        """All layers in graph order, the outputs last."""
        for i, entry in enumerate(self._member(self._graph, "layers", list, "the graph")):
            where = f"layer {i}"
            cls = self._class(self._member(entry, "class", str, where), where)
            arguments = [self._value(item, where) for item in self._member(entry, "arguments", list, where)]
            options = self._member(entry, "options", dict, where)
            options = {key: self._value(item, where) for key, item in options.items()}
            self.made.append(made(cls, arguments, options, f"{where}, {cls.__name__}"))
        ends = [self._layer(place, "the outputs") for place in self._member(self._graph, "outputs", list, "the graph")]
        return [layer for layer in self.made if layer not in ends] + ends

    def _value(self, value: Any, where: str) -> Any:
        """A value that `_Writer.written` wrote, or a plain one."""
        if isinstance(value, dict) and len(value) == 1:
            ((key, inner),) = value.items()
            if key == "layer" and type(inner) is int:
                return self._layer(inner, where)
            if key == "array" and isinstance(inner, str):
                return self._array(inner, where)
            if key == "class" and isinstance(inner, str):
                return self._class(inner, where)
            if key == "tuple" and isinstance(inner, list):
                return tuple(self._value(item, where) for item in inner)
            if key == "dict" and isinstance(inner, dict):
                return {name: self._value(item, where) for name, item in inner.items()}
        if isinstance(value, (dict, list)):
            raise WeightsError(f"{NOT_OURS}: {where}: {value!r:.60} stands for no value")
        return value

    def _layer(self, place: Any, where: str) -> Layer:
        if type(place) is not int or not 0 <= place < len(self.made):
            raise WeightsError(f"{NOT_OURS}: {where}: there is no layer {place!r:.60} before it")
        return self.made[place]

    def _array(self, name: str, where: str) -> np.ndarray:
        if name not in self.arrays:
            raise WeightsError(f"{NOT_OURS}: {where}: there is no array {name!r:.60}")
        return self.arrays[name]

    def _class(self, name: str, where: str) -> type[Layer]:
        if name not in CLASSES:
            raise WeightsError(f"{NOT_OURS}: {where}: there is no class {name!r:.60}")
        return CLASSES[name]

    def _member(self, value: Any, key: str, kind: type, where: str) -> Any:
        found = value.get(key) if isinstance(value, dict) else None
        if not isinstance(found, kind):
            raise WeightsError(f"{NOT_OURS}: {where}: {key!r} is {found!r:.60}, expected a {kind.__name__}")
        return found
