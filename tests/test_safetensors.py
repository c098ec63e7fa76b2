"""The safetensors container: the public package reads what we write and we what it writes; every broken rule is
told."""

import json
import os

import numpy as np
import pytest

from npmoji import WeightsError
from npmoji.formats import read as read_weights
from npmoji.formats import safetensors as ours

METADATA = {"format": "a test", "odd": 'é\U0001f602 "\\\n\0 '}


def arrays():
    rng = np.random.default_rng(0)
    floats = rng.standard_normal((3, 5)).astype("<f4")
    return {
        "a/bytes": rng.integers(-127, 128, (3, 3)).astype(np.int8),  # 9 bytes: what follows would not be aligned
        "a/halves": floats.astype("<f2"),
        "floats": floats,
        "scalar": np.array(2.5),
        "none": np.zeros((0, 4), np.int64),
        "flags é": np.array([True, False, True]),
        "turned": np.arange(6, dtype=np.uint16).reshape(2, 3).T,
    }


def written(path, tensors=None, metadata=METADATA):
    with open(path, "wb") as file:
        ours.write(file, arrays() if tensors is None else tensors, metadata)
    return str(path)


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_the_public_package_reads_ours(tmp_path):
    public = pytest.importorskip("safetensors")
    with public.safe_open(written(tmp_path / "f"), framework="np") as file:
        assert file.metadata() == METADATA
        same({name: file.get_tensor(name) for name in file.keys()}, arrays())  # noqa: SIM118  (it is no dict)


def test_we_read_the_public_packages(tmp_path):
    public = pytest.importorskip("safetensors.numpy")
    path = str(tmp_path / "f")
    public.save_file({name: np.asarray(array, order="C") for name, array in arrays().items()}, path, metadata=METADATA)
    tensors, metadata = ours.read(path)
    same(tensors, arrays())
    assert metadata == METADATA
    public.save_file({"x": np.ones(3, np.float32)}, path)
    tensors, metadata = ours.read(path)
    assert metadata == {} and tensors["x"].tolist() == [1, 1, 1]


def test_arrays_lie_in_the_file_aligned_and_read_only(tmp_path):
    path = written(tmp_path / "f")
    tensors, _ = ours.read(path)
    same(tensors, arrays())
    for array in tensors.values():
        assert not array.flags.writeable and not array.flags.owndata and array.flags.aligned
    content = (tmp_path / "f").read_bytes()
    assert (8 + int.from_bytes(content[:8], "little")) % 64 == 0
    assert written(tmp_path / "g") and (tmp_path / "g").read_bytes() == content  # always the same bytes


def file_of(header, data=b"", length=None):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    return (len(content) if length is None else length).to_bytes(8, "little") + content + data


def entry(first, last, shape=None, dtype="I8"):
    return {"dtype": dtype, "shape": [last - first] if shape is None else shape, "data_offsets": [first, last]}


TWICE = b"{%b, %b}" % ((b'"a": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]}',) * 2)
BROKEN = {
    "nothing": (b"", "truncated"),
    "seven bytes": (b"\0" * 7, "truncated"),
    "only a length": (b"\2\0\0\0\0\0\0\0", "truncated.*length is 2, 0 bytes"),
    "length beyond the file": (file_of({}, length=9), "truncated.*length is 9, 8 bytes"),
    "length beyond the limit": (file_of({}, length=100_000_001), "100000001, 100000000 allowed"),
    "length of nonsense": (file_of({}, length=2**64 - 1), "length is 18446744073709551615"),
    "no brace": (file_of(b" {}"), "begin with {"),
    "no JSON": (file_of(b"{,}"), "not JSON"),
    "JSON and more": (file_of(b"{}{}"), "not JSON"),
    "no UTF-8": (file_of(b'{"\xff": 1}'), "not JSON"),
    "deep": (file_of(b'{"a":' * 100_000), "not JSON"),
    "a name twice": (file_of(TWICE, b"\0"), "'a' comes twice"),
    "metadata is a list": (file_of({"__metadata__": []}), "only texts"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}}), "only texts"),
    "no entry": (file_of({"a": 1}), "'a': expected dtype, shape and data_offsets"),
    "no shape": (file_of({"a": {"dtype": "I8", "data_offsets": [0, 1]}}, b"\0"), "'a': expected dtype"),
    "something more": (file_of({"a": entry(0, 1) | {"more": 1}}, b"\0"), "'a': expected dtype"),
    "unknown type": (file_of({"a": entry(0, 2, [2], "F8_E4M3")}, b"\0\0"), "'a' is of type 'F8_E4M3'"),
    "type of no text": (file_of({"a": entry(0, 1, dtype=["I8"])}, b"\0"), "'a' is of type"),
    "negative extent": (file_of({"a": entry(0, 1, [-1, -1])}, b"\0"), "'a' has shape"),
    "extent of a float": (file_of({"a": entry(0, 1, [1.0])}, b"\0"), "'a' has shape"),
    "extent of true": (file_of({"a": entry(0, 1, [True])}, b"\0"), "'a' has shape"),
    "one offset": (file_of({"a": {"dtype": "I8", "shape": [1], "data_offsets": [0]}}, b"\0"), "'a' has shape"),
    "offsets backwards": (file_of({"a": entry(1, 0, [])}, b"\0"), "'a': shape.*takes 1 bytes"),
    "shape too large": (file_of({"a": entry(0, 4, [2], "F32")}, b"\0" * 4), "takes 8 bytes, .* are 4 apart"),
    "shape too small": (file_of({"a": entry(0, 12, [2], "F32")}, b"\0" * 12), "takes 8 bytes, .* are 12 apart"),
    "vast and empty": (file_of({"a": entry(0, 0, [0, 2**62, 2**62])}), "'a'"),
    "many axes": (file_of({"a": entry(0, 1, [1] * 70)}, b"\0"), "'a'"),
    "overlap": (file_of({"a": entry(0, 4), "b": entry(2, 6)}, b"\0" * 6), "'b' overlaps.*begins at 2, expected 4"),
    "same place": (file_of({"a": entry(0, 4), "b": entry(0, 4)}, b"\0" * 4), "overlaps"),
    "gap": (file_of({"a": entry(0, 2), "b": entry(3, 6)}, b"\0" * 6), "'b' leaves a gap"),
    "gap at the front": (file_of({"a": entry(8, 16)}, b"\0" * 16), "'a' leaves a gap"),
    "truncated": (file_of({"a": entry(0, 4), "b": entry(4, 9)}, b"\0" * 8), "truncated: tensor 'b' ends at 9.* at 8"),
    "trailing bytes": (file_of({"a": entry(0, 4)}, b"\0" * 5), "1 bytes after the last tensor"),
    "not aligned": (file_of({"a": entry(0, 3), "b": entry(3, 11, [2], "F32")}, b"\0" * 11), "'b' is not aligned"),
}


@pytest.mark.parametrize("content, message", BROKEN.values(), ids=BROKEN.keys())
def test_broken_rules(tmp_path, content, message):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"broken.safetensors: .*{message}"):
        ours.read(str(path))
    with pytest.raises(WeightsError, match=r"broken.safetensors: "):
        read_weights(path)


def test_places_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    for name in ("missing.safetensors", "nul\0.safetensors", "pipe.safetensors", "."):
        with pytest.raises(WeightsError):
            ours.read(str(tmp_path / name))
        with pytest.raises(WeightsError):
            read_weights(str(tmp_path / name))


def test_a_file_of_somebody_elses(tmp_path):
    path = written(tmp_path / "theirs.bin")
    with pytest.raises(WeightsError, match=r"theirs.bin: a safetensors file of format 'a test', expected 'npmoji 1'"):
        read_weights(path)


def test_a_header_too_long_is_not_written(tmp_path):
    with pytest.raises(WeightsError, match="100000000"):
        written(tmp_path / "f", {}, {"long": "x" * 100_000_000})
