"""Weights files to `Contents`, one module per container, and back. Nothing in a file is ever executed.

contents.py       what every reader returns
npmoji_file.py    what `npmoji convert` writes: weights, vocabulary and reference results in one file
safetensors.py    the public container underneath
keras_hdf5.py     Keras 2 weights and full models in HDF5 (and Keras 3's legacy ones)
keras_write.py    the same, to be written
hdf5.py, hdf5_format.py, hdf5_library.py    the HDF5 underneath: our own reader, its lower half, and h5py for the rest
torch_state.py    torchMoji's PyTorch state dict
torch_pickle.py   the two serialisations of torch.save underneath
torch_unpickler.py    the pickles in them: descriptions of tensors
unpickler.py      the machine that reads pickles without running them
keras3.py         Keras 3's `.keras` and `.weights.h5`
keras_shards.py   Keras 3's `.weights.json` with weights in several files beside it
zip_file.py       the zip file that a `.keras` is, and the newer serialisation of torch.save
foreign.py        what cannot be read, named, and how to export it
"""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from ..errors import WeightsError
from .contents import Contents

__all__ = ["Contents", "read"]

PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))  # the first bytes of one that torch.save writes
ZIP = b"PK\3\4"


class Start(NamedTuple):
    """What identifies the kind of a file."""

    path: str
    head: bytes  # the first bytes
    members: list[str]  # the names in a zip file, else none


def _is_safetensors(file: Start) -> bool:
    """The header's length in eight bytes, which may look like a pickle's first, then its JSON."""
    return (file.head[4:8] == bytes(4) and file.head[8:9] == b"{") or (
        bool(file.head) and file.path.endswith(".safetensors")
    )


def _is_torch(file: Start) -> bool:
    """A pickle, alone or in a zip file."""
    pickle = file.head.startswith(PICKLE) and file.head[8:9] != b"{"
    return pickle or any(name.endswith("data.pkl") for name in file.members)


#: the module that reads a kind of file, by ``read(path, mmap)`` -> whether a file is of that kind; the first one counts
READERS: dict[str, Callable[[Start], bool]] = {
    "npmoji_file": _is_safetensors,
    "torch_state": _is_torch,
    "keras3": lambda file: not {"config.json", "model.weights.h5"}.isdisjoint(file.members),
    "keras_shards": lambda file: file.path.endswith(".weights.json") and file.head.lstrip().startswith(b"{"),
    # also with bytes of the user before the HDF5, and for all that is of no known kind
    "keras_hdf5": lambda file: not file.head.startswith(ZIP),
}


def read(path: str | os.PathLike, mmap: bool = True) -> Contents:
    """Read a weights file of any known container, told by its first bytes.

    Args:
        mmap: arrays are views of the mapped file where they can be; else they are in memory, and the file is not
            needed.

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
    start = _start(path)
    for module, takes in READERS.items():
        if takes(start):
            return importlib.import_module(f".{module}", __name__).read(start.path, mmap)
    raise WeightsError(
        f"{start.path}: a zip file, but neither a .keras file nor one of torch.save: expected a member "
        f"'config.json' or 'data.pkl', found {', '.join(map(repr, start.members[:5])) or 'none'}"
    )


def _start(path: str | os.PathLike) -> Start:
    name, head = os.fsdecode(path), _first_bytes(path)
    return Start(name, head, _members(name) if head.startswith(ZIP) else [])


def _members(path: str) -> list[str]:
    """The members of a zip file; if they cannot be listed, what its name promises: the reader says what is wrong."""
    from . import zip_file

    try:
        return list(zip_file.Zip(zip_file.mapped(path)).members)
    except (zip_file.ZipError, OSError):
        return ["model.weights.h5" if path.endswith(".keras") else "data.pkl"]


def _first_bytes(path: str | os.PathLike, size: int = 16) -> bytes:
    """How a file starts; empty if it cannot be opened or is a pipe, which the reader then tells."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            return file.read(size)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return b""
