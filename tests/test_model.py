"""The Python contract: what `load` takes, what a `Model` gives, and what both refuse."""

import itertools
import json
import mmap
import shutil
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest

import npmoji
from npmoji import EMOJIS, InputError, Prediction, VocabularyError

TEXTS = ["I love mom's cooking", "", "this is the worst day ever !", "lol", "so tired . bed", "i " * 40]
LAYERS = ["input", "embedding", "activation", "bi_lstm_0", "bi_lstm_1", "concatenate", "attlayer", "softmax"]


def read_layers(path):
    """{layer: [arrays]} of a Keras weights file, in its order."""
    with h5py.File(path) as f:
        return {
            name.decode(): [f[name][weight][()] for weight in f[name].attrs["weight_names"]]
            for name in f.attrs["layer_names"]
        }


def write_layers(path, layers):
    """The reverse, as Keras 2.0 writes it."""
    with h5py.File(path, "w") as f:
        f.attrs["layer_names"] = np.array([name.encode() for name in layers])
        f.attrs["keras_version"] = b"2.0.5"
        for name, arrays in layers.items():
            group = f.create_group(name)
            names = [f"{name}/weight_{i}".encode() for i in range(len(arrays))]
            group.attrs["weight_names"] = np.array(names) if names else np.array([], float)
            for weight, array in zip(names, arrays):
                group[weight.decode()] = array
    return path


@pytest.fixture(scope="module")
def model(small, toy_vocabulary):
    return npmoji.load(small[0], vocabulary=toy_vocabulary, engine="numpy")


@pytest.fixture(scope="module")
def tokens(small):
    return small[1]["tokens"]


# What load takes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["beside", "path", "str path", "dict"])
def test_a_vocabulary_is_found_or_given(small, toy_vocabulary, tmp_path, how):
    weights = shutil.copy(small[0], tmp_path / "weights.hdf5")
    place = tmp_path / ("vocabulary.json" if how == "beside" else "other.json")
    place.write_text(json.dumps(toy_vocabulary))
    given = {"beside": None, "path": place, "str path": str(place), "dict": toy_vocabulary}[how]
    model = npmoji.load(str(weights), vocabulary=given, maxlen=7)
    assert model.tokenizer.vocabulary == toy_vocabulary
    assert model.attention(["i love bed"]).shape == (1, 7)
    assert model.tokenizer.ids("i love bed") == [toy_vocabulary[word] for word in ("i", "love", "bed")]


def test_the_vocabulary_given_wins_over_the_one_beside(small, toy_vocabulary, tmp_path):
    weights = shutil.copy(small[0], tmp_path / "weights.hdf5")
    (tmp_path / "vocabulary.json").write_text("{}")  # would be an error
    assert npmoji.load(weights, vocabulary=toy_vocabulary).tokenizer.vocabulary == toy_vocabulary


def test_without_a_vocabulary_token_ids_only(small, tokens):
    model = npmoji.load(small[0])
    assert model.tokenizer is None
    assert model.predict(tokens).shape == (len(tokens), 64)
    assert model.predict([]).shape == (0, 64)
    with pytest.raises(VocabularyError, match=r"weights\.hdf5.* no vocabulary .*vocabulary='vocabulary\.json'"):
        model.predict(["a text"])


def test_a_vocabulary_with_ids_the_embedding_lacks_is_refused(small, toy_vocabulary):
    with pytest.raises(VocabularyError, match=r"weights\.hdf5: 'beyond' has id 400.* ends at 399"):
        npmoji.load(small[0], vocabulary=toy_vocabulary | {"last": 399, "beyond": 400})
    assert npmoji.load(small[0], vocabulary=toy_vocabulary | {"last": 399}).predict(["last"]).shape == (1, 64)


@pytest.mark.parametrize(
    "setting, words",
    [
        ({"engine": "tensorflow"}, ("engine 'tensorflow'", "numpy", "numba", "auto")),
        ({"engine": None}, ("engine None",)),
        ({"precision": "fp8"}, ("precision 'fp8'", "fp32")),
        ({"threads": 0}, ("threads 0", "at least 1")),
        ({"threads": True}, ("threads True",)),
        ({"threads": 1.5}, ("threads 1.5",)),
        ({"maxlen": 0}, ("maxlen", "0")),
        ({"maxlen": "30"}, ("maxlen", "'30'")),
    ],
)
def test_wrong_settings_are_input_errors(small, toy_vocabulary, setting, words):
    with pytest.raises(InputError) as error:
        npmoji.load(small[0], vocabulary=toy_vocabulary, **setting)
    assert all(word in str(error.value) for word in words), error.value


def test_arrays_are_views_of_the_mapped_file(model):
    for layer in model.layers:
        for name, array in layer.weights().items():
            base = array
            while not isinstance(base, mmap.mmap):
                base = base.obj if isinstance(base, memoryview) else base.base
                assert base is not None, f"{layer.name}/{name} is a copy"
            assert not array.flags.writeable, name


def test_the_bundled_model_is_the_default():
    model = npmoji.load()
    assert (model.classes, len(model.tokenizer.vocabulary) <= model.vocabulary_size) == (64, True)
    assert [p.emoji in EMOJIS for p in model.top(["I love mom's cooking"])[0]] == [True] * 5
    np.testing.assert_allclose(model.predict(TEXTS).sum(axis=1), 1, atol=1e-5)


# What a model gives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [tuple, iter, np.array, lambda x: np.array(x, object), lambda x: (t for t in x)])
def test_texts_come_in_any_collection(model, kind):
    ids = model.tokenizer(TEXTS)
    for method in (model.predict, model.encode, model.attention):
        wanted = method(ids)
        assert wanted.dtype == np.float32 and len(wanted) == len(TEXTS)
        np.testing.assert_array_equal(method(TEXTS), wanted)
        np.testing.assert_array_equal(method(kind(TEXTS)), wanted)
    assert model.top(kind(TEXTS), k=2) == model.top(ids, k=2)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64, np.uint64, ">i4"])
def test_token_ids_come_in_any_integer_type(model, tokens, dtype):
    wanted = model.predict(tokens)
    np.testing.assert_array_equal(model.predict(tokens.astype(dtype)), wanted)
    np.testing.assert_array_equal(model.predict(np.asfortranarray(tokens.astype(dtype))), wanted)
    np.testing.assert_array_equal(model.predict(tokens.tolist()), wanted)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("nothing, T", [([], 30), ((), 30), (np.zeros((0, 4), int), 4), (np.zeros((0, 9)), 9)])
def test_no_texts_give_empty_arrays_of_the_right_width(small, toy_vocabulary, engine, nothing, T):
    model = npmoji.load(small[0], vocabulary=toy_vocabulary, engine=engine)
    outputs = model.predict(nothing), model.encode(nothing), model.attention(nothing)
    assert [out.shape for out in outputs] == [(0, 64), (0, 96), (0, T)]
    assert {out.dtype for out in outputs} == {np.dtype(np.float32)}
    assert model.top(nothing) == []


@pytest.mark.parametrize("engine", ["numpy", "numba", "auto"])
@pytest.mark.parametrize("T", [1, 2, 100])
def test_any_number_of_steps(small, model, engine, T):
    ids = np.random.default_rng(T).integers(0, 400, (5, T))
    ids[0] = 0
    other = npmoji.load(small[0], engine=engine)
    for method in ("predict", "encode", "attention"):
        np.testing.assert_allclose(getattr(other, method)(ids), getattr(model, method)(ids), rtol=0, atol=2e-6)
    assert other.attention(ids).shape == (5, T) and other.encode(ids).shape == (5, 96)
    np.testing.assert_array_equal(other.attention(ids)[ids == 0], 0)
    np.testing.assert_allclose(other["bi_lstm_1"](ids), model["bi_lstm_1"](ids), rtol=0, atol=2e-6)
    np.testing.assert_allclose(other.layers[-1](ids), other.predict(ids), rtol=0, atol=2e-6)


def test_a_text_without_words_is_all_padding(model):
    zeros = np.zeros((1, 30), int)
    for method in (model.predict, model.encode, model.attention):
        np.testing.assert_array_equal(method([" \n\t "]), method(zeros))
    np.testing.assert_array_equal(model.encode([""]), 0)


def test_top_is_best_first(model):
    probabilities = model.predict(TEXTS)
    for k in (1, 5, np.int64(64), 1000):
        for row, predictions in zip(probabilities, model.top(TEXTS, k), strict=True):
            assert len(predictions) == min(k, 64)
            assert [p.probability for p in predictions] == sorted(map(float, row), reverse=True)[:k]
            assert all(p == Prediction(p.id, EMOJIS[p.id], float(row[p.id]), EMOJIS[p.id]) for p in predictions)
            assert type(predictions[0].id) is int and type(predictions[0].probability) is float


def test_equal_probabilities_are_ordered_by_id(small, tmp_path):
    layers = read_layers(small[0])
    layers["softmax"] = [np.zeros((96, 64), np.float32), np.repeat(np.float32([0, 1]), 32)]
    model = npmoji.load(write_layers(tmp_path / "ties.hdf5", layers))
    assert [p.id for p in model.top(np.array([[5, 6]]), k=34)[0]] == [*range(32, 64), 0, 1]


@pytest.mark.parametrize("k", [0, -1, 2.0, "5", None, True])
def test_a_wrong_k_is_an_input_error(model, k):
    with pytest.raises(InputError, match="k .*at least 1"):
        model.top(TEXTS, k)


def test_layers_are_in_graph_order_and_go_by_name(model, tokens):
    assert [layer.name for layer in model.layers] == LAYERS
    np.testing.assert_array_equal(model.layers[0](tokens), tokens)
    np.testing.assert_array_equal(model.layers[-3](tokens), np.concatenate(
        [model[name](tokens) for name in ("bi_lstm_1", "bi_lstm_0", "activation")], axis=-1))  # fmt: skip
    assert all(model[name] is layer for name, layer in zip(LAYERS, model.layers))
    assert model["activation_1"] is model["activation"] and model["concatenate_1"] is model["concatenate"]
    assert model["bi_lstm_0"] is not model["bi_lstm_1"]
    assert model["bi_lstm_0"](tokens).shape == (*tokens.shape, 40)
    assert {model[name](tokens).shape for name in ("attention_logits", "attention")} == {tokens.shape}
    with pytest.raises(KeyError, match="no layer 'bi_lstm_2'; there are: input, .*bi_lstm_1, .*softmax"):
        model["bi_lstm_2"]


@pytest.mark.parametrize("call", ["predict", "layer"])
def test_skip_connections_are_computed_once(small, tokens, monkeypatch, call):
    model = npmoji.load(small[0], engine="numpy")
    calls = []
    for layer in model.layers:
        forward = layer.forward
        monkeypatch.setattr(
            layer, "forward", lambda *a, _f=forward, _n=layer.name, **k: (calls.append(_n), _f(*a, **k))[1]
        )
    model.predict(tokens) if call == "predict" else model.layers[-1](tokens)
    assert calls == LAYERS


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_threads_may_share_a_model(small, toy_vocabulary, tokens, engine):
    model = npmoji.load(small[0], vocabulary=toy_vocabulary, engine=engine)
    parts = [np.roll(tokens, i, axis=1)[i : i + 9] for i in range(16)]
    with ThreadPoolExecutor(8) as pool:  # first, while weights are still being packed and kernels compiled
        together = list(pool.map(model.predict, parts))
        texts = list(pool.map(model.predict, [TEXTS] * 16))
    for part, probabilities in zip(parts, together):
        np.testing.assert_array_equal(probabilities, model.predict(part))
    for probabilities in texts:
        np.testing.assert_array_equal(probabilities, model.predict(TEXTS))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_two_class_transfer_model_ends_in_a_sigmoid(small, tmp_path, tokens, engine):
    layers = read_layers(small[0])
    kernel, bias = layers["softmax"]
    layers["softmax"] = [kernel[:, 3:4], bias[3:4]]
    model = npmoji.load(write_layers(tmp_path / "two.hdf5", layers), engine=engine)
    logits = model.encode(tokens).astype(float) @ kernel[:, 3:4] + bias[3]
    np.testing.assert_allclose(model.predict(tokens), 1 / (1 + np.exp(-logits)), rtol=0, atol=2e-6)
    assert model.predict(tokens).shape == (len(tokens), 1)
    assert model.predict(tokens[:0]).shape == (0, 1)
    (only,) = model.top(tokens[:1], k=5)[0]
    assert (only.id, only.emoji) == (0, "")


def test_stream_takes_no_more_than_it_needs(small, toy_vocabulary):
    model = npmoji.load(small[0], vocabulary=toy_vocabulary, engine="numpy")
    read = []

    def endless():
        for text in itertools.cycle(["i love mom's cooking", "", "lol"]):
            read.append(text)
            yield text

    rows = list(itertools.islice(model.stream(endless(), block=10), 25))
    assert len(read) == 30
    np.testing.assert_allclose(rows, model.predict(read[:25]), rtol=0, atol=1e-6)
    with pytest.raises(npmoji.InputError, match="one str"):
        next(model.stream("text"))
