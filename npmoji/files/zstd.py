"""Zstandard, with Python's own module where there is one (3.14), else with the package zstandard."""

from __future__ import annotations

import importlib
from typing import Any, BinaryIO, Protocol

from ..errors import InputError

LEVEL = 3  # the format's own default
PIECE = 1 << 10  # bytes unpacked at a time: what is extremely repetitive becomes some ten thousand times as many


class _Codec(Protocol):
    """What this module uses of a library."""

    error: type[Exception]

    def packer(self) -> Any:
        """An object with ``compress(data)`` and ``flush()``."""

    def unpacker(self) -> Any:
        """An object for one frame, with ``decompress(data)``, ``eof`` and ``unused_data``."""


class _Own:
    def __init__(self, module: Any):
        self.error, self.packer, self.unpacker = module.ZstdError, module.ZstdCompressor, module.ZstdDecompressor


class _Package:
    def __init__(self, module: Any):
        self.error = module.ZstdError
        self.packer = lambda: module.ZstdCompressor(level=LEVEL).compressobj()
        self.unpacker = lambda: module.ZstdDecompressor().decompressobj()


def codec(name: str) -> _Codec:
    """The library.

    Raises:
        InputError: there is none; ``name`` is the file's, for the message.
    """
    for module, wrap in (("compression.zstd", _Own), ("zstandard", _Package)):
        try:
            return wrap(importlib.import_module(module))
        except ImportError:
            continue
    raise InputError(f"{name}: .zst files need Python 3.14 or the package zstandard: pip install zstandard")


class ZstdReader:
    """The content of a file of one or more frames.

    ``read1`` raises an OSError if the file is damaged, an EOFError if it ends within a frame.
    """

    def __init__(self, file: Any, name: str):
        self._file, self._codec = file, codec(name)
        self._frame: Any = None  # the frame begun
        self._ahead = b""  # bytes after it

    def read1(self, size: int) -> bytes:
        """Some bytes, which may be more or less than ``size``; none at the end."""
        while packed := self._ahead or self._file.read(PIECE):
            self._ahead = b""
            if self._frame is None:
                self._frame = self._codec.unpacker()
            try:
                some = self._frame.decompress(packed)
            except self._codec.error as error:
                raise OSError(str(error)) from error
            if self._frame.eof:
                self._ahead, self._frame = self._frame.unused_data, None
            if some:
                return some
        if self._frame is not None:
            raise EOFError("it ends too early")
        return b""


class ZstdWriter:
    """A file that compresses what is written to it, as one frame."""

    def __init__(self, file: BinaryIO, name: str):
        self._file, self._packer = file, codec(name).packer()

    def write(self, data: bytes) -> None:
        """Write some bytes."""
        self._file.write(self._packer.compress(data))

    def close(self) -> None:
        """Write the end of the frame; the file stays open."""
        self._file.write(self._packer.flush())
