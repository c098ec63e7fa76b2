"""Weights to Keras 2's HDF5 layout, the one that `keras_hdf5` reads and describes: for Keras itself to load.

Keras identifies layers and weights by their order, and ignores what it does not know, such as our attributes
`npmoji_...`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from ..errors import WeightsError
from ..precision import float32
from ..text.vocabulary import WordText
from .contents import Contents
from .metadata import described

LARGEST_ATTRIBUTE = 64_512  # bytes; HDF5 keeps an attribute's array in an object's header, which holds 64 KiB
OLDEST_KERAS = "2.0.0"  # what a file means that does not tell; a Keras would take it for one of Keras 1


def write(file: BinaryIO, contents: Contents, words: dict[str, int] | None = None) -> None:
    """Write a weights file, or a full model's if there is a config, as float32; the same contents always as the same
    bytes.

    Args:
        words: the vocabulary.
    """
    import h5py

    with h5py.File("in memory", "w", driver="core", backing_store=False, track_order=False) as root:
        group = root
        if contents.config is not None:
            group = root.create_group("model_weights")
        for key, text in _texts(contents, words).items():
            root.attrs[key] = text  # of variable length: HDF5 keeps it apart, and it may be of any size
        for place in {root, group}:
            place.attrs["keras_version"] = np.bytes_((contents.keras_version or OLDEST_KERAS).encode("utf-8"))
            place.attrs["backend"] = np.bytes_(b"tensorflow")
        _write_names(group, "layer_names", contents.layers)
        for layer, arrays in contents.layers.items():
            _write_layer(group.create_group(layer), {f"{layer}/{name}:0": array for name, array in arrays.items()})
        root.flush()
        file.write(root.id.get_file_image())


def _texts(contents: Contents, words: dict[str, int] | None) -> dict[str, str]:
    """The attributes of the file that are texts."""
    texts = {f"npmoji_{key}": text for key, text in described(contents).items()}
    if contents.config is not None:
        texts["model_config"] = texts.pop("npmoji_config")
    if contents.compat is not None:
        texts["npmoji_compat"] = contents.compat
    if words is not None:
        texts["npmoji_vocabulary"] = WordText.of(words).text
    return texts


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
