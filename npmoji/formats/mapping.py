"""A file's bytes without reading them."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable


def mapped(path: str | os.PathLike, complaint: Callable[[str], Exception]) -> memoryview:
    """The bytes of a file, memory-mapped for as long as a part of them is in use; none of an empty file.

    Args:
        complaint: makes the exception for what is a pipe.

    Raises:
        OSError, ValueError: the file cannot be opened; ValueError if its name has a NUL.
    """
    if stat.S_ISFIFO(os.stat(path).st_mode):  # opening it would wait for a writer
        raise complaint("a pipe, expected a file")
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")  # which cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
