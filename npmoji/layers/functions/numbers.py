"""Types of numbers as Keras mixes them: float32 before integers before truth values; Python's numbers have no width of
their own. Float64 never arises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FLOAT = np.dtype(np.float32)


def type_of(*values: Any) -> np.dtype:
    """The type that values have together."""
    dtypes = [np.asarray(value).dtype for value in values]
    kinds = {dtype.kind for dtype in dtypes}
    if "f" in kinds:
        return FLOAT
    own = [np.asarray(value).dtype for value in values if not isinstance(value, (bool, int))]
    own = [dtype for dtype in own if dtype.kind in "iu"]
    if own:
        found = np.result_type(*own)
        return found if found.kind in "iu" else np.dtype(np.int64)
    return np.dtype(bool) if kinds == {"b"} else np.dtype(np.int32)


def common(*values: Any) -> list[np.ndarray]:
    """The values as arrays of one type."""
    dtype = type_of(*values)
    return [np.asarray(value).astype(dtype, copy=False) for value in values]


def floats(value: Any) -> np.ndarray:
    """The value as float32."""
    return np.asarray(value).astype(FLOAT, copy=False)


def counted(x: Any) -> np.ndarray:
    """Numbers that can be added up: truth values count as 0 and 1."""
    x = np.asarray(x)
    return x.astype(np.int32) if x.dtype.kind == "b" else floats(x) if x.dtype.kind == "f" else x


def exactly(function: Callable[..., np.ndarray], *values: Any) -> np.ndarray:
    """A function of each element, computed in float64 and rounded once: the same bits wherever an element stands."""
    wide = [np.ascontiguousarray(value, np.float64).reshape(np.shape(value)) for value in values]
    return np.asarray(function(*wide)).astype(FLOAT)
