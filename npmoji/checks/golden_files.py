"""The files of golden outputs: byte-identical on any machine, and checked thoroughly when read.

NumPy's own writers are not used, as their headers and zip entries depend on the version and the time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import zipfile
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote, unquote

import numpy as np

from ..errors import InputError
from ..files.npy import header
from ..files.paths import local

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
DAMAGE = (ValueError, EOFError, KeyError, SyntaxError, TypeError, RuntimeError, MemoryError, zipfile.BadZipFile)


class Golden(NamedTuple):
    """Golden outputs, or another implementation's outputs to compare with them.

    Attributes:
        manifest: see `golden` for its keys; None if there is none.
        tensors: arrays of numbers by name; memory-mapped if they come from a folder.
        path: where they were read from, or which engine computed them.
    """

    manifest: dict[str, Any] | None
    tensors: dict[str, np.ndarray]
    path: str

    def damage(self) -> list[str]:
        """The differences between manifest and tensors, one line each: values that have changed since they were
        written."""
        found = []
        for entry in (self.manifest or {}).get("tensors", []):
            array = self.tensors.get(entry["name"])
            if array is None:
                found.append(f"tensor {entry['name']!r} is missing")
            elif digest(array) != entry["sha256"]:
                found.append(
                    f"tensor {entry['name']!r} has changed since it was written: its sha256 differs from the manifest's"
                )
        return found


# Writing --------------------------------------------------------------------------------------------------------------


def file_name(tensor: str) -> str:
    """The file name of a tensor: its name, with characters unsafe in file names as %xx."""
    return quote(tensor, safe=" ") + ".npy"


def digest(array: np.ndarray) -> str:
    """The sha256 of the array's .npy file."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    found = hashlib.sha256(header(array.dtype, array.shape))
    found.update(array.reshape(-1).view(np.uint8))
    return found.hexdigest()


class TensorFile:
    """A .npy file that grows block by block to a known number of rows; ``largest`` is the largest absolute value so
    far.

    Args:
        first: the first rows, for the type and the other sizes; they are not yet written.
    """

    def __init__(self, file: BinaryIO, rows: int, first: np.ndarray):
        self.file, self.dtype, self.shape = file, first.dtype.newbyteorder("<"), (rows, *first.shape[1:])
        self.largest = 0.0
        self._digest = hashlib.sha256()
        self._write(header(self.dtype, self.shape))

    def append(self, values: np.ndarray) -> None:
        """Append rows (any number, ...)."""
        self.largest = max(self.largest, float(np.abs(values).max(initial=0)))
        self._write(np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8))

    def _write(self, content: bytes | np.ndarray) -> None:
        self.file.write(content)
        self._digest.update(content)

    def facts(self) -> dict[str, Any]:
        """The manifest's entries for the file."""
        return {"shape": list(self.shape), "dtype": self.dtype.name, "sha256": self._digest.hexdigest()}


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """The manifest as JSON in ASCII, one line per text and per tensor."""
    encode = json.JSONEncoder().encode  # escapes everything that is not ASCII, including lone surrogates

    def value(item: Any) -> str:
        if isinstance(item, list) and item and isinstance(item[0], dict):
            return "[\n  " + ",\n  ".join(map(encode, item)) + "\n ]"
        return encode(item)

    lines = ",\n".join(f" {encode(key)}: {value(item)}" for key, item in manifest.items())
    return f"{{\n{lines}\n}}\n".encode("ascii")


def pack(folder: str, names: list[str], file: BinaryIO) -> None:
    """The files of a folder as a zip archive, which is what a .npz is: uncompressed, with a fixed date."""
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.file_size = os.path.getsize(os.path.join(folder, name))
            with open(os.path.join(folder, name), "rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def check_replaceable(folder: str) -> None:
    """Raise an InputError unless the folder contains only what `npmoji golden` wrote there."""
    try:
        manifest = checked_manifest(read_bytes(os.path.join(folder, MANIFEST)), folder)
    except InputError as error:
        raise InputError(f"{folder}: not empty, and not a golden folder that could be replaced ({error})") from error
    others = sorted(set(os.listdir(folder)) - {MANIFEST, *(entry["file"] for entry in manifest["tensors"])})
    if others:
        raise InputError(f"{folder}: a golden folder, but it also contains other files ({others[0]!r}): left unchanged")


# Reading --------------------------------------------------------------------------------------------------------------


def read(path: str | os.PathLike) -> Golden:
    """Read golden outputs or a candidate: a folder, a .npz, a single tensor as .npy, or a .json of names and lists.

    A manifest must be valid and all its tensors present. Shapes, types and values are checked by `compare`.

    Raises:
        InputError: it cannot be read, is damaged, has another format version, or contains no tensor.
    """
    path = local(path)
    if os.path.isdir(path):
        return _read_folder(path)
    readers = {".npz": _read_npz, ".npy": _read_npy, ".json": _read_json}
    suffix = os.path.splitext(path)[1].lower()
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder")
    if suffix not in readers:
        raise InputError(f"{path}: expected a folder, or a file that ends in .npz, .npy or .json")
    return readers[suffix](path)


def read_inputs(path: str | os.PathLike) -> np.ndarray | dict[str, np.ndarray]:
    """A network's inputs: the array of a .npy file, or those of a .npz by the names of the inputs."""
    path = local(path)
    return load_array(path) if path.lower().endswith(".npy") else _read_npz(path).tensors


def _read_folder(path: str) -> Golden:
    if os.path.lexists(os.path.join(path, MANIFEST)):
        manifest = checked_manifest(read_bytes(os.path.join(path, MANIFEST)), os.path.join(path, MANIFEST))
        names = {entry["name"]: entry["file"] for entry in manifest["tensors"]}
        for name, file in names.items():
            if not os.path.isfile(os.path.join(path, file)):
                raise InputError(
                    f"{path}: {MANIFEST} lists {name!r}, but there is no {file}; "
                    "to compare only some tensors, leave out the manifest"
                )
    else:
        manifest = None
        names = {unquote(file[:-4]): file for file in sorted(os.listdir(path)) if file.endswith(".npy")}
    if not names:
        raise InputError(f"{path}: a folder without tensors, expected .npy files")
    return Golden(manifest, {name: load_array(os.path.join(path, file)) for name, file in names.items()}, path)


def _read_npz(path: str) -> Golden:
    manifest, tensors = None, {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: name for name in archive.namelist() if name.endswith(".npy")}
            if MANIFEST in archive.namelist():
                manifest = checked_manifest(archive.read(MANIFEST), f"{path}: {MANIFEST}")
                members = {entry["file"]: entry["name"] for entry in manifest["tensors"]}
            for member, name in members.items():
                name = name if manifest else unquote(name[:-4])
                with archive.open(member) as file:
                    tensors[name] = numbers(np.lib.format.read_array(file, allow_pickle=False), f"{path}: {name}")
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zlib has its own error, and a wrong byte can cause many others
        raise InputError(f"{path}: a damaged .npz file ({' '.join(str(error).split())})") from error
    if not tensors:
        raise InputError(f"{path}: a .npz file without tensors")
    return Golden(manifest, tensors, path)


def _read_npy(path: str) -> Golden:
    return Golden(None, {unquote(os.path.basename(path)[:-4]): load_array(path)}, path)


def _read_json(path: str) -> Golden:
    found = _parsed(read_bytes(path), path)
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: expected a JSON object of tensors, {{name: nested lists of numbers}}")
    tensors = {}
    for name, values in found.items():
        try:
            with np.errstate(over="ignore"):  # they become infinite, as the comparison then reports
                tensors[name] = np.asarray(values, np.int64 if name == "tokens" else np.float32)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(
                f"{path}: {name!r}: expected nested lists of numbers, all of the same length: {error}"
            ) from error
    return Golden(None, tensors, path)


def load_array(path: str) -> np.ndarray:
    """The array of a .npy file, memory-mapped; InputError if there is none, or it does not contain numbers."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except DAMAGE as error:
        raise InputError(f"{path}: not a .npy file, or a damaged one ({' '.join(str(error).split())})") from error
    return numbers(array, path)


def numbers(array: Any, label: str) -> np.ndarray:
    """The array, if it is one of integers or floats; else an InputError."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        kind = getattr(array, "dtype", type(array).__name__)
        raise InputError(f"{label}: expected an array of numbers, got {kind}")
    return array


def read_bytes(path: str) -> bytes:
    """The file's bytes; InputError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _parsed(content: bytes, label: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{label}: not JSON: {error}") from error


def checked_manifest(content: bytes, label: str) -> dict[str, Any]:
    """The manifest, if it has everything this version writes; else an InputError that says what is missing."""
    manifest = _parsed(content, label)
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version is None:
        raise InputError(f"{label}: not a manifest of golden outputs: no 'format_version'")
    if version != FORMAT_VERSION:
        raise InputError(f"{label}: golden format {version!r}, expected {FORMAT_VERSION}, which this npmoji reads")
    for key, kind in {"T": int, "tensors": list, "texts": list, "weights": dict, "precision": str}.items():
        if not isinstance(manifest.get(key), kind):
            raise InputError(f"{label}: damaged manifest: {key!r} is missing or not of type {kind.__name__}")
    for part, check in (("tensors", _is_tensor), ("texts", _is_text)):
        for number, entry in enumerate(manifest[part]):
            if not isinstance(entry, dict) or not check(entry):
                raise InputError(f"{label}: damaged manifest: entry {number} of {part!r}")
    return manifest


def _is_tensor(entry: dict[str, Any]) -> bool:
    file, tolerance = entry.get("file"), entry.get("tolerance")
    return (
        all(isinstance(entry.get(key), str) for key in ("name", "file", "dtype", "sha256"))
        and os.path.basename(file) == file  # stays in the folder
        and "\\" not in file
        and isinstance(entry.get("shape"), list)
        and all(isinstance(size, int) for size in entry["shape"])
        and isinstance(tolerance, dict)
        and all(_is_limit(tolerance.get(key)) for key in ("absolute", "relative"))
    )


def _is_limit(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value >= 0


def _is_text(entry: dict[str, Any]) -> bool:
    words = entry.get("words")
    return (
        isinstance(entry.get("text", 0), (str, type(None)))
        and (words is None or (isinstance(words, list) and all(isinstance(word, str) for word in words)))
        and all(isinstance(entry.get(key), list) for key in ("ids", "top5"))
    )
