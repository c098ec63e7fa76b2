"""Keras' HDF5 weight files to `{layer name: [arrays]}`: reading only, nothing in the file is ever executed.

Layout (Keras 2 `save_weights` and `model.save`): the attribute `layer_names` lists the layers; each is a group whose
attribute `weight_names` lists the datasets below it. A full model keeps all that under the group `model_weights` and adds
the attribute `model_config`. Only these lists are relied on: dataset names vary, and HDF5's own order is alphabetical.

Arrays stored contiguously, as Keras leaves them, are memory-mapped: a 51 MB embedding costs only the pages that are read.
"""

from __future__ import annotations

import json
import mmap
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import WeightsError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass
class KerasFile:
    """What a weights file holds.

    Attributes:
        layers: arrays by layer name, in the file's order; layers without weights have an empty list.
        keras_version: as stored, e.g. ``"2.0.5"``; empty if the file does not tell.
        config: the parsed `model_config` of a full model, else None.
    """

    path: str
    layers: dict[str, list[np.ndarray]]
    keras_version: str = ""
    config: dict[str, Any] | None = None

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor number of the Keras that wrote the file; a file that does not tell is the original, 2.0."""
        numbers = self.keras_version.split("-")[0].split(".")
        try:
            return int(numbers[0]), int(numbers[1])
        except (ValueError, IndexError):
            return 2, 0

    @property
    def holds_masked_outputs(self) -> bool:
        """Whether a recurrent layer repeats its output at masked steps (Keras 2.0 to 2.3) or gives 0 there (later ones)."""
        return self.version < (2, 4) and not self.keras_version.endswith("-tf")


def read(path: str | os.PathLike) -> KerasFile:
    """Read a Keras 2 HDF5 file, weights only or full model.

    Raises:
        WeightsError: the file is missing, empty, truncated, damaged or not a Keras HDF5 file; names what is wrong.
    """
    path = os.fspath(path)
    _check_signature(path)
    import h5py  # takes longer to import than the rest of npmoji

    try:
        with h5py.File(path, "r") as f:
            root = f.get("model_weights", f)
            if "layer_names" not in root.attrs and "layer_names0" not in root.attrs:
                raise WeightsError(f"{path}: an HDF5 file, but without Keras' attribute 'layer_names'")
            source = _Source(path)
            layers = {name: source.arrays(root, name) for name in _names(root.attrs, "layer_names")}
            version = _text(f.attrs.get("keras_version", root.attrs.get("keras_version", "")))
            config = json.loads(_text(f.attrs["model_config"])) if "model_config" in f.attrs else None
    except WeightsError:
        raise
    except Exception as error:  # h5py reports damage by many types, KeyError, OSError, RuntimeError, ValueError and more
        raise WeightsError(f"{path}: damaged or truncated HDF5 file ({_first_line(error)})") from error
    return KerasFile(path, layers, version, config)


def _check_signature(path: str) -> None:
    """Tell a missing, empty or foreign file before HDF5 does, in words of our own."""
    try:
        with open(path, "rb") as f:
            start = f.read(len(HDF5_SIGNATURE))
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not start:
        raise WeightsError(f"{path}: the file is empty, expected Keras weights in HDF5")
    if start != HDF5_SIGNATURE:
        raise WeightsError(f"{path}: not an HDF5 file (it starts with {start!r}), expected Keras weights in HDF5")


class _Source:
    """Arrays of one HDF5 file, memory-mapped where the file allows it."""

    def __init__(self, path: str):
        self.path = path
        self.size = os.path.getsize(path)
        with open(path, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)

    def arrays(self, root: Any, layer: str) -> list[np.ndarray]:
        """The weights of a layer in the order of its `weight_names`."""
        if layer not in root:
            raise WeightsError(f"{self.path}: layer {layer!r} is listed but has no group")
        group = root[layer]
        names = _names(group.attrs, "weight_names")
        for name in names:
            if name not in group:
                raise WeightsError(f"{self.path}: layer {layer!r}: the weight {name!r} is listed but missing")
        return [self.array(group[name], f"layer {layer!r}: weight {name!r}") for name in names]

    def array(self, dataset: Any, label: str) -> np.ndarray:
        """The dataset as a float32 array: a view of the mapped file if it is stored so, else read."""
        shape, dtype = dataset.shape, dataset.dtype
        if shape is None or dtype.kind != "f":
            raise WeightsError(f"{self.path}: {label} is of type {dtype}, expected float32")
        offset, nbytes = dataset.id.get_offset(), int(np.prod(shape, dtype=object)) * dtype.itemsize
        stored_flat = offset is not None and dtype == np.dtype("<f4") and offset % 4 == 0
        if stored_flat:
            if offset + nbytes > self.size:
                raise WeightsError(f"{self.path}: {label} ends beyond the end of the file: truncated or damaged")
            return np.frombuffer(self.map, "<f4", nbytes // 4, offset).reshape(shape)
        if nbytes > max(dataset.id.get_storage_size(), 1) * 1100:  # more than deflate can save: a damaged shape
            raise WeightsError(f"{self.path}: {label} claims the shape {shape}, more than the file can hold")
        return np.ascontiguousarray(dataset[()], dtype=np.float32)


def _names(attrs: Any, key: str) -> list[str]:
    """A list of names kept as attribute: fixed bytes, str objects, one single str, empty floats, or cut into key0, key1, ..."""
    if key in attrs:
        parts = [attrs[key]]
    else:
        parts = [attrs[f"{key}{i}"] for i in range(len(attrs)) if f"{key}{i}" in attrs]
    return [_text(name) for part in parts for name in np.ravel(part)]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
