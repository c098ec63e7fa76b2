"""A file's bytes without reading them, and whether they are still those that were there.

A mapped file is read as its pages are used. Whoever replaces it by another of the same name, by renaming, changes nothing
here: the old one stays until it is let go of. Whoever writes into it changes the arrays that are views of it, and whoever
cuts it short makes reading them fatal: the system ends the process (SIGBUS). So it is looked at again before each use.
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
        descriptor: of the file mapped, whatever has its name by now.
        size_then, time_then: of the file when it was mapped, in bytes; of its last change, in nanoseconds.
    """

    path: str
    descriptor: int
    size_then: int
    time_then: int

    @classmethod
    def of(cls, path: str | os.PathLike, descriptor: int) -> MappedFile:
        """The file, which has this name and is open."""
        found = os.fstat(descriptor)
        file = cls(descriptor, found.st_size, access=memory_map.ACCESS_READ)
        file.path, file.descriptor = os.fsdecode(path), os.dup(descriptor)
        file.size_then, file.time_then = found.st_size, found.st_mtime_ns
        return file

    def check(self) -> None:
        """Raise a WeightsError if the file was written to or cut short since it was mapped. Takes a microsecond or two."""
        now = os.fstat(self.descriptor)
        if now.st_mtime_ns == self.time_then and now.st_size == self.size_then:
            return
        if now.st_size < self.size_then:
            what = f"was cut short (it has {now.st_size:,} bytes and had {self.size_then:,})"
        else:
            what = "was written to (the time of its last change is another one)"
        raise WeightsError(
            f"{self.path}: the file {what} while this model was using it, so its weights are no longer those loaded. "
            "Load it again. Replace a file in use by renaming a new one over it, or load with mmap=False"
        )

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "descriptor"):
            close(self.descriptor)


def mapped(path: str | os.PathLike, complaint: Callable[[str], Exception], mmap: bool = True) -> memoryview:
    """The bytes of a file, memory-mapped for as long as a part of them is in use; none of an empty file.

    Args:
        complaint: makes the exception for what is a pipe.
        mmap: else the bytes are read, and the file is not needed afterwards.

    Raises:
        OSError, ValueError: the file cannot be opened; ValueError if its name has a NUL.
    """
    if stat.S_ISFIFO(os.stat(path).st_mode):  # opening it would wait for a writer
        raise complaint("a pipe, expected a file")
    with open(path, "rb") as file:
        if not mmap:
            return memoryview(file.read())
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")  # which cannot be mapped
        return memoryview(MappedFile.of(path, file.fileno()))


def files_behind(arrays: Iterable[Any]) -> list[MappedFile]:
    """The mapped files that the arrays are views of."""
    found: dict[int, MappedFile] = {}
    for array in arrays:
        base = getattr(array, "values", array)  # of an `Int8Array`
        while isinstance(base, np.ndarray):
            base = base.base
        base = base.obj if isinstance(base, memoryview) else base
        if isinstance(base, MappedFile):
            found[id(base)] = base
    return list(found.values())
