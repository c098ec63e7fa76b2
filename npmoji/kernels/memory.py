"""Memory that starts on a cache line, and how compiled code copies and clears it, a vector at a time."""

from __future__ import annotations

import math
import threading

import numpy as np

from .blocks import address_of, copy_vector, zero_vector
from .target import CACHE_LINE, FLOAT_BYTES, GROUP, LANES, inner


def aligned_empty(shape: tuple[int, ...], dtype: type[np.generic] = np.float32) -> np.ndarray:
    """Uninitialised array that starts on a cache line, so that no vector load straddles two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    skip = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[skip : skip + size].view(dtype).reshape(shape)


class Scratch(threading.local):
    """Memory that a thread uses again and again: fresh memory costs about as much as what is computed in it."""

    MOST = 1 << 22  # floats to keep

    def __init__(self) -> None:
        self._kept: dict[int, np.ndarray] = {}

    def array(self, rows: int, width: int, which: int = 0) -> np.ndarray:
        """Uninitialised float32 (rows, width), until the thread asks for another of this number."""
        size = rows * width
        if size > self.MOST:
            return aligned_empty((rows, width))
        if which not in self._kept or size > len(self._kept[which]):
            self._kept[which] = aligned_empty((size,))
        return self._kept[which][:size].reshape(rows, width)


@inner
def copy_floats(target, source, floats):
    """Copies `floats` floats, a multiple of LANES, between addresses."""
    for at in range(0, floats * FLOAT_BYTES, LANES * FLOAT_BYTES):
        copy_vector(target + at, source + at)


@inner
def zero_floats(target, floats):
    """Zeros `floats` floats, a multiple of LANES, at an address."""
    for at in range(0, floats * FLOAT_BYTES, LANES * FLOAT_BYTES):
        zero_vector(target + at)


@inner
def store_group(out, row, column, z, r):
    """Row r of z (rows, GROUP) to out[row], from this column on as far as the row goes."""
    if column + GROUP <= out.shape[1]:
        target = address_of(out) + row * out.strides[0] + column * FLOAT_BYTES
        copy_floats(target, address_of(z) + r * GROUP * FLOAT_BYTES, GROUP)
    else:
        for j in range(out.shape[1] - column):
            out[row, column + j] = z[r * GROUP + j]
