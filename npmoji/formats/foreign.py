"""Files that others keep networks in and npmoji does not read: what each is, and how to get a file that it does read.

Asked only about what no reader would take. Told by the content where the content tells; nothing in a file is executed.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import Any, BinaryIO

from .zip_file import Zip, ZipError, mapped

HEAD = 512  # bytes that are looked at first
LARGEST_JSON = 1 << 26  # bytes
MOST_FIELDS = 64  # of a protobuf message that are looked at
SSTABLE = bytes.fromhex("57fb808b247547db")  # the last bytes of a checkpoint's index
NODE = re.compile(rb"\n[\x01-\x7f][\w./-]+\x12[\x01-\x7f][A-Z]\w*")  # a graph's node: its name, then its operation
SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")
INDEX = ".weights.json"  # of Keras' weights in several files, whose reader says what is wrong
READABLE = (INDEX, ".safetensors", ".hdf5", ".h5", ".keras", ".bin")

KERAS_FILE = "model.save('model.keras')"
STATE_DICT = "torch.save(model.state_dict(), 'pytorch_model.bin')"
SAVED_MODEL = "a TensorFlow SavedModel, which holds a compiled graph; "
OF_KERAS = (
    "load it with Keras 2, which saved it, and save it anew: "
    f"model = tf_keras.models.load_model(FOLDER, custom_objects=...), then {KERAS_FILE}"
)
OF_TENSORFLOW = (
    f"save the Keras model it was made from, {KERAS_FILE}, or build that again and set its weights, "
    "which tf.train.load_checkpoint(FOLDER + '/variables/variables') gives"
)
CHECKPOINT = (
    "a TensorFlow checkpoint, which holds variables without their layers; load it into the Keras model it is of, "
    "model.load_weights('{}'), and save that: " + KERAS_FILE
)
GRAPH = (
    "holds a compiled graph without the layers it was made of; export the Keras model it was made from: " + KERAS_FILE
)


def named(path: str | os.PathLike) -> str | None:
    """What the file or folder is and how to export it, for an error's end; None if that is not known."""
    path = os.fsdecode(path)
    try:
        if os.path.isdir(path):
            return _folder(path)
        if not os.path.lexists(path):
            return CHECKPOINT.format(path) if os.path.isfile(f"{path}.index") else None
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            return None
        with open(path, "rb") as file:
            return _file(path, file)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None


def _folder(path: str) -> str | None:
    names = sorted(os.listdir(path))
    if "saved_model.pb" in names or "saved_model.pbtxt" in names:
        return "a folder with " + SAVED_MODEL + (OF_KERAS if "keras_metadata.pb" in names else OF_TENSORFLOW)
    indices = [name for name in names if name.endswith(".index")]
    if indices:
        return "a folder with " + CHECKPOINT.format(os.path.join(path, indices[0].removesuffix(".index")))
    weights = [name for name in names if name.lower().endswith(READABLE)]
    return f"a folder; give the weights file in it: {', '.join(map(repr, weights[:3]))}" if weights else None


def _file(path: str, file: BinaryIO) -> str | None:
    head, size = file.read(HEAD), os.fstat(file.fileno()).st_size
    file.seek(-min(size, len(SSTABLE)), os.SEEK_END)
    if file.read() == SSTABLE:
        return CHECKPOINT.format(path.removesuffix(".index"))
    if SHARD.search(path):
        return CHECKPOINT.format(SHARD.sub("", path))
    for begins, what in BEGINNINGS.items():
        if head.startswith(begins):
            return what
    if head.startswith(b"model_checkpoint_path:"):
        target = re.search(rb'"([^"]*)"', head)
        prefix = target[1].decode("utf-8", "replace") if target else "PREFIX"
        return CHECKPOINT.format(os.path.join(os.path.dirname(path), prefix))
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model, which " + GRAPH
    if head.startswith(b"PK\3\4"):
        return _zip(path)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, as a failed download leaves it; fetch the file itself"
    file.seek(0)
    if text.startswith((b"{", b"[")) and not path.endswith(INDEX):
        return _json(path, file.read(LARGEST_JSON))
    return _protobuf(path, _fields(file, size))


#: what files begin with, and what they are
BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file; fetch that with `git lfs pull`",
    b"\x93NUMPY": (
        "a NumPy array, not a network; token ids or features go to a model's predict, "
        "weights into the layers they are of: npmoji.Dense(previous, kernel, bias), ..."
    ),
    b"\x1f\x8b": "compressed by gzip; unpack it first",
}


def _zip(path: str) -> str | None:
    try:
        names = list(Zip(mapped(path)).members)
    except ZipError:
        return None
    if "graph.npy" in names:
        return "layers written by npmoji.save_layers; read them with npmoji.load_layers"
    if any(name.endswith(".npy") for name in names):
        arrays = ", ".join(repr(name.removesuffix(".npy")[:40]) for name in names[:3])
        return (
            f"a NumPy .npz with the arrays {arrays}, which does not say what layers they are of; put them into the "
            f"Keras model, model.set_weights(...), and {KERAS_FILE}, or make the layers: "
            "npmoji.Dense(previous, kernel, bias), ..."
        )
    if any(name.endswith("saved_model.pb") for name in names):
        return "a zip file with a TensorFlow SavedModel; unpack it first"
    if any(name.endswith(("/constants.pkl", "/archive_format")) for name in names):
        return (
            f"a program compiled by PyTorch (TorchScript, torch.export); save the model's weights alone: {STATE_DICT}"
        )
    return None


def _json(path: str, content: bytes) -> str | None:
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    name = os.path.basename(path)
    if not isinstance(found, dict):
        return "a JSON file, not weights"
    if "class_name" in found and "config" in found:
        return (
            "the config of a Keras model, without its weights; load the weights and give this with them: "
            f"load('model.weights.h5', config={name!r})"
        )
    if "modelTopology" in found or "weightsManifest" in found:
        return (
            "a TensorFlow.js model; convert it: tensorflowjs_converter --input_format=tfjs_layers_model "
            f"--output_format=keras {name} model.h5"
        )
    if found and all(type(number) is int for number in found.values()):
        return f"a vocabulary, not weights; give it with them: load('weights.hdf5', vocabulary={name!r})"
    return "a JSON file, not weights"


Fields = list[tuple[int, int, bytes]]


def _protobuf(path: str, fields: Fields) -> str | None:
    """ONNX, SavedModel and TensorFlow's graphs have no first bytes of their own: which fields a message has tells."""
    kinds = [(number, wire) for number, wire, _ in fields]
    numbers = {number for number, _ in kinds}
    if kinds[:1] == [(1, 0)] and {(7, 2), (8, 2)} <= set(kinds) and numbers <= {*range(1, 9), 14, 20, 25, 26}:
        return f"an ONNX model, which {GRAPH}; for torchMoji its state dict: {STATE_DICT}"
    if kinds[:2] == [(1, 0), (2, 2)] and numbers == {1, 2}:
        beside = os.path.join(os.path.dirname(path), "keras_metadata.pb")
        return "the graph of " + SAVED_MODEL + (OF_KERAS if os.path.isfile(beside) else OF_TENSORFLOW)
    if kinds[:1] == [(1, 2)] and numbers <= {1, 2, 3, 4, 5} and NODE.match(fields[0][2]):
        return "a TensorFlow graph (GraphDef), which " + GRAPH
    if path.endswith(".meta") and {(1, 2), (2, 2)} <= set(kinds):
        return "the graph of " + CHECKPOINT.format(path.removesuffix(".meta"))
    return None


def _fields(file: BinaryIO, size: int) -> Fields:
    """The first fields of a protobuf message: number, wire type and, of those that have a length, the first bytes.

    None if it is no such message.
    """
    found: Fields = []
    try:
        while file.tell() < size and len(found) < MOST_FIELDS:
            number, wire = divmod(_varint(file), 8)
            start, length = b"", {1: 8, 5: 4}.get(wire, 0)
            if wire == 0:
                _varint(file)
            elif wire == 2:
                length = _varint(file)
                start = file.read(min(length, HEAD))
            elif not length:
                return []
            if not number or file.seek(length - len(start), os.SEEK_CUR) > size:
                return []
            found.append((number, wire, start))
    except (ValueError, OverflowError, OSError):  # the last two: a length beyond what a file can have
        return []
    return found


def _varint(file: BinaryIO) -> int:
    """The number that comes next: seven bits a byte, the lowest first. Raises a ValueError if there is none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("no number")
