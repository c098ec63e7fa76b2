"""Rows appended to a `.npy` file."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np


class ArrayFile:
    """Rows appended to a `.npy` file whose number is known only at the end: float32 (rows, width), C order."""

    HEADER = 128  # bytes; NumPy's reader takes any length that the header itself states

    def __init__(self, file: BinaryIO, width: int):
        self.file, self.width, self.rows = file, width, 0
        file.write(bytes(self.HEADER))

    def append(self, rows: np.ndarray) -> None:
        """Write some more rows, (any number, width)."""
        self.file.write(np.ascontiguousarray(rows, "<f4").tobytes())
        self.rows += len(rows)

    def close(self) -> None:
        """Write the header, now that the number of rows is known."""
        head = np.lib.format.magic(1, 0) + (self.HEADER - 10).to_bytes(2, "little")
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self.rows}, {self.width}), }}"
        self.file.seek(0)
        self.file.write(head + text.encode("ascii").ljust(self.HEADER - 11) + b"\n")
