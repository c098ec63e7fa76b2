"""torchMoji's state dicts without torch: both serialisations in all their dialects, and files that mean harm.

The pickles are written here byte by byte, as every PyTorch since 2017 wrote them; torch itself is not needed.
"""

import copyreg
import functools
import io
import mmap
import os
import pickle
import random
import re
import struct
import sys
import tracemalloc
import zipfile
from contextlib import suppress

import h5py
import numpy as np
import pytest
from conftest import SHARED, needs_shared
from test_goldens import ENGINES, check_everything
from test_hdf5 import deepmoji_arrays

import npmoji
from npmoji import NpmojiError, WeightsError, deepmoji
from npmoji.formats import keras_hdf5, read, torch_pickle

SERIALISATIONS = ["legacy", "zip"]

# Writing pickles ------------------------------------------------------------------------------------------------------


class Raw(bytes):
    """A piece of a pickle."""


def op(value):
    """What puts a value on the stack, by instructions of protocol 2."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(op, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(op, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(op(key) + op(item) for key, item in value.items()) + b"u"
    if isinstance(value, int) and not isinstance(value, bool):
        return (
            b"J" + struct.pack("<i", value)
            if abs(value) < 1 << 31
            else b"\x8a\x10" + value.to_bytes(16, "little", signed=True)
        )
    return {None: b"N", True: b"\x88", False: b"\x89"}[value]


def name(module, attribute):
    return Raw(f"c{module}\n{attribute}\n".encode())


def call(function, *arguments):
    return Raw(function + op(arguments) + b"R")


def storage(key, size, kind="FloatStorage", *view):
    return Raw(op(("storage", name("torch", kind), key, "cpu", size, *view)) + b"Q")


ORDERED = name("collections", "OrderedDict")
REBUILD = name("torch._utils", "_rebuild_tensor_v2")
MAGIC = torch_pickle.MAGIC.to_bytes(10, "little")
HEADER = [Raw(b"\x8a\x0a" + MAGIC), 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}]


def tensor_v2(place, offset, shape, strides):
    return call(REBUILD, place, offset, shape, strides, False, call(ORDERED))


def dumped(value, protocol=2):
    return bytes((0x80, protocol)) + op(value) + b"."


def legacy(state, storages, header=HEADER, keys=None):
    """The bytes of a legacy file: state is a piece of a pickle, storages are {key: array}."""
    parts = [dumped(part) for part in [*header, state, list(storages) if keys is None else keys]]
    return b"".join([*parts, *(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())])


def zipped(state, storages, method=zipfile.ZIP_STORED, byteorder="little", extra=(), folder="archive/"):
    """The bytes of a zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        file.writestr(
            folder + "data.pkl", state if isinstance(state, bytes) and state[:1] == b"\x80" else dumped(state)
        )
        for member, content in [("byteorder", byteorder), *extra, ("version", "3\n")]:
            file.writestr(folder + member, content)
        for key, array in storages.items():
            info = zipfile.ZipInfo(f"{folder}data/{key}")
            info.compress_type = method
            padding = -(file.fp.tell() + 30 + len(info.filename) + 4) % 64  # as torch aligns them
            info.extra = b"FB" + struct.pack("<H", padding) + bytes(padding)
            file.writestr(info, array.tobytes())
    return out.getvalue()


WRITERS = {"legacy": legacy, "zip": zipped}

# State dicts ----------------------------------------------------------------------------------------------------------


def torch_arrays(layers):
    """A state dict with the weights of a Keras file's layers, which are {name: [arrays]} or have names for these
    too."""
    layers = {name: list(arrays.values()) if isinstance(arrays, dict) else arrays for name, arrays in layers.items()}
    state = {"embed.weight": layers["embedding"][0]}
    for i in (0, 1):
        for j, end in enumerate(("l0", "l0_reverse")):
            kernel, recurrent, bias = layers[f"bi_lstm_{i}"][3 * j : 3 * j + 3]
            half = np.float32(0.5) * bias  # twice that is exactly the bias
            state |= {f"lstm_{i}.weight_ih_{end}": kernel.T, f"lstm_{i}.weight_hh_{end}": recurrent.T}
            state |= {f"lstm_{i}.bias_ih_{end}": half, f"lstm_{i}.bias_hh_{end}": half}
    state["attention_layer.attention_vector"] = layers["attlayer"][0][:, 0]
    kernel, bias = layers["softmax"]
    return state | {"output_layer.0.weight": kernel.T, "output_layer.0.bias": bias}


def strides_of(shape):
    return tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))


def stored(state, kind="FloatStorage", rebuild=tensor_v2, convert=np.float32):
    """The tensors as pieces of a pickle, each contiguous in a storage of its own; and the storages."""
    storages = {str(i): convert(np.ascontiguousarray(array)).ravel() for i, array in enumerate(state.values())}
    places = {key: storage(key, array.size, kind) for key, array in storages.items()}
    shapes = [array.shape for array in state.values()]
    made = [rebuild(place, 0, shape, strides_of(shape)) for place, shape in zip(places.values(), shapes)]
    return dict(zip(state, made)), storages


def plain(state):
    tensors, storages = stored(state)
    return Raw(call(ORDERED) + items(tensors)), storages


def items(tensors):
    return Raw(b"(" + b"".join(op(key) + op(tensor) for key, tensor in tensors.items()) + b"u")


def plain_dict(state):
    return stored(state)


def with_metadata(state):
    tensors, storages = stored(state)
    metadata = op({"": {"version": 1}, "lstm_0": {"version": 1}})
    attributes = b"}" + op("_metadata") + call(ORDERED) + b"(" + op("a") + metadata + b"us"
    return Raw(call(ORDERED) + items(tensors) + attributes + b"b"), storages


def transposed(state):
    """Matrices as Keras holds them, so that the tensors are not contiguous."""
    storages = {str(i): np.ascontiguousarray(array.T).ravel() for i, array in enumerate(state.values())}
    made = {}
    for (key, values), (label, array) in zip(storages.items(), state.items()):
        made[label] = tensor_v2(storage(key, values.size), 0, array.shape, strides_of(array.T.shape)[::-1])
    return made, storages


def one_storage(state):
    """All tensors in one storage, with gaps of three elements between them and between their rows."""
    values, made = [np.zeros(0, np.float32)], {}
    size = sum(3 + len(np.atleast_2d(array)) * (np.atleast_2d(array).shape[1] + 3) for array in state.values())
    for label, array in state.items():
        table = np.pad(np.atleast_2d(array), ((0, 0), (0, 3)), constant_values=np.nan)
        strides = (table.shape[1], 1)[-array.ndim :]
        made[label] = tensor_v2(storage("all", size), sum(map(len, values)) + 3, array.shape, strides)
        values += [np.full(3, np.nan, np.float32), table.astype(np.float32).ravel()]
    return made, {"all": np.concatenate(values)}


def one_bias(state):
    """Biases of equal value: one storage in two tensors."""
    tensors, storages = stored(state)
    for label in [label for label in tensors if "bias_hh" in label]:
        tensors[label] = tensors[label.replace("_hh", "_ih")]
    used = b"".join(tensors.values())
    return tensors, {key: array for key, array in storages.items() if op(key) in used}


def parameters(state):
    tensors, storages = stored(state)
    rebuild = name("torch._utils", "_rebuild_parameter")
    return {label: call(rebuild, tensor, True, call(ORDERED)) for label, tensor in tensors.items()}, storages


def several_gpus(state):
    return stored({f"module.{label}": array for label, array in state.items()})


def sizes(state):
    """Shapes as torch.Size, which nothing writes, but torch reads."""
    return stored(
        state,
        rebuild=lambda place, at, shape, strides: tensor_v2(place, at, call(name("torch", "Size"), shape), strides),
    )


def of_2017(state):
    """PyTorch before 0.4 under Python 2: _rebuild_tensor, an OrderedDict of pairs, byte strings, long numbers."""

    def old(place, at, shape, strides):
        numbers = Raw(b"(" + b"".join(b"\x8a\x04" + struct.pack("<i", size) for size in shape) + b"t")
        return call(name("torch._utils", "_rebuild_tensor"), place, at, numbers, strides)

    tensors, storages = stored(state, rebuild=old)
    short = [b"](" + b"U" + bytes([len(label)]) + label.encode() + tensor + b"e" for label, tensor in tensors.items()]
    long = short[0].replace(b"U\x0c", b"T\x0c\0\0\0")
    return call(ORDERED, Raw(b"](" + b"".join([long, *short[1:]]) + b"e")), storages


def protocol_4(state):
    """What later protocols add: frames, short texts, names from the stack, memo places without a number."""
    tensors, storages = stored(state)
    rebuild = b"\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94"
    texts = {label: Raw(b"\x8d" + struct.pack("<Q", len(label)) + label.encode() + b"\x94") for label in tensors}
    first, *others = tensors.values()
    made = [first.replace(REBUILD, rebuild), *(tensor.replace(REBUILD, b"h\x03") for tensor in others)]
    content = b"".join(texts[label] + tensor for label, tensor in zip(tensors, made))
    return Raw(b"\x95" + struct.pack("<Q", len(content)) + b"}(" + content + b"u"), storages


def doubles(state):
    return stored(state, "DoubleStorage", convert=np.float64)


def views(state):
    """Storages that are views of another, as legacy files may tell them."""
    tensors, storages = stored(state)
    for (label, tensor), (key, array) in zip(tensors.items(), storages.items()):
        view = storage(key, array.size + 5, "FloatStorage", (f"view {key}", 2, array.size))
        tensors[label] = Raw(tensor.replace(storage(key, array.size), view))
        storages[key] = np.pad(array, (2, 3), constant_values=np.nan)
    return tensors, storages


DIALECTS = [
    plain,
    plain_dict,
    with_metadata,
    transposed,
    one_storage,
    one_bias,
    parameters,
    several_gpus,
    sizes,
    of_2017,
]
DIALECTS += [protocol_4, doubles, views]


@pytest.fixture
def tiny():
    """A network of odd sizes: its layers as {name: [arrays]}."""
    return {layer: [array for _, array in arrays] for layer, arrays in deepmoji_arrays() if arrays}


@pytest.fixture
def write(tmp_path):
    """A function that writes bytes to a new file and gives its path."""

    def write(content):
        path = tmp_path / "pytorch_model.bin"
        path.write_bytes(content)
        return path

    return write


def assert_same(layers, wanted):
    assert list(layers) == list(deepmoji.WEIGHTED)
    for label, arrays in layers.items():
        assert tuple(arrays) == deepmoji.WEIGHTED[label]
        for ours, array in zip(arrays.values(), wanted[label], strict=True):
            assert ours.dtype == np.float32 and ours.flags.c_contiguous
            np.testing.assert_array_equal(ours, array)


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_weights(tiny, write, dialect, serialisation, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it would fail
    content = WRITERS[serialisation](*dialect(torch_arrays(tiny)))
    assert_same(read(write(content)).layers, tiny)


def test_compressed_members_and_other_folders(tiny, write):
    for folder in ("archive/", "a/b/", ""):
        assert_same(
            read(write(zipped(*plain(torch_arrays(tiny)), method=zipfile.ZIP_DEFLATED, folder=folder))).layers, tiny
        )


def test_zip64(tiny, write, monkeypatch):
    """Sizes and places in eight bytes each, as for files of more than 4 GiB."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    content = zipped(*plain(torch_arrays(tiny)))
    assert b"PK\6\6" in content
    content = (
        content[:-14] + 2 * b"\xff\xff" + content[-10:-6] + b"\xff\xff\xff\xff\0\0"
    )  # numbers and place not told here
    assert_same(read(write(content)).layers, tiny)


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
@pytest.mark.parametrize("kind", ["HalfStorage", "BFloat16Storage"])
def test_halves_become_float32(tiny, write, kind, serialisation):
    def rounded(array):  # to what both types hold
        return (
            (array.astype(np.float32).view(np.uint32) & 0xFFFF0000)
            .view(np.float32)
            .astype(np.float16)
            .astype(np.float32)
        )

    tiny = {label: [rounded(array) for array in arrays] for label, arrays in tiny.items()}
    bits = (lambda a: (a.view(np.uint32) >> 16).astype("<u2")) if kind == "BFloat16Storage" else np.float16
    state = {label: rounded(np.ascontiguousarray(array)) for label, array in torch_arrays(tiny).items()}
    assert_same(read(write(WRITERS[serialisation](*stored(state, kind, convert=bits)))).layers, tiny)


def test_expanded_tensors(tiny, write):
    """A bias of zeros may be one number with a stride of 0."""
    state = torch_arrays(tiny)
    tensors, storages = stored(state)
    for label in [label for label in tensors if "bias_hh" in label]:
        tensors[label] = tensor_v2(storage("zero", 1), 0, state[label].shape, (0,))
        tiny[f"bi_lstm_{label[5]}"][5 if "reverse" in label else 2] = state[label]
    assert_same(read(write(zipped(tensors, storages | {"zero": np.zeros(1, np.float32)}))).layers, tiny)


# Predictions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("writer, dialect", [(legacy, of_2017), (legacy, transposed), (zipped, plain)])
def test_predictions_are_those_of_the_keras_file(small, write, engine, writer, dialect):
    weights, golden = small
    path = write(writer(*dialect(torch_arrays(keras_hdf5.read(weights).layers))))
    model = npmoji.load(path, engine=engine)
    check_everything(model, golden)
    np.testing.assert_array_equal(
        model.predict(golden["tokens"]), npmoji.load(weights, engine=engine).predict(golden["tokens"])
    )


GENUINE = sorted((SHARED / "goldens" / "models" / "torchmoji_state").glob("*.bin")) if SHARED else []


@needs_shared
@pytest.mark.parametrize("engine", ENGINES)
def test_genuine_files(engine):
    assert len(GENUINE) == 5
    golden = dict(np.load(GENUINE[0].with_name("golden.npz")))
    for path in GENUINE:
        check_everything(npmoji.load(path, engine=engine), golden)


def is_mapped(array):
    """Whether the array's memory is that of a mapped file."""
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


@pytest.mark.parametrize("dialect", [plain, transposed])
@pytest.mark.parametrize("serialisation", SERIALISATIONS)
def test_what_the_file_holds_as_it_is_needed_is_mapped(tiny, write, serialisation, dialect):
    """The embedding, unaligned too; from a zip file, which aligns its members, also matrices transposed there."""
    tiny["embedding"] = [np.random.default_rng(0).standard_normal((40_000, 4)).astype(np.float32)]
    tensors, storages = dialect({**torch_arrays(tiny), "embed.weight": tiny["embedding"][0]})
    if dialect is transposed:
        tensors["embed.weight"] = tensor_v2(storage("0", 160_000), 0, (40_000, 4), (4, 1))
        storages["0"] = tiny["embedding"][0].ravel()
    path = write(WRITERS[serialisation](tensors, storages))
    tracemalloc.start()
    layers = read(path).layers
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_same(layers, tiny)
    assert is_mapped(layers["embedding"]["embeddings"]) and peak < layers["embedding"]["embeddings"].nbytes / 2
    kernels = [array for i in (0, 1) for array in layers[f"bi_lstm_{i}"].values() if array.ndim == 2]
    assert [is_mapped(kernel) for kernel in kernels] == [dialect is transposed and serialisation == "zip"] * 8
    others = [array for label in layers if label != "embedding" for array in layers[label].values()]
    assert all(array.flags.aligned for array in others)


# Files that mean harm -------------------------------------------------------------------------------------------------


def text(value):
    return op(str(value))


def attacks(canary):
    """Pickles that make a folder when Python's own unpickler reads them."""
    mkdir, argument = name("os", "mkdir"), b"(" + text(canary) + b"t"
    module = name("importlib", "import_module") + op(("os",)) + b"R"
    found = name("builtins", "getattr") + b"(" + module + text("mkdir") + b"t" + b"R"
    partial = name("functools", "partial") + b"(" + mkdir + b"t" + b"R"
    state = b"(" + mkdir + argument + b"}" + b"N" + b"t"
    return {
        "GLOBAL": mkdir + argument + b"R",
        "os.system": name("os", "system") + op((f'mkdir "{canary}"',)) + b"R",
        "STACK_GLOBAL": text("os") + text("mkdir") + b"\x93" + argument + b"R",
        "nested name": text("os") + text("path.os.mkdir") + b"\x93" + argument + b"R",
        "nested in a known module": text("collections")
        + text("_sys.modules.__class__")
        + b"\x930"
        + mkdir
        + argument
        + b"R",
        "eval": name("builtins", "eval") + op((f"__import__('os').mkdir({str(canary)!r})",)) + b"R",
        "exec": name("builtins", "exec") + op((f"import os; os.mkdir({str(canary)!r})",)) + b"R",
        "getattr": found + argument + b"R",
        "INST": b"(" + text(canary) + b"ios\nmkdir\n",
        "OBJ": b"(" + name("functools", "partial") + mkdir + text(canary) + b"o" + b")R",
        "NEWOBJ": name("functools", "partial") + b"(" + mkdir + text(canary) + b"t\x81" + b")R",
        "NEWOBJ_EX": name("functools", "partial") + b"(" + mkdir + text(canary) + b"t}\x92" + b")R",
        "EXT1": b"\x82\xf0" + argument + b"R",
        "EXT4": b"\x84\xf0\0\0\0" + argument + b"R",
        "BUILD with __setstate__": partial + state + b"b" + b")R",
        "in the arguments of a known name": ORDERED + b"(" + mkdir + argument + b"Rt" + b"R",
        "in an unused place": mkdir + argument + b"R0}",
        "as a name in the dict": b"}(" + mkdir + argument + b"RNu",
        "as a key of a storage": b"(" + text("storage") + mkdir + argument + b"RtQ",
        "map": name("builtins", "list")
        + b"("
        + name("builtins", "map")
        + b"("
        + mkdir
        + b"]("
        + text(canary)
        + b"etRtR",
    }


ATTACKS = list(attacks("canary"))


@pytest.fixture
def canary(tmp_path):
    copyreg.add_extension("os", "mkdir", 0xF0)
    yield tmp_path / "canary"
    copyreg.remove_extension("os", "mkdir", 0xF0)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_run_nothing(attack, canary, tiny, write):
    payload = Raw(attacks(canary)[attack])
    with suppress(Exception):  # after the deed
        pickle.loads(dumped(payload, 4))
    assert canary.is_dir(), "this attack would not work anyway"
    canary.rmdir()
    state, storages = plain(torch_arrays(tiny))
    files = [dumped(payload, 2), dumped(payload, 4), zipped(payload, storages)]
    files += [legacy(payload, storages), legacy(state, storages, keys=payload)]
    files += [legacy(state, storages, header=[*HEADER[:i], payload, *HEADER[i + 1 :]]) for i in range(3)]
    files += [legacy({"embed.weight": payload}, storages), zipped(dumped(payload, 4), storages)]
    for content in files:
        with pytest.raises(WeightsError, match="nothing in the file was run|is damaged"):
            npmoji.load(write(content))
        assert not canary.exists()


NAMES = [("torch", "load"), ("torch", "hub.load"), ("torch.serialization", "load"), ("torch", "FloatStorage.from_file")]
NAMES += [
    ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ("torch", "_utils._rebuild_tensor_v2.__call__"),
    ("torch", ""),
]
NAMES += [
    ("collections", "OrderedDict.fromkeys"),
    ("collections", "namedtuple"),
    ("", "torch.Size"),
    ("torch.", "Size"),
]
NAMES += [
    ("torch.storage", "_load_from_bytes"),
    ("torch.jit", "load"),
    ("torch._utils", "_rebuild_qtensor"),
    ("x" * 300, "y"),
]


@pytest.mark.parametrize("module, attribute", NAMES)
def test_no_other_names(module, attribute, write):
    for payload in (name(module, attribute), text(module) + text(attribute) + b"\x93"):
        with pytest.raises(WeightsError, match="nothing in the file was run|a name in it is too long"):
            read(write(legacy(Raw(payload + b")R"), {})))


def test_whole_models_are_told_from_state_dicts(write):
    model = name("torchmoji.model_def", "TorchMoji") + b")\x81}" + text("training") + b"\x89sb"
    source = op(("module", name("torch.nn.modules.sparse", "Embedding"), "sparse.py", "class Embedding: ...")) + b"Q"
    for payload in (model, source, name("torch.nn.modules.container", "Sequential") + b")R"):
        with pytest.raises(WeightsError, match=r"holds a whole model .*state_dict\(\)|something else than storages"):
            read(write(legacy(Raw(payload), {})))


ORDERED_DICT = call(ORDERED)
FLOATS = storage("0", 4)
DAMAGED = {
    "BUILD of other attributes": ORDERED_DICT + op({"_metadata": {}, "update": 1}) + b"b",
    "BUILD of slots": ORDERED_DICT + op((None, {"update": 1})) + b"b",
    "BUILD of a dict": b"}" + op({"_metadata": {}}) + b"b",
    "BUILD of a tensor": tensor_v2(FLOATS, 0, (4,), (1,)) + op({"_metadata": {}}) + b"b",
    "BUILD of a name": ORDERED + op({"_metadata": {}}) + b"b",
    "call of a tensor": tensor_v2(FLOATS, 0, (4,), (1,)) + b")R",
    "call of a text": text("os.mkdir") + b")R",
    "call of a storage's type": name("torch", "FloatStorage") + b"K\x04\x85R",
    "call with too much": call(REBUILD, FLOATS, 0, (4,), (1,), False, ORDERED_DICT, None, 1),
    "pairs that are none": call(ORDERED, [["a"]]),
    "pairs in a tuple": call(ORDERED, (["a", 1],)),
    "Size of a list": call(name("torch", "Size"), [1]),
    "parameter of a text": call(name("torch._utils", "_rebuild_parameter"), "a", True, None),
    "a text as storage": tensor_v2("0", 0, (4,), (1,)),
    "a function as storage's type": op(("storage", ORDERED, "0", "cpu", 4)) + b"Q",
    "a text as storage's type": op(("storage", "FloatStorage", "0", "cpu", 4)) + b"Q",
    "a storage of another size": op([FLOATS, storage("0", 5)]),
    "a storage of another type": op([FLOATS, storage("0", 4, "IntStorage")]),
    "a negative storage": storage("0", -1),
    "a view beyond its storage": storage("0", 4, "FloatStorage", ("1", 2, 3)),
    "a view that is none": storage("0", 4, "FloatStorage", ("1", 2)),
    "a view of texts": storage("0", 4, "FloatStorage", ("1", "2", "3")),
    "a rank of 17": tensor_v2(FLOATS, 0, (1,) * 17, (1,) * 17),
    "strides of another rank": tensor_v2(FLOATS, 0, (4,), (1, 1)),
    "a negative offset": tensor_v2(FLOATS, -1, (4,), (1,)),
    "a negative stride": tensor_v2(FLOATS, 3, (4,), (-1,)),
    "a negative size": tensor_v2(FLOATS, 0, (-4,), (1,)),
    "a size of True": tensor_v2(FLOATS, 0, (True,), (1,)),
    "a size of 2^100": tensor_v2(FLOATS, 0, (1 << 100,), (1,)),
    "a list as shape": tensor_v2(FLOATS, 0, [4], (1,)),
    "a tuple as name": b"}(" + op((1,)) + b"Nu",
    "a number as name": b"}K\1Ns",
    "an odd number of items": b"}(" + text("a") + b"u" + b"\x86",
    "items without a mark": b"}u",
    "items into nothing": b"(e",
    "items into a tuple": b")(e",
    "an empty stack": b"",
    "no tuple": b"\x87",
    "no storage": b"Q",
    "a memo place that is empty": b"h\x07",
    "a memo place for nothing": b"q\x07",
    "text that is not UTF-8": b"X\2\0\0\0\xff\xff",
    "a number for a dict": b"K\1",
    "a tensor for a dict": tensor_v2(FLOATS, 0, (4,), (1,)),
    "a dict of dicts": op({"state_dict": {}}),
    "a dict of numbers": b"}" + text("epoch") + b"G" + bytes(8) + b"s",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_pickles(damage, write):
    payload, storages = Raw(DAMAGED[damage]), {"0": np.zeros(4, np.float32)}
    for content in (legacy(payload, storages), zipped(payload, storages)):
        with pytest.raises(WeightsError):
            read(write(content))


TENSORS = {
    "beyond the end": (tensor_v2(FLOATS, 1, (4,), (1,)), "larger than its storage of 4"),
    "strides beyond the end": (tensor_v2(FLOATS, 0, (2, 2), (3, 1)), "larger than its storage of 4"),
    "an offset beyond the end": (tensor_v2(FLOATS, 1 << 40, (1,), (1,)), "larger than its storage of 4"),
    "a terabyte by strides of 0": (tensor_v2(FLOATS, 0, (1 << 20, 1 << 20), (0, 0)), "larger than its storage of 4"),
    "a terabyte of nothing": (tensor_v2(FLOATS, 0, (1 << 40, 0), (0, 0)), "larger than its storage of 4"),
    "whole numbers": (
        tensor_v2(storage("0", 2, "LongStorage"), 0, (2,), (1,)),
        "'embed.weight' is of type LongStorage",
    ),
}


@pytest.mark.parametrize("case", TENSORS)
def test_bad_tensors_are_named(case, write):
    tensor, words = TENSORS[case]
    content = zipped({"embed.weight": tensor}, {"0": np.zeros(4, np.float32)})
    with pytest.raises(WeightsError, match="'embed.weight'") as error:
        read(write(content))
    assert words in str(error.value)


def refusal(path):
    """The message, and the bytes of memory it took."""
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError) as error:
            read(path)
        return str(error.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@functools.cache
def bombs():
    """Payloads that would take far more time or memory than a file of their size should."""
    pairs = b"](" + 5_000 * (b"](" + text("a") + b"Ne") + b"e"
    return {
        "memo place": b"}r\xff\xff\xff\x7f" + 100 * b"r\xff\xff\xff\xff" + b"K\1",
        "long text": b"X\xff\xff\xff\xff",
        "longer text": b"\x8d" + b"\xff" * 8,
        "long number": b"\x8a\xff" + b"\x7f" * 255,
        "longer number": b"\x8b\xff\xff\xff\x7f",
        "text of nothing": b"X\0\0\1\0" + bytes(65536),
        "long frame": b"\x95" + b"\xff" * 8,
        "millions of dicts": 500_000 * b"}",
        "millions of marks": 500_000 * b"(" + b"t",
        "deep tuple": b")" + 300_000 * b"\x85",
        "deep tuple as name": b"}" + b")" + 60_000 * b"\x85" + b"Ns",
        "deep list": 60_000 * b"]" + 59_999 * b"a",
        "deep dicts": 30_000 * (b"}" + b"U\1a") + b"N" + 30_000 * b"s",
        "doubled tuples": b")" + 60_000 * b"q\0h\0\x86",
        "the same pairs again and again": ORDERED + b"q\1" + pairs + b"\x85q\2R" + 20_000 * b"h\1h\2R",
        "megabytes of text": 2_000 * (b"X\0\x10\0\0" + 4096 * b"a"),
    }


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
@pytest.mark.parametrize("bomb", bombs())
def test_bombs_are_refused(bomb, serialisation, write):
    payload = Raw(bombs()[bomb])
    assert refusal(write(WRITERS[serialisation](payload, {})))[1] < 50 << 20


# Zip files ------------------------------------------------------------------------------------------------------------


def member(content, name_, changes, header=b"PK\1\2"):
    """A zip file with some fields of a member's entry changed: {offset: bytes}."""
    at = content.index(name_, content.index(header) if header == b"PK\1\2" else 0) - (46 if header == b"PK\1\2" else 30)
    out = bytearray(content)
    for offset, value in changes.items():
        out[at + offset : at + offset + len(value)] = value
    return bytes(out)


@functools.cache
def zip_attacks():
    """By what they are: the bytes of a file, and words of the error."""
    zeros, floats = {"0": np.zeros(4, np.float32)}, {"embed.weight": tensor_v2(FLOATS, 0, (4,), (1,))}
    good, bomb = zipped(floats, zeros), np.zeros(5_000_000, np.float32)
    big = {"embed.weight": tensor_v2(storage("0", bomb.size), 0, (bomb.size,), (1,))}
    many = {str(i): tensor_v2(storage(str(i), 1_000_000), 0, (1,), (1,)) for i in range(6)}
    packed = zipped(big, {"0": bomb}, method=zipfile.ZIP_DEFLATED)
    return {
        "bomb": (packed, r"claim 200\d+ bytes, compressed in \d{5}$"),
        "several bombs": (
            zipped(many, dict.fromkeys(many, bomb[:1_000_000]), method=zipfile.ZIP_DEFLATED),
            "bytes, compressed in",
        ),
        "bomb in the pickle": (zipped(Raw(b"}" * 5_000_000), {}, method=zipfile.ZIP_DEFLATED), "expected 1 to"),
        "less than claimed": (
            member(zipped(floats, zeros, zipfile.ZIP_DEFLATED), b"archive/data/0", {24: b"\x11"}),
            "17 bytes",
        ),
        "more than stored": (member(good, b"archive/data/0", {20: b"\x11"}), "is damaged"),
        "no deflated data": (
            member(member(good, b"archive/data/0", {10: b"\x08"}), b"archive/data/0", {8: b"\x08"}, b"PK\3\4"),
            "damaged",
        ),
        "encrypted": (member(good, b"archive/data/0", {8: b"\1"}), "encrypted"),
        "another method": (zipped(floats, zeros, zipfile.ZIP_BZIP2), "compressed by method 12"),
        "another name in the header": (member(good, b"archive/data/0", {30: b"B"}, b"PK\3\4"), "is damaged"),
        "a place beyond the end": (member(good, b"archive/data/0", {42: b"\xff\xff\xff\x7f"}), "cut off"),
        "big-endian": (zipped(floats, zeros, byteorder="big"), "expected 6 to 6"),
        "odd byte order": (zipped(floats, zeros, byteorder="middle"), "byte order"),
        "up in the tree": (zipped(floats, zeros, folder="../../"), "badly named"),
        "from the root": (zipped(floats, zeros, folder="/etc/"), "badly named"),
        "with backslashes": (zipped(floats, zeros, extra=[("..\\evil", "")]), "badly named"),
        "a key up in the tree": (
            zipped({"a": tensor_v2(storage("../version", 4), 0, (4,), (1,))}, zeros),
            "without the member",
        ),
        "two pickles": (zipped(floats, zeros, extra=[("b/data.pkl", dumped(floats))]), "2 members named data.pkl"),
        "no storage": (zipped(floats, {}), "without the member 'archive/data/0'"),
        "a short storage": (zipped(floats, {"0": np.zeros(3, np.float32)}), "has 12 bytes, expected 16 to 16"),
        "a long storage": (zipped(floats, {"0": np.zeros(5, np.float32)}), "has 20 bytes, expected 16 to 16"),
        "no directory": (good[:-22], "without its directory"),
        "too many members": (good[:-12] + b"\xfe\xff" + good[-10:], "damaged|cut off"),
    }


@pytest.mark.parametrize("case", zip_attacks())
def test_zip_attacks(case, write):
    content, words = zip_attacks()[case]
    message, peak = refusal(write(content))
    assert re.search(words, message) and peak < 50 << 20


def test_the_same_name_twice(tiny, write):
    content = zipped(*plain(torch_arrays(tiny)), extra=[("data.pkm", dumped({}))])
    with pytest.raises(WeightsError, match="badly named"):
        read(write(content.replace(b"data.pkm", b"data.pkl")))


def test_legacy_headers_and_lists(tiny, write):
    state, storages = plain(torch_arrays(tiny))
    for header, words in {
        (1, 1001): "not one of torch.save",
        (HEADER[0], 1000): "not one of torch.save",
    }.items():
        with pytest.raises(WeightsError, match=words):
            read(write(legacy(state, storages, [*header, HEADER[2]])))
    with pytest.raises(WeightsError, match="big-endian"):
        read(write(legacy(state, storages, [*HEADER[:2], {"little_endian": False}])))
    for keys in (["0"], ["0", "0"], [*storages, "x"], [*list(storages)[1:], "0"], 1, [1]):
        with pytest.raises(WeightsError, match="list of storages|another size|is missing"):
            read(write(legacy(state, storages, keys=keys)))


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
def test_truncated_files(tiny, write, serialisation):
    content = WRITERS[serialisation](*with_metadata(torch_arrays(tiny)))
    lengths = [*range(300), *range(300, len(content), 17), *range(len(content) - 60, len(content))]
    for length in lengths:
        with pytest.raises(WeightsError):
            read(write(content[:length]))


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
@pytest.mark.parametrize("dialect", [with_metadata, protocol_4, of_2017])
def test_flipped_bytes(tiny, write, serialisation, dialect):
    """A damaged file loads, with other weights perhaps, or gives the one error."""
    content = WRITERS[serialisation](*dialect(torch_arrays(tiny)))
    rng, refused = random.Random(f"{serialisation} {dialect.__name__}"), 0
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(len(content))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        try:
            deepmoji.build(read(write(bytes(damaged))))
        except NpmojiError:
            refused += 1
    assert 20 < refused < 200


# Names and shapes; which reader takes which file ----------------------------------------------------------------------


def test_all_that_is_wrong_is_named(tiny, write):
    state = torch_arrays(tiny)
    state["other.weight"] = state.pop("lstm_1.weight_ih_l0_reverse")
    state["attention_layer.attention_vector"] = state["attention_layer.attention_vector"][:-1]
    state["lstm_0.bias_hh_l0"] = state["lstm_0.bias_hh_l0"][None]
    path = write(legacy(*plain(state)))
    with pytest.raises(WeightsError) as error:
        npmoji.load(path)
    for words in (
        str(path),
        "missing 'lstm_1.weight_ih_l0_reverse'",
        "unexpected 'other.weight'",
        "'attention_layer.attention_vector' has shape (15,), expected (16,)",
        "'lstm_0.bias_hh_l0' has shape (1, 12), expected (12,)",
    ):
        assert words in str(error.value)


@pytest.mark.parametrize("label", ["embed.weight", "lstm_0.weight_hh_l0", "output_layer.0.weight"])
def test_tensors_that_tell_the_sizes(tiny, write, label):
    state = torch_arrays(tiny)
    with pytest.raises(WeightsError, match=f"missing '{label}'"):
        read(write(zipped(*plain({key: array for key, array in state.items() if key != label}))))
    with pytest.raises(WeightsError, match=f"'{label}' has shape .*, expected two dimensions"):
        read(write(zipped(*plain(state | {label: state[label].ravel()}))))


def test_state_dicts_of_other_networks(write):
    with pytest.raises(WeightsError, match=r"missing 'embed.weight', .* unexpected 'a0', .* and 76 more"):
        read(write(zipped(*plain({f"a{i}": np.zeros(1) for i in range(100)}))))
    with pytest.raises(WeightsError, match="missing 'embed.weight'"):
        read(write(legacy({}, {})))


def test_values_that_are_not_finite(tiny, write):
    tiny["bi_lstm_0"][1][0, 0] = np.inf
    with pytest.raises(WeightsError, match="'bi_lstm_0' holds NaN or infinite"):
        npmoji.load(write(legacy(*doubles(torch_arrays(tiny)))))
    state = {label: array.astype(np.float64) for label, array in torch_arrays(tiny).items()}
    state["lstm_0.weight_hh_l0"][0, 0] = 1e300
    with pytest.raises(WeightsError, match="'bi_lstm_0' holds NaN or infinite"):
        npmoji.load(write(zipped(*doubles(state))))


def test_a_file_is_told_by_its_first_bytes(small, tiny, write, tmp_path):
    hdf5 = write(small[0].read_bytes())  # named .bin
    assert list(read(hdf5).layers)
    torch = (tmp_path / "weights.hdf5").resolve()
    torch.write_bytes(legacy(*plain(torch_arrays(tiny))))
    assert_same(read(torch).layers, tiny)
    for content, words in {
        b"\x80\2" + bytes(6) + b"{" + 1000 * b" ": "pytorch_model.bin",  # the first bytes of a safetensors file
        zipped(b"\x80", {}).replace(
            b"data.pkl", b"data.txt"
        ): "member 'config.json' or 'data.pkl', found 'archive/data.txt'",
        dumped({"a": 1}): "not one of torch.save",
        b"PK\3\4": "without its directory",
        b"\x80\2": "truncated",
    }.items():
        with pytest.raises(WeightsError, match=words) as error:
            read(write(content))
        assert "PyTorch" not in str(error.value) or not content.startswith(b"\x80\2\0")


@pytest.mark.parametrize("size", [512, 1024, 4096])
@pytest.mark.parametrize("first", [b"", b"user"])
def test_hdf5_after_bytes_of_the_user(small, tmp_path, size, first):
    path = tmp_path / "weights.bin"
    with h5py.File(small[0]) as source, h5py.File(path, "w", userblock_size=size) as target:
        for label, value in source.attrs.items():
            target.attrs[label] = value
        for label in source:
            source.copy(label, target)
    with open(path, "r+b") as file:
        file.write(first)
    assert {label for label, arrays in read(path).layers.items() if arrays} == set(deepmoji.WEIGHTED)


def test_pipes_and_folders(tmp_path):
    with pytest.raises(WeightsError, match="directory"):
        read(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        for reader in (read, torch_pickle.read):
            with pytest.raises(WeightsError, match="pipe"):
                reader(tmp_path / "pipe")
