"""npmoji's own HDF5 reader against h5py, on whole files and on damaged ones; and Keras' layout on top of it."""

import os
import random
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from conftest import ROOT, SHARED, needs_shared

from npmoji import deepmoji
from npmoji.errors import WeightsError
from npmoji.formats import hdf5, hdf5_format, hdf5_library, keras_hdf5

LIBVERS = ["earliest", "latest"]


# Files to read


def deepmoji_arrays(V=11, E=4, H=3, C=5, seed=0):
    """Layers in file order, with (weight name, array) pairs; small."""
    normal = np.random.default_rng(seed).standard_normal

    def array(*shape):
        return normal(shape).astype("<f4")

    def bi_lstm(name, inputs):
        return name, [
            (f"{name}/{way}_lstm/{part}", array(*shape))
            for way in ("forward", "backward")
            for part, shape in (("kernel", (inputs, 4 * H)), ("recurrent_kernel", (H, 4 * H)), ("bias", (4 * H,)))
        ]

    F = 4 * H + E
    return [
        ("input_1", []),
        ("embedding", [("embedding/embeddings", array(V, E))]),
        ("activation_1", []),
        bi_lstm("bi_lstm_0", E),
        bi_lstm("bi_lstm_1", 2 * H),
        ("concatenate_1", []),
        ("attlayer", [("attlayer/attlayer_W", array(F, 1))]),
        ("softmax", [("softmax/kernel", array(F, C)), ("softmax/bias", array(C))]),
    ]


def fixed(names):
    """Names as Keras 2.0 stores them: fixed bytes, and an empty float64 array if there are none."""
    return np.array([name.encode() for name in names])


def variable(names):
    """Names as h5py 3 stores a list of str, which later Keras hands over."""
    return np.array(names, dtype=h5py.string_dtype()) if names else np.array([])


def write_keras(path, layers, names=fixed, libver="earliest", below=None, config=None, dtype="<f4", **options):
    """A file in Keras' layout; `options` go to create_dataset."""
    with h5py.File(path, "w", libver=libver) as f:
        root = f.create_group(below) if below else f
        root.attrs["layer_names"] = names([name for name, _ in layers])
        f.attrs["keras_version"] = b"2.0.5"
        if config:
            f.attrs["model_config"] = config
        for layer, weights in layers:
            group = root.create_group(layer)
            group.attrs["weight_names"] = names([name for name, _ in weights])
            for name, array in weights:
                group.create_dataset(name, data=array.astype(dtype), **options)
    return path


def assert_holds(file, layers):
    """The Contents has these layers in this order, bit for bit."""
    assert list(file.layers) == [name for name, _ in layers]
    for name, weights in layers:
        for found, (_, array) in zip(file.layers[name].values(), weights, strict=True):
            assert found.dtype == np.float32 and found.shape == array.shape
            assert found.tobytes() == array.tobytes()


@pytest.fixture
def layers():
    return deepmoji_arrays()


@pytest.fixture
def no_library(monkeypatch):
    """Reading must not fall back on h5py."""

    def rehearse(path, reader):
        raise AssertionError("the own reader did not do")

    monkeypatch.setattr(hdf5_library, "rehearse", rehearse)


@pytest.fixture
def rehearsals(monkeypatch):
    """Counts the child processes, which do run."""
    calls, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: calls.append(args) or run(*args, **options))
    return calls


# Everything in a file, against h5py


def as_read(value):
    """An attribute of h5py's in the form of `hdf5`'s."""
    if isinstance(value, h5py.Empty):
        return np.zeros(0, value.dtype)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [x.decode() if isinstance(x, bytes) else x for x in value.ravel()]
    return value if isinstance(value, str) else np.asarray(value)


def assert_same(mine, theirs):
    """All attributes, members and arrays equal, below too; returns how many there were."""
    assert set(mine.attrs) == set(theirs.attrs)
    for name in theirs.attrs:
        found, expected = mine.attrs[name], as_read(theirs.attrs[name])
        if isinstance(expected, np.ndarray):
            assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
        else:
            assert found == expected
    if isinstance(theirs, h5py.Dataset):
        found, expected = mine.array(), np.asarray(theirs[()])
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
        return 1 + len(theirs.attrs)
    assert set(mine) == set(theirs) and len(mine) == len(theirs)
    return len(theirs.attrs) + sum(assert_same(mine[name], theirs[name]) for name in theirs)


GOLDENS = sorted(SHARED.glob("goldens/models/*/*.h*5")) if SHARED else []
ZIPS = sorted(SHARED.glob("goldens/models/*/*.keras")) if SHARED else []


@needs_shared
@pytest.mark.parametrize("path", GOLDENS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_goldens(path):
    with h5py.File(path) as theirs:
        assert assert_same(hdf5.open_file(path), theirs) > 10


@needs_shared
@pytest.mark.parametrize("path", ZIPS, ids=lambda p: p.parent.name)
def test_member_of_a_zip_file(path):
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("model.weights.h5")
        assert info.compress_type == zipfile.ZIP_STORED
        with archive.open(info) as member, h5py.File(member) as theirs:
            data = memoryview(path.read_bytes())
            names = [int.from_bytes(data[info.header_offset + i :][:2], "little") for i in (26, 28)]
            start = info.header_offset + 30 + sum(names)
            root = hdf5.open_buffer(data[start : start + info.file_size])
            assert assert_same(root, theirs) > 10
            some = next(iter(root["layers"]))
            assert isinstance(root["layers"][some], hdf5.Group)


def write_everything(path, libver, userblock):
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as f:
        f.attrs["fixed"] = np.array([b"ab", b"cdefg"])
        f.attrs["str"] = "a h\xe9llo \U0001f602"
        f.attrs["bytes"] = b"xyz"
        f.attrs["strs"] = np.array(["a", "", "ccc" * 1000], dtype=h5py.string_dtype())
        f.attrs["no floats"] = np.array([])
        f.attrs["null"] = h5py.Empty("f")
        f.attrs["int"] = 3
        g = f.create_group("group")
        g.attrs["float16"] = np.arange(6, dtype="f2").reshape(2, 3)
        g.attrs["big-endian"] = np.arange(3, dtype=">f8")
        g.attrs["uint8"] = np.arange(3, dtype="u1")
        g["a"] = np.arange(12, dtype="f4").reshape(3, 4)
        g["b/c/d"] = np.arange(5, dtype=">f4")
        g["scalar"] = np.float64(3.5)
        g["empty"] = np.zeros((0, 5), "f4")
        g["hard link"] = g["a"]
        g["back"] = g["b"]
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((4,))
        d = h5py.h5d.create(g.id, b"compact", h5py.h5t.IEEE_F32LE, space, compact)
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype="f4"))
    return path


@pytest.mark.parametrize("userblock", [0, 512, 4096])
@pytest.mark.parametrize("libver", LIBVERS)
def test_all_that_is_supported(tmp_path, libver, userblock):
    path = write_everything(tmp_path / "x.h5", libver, userblock)
    root = hdf5.open_file(path)
    with h5py.File(path) as theirs:
        assert assert_same(root, theirs) == 7 + 3 + 7  # attributes of the root, of the group, arrays
    assert "group/b/c/d" in root and "group/b/c/x" not in root and "group/a/x" not in root
    assert root["group"]["a"] is root["group/a"]


def test_space_padded_text(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as f:
        text = h5py.h5t.C_S1.copy()
        text.set_size(6)
        text.set_strpad(h5py.h5t.STR_SPACEPAD)
        attribute = h5py.h5a.create(f.id, b"text", text, h5py.h5s.create(h5py.h5s.SCALAR))
        attribute.write(np.array(b"abc   "), mtype=text)
    assert hdf5.open_file(tmp_path / "x.h5").attrs["text"] == "abc"


def test_lookup3_as_published():
    assert hdf5_format.lookup3(b"") == 0xDEADBEEF
    assert hdf5_format.lookup3(b"Four score and seven years ago") == 0x17770551


# Keras' layout


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("names", [fixed, variable])
def test_names_of_both_kinds(tmp_path, layers, names, libver, no_library):
    file = keras_hdf5.read(write_keras(tmp_path / "x.h5", layers, names, libver))
    assert_holds(file, layers)
    assert (file.keras_version, file.config) == ("2.0.5", None)
    deepmoji.build(file)


def test_a_single_name_as_a_scalar(tmp_path, layers, no_library):
    path = write_keras(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as f:
        f["attlayer"].attrs["weight_names"] = "attlayer/attlayer_W"
    assert_holds(keras_hdf5.read(path), layers)


def test_full_model(tmp_path, layers, no_library):
    path = write_keras(tmp_path / "x.h5", layers, below="model_weights", config='{"class_name": "Model"}')
    file = keras_hdf5.read(path)
    assert_holds(file, layers)
    assert file.config == {"class_name": "Model"}


def test_arrays_are_views_of_the_file(tmp_path, layers):
    embedding = keras_hdf5.read(write_keras(tmp_path / "x.h5", layers)).layers["embedding"]["0"]
    assert not embedding.flags.owndata and not embedding.flags.writeable and embedding.flags.aligned


def test_h5py_is_not_imported(tmp_path, layers):
    path = write_keras(tmp_path / "x.h5", layers)
    code = "import sys; sys.path.insert(0, sys.argv[1]); from npmoji.formats import keras_hdf5; "
    code += "keras_hdf5.read(sys.argv[2]); "
    code += "sys.exit('h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(ROOT), str(path)], check=False).returncode == 0


def test_unaligned_arrays_are_copied(tmp_path, layers):
    data = b"x" + write_keras(tmp_path / "x.h5", layers).read_bytes()
    root = hdf5.open_buffer(memoryview(data)[1:])
    assert not root["embedding/embedding/embeddings"].array().flags.aligned
    file = keras_hdf5._contents("x.h5", root)
    assert_holds(file, layers)
    assert file.layers["embedding"]["0"].flags.aligned


@pytest.mark.parametrize("dtype", ["<f2", "<f8", ">f4", ">f8"])
def test_other_floats_become_float32(tmp_path, layers, dtype, no_library):
    file = keras_hdf5.read(write_keras(tmp_path / "x.h5", layers, dtype=dtype))
    assert_holds(file, [(n, [(w, a.astype(dtype).astype("<f4")) for w, a in weights]) for n, weights in layers])


def test_float64_beyond_float32_is_found(tmp_path, layers):
    layers[-1][1][1] = ("softmax/bias", np.full(5, 1e300))
    with pytest.raises(WeightsError, match="NaN or infinite"):
        deepmoji.build(keras_hdf5.read(write_keras(tmp_path / "x.h5", layers, dtype="<f8")))


def test_integers_are_no_weights(tmp_path, layers):
    with pytest.raises(WeightsError, match=r"x\.h5: layer 'embedding'.* is of type int64, expected float32"):
        keras_hdf5.read(write_keras(tmp_path / "x.h5", layers, dtype="<i8"))


def test_names_split_into_several_attributes(tmp_path, no_library):
    """HDF5 allows 64 KB an attribute; Keras cuts longer lists into layer_names0, layer_names1, ..."""
    layers = [(f"layer_{i}_{'x' * 300}", [(f"weight_{'y' * 200}", np.full(2, i, "<f4"))]) for i in range(300)]
    path = write_keras(tmp_path / "x.h5", layers, names=lambda names: fixed(names[:1]))
    with h5py.File(path, "r+") as f:
        del f.attrs["layer_names"]
        for i, part in enumerate(np.array_split(fixed([name for name, _ in layers]), 3)):
            f.attrs[f"layer_names{i}"] = part
    assert_holds(keras_hdf5.read(path), layers)
    with h5py.File(path, "r+") as f:
        del f.attrs["layer_names1"]
    with pytest.raises(WeightsError, match="layer_names"):
        keras_hdf5.read(path)


def test_many_layers_in_an_order_of_their_own(tmp_path, no_library):
    """2000 groups make a B-tree of two levels."""
    order = np.random.default_rng(0).permutation(2000)
    layers = [(f"layer_{i}", [("w", np.full(1, i, "<f4"))]) for i in order]
    assert_holds(keras_hdf5.read(write_keras(tmp_path / "x.h5", layers, names=variable)), layers)


# What the own reader leaves to h5py


@pytest.mark.parametrize(
    "options", [{"chunks": True}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}]
)
def test_chunks_are_read_by_the_library(tmp_path, options, rehearsals):
    layers = [(n, w) for n, w in deepmoji_arrays() if w]
    assert_holds(keras_hdf5.read(write_keras(tmp_path / "x.h5", layers, **options)), layers)
    assert len(rehearsals) == 1


def test_links_in_a_fractal_heap(tmp_path, rehearsals):
    layers = [(f"layer_{i}", [("w", np.full(1, i, "<f4"))]) for i in range(20)]
    assert_holds(keras_hdf5.read(write_keras(tmp_path / "x.h5", layers, libver="latest")), layers)
    assert len(rehearsals) == 1


def test_soft_links_and_named_types(tmp_path, layers, rehearsals):
    path = write_keras(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as f:
        f.move("embedding", "elsewhere")
        f["embedding"] = h5py.SoftLink("/elsewhere")
        del f["attlayer/attlayer/attlayer_W"]
        f["type"] = np.dtype("<f4")
        f["attlayer"].create_dataset("attlayer/attlayer_W", data=layers[-2][1][0][1], dtype=f["type"])
    with pytest.raises(hdf5.Unsupported, match="links"):
        hdf5.open_file(path)["embedding"]
    with pytest.raises(hdf5.Unsupported, match="shared"):
        hdf5.open_file(path)["attlayer/attlayer/attlayer_W"]
    assert_holds(keras_hdf5.read(path), layers)
    assert len(rehearsals) == 1


def test_data_in_other_files_is_refused(tmp_path, layers):
    path = write_keras(tmp_path / "x.h5", layers)
    (tmp_path / "other").write_bytes(bytes(64))
    with h5py.File(path, "r+") as f:
        del f["softmax/softmax/bias"]
        f["softmax"].create_dataset("softmax/bias", (5,), "<f4", external=[(str(tmp_path / "other"), 0, 20)])
    with pytest.raises(WeightsError, match=r"softmax/bias is kept in other files"):
        keras_hdf5.read(path)
    with pytest.raises(WeightsError, match=r"softmax/bias is kept in other files"):
        keras_hdf5.read_through_library(os.fspath(path))


def test_errors_of_the_library(tmp_path, layers):
    """A chunked file whose shape claims more than it holds: the child's words are passed on."""
    path = write_keras(tmp_path / "x.h5", layers, chunks=True)
    with h5py.File(path, "r+") as f:
        del f["softmax/softmax/bias"]
        f["softmax"].create_dataset("softmax/bias", (1 << 40,), "<f4", chunks=(1024,))
    with pytest.raises(WeightsError, match=r"x\.h5: damaged .*softmax/bias claims the shape"):
        keras_hdf5.read(path)


@pytest.mark.parametrize("end, words", [("import os; os._exit(3)", "fails on it"), ("while True: pass", "hangs on it")])
def test_the_library_crashes_or_hangs_in_the_child_only(tmp_path, layers, monkeypatch, end, words):
    path = write_keras(tmp_path / "x.h5", [layer for layer in layers if layer[1]], chunks=True)
    monkeypatch.setattr(hdf5_library, "CHILD", end)
    monkeypatch.setattr(hdf5_library, "SECONDS", 0.5)
    monkeypatch.setattr(keras_hdf5, "read_through_library", None)
    with pytest.raises(WeightsError, match=rf"x\.h5: damaged .*{words}"):
        keras_hdf5.read(path)


def test_frozen_applications_have_no_child(tmp_path, monkeypatch, rehearsals):
    layers = [(n, w) for n, w in deepmoji_arrays() if w]
    path = write_keras(tmp_path / "x.h5", layers, chunks=True)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert_holds(keras_hdf5.read(path), layers)
    assert not rehearsals


# Damage


def test_missing_directory_empty_and_foreign_files(tmp_path):
    with pytest.raises(WeightsError, match=r"x\.h5: cannot be read: No such file"):
        keras_hdf5.read(tmp_path / "x.h5")
    with pytest.raises(WeightsError, match=r"cannot be read"):
        keras_hdf5.read(tmp_path)
    (tmp_path / "x.h5").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"x\.h5: .* the file is empty"):
        keras_hdf5.read(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_bytes(b"PK\3\4" + bytes(5000))
    with pytest.raises(WeightsError, match=r"x\.h5: .* not an HDF5 file \(it starts with b'PK"):
        keras_hdf5.read(tmp_path / "x.h5")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.h5")
    with pytest.raises(WeightsError, match=r"x\.h5: .* a pipe"):
        keras_hdf5.read(tmp_path / "x.h5")


@pytest.mark.parametrize("libver", LIBVERS)
def test_truncated_anywhere(tmp_path, layers, libver):
    data = write_keras(tmp_path / "x.h5", layers, libver=libver).read_bytes()
    for size in np.linspace(1, len(data) - 1, 60).astype(int):
        (tmp_path / "x.h5").write_bytes(data[:size])
        with pytest.raises(WeightsError, match=r"x\.h5: .*(truncated|not an HDF5 file|bytes missing)"):
            keras_hdf5.read(tmp_path / "x.h5")


def test_other_hdf5_files(tmp_path, layers):
    with h5py.File(tmp_path / "x.h5", "w") as f:
        f["a"] = 1.0
    with pytest.raises(WeightsError, match=r"x\.h5: .*without Keras' attribute 'layer_names'"):
        keras_hdf5.read(tmp_path / "x.h5")


@pytest.mark.parametrize(
    "gone, words",
    [
        ("softmax", "layer 'softmax' is listed but has no group"),
        ("softmax/softmax/bias", "weight 'softmax/bias' is listed but missing"),
    ],
)
def test_listed_but_missing(tmp_path, layers, gone, words):
    path = write_keras(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as f:
        del f[gone]
    with pytest.raises(WeightsError, match=rf"x\.h5: .*{words}"):
        keras_hdf5.read(path)


def test_lost_weight_names(tmp_path, layers):
    path = write_keras(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as f:
        del f["softmax"].attrs["weight_names"]
    with pytest.raises(WeightsError, match=r"x\.h5: /softmax .*'weight_names'"):
        keras_hdf5.read(path)


def test_checksums_of_new_headers(tmp_path, layers):
    """Any single changed byte between a header's signature and its checksum is noticed."""
    data = write_keras(tmp_path / "x.h5", layers, libver="latest").read_bytes()
    start = hdf5.open_buffer(data)._file.root
    for i in range(start + 4, start + 60):
        damaged = bytearray(data)
        damaged[i] ^= 0x10
        with pytest.raises((hdf5.Hdf5Error, hdf5.Unsupported)):
            hdf5.open_buffer(bytes(damaged))


def test_a_b_tree_in_a_circle(tmp_path, layers):
    data = bytearray(write_keras(tmp_path / "x.h5", layers).read_bytes())
    tree = data.index(b"TREE")
    data[tree + 5] = 1  # level: its children are trees, and its first child is itself
    data[tree + 32 : tree + 40] = tree.to_bytes(8, "little")
    with pytest.raises(hdf5.Hdf5Error, match="B-tree"):
        hdf5.open_buffer(bytes(data))


def test_a_header_continued_in_a_circle(tmp_path):
    """Continuation: message 16 of 16 bytes; this one leads back to the block it stands in."""
    with h5py.File(tmp_path / "x.h5", "w") as f:
        for i in range(30):
            f.attrs[f"a{i}"] = i
    data = bytearray((tmp_path / "x.h5").read_bytes())
    pointer = data.index(b"\x10\0\x10\0\0\0\0\0")
    place, size = (int.from_bytes(data[pointer + 8 + i :][:8], "little") for i in (0, 8))
    assert data[place : place + 4] != b"\x10\0\x10\0" and size > 24
    data[place : place + 8] = b"\x10\0\x10\0\0\0\0\0"
    data[place + 8 : place + 24] = data[pointer + 8 : pointer + 24]
    with pytest.raises(hdf5.Hdf5Error, match="circle"):
        hdf5.open_buffer(bytes(data))


def damage(data, mask, random_):
    """1 to 16 flipped bits or changed bytes, mostly in metadata that is not blank."""
    data = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 4, 16))):
        i = int(random_.choice(mask)) if random_.random() < 0.8 else random_.randrange(len(data))
        data[i] ^= 1 << random_.randrange(8) if random_.random() < 0.7 else random_.randrange(1, 256)
    return bytes(data)


@pytest.mark.parametrize("names", [fixed, variable])
@pytest.mark.parametrize("libver", LIBVERS)
def test_flipped_bits(tmp_path, layers, names, libver):
    """A damaged file loads or gives a WeightsError that names it; nothing else, and nothing ends the process."""
    config = '{"config": {"layers": []}}'
    path = write_keras(tmp_path / "x.h5", layers, names, libver, below="model_weights", config=config)
    data = path.read_bytes()
    bytes_ = np.frombuffer(data, np.uint8).copy()
    for array in (array for weights in keras_hdf5.read(path).layers.values() for array in weights.values()):
        bytes_[data.index(array.tobytes()) :][: array.nbytes] = 0
    mask, random_, outcomes = np.flatnonzero(bytes_), random.Random(f"{names.__name__} {libver}"), []
    for _ in range(250):
        path.write_bytes(damage(data, mask, random_))
        try:
            keras_hdf5.read(path)
            outcomes.append("loads")
        except WeightsError as error:
            assert str(path) in str(error)
            outcomes.append("error")
    assert set(outcomes) == {"loads", "error"}
