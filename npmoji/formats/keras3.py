"""Keras 3's own files: `model.weights.h5`, and `.keras`, a zip file of `config.json` and such weights.

Groups are named by class and number (`layers/bidirectional_1`), in the order of the model's layers; newer versions add
the layer's name as an attribute of its `vars` group. Arrays are `vars/0`, `vars/1`, ...; a recurrent layer's are under
`cell`, those of several cells under `cell/cells/gru_cell_1`, a Bidirectional's under `forward_layer` and
`backward_layer`, a nested model's under `layers` again. tf_keras writes the same, but calls the group of the layers
`_layer_checkpoint_dependencies`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ..errors import WeightsError
from . import hdf5
from .contents import Contents, float_array, numbered
from .fields import check_json, item
from .zip_file import Zip, ZipError, mapped

FOLDERS = ("layers", "_layer_checkpoint_dependencies")
PARTS = ("forward_layer", "backward_layer", "cell", "layer")  # in the order of their arrays
CELLS = "cells"  # of several cells upon each other
APART = "@"  # before the name of an array of one of several parts, until `in_order` has put them in order
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
    try:
        found = list(_layers(path, root[folder], "", ""))
    except RecursionError:
        raise WeightsError(f"{path}: damaged: groups that are within themselves") from None
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
    found = list(_entries(item(config, "config", "the model", dict, list), "", ""))
    if not isinstance(file.layers, ByGroup):
        known = {name: in_order(file.layers[name], entry, name) for _, name, entry in found if name in file.layers}
        return file._replace(
            config=config, layers={**known, **{n: a for n, a in file.layers.items() if n not in known}}
        )
    groups = {group for group, _, _ in found}
    unknown = [group for group, arrays in file.layers.items() if arrays and group not in groups]
    if unknown:
        raise WeightsError(f"the file holds weights {unknown}, but the config has no such layers")
    layers = {name: in_order(file.layers[group], entry, name) for group, name, entry in found if group in file.layers}
    return file._replace(config=config, layers=layers)


def read(path: str, mmap: bool = True) -> Contents:
    """Read a `.keras` file.

    Raises:
        WeightsError: missing, damaged, truncated, or without its config or weights; names the member that is wrong.
    """
    try:
        return _read(path, mmap, lambda data: nullcontext(hdf5.open_buffer(data)))
    except hdf5.Unsupported:
        pass  # handled below, out of the reach of this exception and the open file it refers to
    from . import hdf5_library

    hdf5_library.rehearse(path, __name__)
    return read_through_library(path)


def read_through_library(path: str) -> Contents:
    """The same by h5py, which knows all of HDF5 but may crash on a damaged file."""
    from . import hdf5_library

    return _read(path, True, lambda data: hdf5_library.open_file(path, data))


def _read(path: str, mmap: bool, opened: Callable[[memoryview], AbstractContextManager[Any]]) -> Contents:
    """The contents; ``opened`` gives the root group of the HDF5 file in the zip file."""
    try:
        archive = Zip(mapped(path, mmap))
        config = _json(archive, "config.json")
        metadata = _json(archive, "metadata.json") if "metadata.json" in archive.members else {}
        with opened(archive.read("model.weights.h5", 1, LARGEST)) as root:
            if not is_weights(root):
                raise ZipError("its member 'model.weights.h5' has no group of layers")
            file = weights(path, root, str(metadata.get("keras_version", "")))
        vocabularies = _vocabularies(archive)
    except (ZipError, hdf5.Hdf5Error, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as a .keras file: {error}") from error
    except (OSError, MemoryError) as error:
        raise WeightsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        file = with_config(file, config)
        _add_vocabularies(config, vocabularies)
        return file
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _vocabularies(archive: Zip) -> dict[str, str]:
    """The files of vocabularies by the groups of their layers."""
    found = {}
    for name in archive.members:
        if name.startswith("assets/") and name.endswith("/vocabulary.txt"):
            group = "/".join(part for part in name.split("/")[1:-1] if part not in FOLDERS)
            found[group] = str(archive.read(name, 0, MOST_JSON), "utf-8")
    return found


def _add_vocabularies(config: dict[str, Any], found: dict[str, str]) -> None:
    """Put vocabularies into the configs of their layers, as those stand there that a layer was made with.

    A word may hold anything but a line feed: Keras 3 itself, when it loads a file, ends words at other characters too.
    """
    for group, name, entry in _entries(config["config"], "", "") if found else ():
        inner = entry["config"]
        if group not in found or not isinstance(inner, dict) or inner.get("vocabulary") is not None:
            continue
        words, size = found[group].split("\n"), inner.get("vocabulary_size")
        while words and words[-1] == "" and len(words) != size:
            words.pop()
        if type(size) is int and len(words) != size:
            raise WeightsError(f"layer {name!r}: vocabulary.txt has {len(words)} words, expected {size}")
        inner["vocabulary"] = words


def _json(archive: Zip, name: str) -> dict[str, Any]:
    """A member that holds a JSON object."""
    try:
        value = json.loads(bytes(archive.read(name, 2, MOST_JSON)))
    except (ValueError, RecursionError) as error:
        raise ZipError(f"its member {name!r} is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise ZipError(f"its member {name!r} is a {type(value).__name__}, expected an object")
    return value


def _entries(config: Any, group: str, name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(group, layer, its config) by a model's config."""
    count: dict[str, int] = {}
    entries = config if isinstance(config, list) else item(config, "layers", "the model", list)
    for i, entry in enumerate(entries):
        where = f"layer {i} of the model"
        inner = item(entry, "config", where, dict, list)
        if ".ops." in item(entry, "module", where, str, default=""):
            continue
        class_name = item(entry, "class_name", where, str)
        stem = _group(class_name, count)
        own_group = group + stem
        given = entry.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
        own = name + str(given or _snake(class_name.rpartition(">")[2]))
        yield own_group, own, entry
        while class_name == "TimeDistributed" and "layers" not in inner and "layer" in inner:
            wrapped = item(inner, "layer", where, dict)
            class_name, inner = item(wrapped, "class_name", where, str), item(wrapped, "config", where, dict, list)
        if isinstance(inner, list) or "layers" in inner:
            yield from _entries(inner, f"{own_group}/", f"{own}/")


def _group(class_name: str, count: dict[str, int]) -> str:
    """What the group of a layer is called: its class in snake case, numbered as they come."""
    stem = _snake(class_name.rpartition(">")[2])
    number = count[stem] = count.get(stem, -1) + 1
    return f"{stem}_{number}" if number else stem


def in_order(arrays: dict[str, Any], entry: dict[str, Any], name: str) -> dict[str, Any]:
    """A layer's arrays in the order of Keras' ``weights``, where the file keeps those of its parts apart: as the parts
    come in its config, those that are not trained last.

    Raises:
        WeightsError: parts that the config does not have.
    """
    apart = {key.removeprefix(APART): array for key, array in arrays.items() if key.startswith(APART)}
    if not apart:
        return arrays
    apart |= {key: array for key, array in arrays.items() if key.isdigit()}
    others = {key: array for key, array in arrays.items() if "/" in key and not key.startswith(APART)}
    if entry["class_name"] not in ("Bidirectional", "RNN", "TimeDistributed"):  # a class that is not Keras' own
        by_number = sorted(apart, key=lambda key: int(key.rpartition("/")[2]))
        return numbered(apart[key] for key in by_number) | others
    order = {place: (not trained, i) for i, (place, trained) in enumerate(_parts(entry, "", True, f"layer {name!r}"))}
    unknown = {key.rpartition("/")[0] for key in apart} - order.keys()
    if unknown:
        raise WeightsError(
            f"the file holds weights {sorted(unknown)} of layer {name!r}, but the config has no such parts"
        )
    return numbered(apart[key] for key in sorted(apart, key=lambda key: order[key.rpartition("/")[0]])) | others


def _parts(entry: dict[str, Any], place: str, trained: bool, where: str) -> Iterator[tuple[str, bool]]:
    """The parts of a layer that hold arrays, as `_arrays` names them, and whether they are trained."""
    class_name, config = item(entry, "class_name", where, str), item(entry, "config", where, dict)
    trained = trained and bool(config.get("trainable", True))
    inside: list[tuple[str, Any]] = []
    if class_name == "Bidirectional":
        ahead = item(config, "layer", where, dict)
        inside = [
            ("forward_layer/", ahead),
            ("backward_layer/", item(config, "backward_layer", where, dict, default=ahead)),
        ]
    elif class_name in ("RNN", "TimeDistributed"):
        inside = [("", item(config, "cell" if class_name == "RNN" else "layer", where, dict))]
    elif class_name == "StackedRNNCells":
        count: dict[str, int] = {}
        for one in item(config, CELLS, where, list):
            inside.append((_group(item(one, "class_name", where, str), count) + "/", one))
    if not inside:
        yield place.rstrip("/"), trained
    for part, one in inside:
        yield from _parts(one, place + part, trained, where)


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
            found = _arrays(path, layer, label, "")
            yield group + key, full, {**_named(found), **dict(_deeper(path, layer, label, ""))}


def _named(found: Iterable[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays by number; those of one of several parts with `APART` and the part before it, for `in_order`."""
    return {f"{APART if part else ''}{part}{i}": array for i, (part, array) in enumerate(found)}


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
            if not isinstance(held[i], Mapping) and (held[i].dtype.kind in "fV" or held[i].dtype == np.int8):
                yield within + i, float_array(path, held[i], f"layer {name!r}: weight {within}{i}")
        yield from _deeper(path, part, name, within)


def _inner(layer: Mapping) -> Mapping | None:
    """The layers of a nested model, which a TimeDistributed may be around."""
    for key in FOLDERS:
        if key in layer and isinstance(layer[key], Mapping):
            return layer[key]
    return _inner(layer["layer"]) if "layer" in layer and isinstance(layer["layer"], Mapping) else None


def _arrays(
    path: str, layer: Mapping, name: str, place: str, stacked: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of a layer, each with the part that it is of: ``"backward_layer/gru_cell/"``, or nothing.

    Args:
        stacked: whether it may be several cells upon each other.
    """
    held = layer.get("vars", {})
    if not isinstance(held, Mapping):
        raise WeightsError(f"{path}: layer {name!r}: its 'vars' are an array, expected a group")
    for key in sorted(held, key=lambda key: (len(key), key)):
        yield place, float_array(path, held[key], f"layer {name!r}: weight {key}")
    for part in PARTS:
        if part in layer and isinstance(layer[part], Mapping):
            apart = f"{place}{part}/" if part.endswith("_layer") else place
            yield from _arrays(path, layer[part], name, apart, stacked=part == "cell")
    cells = layer.get(CELLS, {}) if stacked else {}
    for key in cells if isinstance(cells, Mapping) else ():
        if isinstance(cells[key], Mapping):
            yield from _arrays(path, cells[key], name, f"{place}{key}/", stacked=True)
