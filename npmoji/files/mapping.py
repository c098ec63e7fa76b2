"""A file's bytes, memory-mapped, and a check that they have not changed since.

A mapped file is read as its pages are used. Renaming another file over it changes nothing here: the old one lives on
until it is released. Writing to it, however, changes the arrays that are views of it, and truncating it makes reading
them fatal: the system kills the process (SIGBUS). So the file is checked before each use.
"""

from __future__ import annotations

import mmap as memory_map
import os
import stat
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import WeightsError


class MappedFile(memory_map.mmap):
    """A file's bytes, read-only.

    Attributes:
        path: its name, for messages.
        descriptor: of the mapped file, whatever has its name by now.
        size_then, time_then: the file's size in bytes and time of last change in nanoseconds, when it was mapped.
    """

    path: str
    descriptor: int
    size_then: int
    time_then: int

    @classmethod
    def of(cls, path: str | os.PathLike, descriptor: int) -> MappedFile:
        """Map the file of this name that is open under the descriptor."""
        found = os.fstat(descriptor)
        file = cls(descriptor, found.st_size, access=memory_map.ACCESS_READ)
        file.path, file.descriptor = os.fsdecode(path), os.dup(descriptor)
        file.size_then, file.time_then = found.st_size, found.st_mtime_ns
        return file

    def check(self) -> None:
        """Raise a WeightsError if the file was written to or truncated since it was mapped. Takes a microsecond or
        two."""
        now = os.fstat(self.descriptor)
        if now.st_mtime_ns == self.time_then and now.st_size == self.size_then:
            return
        if now.st_size < self.size_then:
            what = f"was truncated (it has {now.st_size:,} bytes and had {self.size_then:,})"
        else:
            what = "was written to (its modification time has changed)"
        raise WeightsError(
            f"{self.path}: the file {what} while this model was using it, so its weights are no longer those loaded. "
            "Load it again. To replace a file in use, rename a new one over it, or load with mmap=False"
        )

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "descriptor"):
            close(self.descriptor)


def mapped(path: str | os.PathLike, complaint: Callable[[str], Exception], mmap: bool = True) -> memoryview:
    """The bytes of a file, memory-mapped for as long as any part of them is in use; empty for an empty file.

    Args:
        complaint: makes the exception to raise for a pipe.
        mmap: if False, the bytes are read, and the file is not needed afterwards.

    Raises:
        OSError, ValueError: the file cannot be opened; ValueError if its name contains a NUL.
    """
    if stat.S_ISFIFO(os.stat(path).st_mode):  # opening it would wait for a writer
        raise complaint("a pipe, expected a file")
    with open(path, "rb") as file:
        if not mmap:
            return memoryview(file.read())
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")  # an empty file cannot be mapped
        return memoryview(MappedFile.of(path, file.fileno()))


def files_behind(arrays: Iterable[Any]) -> list[MappedFile]:
    """The mapped files that the arrays are views of."""
    found: dict[int, MappedFile] = {}
    for array in arrays:
        base = getattr(array, "values", array)  # those of an `Int8Array`
        while isinstance(base, np.ndarray):
            base = base.base
        base = base.obj if isinstance(base, memoryview) else base
        if isinstance(base, MappedFile):
            found[id(base)] = base
    return list(found.values())
