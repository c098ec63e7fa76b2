"""Bad weights, vocabularies, ids and texts: each gives the one clear error, in Python and on the command line."""

import io
import json
import re
import shutil
import sys

import h5py
import numpy as np
import pytest
from test_cli import run
from test_model import read_layers, write_layers

import npmoji
from npmoji import InputError, VocabularyError, WeightsError

WEIGHTED = ("embedding", "bi_lstm_0", "bi_lstm_1", "attlayer", "softmax")


@pytest.fixture
def weights(small, toy_vocabulary, tmp_path):
    """A copy of the small model in a folder of its own, which every test may spoil."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "vocabulary.json").write_text(json.dumps(toy_vocabulary))
    return shutil.copy(small[0], tmp_path / "model" / "weights.hdf5")


@pytest.fixture
def model(weights):
    return npmoji.load(weights, engine="numpy")


@pytest.fixture
def refused(capfd, tmp_path):
    """Run a command that has to fail: exit code 2, one line on standard error with these words, nothing else
    anywhere."""

    def check(*arguments, words=()):
        before = sorted(tmp_path.rglob("*"))
        assert run(*arguments) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert re.fullmatch(r"npmoji: error: [^\n]+\n", err), err
        assert all(word in err for word in words), err
        assert sorted(tmp_path.rglob("*")) == before

    return check


# Weights -------------------------------------------------------------------------------------------------------------


def cut(fraction):
    def spoil(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * fraction)])

    return spoil


def directory(path):
    path.unlink()
    path.mkdir()


def without_attribute(name):
    def spoil(path):
        with h5py.File(path, "r+") as f:
            del (f if name in f.attrs else f["bi_lstm_0"]).attrs[name]

    return spoil


def without_dataset(path):
    with h5py.File(path, "r+") as f:
        del f["softmax/softmax/kernel"]


FILES = {
    "missing": (lambda path: path.unlink(), ["No such file"]),
    "directory": (directory, ["directory"]),
    "empty": (lambda path: path.write_bytes(b""), ["empty"]),
    "text": (lambda path: path.write_text("CUSTOM_MASK\n" * 100), ["HDF5"]),
    "signature only": (cut(8 / 142_184), []),
    "first half": (cut(0.5), []),
    "last byte gone": (cut(142_183 / 142_184), []),
    "not Keras": (without_attribute("layer_names"), ["layer_names"]),
    "no weight_names": (without_attribute("weight_names"), ["weight_names"]),
    "no dataset": (without_dataset, ["softmax"]),
}


@pytest.mark.parametrize("spoil, words", FILES.values(), ids=FILES)
def test_files_that_are_no_weights(weights, refused, tmp_path, spoil, words):
    spoil(weights)
    with pytest.raises(WeightsError) as error:
        npmoji.load(weights)
    assert all(word in str(error.value) for word in (str(weights), *words)), error.value
    output = tmp_path / "out.csv"
    refused("score", "hello", "--weights", weights, "--format", "csv", "-o", output, words=(str(weights), *words))


def replaced(layer, index, change):
    """A function that changes one array of the network."""

    def spoil(layers):
        layers[layer][index] = change(layers[layer][index])

    return spoil


def with_value(value):
    def change(array):
        array = array.copy()
        array.flat[-1] = value
        return array

    return change


def without(name):
    def spoil(layers):
        del layers[name]

    return spoil


def short(name):
    def spoil(layers):
        del layers[name][-1]

    return spoil


def reordered(*names):
    return lambda layers: {name: layers[name] for name in names}


NETWORKS = {
    # wrong shapes
    "embedding of rank 1": (replaced("embedding", 0, np.ravel), ["'embedding'", "(6400,)"]),
    "embedding without rows": (replaced("embedding", 0, lambda a: a[:0]), ["'embedding'", "(0, 16)"]),
    "embedding too wide": (replaced("embedding", 0, lambda a: np.hstack([a, a])), ["bi_lstm_0", "(16, 80)", "32"]),
    "kernel transposed": (replaced("bi_lstm_0", 0, np.transpose), ["bi_lstm_0", "(80, 16)"]),
    "recurrent kernel cut": (replaced("bi_lstm_0", 1, lambda a: a[:19]), ["bi_lstm_0", "(16, 80)", "76"]),
    "bias cut": (replaced("bi_lstm_0", 2, lambda a: a[:-1]), ["bi_lstm_0/forward", "(79,)", "(80)"]),
    "backward bias of rank 2": (replaced("bi_lstm_0", 5, lambda a: a[None]), ["bi_lstm_0/backward", "(1, 80)", "(80)"]),
    "other input": (replaced("bi_lstm_1", 0, lambda a: a[1:]), ["bi_lstm_1", "(39, 80)", "(40, 80)"]),
    "other units": (replaced("bi_lstm_1", 4, lambda a: a[:, :40]), ["bi_lstm_1", "(20, 40)", "(20, 80)"]),
    "attention cut": (replaced("attlayer", 0, lambda a: a[:-1]), ["attlayer", "(95, 1)", "(96, 1)"]),
    "attention of rank 1": (replaced("attlayer", 0, np.ravel), ["attention_logits", "(96,)"]),
    "softmax kernel cut": (replaced("softmax", 0, lambda a: a[:-1]), ["softmax", "(95, 64)", "(96, 64)"]),
    "softmax without classes": (replaced("softmax", 0, lambda a: a[:, :0]), ["(96, 0)"]),
    "softmax bias cut": (replaced("softmax", 1, lambda a: a[:-1]), ["(63,)", "(64)"]),
    "scalar": (replaced("softmax", 1, lambda a: a[0]), ["()", "(64)"]),
    # wrong layers
    **{f"{name} missing": (without(name), ["missing", name]) for name in WEIGHTED if name != "softmax"},
    "dense added": (lambda layers: layers.update(dense_9=layers["softmax"]), ["unexpected", "'dense_9'"]),
    # wrong number of arrays
    **{f"{name} short": (short(name), [name]) for name in WEIGHTED},
    **{f"{name} and one": (lambda layers, name=name: layers[name].append(layers[name][0]), [name, "arrays, expected"])
        for name in WEIGHTED},
    # wrong values
    **{f"{name} {value}": (replaced(name, -1, with_value(value)), [f"'{name}'", "NaN or infinite"])
        for name in WEIGHTED for value in (np.nan, np.inf, -np.inf)},
    **{f"{name} of integers": (replaced(name, 0, lambda a: a.astype(np.int32)), [f"'{name}'", "float32"])
        for name in WEIGHTED},
}  # fmt: skip


@pytest.mark.parametrize("spoil, words", NETWORKS.values(), ids=NETWORKS)
def test_networks_that_are_not_deepmoji(weights, tmp_path, spoil, words):
    layers = read_layers(weights)
    bad = write_layers(tmp_path / "bad.hdf5", spoil(layers) or layers)
    with pytest.raises(WeightsError) as error:
        npmoji.load(bad)
    assert all(word in str(error.value) for word in (str(bad), *words)), error.value
    assert "\n" not in str(error.value)


def test_the_order_of_the_layers_in_a_file_does_not_matter(weights, tmp_path, small):
    path = write_layers(tmp_path / "reversed.hdf5", reordered(*reversed(WEIGHTED))(read_layers(weights)))
    tokens = small[1]["tokens"]
    np.testing.assert_array_equal(npmoji.load(path).predict(tokens), npmoji.load(weights).predict(tokens))


def test_the_same_network_unspoilt_is_fine(weights, tmp_path, small):
    """What the tests above write is refused for what was spoilt, not for how it was written."""
    model = npmoji.load(write_layers(tmp_path / "good.hdf5", read_layers(weights)))
    np.testing.assert_allclose(model.predict(small[1]["tokens"]), small[1]["probs"], rtol=0, atol=2e-6)


def test_large_finite_weights_are_fine(weights, tmp_path):
    layers = read_layers(weights)
    layers["softmax"][1][0] = 1e30  # its square is not finite in float32
    assert npmoji.load(write_layers(tmp_path / "large.hdf5", layers)).predict(np.array([[11]]))[0, 0] == 1


# Vocabularies --------------------------------------------------------------------------------------------------------

VOCABULARIES = {
    "empty": ("", ["empty"]),
    "not JSON": ("{'i': 10}", ["not JSON"]),
    "not UTF-8": (b'{"\xff": 10}', ["not JSON"]),
    "a list": ('["i", "love"]', ["list"]),
    "a nest": ("[" * 100_000, ["not JSON"]),
    "text ids": (lambda v: v | {"love": "11"}, ["'love'", "'11'"]),
    "fractional ids": (lambda v: v | {"love": 11.5}, ["'love'", "11.5"]),
    "boolean ids": (lambda v: v | {"love": True}, ["'love'", "True"]),
    "negative ids": (lambda v: v | {"love": -1}, ["'love'", "-1"]),
    "huge ids": (lambda v: v | {"love": 10**30}, ["'love'"]),
    "shared ids": (lambda v: v | {"love": 12}, ["'love'", "12"]),
    "too small": (lambda v: {"i": 10}, ["CUSTOM_MASK"]),
    "of another model": (lambda v: v | {"word": 400}, ["'word'", "400", "399", "weights.hdf5"]),
}


@pytest.mark.parametrize("content, words", VOCABULARIES.values(), ids=VOCABULARIES)
def test_bad_vocabularies(weights, toy_vocabulary, refused, content, words):
    path = weights.with_name("other.json")
    content = json.dumps(content(toy_vocabulary)) if callable(content) else content
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(VocabularyError) as error:
        npmoji.load(weights, vocabulary=path)
    assert all(word in str(error.value) for word in words), error.value
    assert str(path) in str(error.value) or "weights.hdf5" in str(error.value)
    refused("score", "hello", "--weights", weights, "--vocabulary", path, words=words)
    path.replace(weights.with_name("vocabulary.json"))
    refused("score", "hello", "--weights", weights, words=words)


@pytest.mark.parametrize("place", ["missing.json", "", "weights.hdf5"])
def test_vocabularies_that_are_no_files(weights, refused, place):
    path = weights.parent / place
    with pytest.raises(VocabularyError, match=re.escape(str(path))):
        npmoji.load(weights, vocabulary=path)
    refused("encode", "hello", "--weights", weights, "--vocabulary", path, "-o", weights.with_name("o.npy"))


@pytest.mark.parametrize("vocabulary", [5, ["i"], {"i": 10}, {1: "i"}])
def test_vocabularies_of_the_wrong_kind(weights, vocabulary):
    with pytest.raises(VocabularyError):
        npmoji.load(weights, vocabulary=vocabulary)


def test_texts_for_weights_without_vocabulary(weights, refused):
    weights.with_name("vocabulary.json").unlink()
    refused("score", "hello", "--weights", weights, words=(str(weights), "no vocabulary", "vocabulary.json"))


# Ids and texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x, words",
    [
        (np.array([[1, 2], [400, 3]]), ("row 1, step 0", "400", "0 to 399")),
        (np.array([[1, -1]]), ("row 0, step 1", "-1")),
        (np.array([[1], [2**64 - 1]], np.uint64), ("row 1", str(2**64 - 1))),
        ([[1, 2], [-3, 4]], ("row 1, step 0", "-3")),
        (np.array([1, 2]), ("(N, T)", "(2,)", "x[None]")),
        (np.zeros((2, 3, 4), int), ("(2, 3, 4)",)),
        (np.array(5), ("()",)),
        (np.zeros((2, 0), int), ("(2, 0)",)),
        (np.ones((2, 3)), ("integers", "float64")),
        (np.ones((2, 3), bool), ("integers", "bool")),
        (np.array([["a", "b"]]), ("(N,)", "(1, 2)", "x[:, 0]")),
        (np.array([b"a"]), ("decode", "|S1")),
        ([[1, 2], [3]], ("row 1", "2 token ids", "1 ids")),
        ([[1, 2], [3, None]], ("missing value at row 1", "ids")),
        ([[1, 2], "a"], ("row",)),
        ([1, 2], ("row 0 is int", "(N, T)")),
        ("I love mom's cooking", ("one str", "[text]")),
        (b"bytes", ("one bytes",)),
        (None, ("NoneType",)),
        (5, ("int",)),
        ([b"bytes"], ("row 0 is bytes", "decode")),
        (["a", None], ("missing value at row 1", "None")),
        (["a", [1, 2]], ("row 1 is list",)),
        (["a", 5], ("row 1 is int, expected a string",)),
        (["a", np.nan], ("missing value at row 1", "nan")),
    ],
    ids=str,
)
def test_what_is_neither_texts_nor_ids(model, x, words):
    for method in (model.predict, model.encode, model.attention, model.top):
        with pytest.raises(InputError) as error:
            method(x)
        assert all(word in str(error.value) for word in words), error.value


def test_lone_surrogates_are_text_like_any_other(model, weights, capfd, tmp_path):
    texts = ["love \ud83d bed", "\udcff", "\ude0d\ud83d"]
    np.testing.assert_allclose(model.predict(texts).sum(axis=1), 1, atol=1e-5)
    (tmp_path / "surrogates.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    for source in (texts, ["-i", tmp_path / "surrogates.jsonl"]):
        for form in ("text", "csv", "jsonl"):
            assert run("score", *source, "--weights", weights, "--format", form) == 0
        lines = capfd.readouterr().out.splitlines()[-3:]
        assert [json.loads(line)["text"] for line in lines] == texts


@pytest.mark.parametrize("kind", ["letters", "words", "marks", "non-ascii"])
def test_ten_megabytes_on_one_line(model, weights, capfd, monkeypatch, kind):
    piece = {"letters": "a", "words": "love ", "marks": "!?", "non-ascii": "éш"}[kind]
    text = piece * (10_000_000 // len(piece.encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode() + b"\nlove\n")))
    assert run("score", "--weights", weights, "--format", "jsonl", "--top", 1) == 0
    results = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [result["text"] for result in results] == [text, "love"]
    wanted = model.top([text[:1000], "love"], 1)  # the first 30 tokens count, and stretched ones are shortened
    assert [result["emojis"][0]["id"] for result in results] == [top[0].id for top in wanted]
