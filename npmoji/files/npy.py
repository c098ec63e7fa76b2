"""`.npy` files: their header, and appending rows. The same array gives the same bytes, whatever the version of
NumPy."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

HEADER = 128  # bytes, a multiple of 64 as the format requires; enough for eight dimensions


def header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header of a .npy file, version 1.0: C order, little-endian."""
    sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{dtype.newbyteorder('<').str}', 'fortran_order': False, 'shape': ({sizes}), }}".encode("ascii")
    length = HEADER if len(text) < HEADER - 10 else 8 * HEADER
    return np.lib.format.magic(1, 0) + (length - 10).to_bytes(2, "little") + text.ljust(length - 11) + b"\n"


class ArrayFile:
    """A `.npy` file, float32 (rows, width) in C order, to which rows are appended; their number is known only at the
    end."""

    def __init__(self, file: BinaryIO, width: int):
        self.file, self.width, self.rows = file, width, 0
        file.write(bytes(HEADER))

    def append(self, rows: np.ndarray) -> None:
        """Append rows (any number, width)."""
        self.file.write(np.ascontiguousarray(rows, "<f4").tobytes())
        self.rows += len(rows)

    def close(self) -> None:
        """Write the header, now that the number of rows is known."""
        self.file.seek(0)
        self.file.write(header(np.dtype(np.float32), (self.rows, self.width)))
