"""Keras' HDF5 weight files to `Contents`. Nothing in a file is ever executed.

Layout (Keras 2 `save_weights` and `model.save`): the attribute `layer_names` lists the layers; each is a group whose
attribute `weight_names` lists the datasets below it. A full model keeps all that under the group `model_weights` and
adds the attribute `model_config`. Only the order of these lists is relied on: dataset names vary, and HDF5's own order
is alphabetical.

npmoji adds attributes of its own to the files it writes, so that they need no others; each only if there is such a
thing. They are texts of variable length, as of any size:

    npmoji_classes, npmoji_multi_label, npmoji_provenance, npmoji_references    JSON, see `metadata`
    npmoji_vocabulary    the words, as in a file of `npmoji_file`
    npmoji_compat        whose tokenizer the model wants, if not the original's

Arrays stored in one piece, as Keras leaves them, are memory-mapped: a 51 MB embedding costs only the pages in use.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import WeightsError
from ..text.vocabulary import WordText
from . import hdf5
from .contents import Contents, checked_compat, float_array, numbered


def read(path: str | os.PathLike, mmap: bool = True) -> Contents:
    """Read a Keras 2 HDF5 file, weights only or full model.

    Raises:
        WeightsError: the file is missing, empty, truncated, damaged or not a Keras HDF5 file; names what is wrong.
    """
    path = os.fsdecode(path)
    try:
        return _contents(path, hdf5.open_file(path, mmap))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise WeightsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except hdf5.Hdf5Error as error:
        raise WeightsError(f"{path}: cannot be read as Keras weights in HDF5: {error}") from error
    except hdf5.Unsupported:
        pass  # handled below, out of the reach of this exception and the open file it refers to
    from . import hdf5_library

    hdf5_library.rehearse(path, __name__)
    return read_through_library(path)


def read_through_library(path: str) -> Contents:
    """The same by h5py, which knows all of HDF5 but may crash on a damaged file."""
    from . import hdf5_library

    with hdf5_library.open_file(path) as root:
        return _contents(path, root)


def _contents(path: str, file: Mapping) -> Contents:
    """What Keras stored in an HDF5 file, given its root group."""
    root = file.get("model_weights", file)
    if "layer_names" not in root.attrs and "layer_names0" not in root.attrs:
        from . import keras3  # of no use to the original's start

        if keras3.is_weights(file):
            return keras3.weights(path, file)
        raise WeightsError(f"{path}: an HDF5 file, but without Keras' attribute 'layer_names'")
    layers = {name: _arrays(path, root, name) for name in _names(path, root, "layer_names")}
    version = file.attrs.get("keras_version", root.attrs.get("keras_version", ""))
    compat, words = (file.attrs.get(f"npmoji_{key}") for key in ("compat", "vocabulary"))
    compat = checked_compat(path, None if compat is None else _text(compat))
    if words is not None:
        words = WordText(_text(words), f"{path}: the attribute 'npmoji_vocabulary'")
    found = _described(path, file)
    return Contents(path, layers, _text(version), vocabulary=words, compat=compat, **found)


def _described(path: str, file: Any) -> dict[str, Any]:
    """The attributes of the file that hold JSON, by the keys of `metadata`, which is only imported if there are any."""
    names = {key: f"npmoji_{key}" for key in ("classes", "multi_label", "provenance", "references")}
    present = {key: name for key, name in {**names, "config": "model_config"}.items() if name in file.attrs}
    if not present:
        return {}
    from .metadata import parsed

    return {key: parsed(path, key, file.attrs[name], f"the attribute {name!r}") for key, name in present.items()}


def _arrays(path: str, root: Mapping, layer: str) -> dict[str, np.ndarray]:
    """The weights of a layer in the order of its `weight_names`."""
    group = _member(path, root, layer, f"layer {layer!r} is listed but has no group")
    arrays = []
    for name in _names(path, group, "weight_names"):
        label = f"layer {layer!r}: weight {name!r}"
        arrays.append(float_array(path, _member(path, group, name, f"{label} is listed but missing"), label))
    return numbered(arrays)


def _member(path: str, group: Mapping, name: str, complaint: str) -> Any:
    try:
        return group[name]
    except KeyError as error:
        raise WeightsError(f"{path}: {complaint}") from error


def _names(path: str, group: Any, key: str) -> list[str]:
    """A list of names kept as attribute: texts, one single text, empty floats, or long ones cut into key0, key1, ..."""
    attrs = group.attrs
    if key in attrs:
        parts = [attrs[key]]
    else:
        count = sum(name.startswith(key) and name[len(key) :].isdigit() for name in attrs)
        parts = [attrs[f"{key}{i}"] for i in range(count) if f"{key}{i}" in attrs]
        if not parts or len(parts) < count:
            raise WeightsError(f"{path}: {group.name} has {len(parts)} attributes {key!r} of {max(count, 1)}")
    return [_text(name) for part in parts for name in np.ravel(part)]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
