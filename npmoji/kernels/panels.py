"""Weights packed as the kernels read them: a matrix's columns in panels, an LSTM's gates side by side.

Panels may be stored as IEEE halves, in arrays of uint16, the halves' bits, as Numba knows no float16 on CPUs.
"""

from __future__ import annotations

import numpy as np

from .memory import aligned_empty
from .target import GROUP, GROUP_UNITS, LANES, TILE


def round_up(number: int, multiple: int) -> int:
    """The next multiple, or the number itself if it is one."""
    return -(-number // multiple) * multiple


def pack_columns(kernel: np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """(K, N) -> panels (P, K, TILE): column blocks, each contiguous; N padded with zeros to whole groups. Of float32,
    or with dtype float16 the bits of halves."""
    k, n = kernel.shape
    panels = aligned_empty((round_up(n, GROUP) // TILE, k, TILE), dtype)
    for p in range(len(panels)):
        columns = kernel[:, p * TILE : (p + 1) * TILE]
        panels[p, :, : columns.shape[1]] = columns
        panels[p, :, columns.shape[1] :] = 0
    return panels if dtype == np.float32 else panels.view(np.uint16)


def pack_bias(bias: np.ndarray) -> np.ndarray:
    """(N,) padded with zeros to the columns of `pack_columns`."""
    return np.pad(np.asarray(bias, np.float32), (0, round_up(len(bias), GROUP) - len(bias)))


def interleave_gates(array: np.ndarray) -> np.ndarray:
    """(..., 4H) in Keras' order i, f, c, o -> (..., 4H'), the four gates of LANES units side by side; H' is H padded
    with zeros to a multiple of GROUP_UNITS. Padded units have h = 0.5 tanh(0) = 0 at every step."""
    units = array.shape[-1] // 4
    padded = round_up(units, GROUP_UNITS)
    gates = np.zeros((*array.shape[:-1], 4, padded), np.float32)
    gates[..., :units] = array.reshape(*array.shape[:-1], 4, units)
    blocks = gates.reshape(*array.shape[:-1], 4, padded // LANES, LANES)
    return np.ascontiguousarray(np.swapaxes(blocks, -3, -2)).reshape(*array.shape[:-1], 4 * padded)


def pack_gates(kernel: np.ndarray) -> np.ndarray:
    """(K, 4H) in Keras' order -> panels of the interleaved columns, for `matmul` (input) and `lstm` (recurrent)."""
    return pack_columns(interleave_gates(kernel))


def pack_half_gates(kernel: np.ndarray) -> np.ndarray:
    """As `pack_gates`, stored as halves."""
    return pack_columns(interleave_gates(kernel), np.float16)
