"""Weights files to `Contents`, one module per container, and back. Nothing in a file is ever executed.

contents.py       what every reader returns
npmoji_file.py    what `npmoji convert` writes: weights, vocabulary and reference results in one file
safetensors.py    the public container underneath
keras_hdf5.py     Keras 2 weights and full models in HDF5 (and Keras 3's legacy ones)
keras_write.py    the same, to be written
hdf5.py, hdf5_format.py, hdf5_library.py    the HDF5 underneath: our own reader, its lower half, and h5py for the rest
torch_state.py    torchMoji's PyTorch state dict
torch_pickle.py   the two serialisations of torch.save underneath
unpickler.py      the pickles in them, without running these
keras3.py         Keras 3's `.keras` and `.weights.h5`
zip_file.py       the zip file that a `.keras` is, and the newer serialisation of torch.save
foreign.py        what cannot be read, named, and how to export it
"""

from __future__ import annotations

import os
import stat

from ..errors import WeightsError
from .contents import Contents

__all__ = ["Contents", "read"]

PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))  # the first bytes of one that torch.save writes
ZIP = b"PK\3\4"


def read(path: str | os.PathLike, mmap: bool = True) -> Contents:
    """Read a weights file of any known container, told by its first bytes.

    Args:
        mmap: arrays are views of the mapped file where they can be; else they are in memory, and the file is not needed.

    Raises:
        WeightsError: the file is missing, empty, truncated, damaged or of no kind that is read; names what is wrong.
    """
    try:
        return _read(path, mmap)
    except WeightsError as error:
        from . import foreign

        if what := foreign.named(path):
            raise WeightsError(f"{os.fsdecode(path)}: {what}") from error
        raise


def _read(path: str | os.PathLike, mmap: bool) -> Contents:
    head = _first_bytes(path)
    # safetensors: the header's length in eight bytes, which may look like a pickle's first, then its JSON
    if (head[4:8] == bytes(4) and head[8:9] == b"{") or (head and os.fsdecode(path).endswith(".safetensors")):
        from . import npmoji_file

        return npmoji_file.read(os.fsdecode(path), mmap)
    if head.startswith(ZIP):
        return _read_zip(path, mmap)
    if head.startswith(PICKLE) and head[8:9] != b"{":
        from . import torch_state

        return torch_state.read(path, mmap)
    from . import keras_hdf5

    return keras_hdf5.read(path, mmap)  # also with bytes of the user before the HDF5, and for all that is no known kind


def _read_zip(path: str | os.PathLike, mmap: bool) -> Contents:
    """A zip file, told by its members; by its own name, if they cannot be listed."""
    from . import keras3, torch_state, zip_file

    try:
        names = list(zip_file.Zip(zip_file.mapped(path)).members)
    except (zip_file.ZipError, OSError):  # the reader says what is wrong
        names = ["model.weights.h5" if os.fsdecode(path).endswith(".keras") else "data.pkl"]
    if any(name.endswith("data.pkl") for name in names):
        return torch_state.read(path, mmap)
    if not {"config.json", "model.weights.h5"}.isdisjoint(names):
        return keras3.read_archive(os.fsdecode(path), mmap)
    raise WeightsError(
        f"{os.fsdecode(path)}: a zip file, but neither a .keras file nor one of torch.save: expected a member "
        f"'config.json' or 'data.pkl', found {', '.join(map(repr, names[:5])) or 'none'}"
    )


def _first_bytes(path: str | os.PathLike, size: int = 16) -> bytes:
    """How a file starts; empty if it cannot be opened or is a pipe, which the reader then tells."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            return file.read(size)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return b""
