"""The lower half of `hdf5`: bytes, superblock, object headers, and the trees and heaps of names and texts.

Sections in brackets, as [IV.A.2.m], are those of the "HDF5 File Format Specification", version 3.0. All of this is
little-endian. An address with all bits set means "nowhere"; it lies beyond the end of any file and fails as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NOWHERE = {size: (1 << 8 * size) - 1 for size in (2, 4, 8)}  # by the size of an address in bytes
CONTINUATION, LAST_MESSAGE = 0x10, 0x18  # kinds of header messages; others are for the upper half
MOST_MESSAGES = 0xFFFF  # of an object header: older ones count them in two bytes
LONGEST_HASHED = 1 << 20  # bytes of a header block; checksums take 0.3 s a MiB here, and real blocks are far smaller


class Hdf5Error(Exception):
    """The bytes are no HDF5 file, or a damaged or truncated one, or hold what weights never are; says what is wrong."""


class Unsupported(Exception):
    """The file uses a part of HDF5 that this reader lacks; names it."""


class Fields:
    """The bytes of a structure, read field by field; none beyond the last."""

    __slots__ = ("at", "data", "file", "what")

    def __init__(self, file: File, data: memoryview, what: str):
        self.file, self.data, self.what, self.at = file, data, what, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def anew(self) -> Fields:
        """The same structure, to be read from its first field on."""
        return Fields(self.file, self.data, self.what)

    def raw(self, size: int) -> memoryview:
        start, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise Hdf5Error(f"{self.what}: {size} bytes missing, or an address beyond the end of the file")
        return self.data[start : self.at]

    def uint(self, size: int) -> int:
        return int.from_bytes(self.raw(size), "little")

    def offset(self) -> int:
        return self.uint(self.file.offset_size)

    def length(self) -> int:
        return self.uint(self.file.length_size)

    def skip(self, size: int) -> None:
        self.raw(size)

    def part(self, size: int, padded: bool = False) -> Fields:
        """The next bytes as a structure of their own; ``padded``: in the file they fill multiples of 8."""
        part = Fields(self.file, self.raw(size), self.what)
        self.skip(min(-size % 8, self.left) if padded else 0)
        return part

    def text(self, size: int) -> str:
        return decode(self.raw(size), self.what)

    def expect(self, value: bytes) -> None:
        found = bytes(self.raw(len(value)))
        if found != value:
            raise Hdf5Error(f"{self.what}: found {found!r} in place of {value!r}")

    def choose(self, size: int, *allowed: int) -> int:
        """A number that must be one of those allowed."""
        value = self.uint(size)
        if value not in allowed:
            raise Hdf5Error(f"{self.what}: found {value}, expected {', '.join(map(str, allowed[:8]))}")
        return value


def decode(text: bytes | memoryview, what: str) -> str:
    """Text up to its NUL, if there is one."""
    try:
        return bytes(text).partition(b"\0")[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Hdf5Error(f"{what}: a text that is not UTF-8") from error


class File:
    """All bytes from the superblock on, and what that says [II.A]: the sizes of addresses and lengths, the root group.

    Addresses count from the place where the superblock is found, whatever base address is stored, as in libhdf5.
    """

    def __init__(self, data: memoryview):
        start = _find_superblock(data)
        self.data = data[start:]
        self.offset_size = self.length_size = 8
        self.collections: dict[int, dict[int, memoryview]] = {}  # of the global heap, by address
        f = self.at(0, "superblock")
        f.expect(SIGNATURE)
        version = f.choose(1, 0, 1, 2, 3)
        f.skip(4 if version < 2 else 0)
        self.offset_size, self.length_size = f.choose(1, *NOWHERE), f.choose(1, *NOWHERE)
        f.skip((9, 13, 1, 1)[version])
        base, _, end = f.offset(), f.offset(), f.offset()
        if end - base > len(self.data):
            raise Hdf5Error(f"truncated: {len(data)} bytes of {start + end - base}")
        f.skip(2 * self.offset_size if version < 2 else 0)
        self.root = f.offset()
        if version >= 2:
            _verify(f, f.at)

    def at(self, address: int, what: str) -> Fields:
        """The fields of the structure at an address; an address beyond the end has no fields to read."""
        return Fields(self, self.data[address:], what)


def _find_superblock(data: memoryview) -> int:
    """It lies at 0 or, behind a user block, at 512, 1024, 2048, ... [II.A]."""
    place = 0
    while place < len(data):
        if data[place : place + len(SIGNATURE)] == SIGNATURE:
            return place
        place = max(512, 2 * place)
    raise Hdf5Error(f"not an HDF5 file (it starts with {bytes(data[:8])!r})")


def _verify(f: Fields, size: int) -> None:
    """Check that the first ``size`` bytes of a structure are followed by their checksum."""
    if size > LONGEST_HASHED:
        raise Unsupported(f"{f.what}: a block of {size} bytes")
    if lookup3(bytes(f.data[:size])) != int.from_bytes(f.data[size : size + 4], "little"):
        raise Hdf5Error(f"{f.what}: wrong checksum")


def lookup3(data: bytes) -> int:
    """Bob Jenkins' public-domain hash "lookup3" with initial value 0, the checksum of newer metadata."""
    mask = 0xFFFFFFFF
    a = b = c = (0xDEADBEEF + len(data)) & mask
    if not data:
        return c
    words = np.frombuffer(data + bytes(-len(data) % 12), "<u4").tolist()
    for i in range(0, len(words), 3):
        a, b, c = (a + words[i]) & mask, (b + words[i + 1]) & mask, (c + words[i + 2]) & mask
        if i + 3 < len(words):
            for bits in (4, 6, 8, 16, 19, 4):
                a = ((a - c) & mask) ^ (c << bits & mask | c >> 32 - bits)
                a, b, c = b, (c + b) & mask, a
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - (b << bits & mask | b >> 32 - bits)) & mask
        a, b, c = b, c, a
    return b


# Object headers [IV.A.1]: a list of messages that say what an object is, what it holds and where.


class Message(NamedTuple):
    kind: int
    shared: bool
    body: Fields

    def fields(self) -> Fields:
        """The message's fields, from the first on."""
        if self.shared:
            raise Unsupported("shared header messages")
        return self.body.anew()


def messages(file: File, address: int) -> list[Message]:
    """All messages of an object header but NIL, across its continuation blocks [IV.A.2.q]."""
    v2 = file.data[address : address + 4] == b"OHDR"
    first, ordered = _first_block_v2(file, address) if v2 else _first_block_v1(file, address)
    blocks, places, total, found = [first], {address}, first.left, []
    for block in blocks:
        for message in _split(block, v2, ordered):
            if message.kind != CONTINUATION:
                found.append(message)
                if len(found) > MOST_MESSAGES:
                    raise Hdf5Error(f"object header: more than {MOST_MESSAGES} messages")
                continue
            place, size = message.body.offset(), message.body.length()
            total += size
            if place in places or total > len(file.data):
                raise Hdf5Error("object header: continued in a circle")
            places.add(place)
            blocks.append(_next_block_v2(file, place, size) if v2 else file.at(place, "object header").part(size))
    return [message for message in found if message.kind]


def _first_block_v1(file: File, address: int) -> tuple[Fields, bool]:
    """[IV.A.1.a] The number of messages is not used: some libraries miscounted, and the size says the same."""
    f = file.at(address, "object header")
    f.expect(b"\1")
    f.skip(7)
    size = f.uint(4)
    f.skip(4)
    return f.part(size), False


def _first_block_v2(file: File, address: int) -> tuple[Fields, bool]:
    """[IV.A.1.b] The first block, and whether its messages carry their order of creation."""
    f = file.at(address, "object header")
    f.expect(b"OHDR\2")
    flags = f.uint(1)
    f.skip((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    block = f.part(f.uint(1 << (flags & 3)))
    _verify(f, f.at)
    return block, bool(flags & 4)


def _next_block_v2(file: File, place: int, size: int) -> Fields:
    """[IV.A.1.b]"""
    f = file.at(place, "object header")
    f.expect(b"OCHK")
    block = f.part(max(size - 8, 0))
    _verify(f, f.at)
    return block


def _split(block: Fields, v2: bool, ordered: bool) -> Iterator[Message]:
    """The messages of a block, which may end with a gap too short for one."""
    reserved = 2 * ordered if v2 else 3
    while block.left >= (4 if v2 else 5) + reserved:
        kind, size, flags = block.uint(1 if v2 else 2), block.uint(2), block.uint(1)
        if kind > LAST_MESSAGE:
            raise Hdf5Error(f"object header: unknown message {kind}")
        block.skip(reserved)
        body = block.part(size)
        body.what = f"header message {kind}"
        yield Message(kind, bool(flags & 2), body)


# Trees and heaps


def symbols(file: File, tree: int, heap: int) -> Iterator[tuple[str, int | None]]:
    """Members of an old-style group, by a version 1 B-tree [III.A.1] whose leaves are symbol table nodes [III.B]."""
    names = _local_heap(file, heap)
    nodes: list[tuple[int, int | None]] = [(tree, None)]
    seen = set()
    while nodes:
        address, level = nodes.pop()
        if address in seen:
            raise Hdf5Error("B-tree: runs in a circle")
        seen.add(address)
        if level == -1:
            yield from _symbol_table_node(file, address, names)
            continue
        f = file.at(address, "B-tree")
        f.expect(b"TREE\0")
        level = f.uint(1) if level is None else f.choose(1, level)
        count = f.uint(2)
        f.skip(2 * file.offset_size)
        for _ in range(count):
            f.skip(file.length_size)
            nodes.append((f.offset(), level - 1))


def _symbol_table_node(file: File, address: int, names: bytes) -> Iterator[tuple[str, int | None]]:
    """Name and address of each entry [III.C]; a soft link has none. What entries cache, the headers say too."""
    f = file.at(address, "symbol table node")
    f.expect(b"SNOD\1")
    f.skip(1)
    for _ in range(f.uint(2)):
        name, header, cached = f.offset(), f.offset(), f.choose(4, 0, 1, 2)
        f.skip(20)
        end = names.find(b"\0", name)
        if end < 0:
            raise Hdf5Error("symbol table node: a name beyond the local heap")
        yield decode(names[name:end], f.what), header if cached < 2 else None


def _local_heap(file: File, address: int) -> bytes:
    """The data segment of a local heap [III.D]: the names of an old-style group."""
    f = file.at(address, "local heap")
    f.expect(b"HEAP\0")
    f.skip(3)
    size, _, place = f.length(), f.length(), f.offset()
    return bytes(file.at(place, "local heap").raw(size))


def heap_object(file: File, address: int, index: int) -> memoryview:
    """An object of the global heap collection at an address."""
    if address not in file.collections:
        file.collections[address] = _global_heap(file, address)
    if index not in file.collections[address]:
        raise Hdf5Error(f"global heap: no object {index}")
    return file.collections[address][index]


def _global_heap(file: File, address: int) -> dict[int, memoryview]:
    """The objects of a global heap collection [III.E] by index; object 0 is the free space at the end."""
    f = file.at(address, "global heap")
    f.expect(b"GCOL\1")
    f.skip(3)
    f = f.part(max(f.length() - f.at, 0))
    objects = {}
    while f.left >= 8 + file.length_size and (index := f.uint(2)):
        f.skip(6)
        objects[index] = f.part(f.length(), padded=True).data
    return objects
