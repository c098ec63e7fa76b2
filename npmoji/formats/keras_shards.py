"""Keras 3's weights in several files: `NAME.weights.json` says which of `NAME_00000.weights.h5`, ... beside it holds
what.

    {"metadata": {"total_size": 592.0},
     "weight_map": {"/layers/lstm/cell/vars": ["NAME_00001.weights.h5", "NAME_00002.weights.h5"], ...}}

Each group of arrays is in one file or in several, and each of its arrays in one of them. The shards' groups are looked
at as one, so that everything else is as in a `.weights.h5`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np

from ..errors import WeightsError
from . import hdf5, keras3
from .contents import Contents
from .fields import check_json

MOST_SHARDS = 1 << 16


def read(path: str, mmap: bool = True) -> Contents:
    """Read an index and all of its shards.

    Raises:
        WeightsError: one of them is missing, damaged, or does not hold what the index says; names the file.
    """
    try:
        return _read(path, lambda shard: nullcontext(hdf5.open_file(shard, mmap)), (hdf5.Hdf5Error,))
    except hdf5.Unsupported:
        pass  # handled below, out of the reach of this exception and the open file it refers to
    from . import hdf5_library

    hdf5_library.rehearse(path, __name__)
    return read_through_library(path)


def read_through_library(path: str) -> Contents:
    """The same by h5py, which knows all of HDF5 but may crash on a damaged file."""
    from . import hdf5_library

    return _read(path, hdf5_library.open_file, (hdf5.Unsupported, OSError, RuntimeError, ValueError))


def _read(
    path: str, opened: Callable[[str], AbstractContextManager[Any]], damage: tuple[type[Exception], ...]
) -> Contents:
    """What the shards hold; ``damage`` is what their reader raises for those that it cannot read."""
    places = _index(path)
    folder, roots = os.path.dirname(path), {}
    with ExitStack() as stack:
        for name in dict.fromkeys(name for names in places.values() for name in names):
            shard = os.path.join(folder, name)
            if not os.path.isfile(shard):
                raise WeightsError(f"{path}: its shard {name!r} is missing: expected beside it")
            with _named(shard, (*damage, OSError, ValueError)):
                roots[shard] = stack.enter_context(opened(shard))
        for group, names in places.items():
            for name in names:
                _check(
                    path, group, name, Joined({os.path.join(folder, name): roots[os.path.join(folder, name)]}, damage)
                )
        root = Joined(roots, damage)
        if not keras3.is_weights(root):
            raise WeightsError(f"{path}: its shards hold no group of layers")
        return keras3.weights(path, root)


@contextmanager
def _named(file: str, damage: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn what a shard's reader raises into a WeightsError that names the shard."""
    try:
        yield
    except damage as error:
        raise WeightsError(f"{file}: cannot be read as HDF5: {getattr(error, 'strerror', None) or error}") from error


def _index(path: str) -> dict[str, list[str]]:
    """The names of the files that hold each group."""
    try:
        with open(path, encoding="utf-8") as text:
            index = json.load(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path}: cannot be read as the index of weights in several files: {reason}") from error
    check_json(index, f"{path}: the index")
    found = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not found:
        raise WeightsError(f"{path}: expected the index of weights in several files: an object with a 'weight_map'")
    places = {group: names if isinstance(names, list) else [names] for group, names in found.items()}
    for group, names in places.items():
        for name in names or [None]:
            if not _is_beside(name):
                raise WeightsError(f"{path}: {group!r:.100} is in {name!r:.100}, expected the name of a file beside it")
    if len({name for names in places.values() for name in names}) > MOST_SHARDS:
        raise WeightsError(f"{path}: more than {MOST_SHARDS} files")
    return places


def _is_beside(name: Any) -> bool:
    """Whether it is the plain name of an HDF5 file: no path, which might lead anywhere."""
    plain = isinstance(name, str) and not {"/", "\\", ":", "\0"} & set(name)
    return plain and name.endswith(".h5") and not name.startswith(".")


def _check(path: str, group: str, name: str, held: Any) -> None:
    """Raise a WeightsError unless the shard holds arrays of the group."""
    for part in filter(None, group.split("/")):
        held = held[part] if isinstance(held, Mapping) and part in held else {}
    if not isinstance(held, Mapping) or not len(held):
        raise WeightsError(f"{path}: its shard {name!r} has no arrays in {group!r:.100}: a shard of other weights?")


class Joined(Mapping):
    """Groups of several files that have one name, as one group: what is in any of them.

    Args:
        parts: the groups by the files that they are in.
        damage: as `_read` takes it.

    Attributes:
        attrs: the name of the layer, where one of them has it.
    """

    def __init__(self, parts: dict[str, Any], damage: tuple[type[Exception], ...]):
        self.parts, self.damage = parts, damage
        self.attrs: dict[str, Any] = {}
        for file, part in parts.items():
            with _named(file, damage):
                self.attrs.update({key: part.attrs[key] for key in ("name",) if key in part.attrs})

    def __getitem__(self, name: str) -> Any:
        found = {}
        for file, part in self.parts.items():
            with _named(file, self.damage):
                if name in part:
                    found[file] = part[name]
        if not found:
            raise KeyError(name)
        if all(isinstance(one, Mapping) for one in found.values()):
            return Joined(found, self.damage)
        if len(found) > 1:
            files = ", ".join(map(os.path.basename, found))
            raise WeightsError(f"{next(iter(found))}: the array {name!r} is in several files: {files}")
        return Held(*found.popitem(), self.damage)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for part in self.parts.values() for name in part))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Held:
    """An array of a shard, with the interface of `hdf5.Dataset`."""

    def __init__(self, file: str, dataset: Any, damage: tuple[type[Exception], ...]):
        self._file, self._dataset, self._damage = file, dataset, damage
        self.shape, self.dtype = dataset.shape, dataset.dtype

    def array(self) -> np.ndarray:
        """The values."""
        with _named(self._file, self._damage):
            return self._dataset.array()
