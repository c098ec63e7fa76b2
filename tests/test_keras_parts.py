"""Keras' weights in several files, and compressed within one."""

import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from test_keras_graphs import CASES, given, load

import npmoji
from npmoji import WeightsError, formats
from npmoji.formats import hdf5_library, keras_shards

SHARDS, WHOLE = CASES["keras3_shards"], CASES["keras3_encoder_decoder"]
INDEX = "model.weights.json"


@pytest.fixture
def folder(tmp_path):
    """A copy of the weights in several files, with their config."""
    return shutil.copytree(SHARDS, tmp_path / "shards")


def rewritten(source, target, **options):
    """The HDF5 file again, its arrays in chunks or compressed."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        for key, value in old.attrs.items():
            new.attrs[key] = value

        def copy(name, item):
            if isinstance(item, h5py.Dataset) and item.size > 1:
                made = new.create_dataset(name, data=item[()], **options)
            else:
                made = (
                    new.create_dataset(name, data=item) if isinstance(item, h5py.Dataset) else new.require_group(name)
                )
            for key, value in item.attrs.items():
                made.attrs[key] = value

        old.visititems(copy)


def same(ours, wanted):
    for one, other in zip(*(v if isinstance(v, list) else [v] for v in (ours, wanted)), strict=True):
        np.testing.assert_array_equal(one, other)


def unrehearsed(monkeypatch):
    """The library reads at once: what a child process would tell is tested elsewhere."""
    monkeypatch.setattr(hdf5_library, "rehearse", lambda path, reader: None)


# Several files -------------------------------------------------------------------------------------------------------


def test_arrays_are_mapped_wherever_they_are(folder):
    model = npmoji.load(folder / INDEX, engine="numpy")
    assert {file().path for file in model.files} == {str(path) for path in folder.glob("*_0000?.weights.h5")}
    assert not npmoji.load(folder / INDEX, mmap=False).files
    same(model.predict(given("keras3_shards")), load("keras3_shards").predict(given("keras3_shards")))


def test_a_layer_in_two_files():
    places = json.loads((SHARDS / INDEX).read_text())["weight_map"]
    assert any(isinstance(names, list) and len(names) > 1 for names in places.values())
    assert len({str(names) for names in places.values()}) > 3


def test_a_shard_that_was_changed_while_in_use(folder):
    model = npmoji.load(folder / INDEX, engine="numpy")
    with open(folder / "model_00002.weights.h5", "r+b") as file:
        file.truncate(100)
    with pytest.raises(WeightsError, match="model_00002.*truncated"):
        model.predict(given("keras3_shards"))


def duplicated(folder):
    """An array that is in one file, also in another."""
    with h5py.File(folder / "model_00001.weights.h5", "r+") as file:
        file.require_group("layers/embedding/vars")["0"] = np.ones((11, 3), np.float32)


def cut(folder):
    path = folder / "model_00001.weights.h5"
    path.write_bytes(path.read_bytes()[:3000])


def odd(change):
    """With another index."""

    def damage(folder):
        index = json.loads((folder / INDEX).read_text())
        changed = change(index)
        (folder / INDEX).write_text(json.dumps(index if changed is None else changed))

    return damage


def place(name):
    return odd(lambda index: index["weight_map"].update({"/layers/embedding/vars": name}))


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda folder: (folder / "model_00001.weights.h5").unlink(), "'model_00001.weights.h5' is missing"),
        (lambda folder: (folder / "model_00001.weights.h5").write_bytes(b""), "model_00001.*empty"),
        (lambda folder: (folder / "model_00001.weights.h5").write_text("no"), "model_00001.*not an HDF5 file"),
        (cut, "model_00001.*truncated"),
        (
            lambda folder: shutil.copy(folder / "model_00003.weights.h5", folder / "model_00001.weights.h5"),
            "'model_00001.weights.h5' has no arrays in '/layers/",
        ),
        (duplicated, "'0' is in several files: model_00000.weights.h5, model_00001.weights.h5"),
        (place("model_00001.weights.h5"), "'model_00001.weights.h5' has no arrays in '/layers/embedding/vars'"),
        (place("../model_00000.weights.h5"), "'../model_00000.weights.h5', expected the name of a file beside it"),
        (place("/etc/x.h5"), "expected the name of a file beside it"),
        (place("..\\x.h5"), "expected the name of a file beside it"),
        (place(".h5"), "expected the name of a file beside it"),
        (place("passwd"), "expected the name of a file beside it"),
        (place("a\0.h5"), "expected the name of a file beside it"),
        (place(7), "7, expected the name of a file beside it"),
        (place([]), "None, expected the name of a file beside it"),
        (place([["x.h5"]]), "expected the name of a file beside it"),
        (place("model_00099.weights.h5"), "'model_00099.weights.h5' is missing"),
        (odd(lambda index: index.pop("weight_map")), "expected the index"),
        (odd(lambda index: index.update(weight_map=[1])), "expected the index"),
        (odd(lambda index: index.update(weight_map={})), "expected the index"),
        (odd(lambda index: index["weight_map"].pop("/layers/embedding/vars") and None), "x"),
        (lambda folder: (folder / INDEX).write_text('{"weight_map": '), "cannot be read as the index"),
        (lambda folder: (folder / INDEX).write_text('{"a": ' * 100_000), "cannot be read as the index"),
    ],
)
def test_one_error_that_names_the_file(folder, damage, words):
    damage(folder)
    if words == "x":  # the file has it all the same
        same(
            npmoji.load(folder / INDEX).predict(given("keras3_shards")),
            load("keras3_shards").predict(given("keras3_shards")),
        )
        return
    with pytest.raises(WeightsError, match=words) as error:
        npmoji.load(folder / INDEX, engine="numpy")
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_compressed_shards(folder, monkeypatch):
    wanted = load("keras3_shards").predict(given("keras3_shards"))
    rewritten(SHARDS / "model_00001.weights.h5", folder / "model_00001.weights.h5", compression="gzip")
    same(npmoji.load(folder / INDEX).predict(given("keras3_shards")), wanted)
    unrehearsed(monkeypatch)
    data = bytearray((folder / "model_00001.weights.h5").read_bytes())
    with h5py.File(folder / "model_00001.weights.h5") as file:
        chunks = [item.id.get_chunk_info(0) for item in _arrays(file) if item.chunks]
    for chunk in chunks:
        data[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    (folder / "model_00001.weights.h5").write_bytes(data)
    with pytest.raises(WeightsError, match="model_00001.weights.h5"):
        npmoji.load(folder / INDEX)


def _arrays(file):
    found = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def test_what_no_index_is(tmp_path):
    """Any other JSON is of no known kind."""
    (tmp_path / "x.json").write_text('["a"]')
    with pytest.raises(WeightsError, match="x.json"):
        formats.read(tmp_path / "x.json")
    assert keras_shards._is_beside("a_00000.weights.h5")


# Compressed ----------------------------------------------------------------------------------------------------------

FILTERS = {
    "gzip": {"compression": "gzip"},
    "shuffled": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "checked": {"fletcher32": True},
    "chunks": {"chunks": True},
}


def archive(tmp_path, method=zipfile.ZIP_STORED, **options):
    """The `.keras` file of nested models with its weights written again."""
    with zipfile.ZipFile(WHOLE / "model.keras") as old, zipfile.ZipFile(tmp_path / "x.keras", "w", method) as new:
        (tmp_path / "old.h5").write_bytes(old.read("model.weights.h5"))
        rewritten(tmp_path / "old.h5", tmp_path / "new.h5", **options)
        new.write(tmp_path / "new.h5", "model.weights.h5")
        for name in ("config.json", "metadata.json"):
            new.writestr(name, old.read(name))
    return tmp_path / "x.keras"


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_that_h5py_has(name, tmp_path, monkeypatch):
    unrehearsed(monkeypatch)
    wanted = formats.read(WHOLE / "model.keras")
    path = archive(tmp_path, zipfile.ZIP_DEFLATED if name == "lzf" else zipfile.ZIP_STORED, **FILTERS[name])
    for file in (path, tmp_path / "new.h5"):
        found = formats.read(file)
        assert sum(map(len, found.layers.values())) > 3
        for layer, arrays in found.layers.items():
            same(list(arrays.values()), list(wanted.layers[layer].values()))


def test_a_child_reads_them_first(tmp_path):
    path = archive(tmp_path, compression="gzip")
    same(
        npmoji.load(path).predict(given("keras3_encoder_decoder")),
        load("keras3_encoder_decoder").predict(given("keras3_encoder_decoder")),
    )
    data = bytearray(path.read_bytes())
    at = data.find(b"TREE")
    data[at : at + 4] = b"EERT"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="x.keras"):
        npmoji.load(path)


@pytest.mark.parametrize("name", ["gzip", "shuffled", "checked"])
def test_damaged_chunks(name, tmp_path, monkeypatch):
    unrehearsed(monkeypatch)
    archive(tmp_path, **FILTERS[name])
    path = tmp_path / "new.h5"
    with h5py.File(path) as file:
        chunks = [item.id.get_chunk_info(0) for item in _arrays(file) if item.chunks]
    whole = path.read_bytes()
    for chunk in chunks[:3]:
        for at in (0, chunk.size // 2):
            data = bytearray(whole)
            data[chunk.byte_offset + at] ^= 0x55
            path.write_bytes(data)
            with pytest.raises(WeightsError, match="new.h5"):
                formats.read(path)
    path.write_bytes(whole[: chunks[-1].byte_offset + 1])
    with pytest.raises(WeightsError, match="new.h5"):
        formats.read(path)


def test_a_filter_that_needs_a_plugin(tmp_path, monkeypatch):
    unrehearsed(monkeypatch)
    path = archive(tmp_path)
    with h5py.File(tmp_path / "new.h5", "r+") as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk((2,))
        settings.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        (group,) = [item.parent for item in _arrays(file)][:1]
        h5py.h5d.create(group.id, b"9", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)), settings)
        group["9"][:] = 0
    with pytest.raises(WeightsError, match="new.h5.*filter 32015.*plugin"):
        formats.read(tmp_path / "new.h5")
    formats.read(path)


def test_bfloat16_through_the_library(tmp_path, monkeypatch):
    unrehearsed(monkeypatch)
    with zipfile.ZipFile(CASES["keras3_half_floats"] / "model.keras") as old:
        (tmp_path / "old.h5").write_bytes(old.read("model.weights.h5"))
    rewritten(tmp_path / "old.h5", tmp_path / "new.h5", compression="gzip")
    old, new = (formats.read(tmp_path / name) for name in ("old.h5", "new.h5"))
    for layer, arrays in old.layers.items():
        same(list(new.layers[layer].values()), list(arrays.values()))
        assert {array.dtype.name for array in new.layers[layer].values()} <= {"float32"}
