"""A reader for the part of HDF5 that Keras writes: groups, attributes of text and numbers, arrays stored in one piece.

    root = open_file("weights.hdf5")
    root.attrs["layer_names"]                       # ["input_1", "embedding", ...]
    root["embedding/embedding/embeddings"].array()  # float32 (50000, 256), a view of the file's pages

Why not h5py: importing it takes 141 ms where this module and its lower half take 4 (medians of 5, on a busy machine),
which a start on the default path would notice; and its C library crashes with segmentation faults on files in which
single bits are flipped, or hangs. Here nothing is believed: every address, size and count is checked against the bytes
there are, every structure is visited once. So a file gives its data, or `Hdf5Error` (damaged), or `Unsupported` (a
feature this reader lacks).

Sections in brackets are those of the "HDF5 File Format Specification", version 3.0; `hdf5_format` has the lower levels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..files.mapping import mapped
from .contents import BFLOAT16
from .hdf5_format import (
    NOWHERE,
    Fields,
    File,
    Hdf5Error,
    Message,
    Unsupported,
    decode,
    heap_object,
    messages,
    symbols,
)

# Header messages [IV.A.2] by their numbers
DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL_FILES, LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
ATTRIBUTE, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0C, 0x11, 0x15

LARGEST_SPACE = 1 << 48  # elements, extents of 0 left out: beyond this NumPy may refuse even an empty array


def open_file(path: str | os.PathLike, mmap: bool = True) -> Group:
    """The root group of a file, which is memory-mapped for as long as its groups or arrays are in use, or else read.

    Raises:
        OSError: the file cannot be opened.
        Hdf5Error, Unsupported: see there; also later, when the damaged or unsupported part is reached.
    """
    data = mapped(path, Hdf5Error, mmap)
    if not data:
        raise Hdf5Error("the file is empty")
    return open_buffer(data)


def open_buffer(data: bytes | memoryview) -> Group:
    """The root group of an HDF5 file in memory, such as a slice of a mapped zip file. Raises as `open_file`."""
    file = File(memoryview(data))
    return Group(file, messages(file, file.root), "/")


class Group(Mapping):
    """Named groups and datasets. Indexing takes paths, ``group["vars/0"]``; a missing name is a KeyError.

    Attributes:
        attrs: the group's `Attributes`.
        name: its path in the file, for messages.
    """

    def __init__(self, file: File, header: list[Message], name: str):
        self._file, self.name = file, name
        self.attrs = Attributes(file, header)
        self._links = _links(file, header)
        self._opened: dict[str, Group | Dataset] = {}  # children only, no cycle: unused files are unmapped at once

    def __getitem__(self, path: str) -> Group | Dataset:
        node: Group | Dataset = self
        for name in filter(None, path.split("/")):
            if not isinstance(node, Group):
                raise KeyError(path)
            node = node._member(name)
        return node

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def __len__(self) -> int:
        return len(self._links)

    def _member(self, name: str) -> Group | Dataset:
        if name not in self._opened:
            self._opened[name] = _open(self._file, self._links[name], f"{self.name.rstrip('/')}/{name}")
        return self._opened[name]


class Dataset:
    """An array.

    Attributes:
        shape, dtype: as stored, in the file's byte order; text has dtype `S` or, of any length, `O`.
        attrs: its `Attributes`.
        name: its path in the file, for messages.
    """

    def __init__(self, file: File, header: list[Message], name: str):
        self._file, self._header, self.name = file, header, name
        self.attrs = Attributes(file, header)
        self.shape = _shape(_message(header, DATASPACE, name))
        self.dtype = _datatype(_message(header, DATATYPE, name)).dtype

    def array(self) -> np.ndarray:
        """The values, read-only: a view of the file, which may be unaligned or big-endian. Text is an Hdf5Error."""
        if self.dtype.kind in "SO":
            raise Hdf5Error(f"{self.name} holds text, expected numbers")
        size = math.prod(self.shape) * self.dtype.itemsize
        return np.frombuffer(_stored(self._file, self._header, size, self.name), self.dtype).reshape(self.shape)


class Attributes(Mapping):
    """An object's attributes by name, decoded when asked for.

    A text is a str, an array of texts (of any rank) a flat list of str, numbers are a NumPy array of their shape.
    """

    def __init__(self, file: File, header: list[Message]):
        self._file = file
        for message in header:
            if message.kind == ATTRIBUTE_INFO and _is_dense(message.fields(), 2):
                raise Unsupported("attributes in a fractal heap")
        self._parts = dict(_attribute(message.fields()) for message in header if message.kind == ATTRIBUTE)

    def __getitem__(self, name: str) -> str | list[str] | np.ndarray:
        shared, *parts = self._parts[name]
        if shared:
            raise Unsupported("attributes of a shared datatype or dataspace")
        datatype, space, data = (part.anew() for part in parts)
        shape, type_ = _shape(space), _datatype(datatype)
        data = data.part(math.prod(shape) * type_.size)
        if type_.dtype.kind not in "SO":
            return np.frombuffer(data.data, type_.dtype).reshape(shape)
        texts = _texts(data, type_)
        return texts if shape else texts[0]

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


# Objects and links


def _open(file: File, address: int | None, name: str) -> Group | Dataset:
    if address is None:
        raise Unsupported(f"{name}: soft, external or user-defined links")
    header = messages(file, address)
    kinds = {message.kind for message in header}
    if LAYOUT in kinds:
        return Dataset(file, header, name)
    if kinds & {SYMBOL_TABLE, LINK_INFO}:
        return Group(file, header, name)
    raise Hdf5Error(f"{name} is neither a group nor a dataset")


def _message(header: list[Message], kind: int, name: str) -> Fields:
    for message in header:
        if message.kind == kind:
            return message.fields()
    raise Hdf5Error(f"{name}: header message {kind} is missing")


def _links(file: File, header: list[Message]) -> dict[str, int | None]:
    """Addresses of a group's members by name; None for a link that is not an address in this file."""
    links = {}
    for message in header:
        if message.kind == SYMBOL_TABLE:
            f = message.fields()
            links.update(symbols(file, tree=f.offset(), heap=f.offset()))
        elif message.kind == LINK:
            name, address = _link(message.fields())
            links[name] = address
        elif message.kind == LINK_INFO and _is_dense(message.fields(), 8):
            raise Unsupported("links in a fractal heap")
    return links


def _link(f: Fields) -> tuple[str, int | None]:
    """Link message [IV.A.2.g]."""
    f.expect(b"\1")
    flags = f.uint(1)
    kind = f.choose(1, 0, 1, *range(64, 256)) if flags & 8 else 0
    f.skip((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = f.text(f.uint(1 << (flags & 3)))
    return name, f.offset() if kind == 0 else None


def _is_dense(f: Fields, index_size: int) -> bool:
    """Whether Link Info [IV.A.2.c] or Attribute Info [IV.A.2.v] points to a fractal heap, which holds what is many."""
    f.expect(b"\0")
    f.skip(index_size if f.uint(1) & 1 else 0)
    return f.offset() != NOWHERE[f.file.offset_size]


# Attributes, shapes, types


def _attribute(f: Fields) -> tuple[str, tuple[bool, Fields, Fields, Fields]]:
    """Attribute message [IV.A.2.m]: name; whether type or shape are kept elsewhere, datatype, dataspace and data."""
    version, flags = f.choose(1, 1, 2, 3), f.uint(1)
    sizes = f.uint(2), f.uint(2), f.uint(2)
    f.skip(1 if version == 3 else 0)
    name, datatype, space = (f.part(size, padded=version == 1) for size in sizes)
    text = name.text(name.left)
    f.what = datatype.what = space.what = f"attribute {text!r}"
    return text, (version > 1 and flags & 3 != 0, datatype, space, f.part(f.left))


def _shape(f: Fields) -> tuple[int, ...]:
    """Dataspace message [IV.A.2.b]; a null dataspace, which has no elements, counts as one of none."""
    version, rank = f.choose(1, 1, 2), f.choose(1, *range(33))
    f.choose(1, 0, 1)  # whether the largest extents follow the present ones
    kind = f.uint(1)
    f.skip(4 if version == 1 else 0)
    shape = tuple(f.length() for _ in range(rank))
    if math.prod(max(extent, 1) for extent in shape) > LARGEST_SPACE or version == 2 and kind > 2:
        raise Hdf5Error(f"{f.what}: an impossible shape, {shape}")
    return (0,) if version == 2 and kind == 2 else shape


class _Type(NamedTuple):
    """Type of an element: its NumPy type, bytes in the file, and, for text of fixed length, how it is padded."""

    dtype: np.dtype
    size: int
    padding: int = 0


def _datatype(f: Fields) -> _Type:
    """Datatype message [IV.A.2.d]: IEEE floats, integers, text of fixed or any length; weights need no other but two
    opaque bytes, which are how Keras stores a bfloat16."""
    head, bits, size = f.uint(1), f.uint(3), f.uint(4)
    kind, version = head & 15, head >> 4
    if not 1 <= version <= 5:
        raise Hdf5Error(f"{f.what}: unknown datatype version {version}")
    if kind == 0 and size in (1, 2, 4, 8) and (f.uint(2), f.uint(2)) == (0, 8 * size):
        return _Type(np.dtype(f"{'<>'[bits & 1]}{'iu'[not bits & 8]}{size}"), size)
    if kind == 1 and size in _IEEE and (bits & 0x40, bits >> 8, bytes(f.raw(12))) == (0, 8 * size - 1, _IEEE[size]):
        return _Type(np.dtype(f"{'<>'[bits & 1]}f{size}"), size)
    if kind == 5 and size == BFLOAT16.itemsize:
        return _Type(BFLOAT16, size)
    if kind == 3 and 0 < size < 1 << 31 and bits & 15 < 3 and bits >> 4 < 2:
        return _Type(np.dtype(f"S{size}"), size, padding=bits & 15)
    if kind == 9 and bits & 15 == 1 and size == 8 + f.file.offset_size:
        return _Type(np.dtype("O"), size)
    raise Hdf5Error(f"{f.what}: a datatype of class {kind} and {size} bytes, expected IEEE floats, integers or text")


def _ieee(exponent: int, mantissa: int) -> bytes:
    """The properties of an IEEE float: first bit, bits, place and size of exponent and mantissa, exponent bias."""
    bits, bias = 1 + exponent + mantissa, (1 << exponent - 1) - 1
    return bytes((0, 0, bits, 0, mantissa, exponent, 0, mantissa)) + bias.to_bytes(4, "little")


_IEEE = {2: _ieee(5, 10), 4: _ieee(8, 23), 8: _ieee(11, 52)}


# Data


def _stored(file: File, header: list[Message], size: int, name: str) -> memoryview:
    """The bytes of a dataset by its Data Layout message [IV.A.2.i]; version 5 came with HDF5 2.0."""
    f = _message(header, LAYOUT, name)
    version = f.choose(1, 3, 4, 5)
    kind = f.choose(1, *range(3 if version == 3 else 4))
    if kind == 2:
        raise Unsupported(f"{name}: data stored in chunks")
    if kind == 3 or any(message.kind == EXTERNAL_FILES for message in header):
        raise Hdf5Error(f"{name} is kept in other files")
    place, stored = (None, f.uint(2)) if kind == 0 else (f.offset(), f.length())
    if stored != size:
        raise Hdf5Error(f"{name}: {stored} bytes stored, its shape needs {size}")
    if size == 0:
        return memoryview(b"")
    return f.raw(size) if place is None else file.at(place, name).raw(size)


def _texts(data: Fields, type_: _Type) -> list[str]:
    """All texts of an attribute."""
    texts, total = [], 0
    while data.left:
        text = _padded(data, type_) if type_.dtype.kind == "S" else _variable(data)
        total += len(text)
        if total > len(data.file.data):
            raise Hdf5Error(f"{data.what}: more text than the file can hold")
        texts.append(decode(text, data.what))
    return texts


def _padded(data: Fields, type_: _Type) -> bytes:
    """Text of a fixed length; it ends with a NUL, or is filled up with NULs or (padding 2) spaces."""
    text = bytes(data.raw(type_.size))
    return text.rstrip(b" ") if type_.padding == 2 else text


def _variable(data: Fields) -> memoryview:
    """Text of any length: that length, and an object of the global heap [IV.A.2.d]."""
    length, address, index = data.uint(4), data.offset(), data.uint(4)
    if length == 0:
        return memoryview(b"")
    text = heap_object(data.file, address, index)
    if len(text) < length:
        raise Hdf5Error(f"{data.what}: a text is cut short")
    return text[:length]
