"""Zip files, memory-mapped: `.keras` files and those of torch.save.

    file = Zip(mapped("model.keras"))
    file.read("config.json", 2, 1 << 20)  # a memoryview: a part of the file, or what it inflates to

Why not `zipfile`: it copies what is stored uncompressed, which is to be mapped, and inflates whatever a small file
claims; importing it takes 37 ms, this module 9 (medians of 5, on a busy machine). Here nothing is believed: every place
and size is checked against the bytes there are, a member must have a size its reader expects, and all of them together
must not be many times the file. Names are looked up only; nothing is ever written to a disk. Checksums are not looked
at, because torch can be told not to write them.

Structures are those of PKWARE's APPNOTE.TXT, version 6.3.10, sections 4.3 and 4.5.3 (Zip64).
"""

from __future__ import annotations

import os
import struct
import zlib

from ..files import mapping

MOST_SAVED, MOST_INFLATED = 8, 1 << 24  # a zip may give 8 times its bytes and 16 MiB; weights do not compress well
MOST_MEMBERS = 1 << 16  # of a zip file


class ZipError(Exception):
    """The bytes are no zip file, or a damaged or truncated one, or lack what is asked for; says what is wrong."""


def mapped(path: str | os.PathLike, mmap: bool = True) -> memoryview:
    """The bytes of a file, memory-mapped for as long as a part of them is in use, or else read.

    Raises:
        OSError, ValueError: the file cannot be opened; ValueError if its name has a NUL.
        ZipError: it is a pipe or empty.
    """
    data = mapping.mapped(path, ZipError, mmap)
    if not data:
        raise ZipError("the file is empty")
    return data


def part(data: memoryview, at: int, size: int, what: str) -> memoryview:
    """So many bytes from there on. Raises a ZipError if the data ends before."""
    if not 0 <= at <= at + size <= len(data):
        raise ZipError(f"{what} is cut off: the file is truncated or damaged")
    return data[at : at + size]


def fields(data: memoryview, at: int, layout: str) -> tuple[int, ...]:
    """Little-endian numbers, laid out as `struct` says. Raises as `part`."""
    return struct.unpack(f"<{layout}", part(data, at, struct.calcsize(f"<{layout}"), "a header"))


class Zip:
    """The members of a zip file in memory.

    Attributes:
        members: by name: flags, method, bytes in the file, bytes when read, place of the header.
    """

    def __init__(self, data: memoryview):
        self.data, self.given = data, 0
        self.members: dict[str, tuple[int, int, int, int, int]] = {}
        count, at = self._directory()
        if count > MOST_MEMBERS:
            raise ZipError(f"a zip file of {count} members, which no weights need")
        for _ in range(count):
            at = self._entry(at)

    def read(self, name: str, least: int, most: int) -> memoryview:
        """The bytes of a member, which must be within these bounds in number: a part of the file, or inflated."""
        if name not in self.members:
            raise ZipError(f"a zip file without the member {name!r}")
        flags, method, packed, size, at = self.members[name]
        magic, method_here, name_size, extra_size = fields(self.data, at, "4s4xH16xHH")
        written = bytes(self.data[at + 30 : at + 30 + name_size])
        if magic != b"PK\3\4" or method_here != method or written != name.encode():
            raise ZipError(f"the member {name!r} of the zip file is damaged")
        if flags & 1 or method not in (0, 8):
            raise ZipError(f"the member {name!r} of the zip file is encrypted or compressed by method {method}")
        if not least <= size <= most:
            raise ZipError(f"the member {name!r} of the zip file has {size} bytes, expected {least} to {most}")
        self.given += size
        if self.given > MOST_INFLATED + MOST_SAVED * len(self.data):
            raise ZipError(f"the members of the zip file claim {self.given} bytes, compressed in {len(self.data)}")
        data = part(self.data, at + 30 + name_size + extra_size, packed, f"the member {name!r} of the zip file")
        if method:
            return self._inflate(name, data, size)
        if packed != size:
            raise ZipError(f"the member {name!r} of the zip file is damaged")
        return data

    def _inflate(self, name: str, data: memoryview, size: int) -> memoryview:
        try:
            values = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
        except zlib.error as error:
            raise ZipError(f"the member {name!r} of the zip file is damaged ({error})") from error
        if len(values) != size:
            raise ZipError(f"the member {name!r} of the zip file does not give the {size} bytes it claims")
        return memoryview(values)

    def _directory(self) -> tuple[int, int]:
        """How many members the central directory lists, and where it starts."""
        tail = bytes(self.data[-0x10000 - 22 :])
        found = tail.rfind(b"PK\5\6")
        if found < 0:
            raise ZipError("a zip file without its directory: truncated or damaged")
        end = len(self.data) - len(tail) + found
        count, start = fields(self.data, end, "10xH4xI2x")
        if count != 0xFFFF and start != 0xFFFFFFFF:
            return count, start
        magic, place = fields(self.data, end - 20, "4s4xQ4x")  # Zip64: larger numbers stand elsewhere
        magic_there, count, start = fields(self.data, place, "4s28xQ8xQ")
        if (magic, magic_there) != (b"PK\6\7", b"PK\6\6"):
            raise ZipError("the directory of the zip file is damaged")
        return count, start

    def _entry(self, at: int) -> int:
        """Take a member from the directory; where the next one is listed."""
        numbers = fields(self.data, at, "4s4xHH8xIIHHH8xI")
        magic, flags, method, packed, size, name_size, extra_size, note_size, place = numbers
        raw = bytes(part(self.data, at + 46, name_size, "the directory of the zip file"))
        extra = part(self.data, at + 46 + name_size, extra_size, "the directory of the zip file")
        name = raw.decode("utf-8", "replace")
        parts = name.removesuffix("/").split("/")
        if magic != b"PK\1\2" or "\\" in name or {"", ".", ".."} & set(parts) or name in self.members:
            raise ZipError(f"the directory of the zip file is damaged, or its member {name[:100]!r} is badly named")
        packed, size, place = _zip64(extra, packed, size, place)
        self.members[name] = flags, method, packed, size, place
        return at + 46 + name_size + extra_size + note_size


def _zip64(extra: memoryview, packed: int, size: int, place: int) -> tuple[int, int, int]:
    """The numbers of an entry; those that four bytes do not hold stand in a Zip64 field, in this order: size first."""
    at, numbers = 0, [size, packed, place]
    while at + 4 <= len(extra):
        kind, length = fields(extra, at, "HH")
        at += 4
        for i in range(3 if kind == 1 else 0):
            if numbers[i] == 0xFFFFFFFF:
                (numbers[i],) = fields(extra, at, "Q")
                at, length = at + 8, length - 8
        at += max(length, 0)
    size, packed, place = numbers
    return packed, size, place
