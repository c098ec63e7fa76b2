"""Compressed files being written: the same content always gives the same bytes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

PIECE = 1 << 16  # bytes


@contextlib.contextmanager
def packed(file: BinaryIO, compression: str, name: str) -> Iterator[BinaryIO]:
    """A file that compresses what is written to it.

    Args:
        compression: ``".gz"``, ``".bz2"``, ``".xz"`` or ``".zst"``; "" for none.
        name: of the file, for messages.

    Raises:
        InputError: there is no library for the compression.
    """
    if not compression:
        yield file
        return
    with contextlib.closing(_compressor(file, compression, name)) as target, contextlib.closing(Even(target)) as even:
        yield even  # type: ignore[misc]


def _compressor(file: BinaryIO, compression: str, name: str) -> Any:
    if compression == ".gz":
        from gzip import GzipFile

        return GzipFile("", "wb", 6, file, mtime=0)
    if compression == ".bz2":
        from bz2 import BZ2File

        return BZ2File(file, "wb")
    if compression == ".xz":
        from lzma import LZMAFile

        return LZMAFile(file, "wb")
    from .zstd import ZstdWriter

    return ZstdWriter(file, name)


class Even(io.BufferedIOBase):
    """Passes on what is written to it in pieces of one size, however it comes: a compressor's output may depend on the
    pieces. The target stays open."""

    def __init__(self, target: Any):
        self._target, self._data = target, bytearray()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Write some bytes."""
        self._data += data
        whole = len(self._data) - len(self._data) % PIECE
        for start in range(0, whole, PIECE):
            self._target.write(bytes(self._data[start : start + PIECE]))
        del self._data[:whole]
        return len(data)

    def close(self) -> None:
        """Pass on the rest."""
        if not self.closed:
            self._target.write(bytes(self._data))
            self._data.clear()
        super().close()
