"""Files that use more of HDF5 than `hdf5` reads (chunks, compression, ...), through h5py; Keras writes none.

Compression is what h5py brings itself: other filters are libraries that a file would name, and that HDF5 would load.

h5py's C library can crash or hang on a damaged file. So a child process reads the file first; its end costs nothing.
"""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import WeightsError
from .hdf5_format import Unsupported

MOST_SAVED = 1100  # deflate saves no more than a factor of 1032: a dataset that claims more is damaged
SECONDS, BYTES_PER_SECOND = 10, 5e6  # what a child may take: so long to start, and so slowly to read

FILTERS = (1, 2, 3, 5, 6, 32000)  # gzip, shuffle, fletcher32, nbit, scaleoffset, lzf: those without a plugin

CHILD = """
import importlib, sys
path, reader, *sys.path = sys.argv[1:]
importlib.import_module(reader).read_through_library(path)
"""


def rehearse(path: str, reader: str) -> None:
    """Let a child process read the file just as this one is about to: by ``read_through_library`` of the module
    ``reader``.

    A frozen application has no Python to run as a child; there the file is trusted.

    Raises:
        WeightsError: the child found the file damaged, crashed, or did not end in time.
    """
    python = sys.executable or ""
    if getattr(sys, "frozen", False) or not os.path.basename(python).lower().startswith(("python", "pypy")):
        return
    seconds = SECONDS + os.path.getsize(path) / BYTES_PER_SECOND
    try:
        child = subprocess.run(
            [python, "-I", "-c", CHILD, path, reader, *map(str, sys.path)],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"{path}: damaged HDF5 file (the HDF5 library hangs on it)") from error
    except OSError as error:
        raise WeightsError(f"{path}: no child process can be started to read this file: {error}") from error
    if child.returncode:
        last = (child.stderr.decode("utf-8", "replace").splitlines() or [""])[-1]
        _, found, message = last.partition(f"{WeightsError.__name__}: ")
        raise WeightsError(message if found else f"{path}: damaged HDF5 file (the HDF5 library fails on it: {last})")


@contextmanager
def open_file(path: str, data: memoryview | None = None) -> Iterator[Group]:
    """The root group; all that h5py raises while it is in use becomes a WeightsError.

    Args:
        data: the bytes of the HDF5 file, if it is a part of the file of that name.
    """
    import h5py  # costs as much as the rest of a start

    try:
        with h5py.File(path if data is None else io.BytesIO(data), "r") as file:
            yield Group(file)
    except WeightsError:
        raise
    except Unsupported as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # damage shows as KeyError, OSError, RuntimeError, ValueError and more
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{path}: damaged or truncated HDF5 file ({reason})") from error


class Group(Mapping):
    """A group of h5py's with the interface of `hdf5.Group`."""

    def __init__(self, group: Any):
        self._group, self.attrs, self.name = group, group.attrs, group.name

    def __getitem__(self, path: str) -> Group | Dataset:
        node = self._group[path]
        return Group(node) if hasattr(node, "keys") else Dataset(node)

    def __iter__(self) -> Iterator[str]:
        return iter(self._group)

    def __len__(self) -> int:
        return len(self._group)


class Dataset:
    """A dataset of h5py's with the interface of `hdf5.Dataset`."""

    def __init__(self, dataset: Any):
        self._dataset, self.attrs, self.name = dataset, dataset.attrs, dataset.name
        self.shape, self.dtype = dataset.shape or (0,), dataset.dtype

    def array(self) -> np.ndarray:
        """The values, read into memory if the file can hold as many."""
        if self._dataset.is_virtual or self._dataset.external:
            raise ValueError(f"{self.name} is kept in other files")
        size = math.prod(self.shape) * self.dtype.itemsize
        if size > MOST_SAVED * max(self._dataset.id.get_storage_size(), 1):
            raise ValueError(f"{self.name} claims the shape {self.shape}, more than the file can hold")
        plist = self._dataset.id.get_create_plist()
        for code, _, _, title in map(plist.get_filter, range(plist.get_nfilters())):
            if code not in FILTERS:
                what = f"filter {code} ({title.decode('utf-8', 'replace'):.60})"
                raise Unsupported(
                    f"{self.name} is compressed by {what}, which needs a plugin of HDF5; write it with gzip or without"
                )
        return np.asarray(self._dataset[()])
