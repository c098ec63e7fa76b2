"""Results as arrays of Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..files.extras import pyarrow
from .results import Column, Lists


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
        return arrow.array(column, type_of(kind), mask=nulls)
    if column.offsets[-1] > np.iinfo(np.int32).max:
        raise InputError(f"{len(column):,} lists with {column.offsets[-1]:,} values in one batch: make it smaller")
    offsets = arrow.array(column.offsets, arrow.int32(), mask=np.append(nulls, False))
    return arrow.ListArray.from_arrays(offsets, arrow.array(column.values, type_of(kind[5:-1])))
