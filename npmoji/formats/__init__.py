"""Weights files to `Contents`, one module a container. Reading only: nothing in a file is ever executed.

    keras_hdf5.py     Keras 2 weights and full models in HDF5 (and Keras 3's legacy ones)
    hdf5.py, hdf5_format.py, hdf5_library.py    the HDF5 underneath: our own reader, its lower half, and h5py for the rest
"""

from __future__ import annotations

import os

from . import keras_hdf5
from .contents import Contents

__all__ = ["Contents", "read"]


def read(path: str | os.PathLike) -> Contents:
    """Read a weights file of any known container, told by its first bytes.

    Raises:
        WeightsError: the file is missing, empty, truncated, damaged or of no known kind; names what is wrong.
    """
    return keras_hdf5.read(path)
