"""What a model keeps of its file, so that it is read once; and the names of a file's arrays."""

import json
import os
import pickle

import numpy as np
import pytest

import npmoji
from npmoji import formats
from npmoji.checks import golden
from npmoji.checks.verify import verify
from npmoji.describe import lines
from npmoji.errors import InputError
from npmoji.export.convert import convert
from npmoji.formats import keras_hdf5, safetensors


@pytest.fixture
def place(folder, tmp_path):
    """A folder with a converted model, the Keras weights it was made from and their vocabulary."""
    for name in ("weights.hdf5", "vocabulary.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    convert(tmp_path / "weights.hdf5", tmp_path / "w.safetensors")
    return tmp_path


def reports(model, target):
    """What the commands say of a model, and the bytes that convert writes."""
    convert(model, target / "again.safetensors")
    convert(model, target / "again.hdf5")
    written = [(target / name).read_bytes() for name in ("again.safetensors", "again.hdf5")]
    manifest = golden.collect(model, [[1, 2, 3]]).manifest
    return list(lines(model)), verify(model), manifest, written


@pytest.mark.parametrize("name", ["weights.hdf5", "w.safetensors"])
def test_a_file_is_read_once(place, name, monkeypatch):
    model = npmoji.load(place / name, engine="numpy")

    def read(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(formats, "read", read)
    monkeypatch.setattr(formats, "_read", read)
    found, verdict, manifest, _ = reports(model, place)
    assert verdict.passed is (name == "w.safetensors") and manifest["weights"]["bytes"] == os.path.getsize(place / name)
    assert any("in the weights file" in value for _, value in found) is (name == "w.safetensors")


@pytest.mark.parametrize("name", ["weights.hdf5", "w.safetensors"])
def test_an_embedded_model_needs_no_file(place, name):
    model = npmoji.load(place / name, engine="numpy", embed=True)
    before, pickled = reports(model, place), pickle.dumps(model)
    model.close()
    for file in (name, "vocabulary.json"):
        (place / file).unlink()
    other = pickle.loads(pickled)
    assert other.contents.layers.keys() == formats.read(place / "again.hdf5").layers.keys()
    assert reports(other, place) == before
    with pytest.raises(InputError, match="precision"):
        convert(other, place / "x.safetensors", precision="fp16")


def test_a_file_that_is_gone_before_anybody_asked(place):
    model = npmoji.load(place / "weights.hdf5", engine="numpy", mmap=False)
    size = os.path.getsize(place / "weights.hdf5")
    (place / "weights.hdf5").write_bytes(b"another")
    said = dict(enumerate(lines(model)))
    assert said[2][1].startswith(f"{size:,} bytes, sha256 not known")
    assert golden.collect(model, [[1, 2]]).manifest["weights"]["sha256"] is None
    (place / "weights.hdf5").unlink()
    convert(model, place / "back.hdf5")
    np.testing.assert_array_equal(npmoji.load(place / "back.hdf5").predict([[5, 6]]), model.predict([[5, 6]]))


def test_a_closed_model_says_so(place):
    model = npmoji.load(place / "weights.hdf5")
    model.close()
    for call in (lambda: model.contents, lambda: verify(model), lambda: list(lines(model)),
                 lambda: convert(model, place / "x.hdf5")):  # fmt: skip
        with pytest.raises(InputError, match="closed"):
            call()


def test_names_and_not_places_tell_arrays(place):
    """A converted file whose arrays are listed in another order is the same network."""
    tensors, metadata = safetensors.read(str(place / "w.safetensors"))
    listed = [[layer, names[::-1]] for layer, names in json.loads(metadata["layers"])]
    with open(place / "turned.safetensors", "wb") as file:
        safetensors.write(file, tensors, metadata | {"layers": json.dumps(listed)})
    first, second = (npmoji.load(place / name, engine="numpy") for name in ("w.safetensors", "turned.safetensors"))
    np.testing.assert_array_equal(first.predict([[5, 6, 7]]), second.predict([[5, 6, 7]]))


def test_the_names_are_those_of_the_layers(place):
    assert list(keras_hdf5.read(place / "weights.hdf5").layers["softmax"]) == ["0", "1"]  # which only has an order
    for name in ("weights.hdf5", "w.safetensors"):
        model = npmoji.load(place / name)
        held = {layer: arrays for layer, arrays in model.contents.layers.items() if arrays}
        assert {layer: list(arrays) for layer, arrays in held.items()} == {
            layer.name: list(layer.weights()) for layer in model.layers if layer.weights()
        }
