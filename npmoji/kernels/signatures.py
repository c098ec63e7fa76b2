"""The types of what the kernels take, for their own decorators and for `one_text`, which calls them by address."""

from __future__ import annotations

from numba import types

from .target import FLOATS, INDEX_IN, MATRIX, MATRIX_IN, VECTOR_IN

_STRIDED_IN = types.Array(types.float32, 1, "A", readonly=True)
_STRIDED = types.Array(types.float32, 1, "A")
_PLAIN_IN = types.Array(types.float32, 2, "C", readonly=True)
_PLAIN = types.Array(types.float32, 2, "C")
_INTS_IN = types.Array(types.int32, 1, "C", readonly=True)
_BYTES = types.Array(types.int32, 1, "C")  # four in each
_QUADS_IN = types.Array(types.int32, 3, "C", readonly=True)
_ROWS = types.int64, types.int64  # first and last


def matmul(panels: types.Array) -> types.Type:
    """Of the float kernels' product, with panels of this type."""
    return types.void(MATRIX_IN, panels, VECTOR_IN, MATRIX, *_ROWS, FLOATS)


def lstm(panels: types.Array) -> types.Type:
    """Of the float kernels' LSTM direction."""
    walk = INDEX_IN, types.boolean, types.int64, MATRIX_IN, MATRIX, MATRIX, INDEX_IN, *_ROWS, FLOATS
    return types.void(MATRIX_IN, INDEX_IN, panels, *walk)


INT8_MATMUL = types.void(
    MATRIX_IN, _QUADS_IN, VECTOR_IN, _INTS_IN, VECTOR_IN, MATRIX, *_ROWS, FLOATS, _BYTES, FLOATS
)  # fmt: skip
INT8_LSTM = types.void(
    MATRIX_IN, INDEX_IN, _QUADS_IN, VECTOR_IN, _INTS_IN, INDEX_IN, types.boolean, types.int64, MATRIX_IN, MATRIX,
    MATRIX, INDEX_IN, *_ROWS, FLOATS, _BYTES, FLOATS,
)  # fmt: skip
ELEMENTWISE = types.void(types.int64, VECTOR_IN, FLOATS, FLOATS)
DENSE = types.void(MATRIX_IN, MATRIX_IN, _STRIDED_IN, MATRIX, types.Array(types.float64, 1, "C"), *_ROWS)
DENSE_FOURS = types.void(_PLAIN_IN, _PLAIN_IN, VECTOR_IN, _PLAIN, types.Array(types.float64, 2, "C"), *_ROWS)
SHARES = types.void(_PLAIN)
DOT_ROWS = types.void(MATRIX_IN, _STRIDED_IN, _STRIDED, FLOATS, *_ROWS)
NORMALISE = types.void(MATRIX, types.Array(types.boolean, 2, "A", readonly=True), types.float32)
WEIGHTED_SUM = types.void(types.Array(types.float32, 3, "A", readonly=True), MATRIX_IN, MATRIX, *_ROWS)
