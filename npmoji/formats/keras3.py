"""Keras 3's own files: `model.weights.h5`, and `.keras`, a zip file of `config.json` and such weights.

Groups are named by class and number (`layers/bidirectional_1`), in the order of the model's layers; newer versions add the
layer's name as an attribute of its `vars` group. Arrays are `vars/0`, `vars/1`, ...; a recurrent layer's are under `cell`, a
Bidirectional's under `forward_layer` and `backward_layer`, a nested model's under `layers` again. tf_keras writes the same,
but calls the group of the layers `_layer_checkpoint_dependencies`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import WeightsError
from . import hdf5
from .contents import Contents, float_array

FOLDERS = ("layers", "_layer_checkpoint_dependencies")
PARTS = ("forward_layer", "backward_layer", "cell", "layer")  # in the order of their arrays
MOST_JSON = 1 << 28  # bytes


def is_weights(root: Mapping) -> bool:
    """Whether an HDF5 file has the groups of these files."""
    return any(name in root and isinstance(root[name], Mapping) for name in FOLDERS)


def weights(path: str, root: Mapping, config: dict[str, Any] | None = None, version: str = "") -> Contents:
    """What a weights file holds, given its root group; layers of nested models as ``outer/inner``."""
    folder = next(name for name in FOLDERS if name in root)
    known = _Names(config["config"] if config else None)
    layers = dict(_layers(path, root[folder], "", known))
    return Contents(path, layers, version or ("3.0" if folder == "layers" else "2.12.0"), config)


def read_archive(path: str) -> Contents:
    """Read a `.keras` file.

    Raises:
        WeightsError: damaged, or without its config or weights.
    """
    from .torch_pickle import TorchError as ZipError
    from .torch_pickle import Zip, _mapped

    try:
        archive = Zip(_mapped(path))
        config = json.loads(bytes(archive.read("config.json", 2, MOST_JSON)))
        metadata = json.loads(bytes(archive.read("metadata.json", 2, MOST_JSON))) if "metadata.json" in archive.members else {}
        root = hdf5.open_buffer(archive.read("model.weights.h5", 1, 1 << 48))
        if not isinstance(config, dict) or not is_weights(root):
            raise WeightsError(f"{path}: a .keras file, but its config or its weights are not those of a model")
        return weights(path, root, config, str(metadata.get("keras_version", "")))
    except (ZipError, hdf5.Hdf5Error, hdf5.Unsupported, ValueError, RecursionError, AttributeError) as error:
        raise WeightsError(f"{path}: cannot be read as a .keras file: {error}") from error


class _Names:
    """Which layer a group belongs to, by the model's config: the classes in snake case, numbered as they come."""

    def __init__(self, config: Any):
        self.groups: dict[str, str] = {}
        self.inner: dict[str, _Names] = {}
        count: dict[str, int] = {}
        for entry in (config or {}).get("layers", []) if isinstance(config, dict) else []:
            inner = entry.get("config")
            if entry["class_name"] == "InputLayer" or not isinstance(inner, dict):
                continue
            if ".ops." in (entry.get("module") or ""):
                continue
            stem = _snake(entry["class_name"])
            number = count.get(stem, 0)
            count[stem] = number + 1
            group = f"{stem}_{number}" if number else stem
            self.groups[group] = entry.get("name") or inner.get("name") or group
            if "layers" in inner:
                self.inner[self.groups[group]] = _Names(inner)


def _snake(name: str) -> str:
    """``GlobalMaxPooling1D`` to ``global_max_pooling1d``, as Keras does it."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _layers(path: str, folder: Mapping, prefix: str, known: _Names) -> Iterator[tuple[str, list[np.ndarray]]]:
    for group in folder:
        layer = folder[group]
        if not isinstance(layer, Mapping):
            continue
        own = layer["vars"].attrs.get("name", "") if "vars" in layer else ""
        own = own.decode("utf-8") if isinstance(own, bytes) else str(own)
        name = own or known.groups.get(group, group)
        inner = next((key for key in FOLDERS if key in layer and isinstance(layer[key], Mapping)), None)
        if inner:
            yield from _layers(path, layer[inner], f"{prefix}{name}/", known.inner.get(name, _Names(None)))
        else:
            yield prefix + name, list(_arrays(path, layer, prefix + name))


def _arrays(path: str, layer: Mapping, name: str) -> Iterator[np.ndarray]:
    held = layer.get("vars", {})
    for key in sorted(held, key=lambda key: (len(key), key)):
        yield float_array(path, held[key], f"layer {name!r}: weight {key}")
    for part in PARTS:
        if part in layer and isinstance(layer[part], Mapping):
            yield from _arrays(path, layer[part], name)
