"""Results as arrays of Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.extras import pyarrow
from .results import Column, Lists

DTYPES = {"float32": np.float32, "int32": np.int32}


def type_of(kind: str) -> Any:
    """The type for a kind of column, see `Results.fields`."""
    arrow = pyarrow(what="Arrow")
    if kind.startswith("list<"):
        return arrow.list_(type_of(kind[5:-1]))
    return {"string": arrow.string(), "float32": arrow.float32(), "int32": arrow.int32(), "bool": arrow.bool_()}[kind]


def array(kind: str, column: Column, nulls: np.ndarray) -> Any:
    """A column's values, null where ``nulls`` is true.

    Raises:
        InputError: its lists have more values than an array of lists can hold.
    """
    arrow = pyarrow(what="Arrow")
    if not isinstance(column, Lists):
        return _plain(column, kind, nulls)
    if column.offsets[-1] > np.iinfo(np.int32).max:
        raise InputError(f"{len(column):,} lists with {column.offsets[-1]:,} values in one batch: make it smaller")
    values = column.values
    items = strings(values) if isinstance(values, list) else _plain(values, kind[5:-1])
    buffers = [_bits(~nulls) if nulls.any() else None, arrow.py_buffer(column.offsets.astype(np.int32))]
    return arrow.Array.from_buffers(type_of(kind), len(column), buffers, children=[items])


# All of these are made of their bytes: where pandas is installed, `pyarrow.array` imports it, which takes a third of a
# second, to see whether what it is given is pandas'.


def strings(values: Sequence[str | None]) -> Any:
    """An array of strings; halves of surrogate pairs are written as in text formats, as \\udcxx."""
    arrow = pyarrow(what="Arrow")
    content = "".join([value or "" for value in values]).encode("utf-8", "backslashreplace")
    if len(content) > np.iinfo(np.int32).max:
        raise InputError(f"{len(values):,} strings with {len(content):,} bytes in one batch: make it smaller")
    lengths = _Lengths()
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(map(lengths.__getitem__, values), np.int32, len(values)), out=offsets[1:])
    nulls = np.fromiter((value is None for value in values), bool, len(values))
    buffers = [_bits(~nulls) if nulls.any() else None, arrow.py_buffer(offsets), arrow.py_buffer(content)]
    return arrow.Array.from_buffers(arrow.string(), len(values), buffers)


class _Lengths(dict):
    """How many bytes each string takes."""

    def __missing__(self, value: str | None) -> int:
        self[value] = found = len((value or "").encode("utf-8", "backslashreplace"))
        return found


def _plain(values: np.ndarray, kind: str, nulls: np.ndarray | None = None) -> Any:
    """An array of values that are no lists."""
    arrow = pyarrow(what="Arrow")
    if kind == "string":
        return strings(values.tolist())
    valid = None if nulls is None or not nulls.any() else _bits(~nulls)
    content = _bits(values) if kind == "bool" else arrow.py_buffer(np.ascontiguousarray(values, DTYPES[kind]))
    return arrow.Array.from_buffers(type_of(kind), len(values), [valid, content])


def _bits(values: np.ndarray) -> Any:
    return pyarrow(what="Arrow").py_buffer(np.packbits(values, bitorder="little"))
