"""State dicts that `torch.save` wrote, without torch: a file of either serialisation to `{name: array}`.

    legacy   pickles end to end: a magic number, a version, facts on the machine, the dict, the storages' keys; then the
             storages in that order, each an int64 (how many elements) and its bytes; until PyTorch 1.5
    zip      `NAME/data.pkl`, the dict, and a member `NAME/data/KEY` for each storage, mostly uncompressed

`torch_unpickler` reads the pickles, `zip_file` the zip. Storages are memory-mapped, and float32 tensors are views of
them; other floats are converted. A legacy file does not align its storages: those arrays are unaligned ones, which
NumPy takes like any other.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from ..errors import WeightsError
from .torch_unpickler import ADVICE, StateUnpickler, Storage, Tensor, TorchError
from .unpickler import PickleError
from .zip_file import Zip, ZipError, mapped

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # the first two numbers of a legacy file
LONGEST_PICKLE = 1 << 22  # bytes of a zip's `data.pkl`
MOST_EXPANDED = 1 << 22  # elements a tensor may have, by strides of 0, though its storage has fewer

#: those that become float32; a bfloat16 is the upper half of one
FLOATS = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2"}


def read(path: str | os.PathLike, mmap: bool = True) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name: float32, of any strides, not to be written to.

    Raises:
        WeightsError: the file is missing, damaged or truncated, holds anything but float tensors, or is malicious.
    """
    path = os.fsdecode(path)
    try:
        return _tensors(mapped(path, mmap))
    except (PickleError, ZipError) as error:
        raise WeightsError(f"{path}: cannot be read as PyTorch weights: {error}") from error
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a NUL in the name
        raise WeightsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _tensors(data: memoryview) -> dict[str, np.ndarray]:
    state, storages = _from_zip(data) if data[:2] == b"PK" else _from_legacy(data)
    if not isinstance(state, dict):
        raise TorchError(f"it holds a {type(state).__name__}, {ADVICE}")
    for name, entry in state.items():
        if isinstance(entry, dict) and any(isinstance(value, Tensor) for value in entry.values()):
            raise TorchError(
                f"a checkpoint of which {name!r:.100} is the state dict; save that alone: "
                f"torch.save(checkpoint[{name!r:.100}], 'pytorch_model.bin')"
            )
    return {name: _array(name, tensor, storages) for name, tensor in state.items()}


# The two serialisations: each to the unpickled object, and the storages by key as float32 (elements,)


def _from_legacy(data: memoryview) -> tuple[Any, dict[str, np.ndarray]]:
    pickle = StateUnpickler(data)
    for number in (MAGIC, VERSION):
        found = pickle.load()
        if not isinstance(found, int) or found != number:
            raise TorchError(f"a pickle, but not one of torch.save; {ADVICE}")
    machine = pickle.load()
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise TorchError("written on a big-endian machine, expected a little-endian one")
    state, keys = pickle.load(), pickle.load()
    if not isinstance(keys, list):
        raise TorchError("the list of storages is missing")
    storages: dict[str, np.ndarray] = {}
    for key in keys:
        storage = pickle.storages.get(key) if isinstance(key, str) else None
        if storage is None or key in storages:
            raise TorchError("the list of storages does not fit the tensors")
        if int.from_bytes(pickle.take(8, f"storage {key!r}"), "little", signed=True) != storage.size:
            raise TorchError(f"storage {key!r} has another size than its tensors say")
        storages[key] = _floats(storage, pickle.take(storage.nbytes, f"storage {key!r}"))
    return state, storages


def _from_zip(data: memoryview) -> tuple[Any, dict[str, np.ndarray]]:
    file = Zip(data)
    found = [name for name in file.members if name.split("/")[-1] == "data.pkl"]
    if len(found) != 1:
        raise TorchError(f"a zip file with {len(found)} members named data.pkl, expected one")
    folder = found[0].removesuffix("data.pkl")
    if folder + "byteorder" in file.members and bytes(file.read(folder + "byteorder", 6, 6)) != b"little":
        raise TorchError("its byte order is not little-endian")
    pickle = StateUnpickler(file.read(found[0], 1, LONGEST_PICKLE))
    state = pickle.load()
    return state, {
        key: _floats(storage, file.read(f"{folder}data/{key}", storage.nbytes, storage.nbytes))
        for key, storage in pickle.storages.items()
    }


# Tensors


def _floats(storage: Storage, data: memoryview) -> np.ndarray:
    """A storage's elements, float32 (elements,): a view where they are stored so; empty if they are no floats."""
    if storage.kind not in FLOATS:
        return np.zeros(0, np.float32)
    values = np.ndarray(storage.size, FLOATS[storage.kind], data)
    if storage.kind == "BFloat16Storage":
        return (values.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(all="ignore"):  # a float64 too large for float32 becomes infinite, which is looked for later
        return values.astype(np.float32, copy=False)


def _array(name: str, tensor: Any, storages: dict[str, np.ndarray]) -> np.ndarray:
    """The tensor as a view of its storage."""
    if not isinstance(tensor, Tensor):
        raise TorchError(f"the entry {name!r} is a {type(tensor).__name__}, {ADVICE}")
    storage = tensor.storage
    if storage.kind not in FLOATS:
        raise TorchError(f"tensor {name!r} is of type {storage.kind}, expected one of {', '.join(FLOATS)}")
    if storage.key not in storages:
        raise TorchError(f"tensor {name!r}: its storage {storage.key!r} is missing")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides))
    elements = math.prod(max(size, 1) for size in tensor.shape)
    if elements > max(storage.count, MOST_EXPANDED) or (0 not in tensor.shape and last >= storage.count):
        raise TorchError(f"tensor {name!r}, {tensor.shape}, is larger than its storage of {storage.count} elements")
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, np.float32)
    strides = [4 * stride if size > 1 else 0 for size, stride in zip(tensor.shape, tensor.strides)]
    return np.ndarray(tensor.shape, np.float32, storages[storage.key], 4 * (storage.start + tensor.offset), strides)
