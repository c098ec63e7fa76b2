"""Damaged `.keras` files: the error tells what is wrong, and a small file takes no more memory than it should.

The zip reader itself is also the subject of `test_torch_state`, by files of torch.save.
"""

import io
import json
import random
import re
import tracemalloc
import zipfile

import numpy as np
import pytest
from conftest import DATA

from npmoji import WeightsError
from npmoji.formats import keras3, read
from npmoji.formats.zip_file import Zip, ZipError, mapped

GENUINE = DATA / "keras3" / "seed004_mlp.keras"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


@pytest.fixture
def write(tmp_path):
    """A function that writes bytes to a new file and gives its path."""

    def write(content, name="model.keras"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def members():
    """The members of the genuine file, in its order."""
    with zipfile.ZipFile(GENUINE) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(contents, method=zipfile.ZIP_STORED):
    """The bytes of a zip file of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return out.getvalue()


def refusal(path):
    """What the error says after the file's name, and the bytes of memory it took."""
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError) as error:
            read(path)
        message, start = str(error.value), f"{path}: cannot be read as a .keras file: "
        assert message.startswith(start)
        return message.removeprefix(start), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_genuine(contents):
    genuine = read(GENUINE)
    assert [len(arrays) for arrays in genuine.layers.values() if arrays] == [2, 4, 2]  # dense, normalisation, dense
    assert contents.layers.keys() == genuine.layers.keys()
    assert (contents.config, contents.keras_version) == (json.loads(members()[CONFIG]), genuine.keras_version)
    for name, arrays in genuine.layers.items():
        for ours, array in zip(contents.layers[name].values(), arrays.values(), strict=True):
            np.testing.assert_array_equal(ours, array)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_in_any_order_and_deflated(write, method):
    contents = members()
    assert_genuine(read(write(zipped(contents, method))))
    assert_genuine(read(write(zipped(dict(reversed(contents.items())), method), "without_the_usual_ending")))


def test_members_of_which_one_may_be_missing(write):
    contents = members()
    del contents[METADATA]
    assert read(write(zipped(contents))).version == (3, 15)  # which nothing tells
    for name in (CONFIG, WEIGHTS):
        rest = {other: content for other, content in members().items() if other != name}
        for ending in ("model.keras", "model.zip"):
            assert refusal(write(zipped(rest), ending))[0] == f"a zip file without the member {name!r}"


def test_a_zip_file_of_other_things(write):
    path = write(zipped({"notes.txt": b"a"}))
    with pytest.raises(WeightsError, match="neither a .keras file .* found 'notes.txt'"):
        read(path)


def test_truncated_files(write):
    content = GENUINE.read_bytes()
    for length in [*range(4, 300, 7), *range(300, len(content), 499), *range(len(content) - 60, len(content))]:
        assert "truncated or damaged" in refusal(write(content[:length]))[0]


REPLACED = {
    "config that is no JSON": (CONFIG, b"{'a': 1}", "member 'config.json' is no JSON"),
    "config that is no text": (CONFIG, b'{"\xff": 1}', "member 'config.json' is no JSON"),
    "config of nothing": (CONFIG, b"", "'config.json' of the zip file has 0 bytes"),
    "config that is a list": (CONFIG, b"[1, 2]", "member 'config.json' is a list, expected an object"),
    "config of deep lists": (CONFIG, b"[" * 100_000, "member 'config.json' is no JSON"),
    "metadata that are no JSON": (METADATA, b"keras", "member 'metadata.json' is no JSON"),
    "metadata that are a number": (METADATA, b"10", "member 'metadata.json' is a int"),
    "weights that are no HDF5": (WEIGHTS, b"PK\3\4" * 100, "not an HDF5 file"),
    "weights of nothing": (WEIGHTS, b"", "'model.weights.h5' of the zip file has 0 bytes"),
}


@pytest.mark.parametrize("case", REPLACED)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_with_other_contents(write, case, method):
    name, content, words = REPLACED[case]
    assert re.search(words, refusal(write(zipped(members() | {name: content}, method)))[0])


def hdf5_of(build):
    """The bytes of an HDF5 file."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        build(file)
    return out.getvalue()


def test_weights_of_something_else(write):
    content = hdf5_of(lambda file: file.create_dataset("layers", data=np.zeros(3, np.float32)))
    assert "has no group of layers" in refusal(write(zipped(members() | {WEIGHTS: content})))[0]
    content = hdf5_of(lambda file: file.create_dataset("layers/dense/vars", data=np.zeros(3, np.float32)))
    with pytest.raises(WeightsError, match="'vars' are an array, expected a group"):
        read(write(zipped(members() | {WEIGHTS: content})))


@pytest.mark.parametrize("config", [{}, {"config": 1}, {"config": {"layers": [{}]}}, {"config": {"layers": ["a"]}}])
def test_configs_that_tell_no_names(write, config):
    """Older files do not name the layers of their groups: the config does."""
    content = hdf5_of(lambda file: file.create_dataset("layers/dense/vars/0", data=np.zeros(3, np.float32)))
    path = write(zipped({CONFIG: json.dumps(config), WEIGHTS: content}))
    with pytest.raises(WeightsError, match=re.escape(str(path)) + ": .*config cannot be understood"):
        read(path)


@pytest.mark.parametrize("name", [CONFIG, METADATA, WEIGHTS])
def test_bombs_are_refused(write, name):
    """50 MB of spaces or zeros in a file of 70 KB."""
    content = zipped(members() | {name: (b" " if name != WEIGHTS else b"\0") * 50_000_000}, zipfile.ZIP_DEFLATED)
    assert len(content) < 100_000
    message, peak = refusal(write(content))
    assert re.search(r"the members of the zip file claim 5\d{7} bytes, compressed in \d{5}$", message)
    assert peak < 10 << 20


@pytest.mark.parametrize("size", [1, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFE])
def test_sizes_that_are_not_true(write, size):
    content = zipped(members(), zipfile.ZIP_DEFLATED)
    at = content.index(WEIGHTS.encode(), content.index(b"PK\1\2")) - 46
    lying = content[: at + 24] + size.to_bytes(4, "little") + content[at + 28 :]
    message, peak = refusal(write(lying))
    assert "claim" in message and peak < 10 << 20


def test_flipped_bytes(write):
    """A damaged file loads, with other weights perhaps, or gives the one error: outside the weights nearly always."""
    content, rng, refused = GENUINE.read_bytes(), random.Random("flipped"), 0
    start = content.index(b"\x89HDF")
    for i in range(160):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(*((0, start) if i % 2 else (start, len(content))))
            damaged[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        try:
            read(write(bytes(damaged)))
        except WeightsError:
            refused += 1
    assert 40 < refused < 160


def test_pipes_folders_and_missing_files(tmp_path):
    for path in (tmp_path, tmp_path / "missing.keras"):
        with pytest.raises(WeightsError, match=re.escape(str(path)) + ": cannot be read: "):
            keras3.read(str(path))
    (tmp_path / "empty").touch()
    with pytest.raises(ZipError, match="empty"):
        mapped(tmp_path / "empty")


def test_stored_members_are_parts_of_the_file():
    data = mapped(GENUINE)
    part = Zip(data).read(WEIGHTS, 1, 1 << 20)
    assert part.obj is data.obj and bytes(part) == members()[WEIGHTS]
    for least, most in ((len(part) + 1, 1 << 20), (1, len(part) - 1)):
        with pytest.raises(ZipError, match=f"has {len(part)} bytes, expected {least} to {most}"):
            Zip(data).read(WEIGHTS, least, most)
