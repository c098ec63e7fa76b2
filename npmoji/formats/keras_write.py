"""Weights to Keras 2's HDF5 layout, the one that `keras_hdf5` reads and describes: for Keras itself to load.

Keras identifies layers and weights by their order, and ignores what it does not know, such as our `npmoji_references`
and `npmoji_compat`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from ..errors import WeightsError
from ..precision import float32
from .contents import Contents

LARGEST_ATTRIBUTE = 64_512  # bytes; HDF5 keeps an attribute's array in an object's header, which holds 64 KiB
OLDEST_KERAS = "2.0.0"  # what a file means that does not tell; a Keras would take it for one of Keras 1


def write(file: BinaryIO, contents: Contents) -> None:
    """Write a weights file, or a full model's if there is a config, as float32; the same contents always as the same
    bytes."""
    import h5py

    with h5py.File("in memory", "w", driver="core", backing_store=False, track_order=False) as root:
        group = root
        if contents.config is not None:
            group = root.create_group("model_weights")
            root.attrs["model_config"] = json.dumps(contents.config)  # of variable length: may be of any size
        if contents.references is not None:
            root.attrs["npmoji_references"] = json.dumps(contents.references)
        if contents.compat is not None:
            root.attrs["npmoji_compat"] = contents.compat
        for place in {root, group}:
            place.attrs["keras_version"] = np.bytes_((contents.keras_version or OLDEST_KERAS).encode("utf-8"))
            place.attrs["backend"] = np.bytes_(b"tensorflow")
        _write_names(group, "layer_names", contents.layers)
        for layer, arrays in contents.layers.items():
            _write_layer(group.create_group(layer), {f"{layer}/{name}:0": array for name, array in arrays.items()})
        root.flush()
        file.write(root.id.get_file_image())


def _write_layer(group: Any, arrays: dict[str, np.ndarray]) -> None:
    _write_names(group, "weight_names", arrays)
    for label, array in arrays.items():
        group.create_dataset(label, data=float32(array))


def _write_names(group: Any, key: str, names: Iterable[str]) -> None:
    """A list of names as fixed-length bytes; as Keras does, in several attributes key0, key1, ... if one cannot hold
    it."""
    array = np.array([name.encode("utf-8") for name in names])
    if array.itemsize > LARGEST_ATTRIBUTE:
        raise WeightsError(
            f"{group.name}: a name of {array.itemsize} bytes in {key!r}, HDF5 can hold {LARGEST_ATTRIBUTE}"
        )
    if array.nbytes <= LARGEST_ATTRIBUTE:
        group.attrs[key] = array
        return
    most = LARGEST_ATTRIBUTE // array.itemsize
    for i, first in enumerate(range(0, len(array), most)):
        group.attrs[f"{key}{i}"] = array[first : first + most]
