"""Bytes from files, pipes, sockets and terminals as they arrive, decompressed on the way if necessary."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from ..errors import InputError
from .names import split

CHUNK = 1 << 16
_KINDS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
_MAGIC = {
    ".gz": b"\x1f\x8b",
    ".bz2": rb"BZh[1-9]1AY&SY",
    ".xz": re.escape(b"\xfd7zXZ\0"),
    ".zst": re.escape(b"\x28\xb5\x2f\xfd"),
}  # none of them occurs in text


class Source:
    """The bytes of a file, or of standard input (``"-"``).

    Attributes:
        name: its name in messages.
        done: bytes read so far, before decompression.

    Raises (also while reading):
        InputError: it cannot be read, or is not a complete file of its compression.
    """

    def __init__(self, path: str):
        self.path, self.name, self.done = path, name_of(path), 0
        self._ahead, self._begun, self._ended = b"", False, False
        self._unpacked: Any = None
        try:
            file = standard_input() if path == "-" else open(path, "rb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._unreadable(error) from error
        self._arrivals = arrivals(file)

    def waiting(self) -> bool:
        """Whether `read` returns at once; always for a file, and while decompressing."""
        return self._ended or bool(self._ahead) or self._unpacked is not None or self._arrivals.waiting()

    def read(self) -> bytes:
        """More bytes, as soon as there are any; none at the end."""
        if not self._begun:
            self._begin()
        if self._unpacked is None:
            return self._raw(CHUNK)
        try:
            return self._unpacked.read1(CHUNK)
        except (OSError, EOFError, *_errors()) as error:
            kind = _KINDS[self._compression]
            raise InputError(f"{self.name}: damaged, incomplete, or not {kind}: {error}") from error

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self.path != "-":
            self._arrivals.file.close()

    def _begin(self) -> None:
        """Look at the first bytes, and set up decompression if they or the name require it."""
        self._begun, first = True, self._raw(CHUNK)
        _, self._compression = split(self.path)
        if not self._compression:
            self._compression = next((suffix for suffix, magic in _MAGIC.items() if re.match(magic, first)), "")
        elif not first:
            raise InputError(f"{self.name}: empty, expected a {_KINDS[self._compression]} file")
        self._ahead, self.done = first, 0
        if self._compression:
            self._unpacked = _unpacker(self._compression, _Packed(self._raw), self.name)

    def _raw(self, size: int) -> bytes:
        if not self._ahead and not self._ended:
            try:
                self._ahead = self._arrivals.read(CHUNK)
            except OSError as error:
                raise self._unreadable(error) from error
            self._ended = not self._ahead  # else a terminal would need to signal its end twice
        some, self._ahead = self._ahead[:size], self._ahead[size:]
        self.done += len(some)
        return some

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"{self.name}: cannot be read: {error.strerror or error}")


def name_of(path: str) -> str:
    """A file's name in messages."""
    return "standard input" if path == "-" else path


def standard_input() -> BinaryIO:
    """Standard input's bytes, bypassing its buffer if it has one."""
    if sys.stdin is None:  # closed by the parent process
        raise InputError("standard input is closed")
    return getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)


def size_of(path: str) -> int:
    """How many bytes there are to read; 0 if unknown.

    Raises:
        InputError: there is no such file, or it may not be read.
    """
    try:
        if path == "-":
            file = standard_input()
            return max(0, os.fstat(file.fileno()).st_size - file.tell()) if _is_file(file) else 0
        if stat.S_ISFIFO(os.stat(path).st_mode):  # opening it would wait for its writer
            return 0
        with open(path, "rb", buffering=0) as file:
            return os.fstat(file.fileno()).st_size if _is_file(file) else 0
    except OSError as error:
        raise InputError(f"{name_of(path)}: cannot be read: {error.strerror or error}") from error


def _is_file(file: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, AttributeError):  # bytes in memory
        return False


# Whether more has arrived --------------------------------------------------------------------------------------------


class Direct:
    """A file on disk, for which a read never waits."""

    def __init__(self, file: BinaryIO):
        self.file, self.read = file, file.read

    def waiting(self) -> bool:
        """Whether a read gives something at once."""
        return True


class Polled:
    """A pipe, socket or terminal, on a system that can tell whether something has arrived."""

    def __init__(self, file: BinaryIO):
        import select

        self.file, self._select = file, select.select

    def waiting(self) -> bool:
        """Whether a read gives something at once."""
        return bool(self._select([self.file], [], [], 0)[0])

    def read(self, size: int) -> bytes:
        """Some bytes, as soon as there are any."""
        while (some := self.file.read(size)) is None:  # the descriptor is non-blocking
            self._select([self.file], [], [])
        return some


class Threaded:
    """The same on systems without such a call: a thread does the waiting. At most a megabyte is read ahead."""

    def __init__(self, file: BinaryIO):
        import queue
        import threading

        self.file, self._empty = file, queue.Empty
        self._queue: queue.Queue[bytes | OSError] = queue.Queue(16)
        threading.Thread(target=self._fill, daemon=True).start()

    def _fill(self) -> None:
        some: bytes | OSError = b" "
        while isinstance(some, bytes) and some:
            try:
                some = self.file.read(CHUNK) or b""
            except OSError as error:
                some = error
            self._queue.put(some)

    def waiting(self) -> bool:
        """Whether a read gives something at once."""
        return not self._queue.empty()

    def read(self, size: int) -> bytes:
        """Some bytes, as soon as there are any."""
        while True:
            try:
                some = self._queue.get(timeout=1)  # Windows delivers Ctrl-C only between two waits
            except self._empty:
                continue
            if isinstance(some, OSError):
                raise some
            return some


def arrivals(file: BinaryIO) -> Direct | Polled | Threaded:
    """A reader for the file that knows whether more has arrived."""
    try:
        file.fileno()
    except (OSError, AttributeError):
        return Direct(file)
    if _is_file(file):
        return Direct(file)
    return Polled(file) if os.name == "posix" else Threaded(file)


# Compression ----------------------------------------------------------------------------------------------------------


class _Packed:
    """A file for the decompressors; they read little ahead from it, so that progress is accurate."""

    def __init__(self, read: Callable[[int], bytes]):
        self._read = read

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes."""
        return self._read(min(size, CHUNK // 8))


def _unpacker(suffix: str, file: Any, name: str) -> Any:
    """A file object for a compressed file's content."""
    if suffix == ".zst":
        from ..files.zstd import ZstdReader

        return ZstdReader(file, name)
    if suffix == ".gz":
        from gzip import GzipFile

        return GzipFile(fileobj=file, mode="rb")
    if suffix == ".bz2":
        from bz2 import BZ2File

        return BZ2File(file)
    from lzma import LZMAFile

    return LZMAFile(file)


def _errors() -> tuple[type[Exception], ...]:
    """What the standard library's decompressors raise besides OSError and EOFError."""
    import zlib

    lzma = sys.modules.get("lzma")
    return (zlib.error, lzma.LZMAError) if lzma else (zlib.error,)
