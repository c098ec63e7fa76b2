"""Keras 3's own files: `model.weights.h5`, and `.keras`, a zip file of `config.json` and such weights.

Groups are named by class and number (`layers/bidirectional_1`), in the order of the model's layers; newer versions add
the layer's name as an attribute of its `vars` group. Arrays are `vars/0`, `vars/1`, ...; a recurrent layer's are under
`cell`, a Bidirectional's under `forward_layer` and `backward_layer`, a nested model's under `layers` again. tf_keras
writes the same, but calls the group of the layers `_layer_checkpoint_dependencies`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import WeightsError
from . import hdf5
from .contents import Contents, float_array, numbered
from .fields import check_json, item
from .zip_file import Zip, ZipError, mapped

FOLDERS = ("layers", "_layer_checkpoint_dependencies")
PARTS = ("forward_layer", "backward_layer", "cell", "layer")  # in the order of their arrays
NEWEST = "3.15"  # of the versions held against: weights alone do not tell theirs
MOST_JSON, LARGEST = 1 << 28, 1 << 48  # bytes of a JSON, of the weights


class ByGroup(dict):
    """Arrays by layer, but named by their groups (``functional/dense_1``): the file does not tell the layers' names."""


def is_weights(root: Mapping) -> bool:
    """Whether an HDF5 file has the groups of these files."""
    return any(name in root and isinstance(root[name], Mapping) for name in FOLDERS)


def weights(path: str, root: Mapping, version: str = "") -> Contents:
    """What a weights file holds, given its root group; layers of nested models as ``outer/inner``."""
    folder = next(name for name in FOLDERS if name in root)
    found = list(_layers(path, root[folder], "", ""))
    nameless = any(name is None for _, name, arrays in found if arrays)
    layers = (
        ByGroup({group: arrays for group, _, arrays in found})
        if nameless
        else {n: arrays for _, n, arrays in found if n}
    )
    return Contents(path, layers, version or (NEWEST if folder == "layers" else "2.12.0"))


def with_config(file: Contents, config: dict[str, Any]) -> Contents:
    """The file with a model's config, which tells the order of layers, and their names where the file does not.

    Raises:
        WeightsError: groups that the model does not have.
    """
    check_json(config)
    names = dict(_names(item(config, "config", "the model", dict, list), "", ""))
    if not isinstance(file.layers, ByGroup):
        known = {name: file.layers[name] for name in names.values() if name in file.layers}
        return file._replace(config=config, layers={**known, **file.layers})
    unknown = [group for group, arrays in file.layers.items() if arrays and group not in names]
    if unknown:
        raise WeightsError(f"the file holds weights {unknown}, but the config has no such layers")
    layers = {name: file.layers[group] for group, name in names.items() if group in file.layers}
    return file._replace(config=config, layers=layers)


def read(path: str, mmap: bool = True) -> Contents:
    """Read a `.keras` file.

    Raises:
        WeightsError: missing, damaged, truncated, or without its config or weights; names the member that is wrong.
    """
    try:
        archive = Zip(mapped(path, mmap))
        config = _json(archive, "config.json")
        metadata = _json(archive, "metadata.json") if "metadata.json" in archive.members else {}
        root = hdf5.open_buffer(archive.read("model.weights.h5", 1, LARGEST))
        if not is_weights(root):
            raise ZipError("its member 'model.weights.h5' has no group of layers")
        file = weights(path, root, str(metadata.get("keras_version", "")))
    except (ZipError, hdf5.Hdf5Error, hdf5.Unsupported, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as a .keras file: {error}") from error
    except (OSError, MemoryError) as error:
        raise WeightsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        return with_config(file, config)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _json(archive: Zip, name: str) -> dict[str, Any]:
    """A member that holds a JSON object."""
    try:
        value = json.loads(bytes(archive.read(name, 2, MOST_JSON)))
    except (ValueError, RecursionError) as error:
        raise ZipError(f"its member {name!r} is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise ZipError(f"its member {name!r} is a {type(value).__name__}, expected an object")
    return value


def _names(config: Any, group: str, name: str) -> Iterator[tuple[str, str]]:
    """(group, layer) by a model's config: the classes in snake case, numbered as they come."""
    count: dict[str, int] = {}
    entries = config if isinstance(config, list) else item(config, "layers", "the model", list)
    for i, entry in enumerate(entries):
        where = f"layer {i} of the model"
        inner = item(entry, "config", where, dict, list)
        if ".ops." in item(entry, "module", where, str, default=""):
            continue
        class_name = item(entry, "class_name", where, str)
        stem = _snake(class_name.rpartition(">")[2])
        number = count[stem] = count.get(stem, -1) + 1
        own_group = f"{group}{stem}_{number}" if number else group + stem
        given = entry.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
        own = name + str(given or stem)
        yield own_group, own
        while class_name == "TimeDistributed" and "layers" not in inner and "layer" in inner:
            wrapped = item(inner, "layer", where, dict)
            class_name, inner = item(wrapped, "class_name", where, str), item(wrapped, "config", where, dict, list)
        if isinstance(inner, list) or "layers" in inner:
            yield from _names(inner, f"{own_group}/", f"{own}/")


def _snake(name: str) -> str:
    """``GlobalMaxPooling1D`` to ``global_max_pooling1d``, as Keras does it."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _layers(
    path: str, folder: Mapping, group: str, name: str | None
) -> Iterator[tuple[str, str | None, dict[str, np.ndarray]]]:
    """(group, name, arrays) of each layer, nested ones too; the name is None where the file does not tell it."""
    for key in folder:
        layer = folder[key]
        if not isinstance(layer, Mapping):
            continue
        own = layer["vars"].attrs.get("name", "") if "vars" in layer else ""
        own = own.decode("utf-8") if isinstance(own, bytes) else str(own)
        full = name + own if own and name is not None else None
        inner = _inner(layer)
        if inner is not None:
            yield from _layers(path, inner, f"{group}{key}/", None if full is None else f"{full}/")
        else:
            label = full or group + key
            yield group + key, full, {**numbered(_arrays(path, layer, label)), **dict(_deeper(path, layer, label, ""))}


def _deeper(path: str, layer: Mapping, name: str, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of the layers that a layer has under names of its own, by the way to them: ``query_dense/0``."""
    for key in layer:
        part = layer[key]
        if not isinstance(part, Mapping) or key in ("vars", "seed_generator") or (not prefix and key in PARTS[:3]):
            continue
        own = "layers" if key in FOLDERS else key.lstrip("_")
        within = prefix if key == "layer" and not prefix else f"{prefix}{own}/"
        held = part.get("vars", {}) if within else {}
        for i in sorted(held, key=lambda key: (len(key), key)) if isinstance(held, Mapping) else ():
            if not isinstance(held[i], Mapping) and held[i].dtype.kind == "f":
                yield within + i, float_array(path, held[i], f"layer {name!r}: weight {within}{i}")
        yield from _deeper(path, part, name, within)


def _inner(layer: Mapping) -> Mapping | None:
    """The layers of a nested model, which a TimeDistributed may be around."""
    for key in FOLDERS:
        if key in layer and isinstance(layer[key], Mapping):
            return layer[key]
    return _inner(layer["layer"]) if "layer" in layer and isinstance(layer["layer"], Mapping) else None


def _arrays(path: str, layer: Mapping, name: str) -> Iterator[np.ndarray]:
    held = layer.get("vars", {})
    if not isinstance(held, Mapping):
        raise WeightsError(f"{path}: layer {name!r}: its 'vars' are an array, expected a group")
    for key in sorted(held, key=lambda key: (len(key), key)):
        yield float_array(path, held[key], f"layer {name!r}: weight {key}")
    for part in PARTS:
        if part in layer and isinstance(layer[part], Mapping):
            yield from _arrays(path, layer[part], name)
