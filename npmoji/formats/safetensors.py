"""The public container format for tensors, safetensors: named arrays and texts, to be memory-mapped. Reading and
writing.

    8 bytes      the length N of the header, little-endian
    N bytes      JSON: {"__metadata__": {name: text},
                        tensor: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    the rest     the arrays, little-endian and in C order, where the offsets say, counted from here; no gaps,
                 no overlaps

The format is described at https://github.com/huggingface/safetensors. What it leaves open is chosen here so that every
array can be used where it lies: the header is padded with spaces to whole cache lines, larger types come first.

Why not the public package: it would be a fourth one to install, and its arrays are not views of a file that
`files.mapping` watches. Start-up is no reason: either imports in a few milliseconds.
"""

from __future__ import annotations

import json
import math
from typing import Any, BinaryIO

import numpy as np

from ..errors import WeightsError
from ..files.mapping import mapped

#: those that NumPy has; types of 8 bits or less are for other files
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
BFLOAT16 = {"BF16": "<u2"}  # the upper half of a float32, which it is read as; not written
READABLE = DTYPES | BFLOAT16
METADATA = "__metadata__"
LARGEST_HEADER = 100_000_000  # bytes; the public reader takes no more
LARGEST_SPACE = 1 << 48  # elements, extents of 0 left out: beyond this NumPy may refuse even an empty array
LENGTH, ALIGNMENT = 8, 64  # bytes


def read(path: str, mmap: bool = True) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays, read-only views of the file, mapped or else read (copies of bfloat16 ones), and the texts of the
    metadata.

    Raises:
        WeightsError: the file is missing, truncated or breaks a rule of the format; names the file and the tensor.
    """
    try:
        data = mapped(path, lambda what: WeightsError(f"{path}: {what}"), mmap)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise WeightsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) < LENGTH:
        raise WeightsError(f"{path}: truncated: shorter than the {LENGTH} bytes that a safetensors file begins with")
    size = int.from_bytes(data[:LENGTH], "little")
    if size > min(LARGEST_HEADER, len(data) - LENGTH):
        have = f"{len(data) - LENGTH} bytes after it" if size <= LARGEST_HEADER else f"{LARGEST_HEADER} allowed"
        raise WeightsError(f"{path}: truncated or damaged: the header's length is {size}, {have}")
    header = _header(path, bytes(data[LENGTH : LENGTH + size]))
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise WeightsError(f"{path}: damaged: expected only texts in the header's {METADATA}")
    return _tensors(path, header, data[LENGTH + size :], LENGTH + size), metadata


def _header(path: str, content: bytes) -> dict[str, Any]:
    """The parsed header: an object in which no name comes twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = dict(pairs)
        if len(names) < len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))
            raise WeightsError(f"{path}: damaged: {twice!r} comes twice in the header")
        return names

    if content[:1] != b"{":
        raise WeightsError(f"{path}: damaged: the header does not begin with {{")
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: damaged: the header is not JSON: {error}") from None


def _tensors(path: str, header: dict[str, Any], data: memoryview, start: int) -> dict[str, np.ndarray]:
    """Views of the data, which begins at byte ``start`` of the file: checked to fill it without gap or overlap."""
    places = {name: _place(path, name, entry) for name, entry in header.items()}
    end, arrays = 0, {}
    for name, (code, shape, first, last) in sorted(places.items(), key=lambda item: item[1][2:]):
        dtype = np.dtype(READABLE[code])
        if first != end:
            what = "overlaps what is before it" if first < end else "leaves a gap before it"
            raise WeightsError(f"{path}: damaged: tensor {name!r} {what}: it begins at {first}, expected {end}")
        if last > len(data):
            raise WeightsError(f"{path}: truncated: tensor {name!r} ends at {last}, the file's data at {len(data)}")
        values = np.frombuffer(data[first:last], dtype)
        if (start + first) % dtype.itemsize:  # the format lets a header have any length
            values = values.copy()
        if code in BFLOAT16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        arrays[name] = values.reshape(shape)
        end = last
    if end != len(data):
        raise WeightsError(f"{path}: damaged: {len(data) - end} bytes after the last tensor")
    return {name: arrays[name] for name in places}


def _place(path: str, name: str, entry: Any) -> tuple[str, list[int], int, int]:
    """Type, shape, first and last offset of a tensor, which fit each other."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"{path}: damaged: tensor {name!r}: expected dtype, shape and data_offsets in the header")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in READABLE:
        raise WeightsError(f"{path}: tensor {name!r} is of type {code!r:.40}, expected one of {', '.join(READABLE)}")
    if not _whole(shape) or not _whole(offsets) or len(offsets) != 2:
        raise WeightsError(f"{path}: damaged: tensor {name!r} has shape {shape!r:.60} and data_offsets {offsets!r:.60}")
    size, space = math.prod(shape) * np.dtype(READABLE[code]).itemsize, math.prod(filter(None, shape))
    if len(shape) > 32 or space > LARGEST_SPACE or offsets[1] - offsets[0] != size:
        raise WeightsError(
            f"{path}: damaged: tensor {name!r}: shape {shape!r:.60} of {code} takes {size} bytes, "
            f"data_offsets {offsets} are {offsets[1] - offsets[0]} apart"
        )
    return code, shape, *offsets


def _whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)


def write(file: BinaryIO, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays and texts, the same ones always as the same bytes. Texts must be valid Unicode."""
    ordered = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)  # stable
    header: dict[str, Any] = {METADATA: metadata}
    end = 0
    for name, array in ordered:
        first, end = end, end + array.nbytes
        dtype = NAMES[array.dtype.newbyteorder("<")]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [first, end]}
    content = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    content += b" " * (-(LENGTH + len(content)) % ALIGNMENT)
    if len(content) > LARGEST_HEADER:
        raise WeightsError(f"{len(content)} bytes of names and texts, a safetensors file can hold {LARGEST_HEADER}")
    file.write(len(content).to_bytes(LENGTH, "little") + content)
    for _, array in ordered:
        file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data)
