"""Models, layers and tokenizers that are pickled and copied: in this process, in spawned ones, by joblib and
scikit-learn."""

import copy
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
from conftest import DATA, ROOT

import npmoji
from npmoji import GRU, Dense, Embedding, Input, Model, NpmojiError, WeightsError, layers
from npmoji.export.convert import convert
from npmoji.graph import Graph
from npmoji.text.vocabulary import SPECIAL_WORDS

TEXTS = ["i love mom's cooking", "worst day ever !", ""]
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
ENGINES = ["auto", "numpy", "numba", "torch"]


def again(value, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(value, protocol))


def same(model, other):
    for name in ("predict", "encode", "attention"):
        np.testing.assert_array_equal(getattr(model, name)(TEXTS), getattr(other, name)(TEXTS))
    np.testing.assert_array_equal(model["bi_lstm_0"](TEXTS), other["bi_lstm_0"](TEXTS))


def in_new_process(code, folder, *arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code))
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def place(folder, tmp_path):
    """A folder of the test's own with the small model and its vocabulary."""
    return shutil.copytree(folder, tmp_path / "place")


# By source ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("embed", [False, True])
def test_a_model_pickles(place, engine, embed):
    if engine == "torch":
        pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    model = npmoji.load(place / "weights.hdf5", engine=engine, maxlen=12, threads=1, embed=embed)
    same(model, again(model))  # after a use, when there are packed weights
    fresh = npmoji.load(place / "weights.hdf5", engine=engine, maxlen=12, threads=1, embed=embed)
    assert len(pickle.dumps(fresh)) == len(pickle.dumps(model))  # nothing that an engine made is in it
    other = again(model)
    assert other.engine == engine and other.threads == 1 and other.tokenizer.maxlen == 12 and other.embed is embed
    assert (len(pickle.dumps(model)) < 2000) is not embed


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("embed", [False, True])
def test_every_protocol(place, protocol, embed):
    model = npmoji.load(place / "weights.hdf5", engine="numpy", embed=embed)
    same(model, again(model, protocol))
    same(model, again(again(model, protocol), protocol))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("embed", [False, True])
def test_converted_files(place, precision, embed):
    convert(place / "weights.hdf5", place / "w.safetensors", precision=precision)
    model = npmoji.load(place / "w.safetensors", engine="numba", embed=embed)
    other = again(model)
    assert other.precision == precision and other.references == model.references
    same(model, other)


def test_paths_are_made_absolute(place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    os.rename("vocabulary.json", "words.json")
    model = npmoji.load("weights.hdf5", vocabulary="words.json", engine="numpy")
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(model)
    monkeypatch.chdir(place.parent)
    same(model, pickle.loads(pickled))
    assert model.source["path"] == str(place / "weights.hdf5") and model.source["vocabulary"] == str(
        place / "words.json"
    )


def test_names_keep_their_meaning(place, monkeypatch, tmp_path):
    """ "original" is what was downloaded on the machine that loads the pickle."""
    for home in ("one", "two"):
        shutil.copytree(place, tmp_path / home / "original")
        os.rename(tmp_path / home / "original" / "weights.hdf5", tmp_path / home / "original" / "deepmoji_weights.hdf5")
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "one"))
    pickled = pickle.dumps(npmoji.load("original"))
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "two"))
    assert pickle.loads(pickled).path == str(tmp_path / "two" / "original" / "deepmoji_weights.hdf5")
    assert pickle.loads(pickle.dumps(npmoji.load())).source["path"] is None


def test_a_dict_of_words_goes_along(small, toy_vocabulary):
    words = dict(toy_vocabulary)
    model = npmoji.load(small[0], vocabulary=words, engine="numpy")
    wanted = model.predict(TEXTS)
    words.clear()  # the caller's
    np.testing.assert_array_equal(again(model).predict(TEXTS), wanted)


def test_settings_changed_since_go_along(place):
    model = npmoji.load(place / "weights.hdf5", engine="numpy")
    model.engine, model.threads = "numba", 3
    assert again(model).settings == {"engine": "numba", "precision": "fp32", "threads": 3, "device": "cpu"}


def test_another_network_with_a_config_beside(tmp_path):
    shutil.copytree(DATA / "keras" / "tf_keras_perceptron", tmp_path / "place")
    model = npmoji.load(tmp_path / "place" / "model.weights.h5")
    x = {layer.name: np.ones((2, *layer.shape), np.float32) for layer in model.graph.inputs}
    for embed in (False, True):
        model.embed = embed
        np.testing.assert_array_equal(again(model).predict(x), model.predict(x))
    config = json.loads((tmp_path / "place" / "config.json").read_text())
    os.unlink(tmp_path / "place" / "config.json")
    model = npmoji.load(tmp_path / "place" / "model.weights.h5", config=config)
    np.testing.assert_array_equal(again(model).predict(x), model.predict(x))


def test_a_file_that_is_not_there(place):
    pickled = pickle.dumps(npmoji.load(place / "weights.hdf5"))
    os.rename(place / "weights.hdf5", place / "elsewhere.hdf5")
    with pytest.raises(WeightsError, match=r"weights\.hdf5: cannot be read: No such file .* embed=True"):
        pickle.loads(pickled)


@pytest.mark.parametrize("what", ["weights.hdf5", "vocabulary.json"])
def test_a_file_that_is_another_one(place, what):
    pickled = pickle.dumps(npmoji.load(place / "weights.hdf5"))
    if what == "weights.hdf5":
        shutil.copy(place / what, place / "new")
        with h5py.File(place / "new", "r+") as file:  # of the same size and shapes
            file["bi_lstm_0"].visititems(
                lambda _, array: array.write_direct(array[()] * 2) if hasattr(array, "shape") else None
            )
    else:
        words = json.loads((place / what).read_text())
        (place / "new").write_text(json.dumps(dict(list(words.items())[:-3])))
    os.replace(place / "new", place / what)
    with pytest.raises(WeightsError, match=r"weights\.hdf5: not the weights or the vocabulary .* embed=True"):
        pickle.loads(pickled)


def test_a_copy_of_the_file_will_do(place):
    model = npmoji.load(place / "weights.hdf5", engine="numpy")
    pickled = pickle.dumps(model)
    content = (place / "weights.hdf5").read_bytes()
    os.unlink(place / "weights.hdf5")
    (place / "weights.hdf5").write_bytes(content)
    same(model, pickle.loads(pickled))


def test_a_file_written_to_is_not_pickled(place):
    for embed in (False, True):
        model = npmoji.load(place / "weights.hdf5", embed=embed)
        os.truncate(place / "weights.hdf5", 50_000)
        with pytest.raises(WeightsError, match="was truncated"):
            pickle.dumps(model)
        shutil.copy(DATA / "models" / "keras205_small" / "weights.hdf5", place / "weights.hdf5")


# By value -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_an_embedding_pickle_needs_no_file(place, engine):
    model = npmoji.load(place / "weights.hdf5", engine=engine, embed=True)
    same(model, model)
    pickled = pickle.dumps(model)
    wanted = model.predict(TEXTS)
    shutil.rmtree(place)
    other = pickle.loads(pickled)
    np.testing.assert_array_equal(other.predict(TEXTS), wanted)
    np.testing.assert_array_equal(again(other).predict(TEXTS), wanted)
    assert other.layers[-1].network is other and not other.files


def test_embedding_can_be_asked_for_later(place):
    model = npmoji.load(place / "weights.hdf5")
    model.embed = True
    wanted, pickled = model.predict(TEXTS), pickle.dumps(model)
    os.unlink(place / "weights.hdf5")
    np.testing.assert_array_equal(pickle.loads(pickled).predict(TEXTS), wanted)


def test_a_model_made_by_hand(small):
    ids = Input(20, "ids")
    table = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    kernel = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    x = Embedding(ids, table)
    y = Dense(x, kernel, None, activation="softmax")
    model = Model(Graph([ids, x, y], [y]), engine="numba")
    other = again(model)
    np.testing.assert_array_equal(other.predict([[1, 2]]), model.predict([[1, 2]]))
    assert model.source is None


# Copies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_need_no_file(place, copied, engine):
    model = npmoji.load(place / "weights.hdf5", engine=engine)
    wanted = model.predict(TEXTS)
    os.unlink(place / "weights.hdf5")
    other = copied(model)
    same(other, model)
    assert other.layers[-1].network is other and model.layers[-1].network is model
    model.close()
    np.testing.assert_array_equal(other.predict(TEXTS), wanted)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_shares_what_is_mapped(place, copied):
    model = npmoji.load(place / "weights.hdf5")
    other = copied(model)
    assert other["embedding"].embeddings is model["embedding"].embeddings
    os.utime(place / "weights.hdf5", ns=(0, 0))
    with pytest.raises(WeightsError, match="was written to"):
        other.predict(TEXTS)


def test_a_deep_copy_has_its_own_of_what_can_be_changed():
    ids = Input(20, "ids")
    table = np.ones((20, 4), np.float32)
    x = Embedding(ids, table, name="x")
    y = GRU(x, np.ones((4, 6), np.float32), np.ones((2, 6), np.float32), return_sequences=False, name="y")
    model = Model(Graph([ids, x, y], [y]), engine="numba")
    wanted = model.predict([[1, 2]])
    deep, shallow = copy.deepcopy(model), copy.copy(model)
    table[:], deep["y"].kernel[:] = 2, 3
    assert np.abs(deep.predict([[1, 2]]) - wanted).max() > 0.001  # nor has it the packed weights
    assert shallow["x"].embeddings is table and shallow["y"].kernel is model["y"].kernel
    assert deep["x"].made_from[0][1] is deep["x"].embeddings
    assert (model["y"].kernel == 1).all()


# One graph, two models ------------------------------------------------------------------------------------------------


def test_a_second_model_does_not_take_over_the_first_ones_layers(place):
    model = npmoji.load(place / "weights.hdf5", engine="numba")
    wanted = model["bi_lstm_1"](TEXTS)
    second = Model(model.graph, None, engine="numpy", precision="int8")
    assert model["bi_lstm_1"].network is model and second["bi_lstm_1"].network is second
    assert second.layers[-1] is not model.layers[-1] and second["embedding"].embeddings is model["embedding"].embeddings
    np.testing.assert_array_equal(model["bi_lstm_1"](TEXTS), wanted)
    with pytest.raises(NpmojiError, match="no vocabulary"):
        second["bi_lstm_1"](TEXTS)
    ids = model.tokenizer(TEXTS)
    assert 0 < np.abs(second["bi_lstm_1"](ids) - wanted).max() < 0.1
    np.testing.assert_allclose(second["softmax"](ids), second.predict(ids), atol=1e-5)
    assert [layer.name for layer in second.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("case", ["keras3_composed", "keras3_nested", "tf_keras_composed", "tf_keras_time_distributed"])
def test_copied_graphs_compute_the_same(case):
    path = next(path for path in (DATA / "keras" / case).iterdir() if path.suffix in (".h5", ".keras"))
    model = npmoji.load(path, engine="numpy")
    sizes = {layer.name: [5 if n is None else n for n in layer.shape or (None,)] for layer in model.graph.inputs}
    x = {name: np.ones((2, *size), np.int64) for name, size in sizes.items()}
    model.embed = True
    for other in (copy.copy(model), copy.deepcopy(model), again(model)):
        for one, two in zip(map(np.asarray, listed(model.predict(x))), map(np.asarray, listed(other.predict(x)))):
            np.testing.assert_array_equal(one, two)
        assert [layer.class_name for layer in other.layers] == [layer.class_name for layer in model.layers]


def listed(values):
    return values if isinstance(values, list) else [values]


# Layers ---------------------------------------------------------------------------------------------------------------


def chained():
    rng = np.random.default_rng(0)
    ids = Input(20)
    x = Embedding(ids, rng.standard_normal((20, 4)).astype(np.float32), name="table")
    half = [rng.standard_normal(shape).astype(np.float32) for shape in ((4, 12), (3, 12), (12,))]
    lstm = layers.Bidirectional(x, half, half, name="both")
    mean = layers.MaskedMean(layers.Concatenate(lstm, x))
    return [ids, x, lstm, Dense(mean, rng.standard_normal((10, 2)).astype(np.float32), None, activation="softmax")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_layers_made_by_hand_pickle_by_value(protocol, tmp_path):
    net = chained()
    wanted = net[-1](np.array([[1, 2, 0]]))
    other = again(net, protocol)
    np.testing.assert_array_equal(other[-1](np.array([[1, 2, 0]])), wanted)
    assert other[2].previous[0] is other[1]  # each layer once
    assert other[-1].class_name == "Dense" and repr(other) == repr(net)
    npmoji.save_layers(tmp_path / "net.npz", other[-1])
    np.testing.assert_array_equal(npmoji.load_layers(tmp_path / "net.npz")[-1](np.array([[1, 2, 0]])), wanted)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_layers_made_by_hand_can_be_copied(copied):
    net = chained()
    other = copied(net[-1])
    np.testing.assert_array_equal(other(np.array([[1, 2, 0]])), net[-1](np.array([[1, 2, 0]])))
    linear = copied(Dense(net[2], np.ones((6, 2), np.float32), None))  # which is the layer of its own logits
    assert linear.logits is linear and linear(np.array([[1, 2]])).shape == (1, 2, 2)


def test_a_models_layer_pickles_as_a_layer_of_that_model(place):
    model = npmoji.load(place / "weights.hdf5", engine="numba")
    layer = again(model["bi_lstm_0"])
    np.testing.assert_array_equal(layer(TEXTS), model["bi_lstm_0"](TEXTS))  # texts, and the engine's bits
    other, layer = again([model, model.layers[-1]])
    assert layer is other.layers[-1]
    np.testing.assert_array_equal(again(model.encode)(TEXTS), model.encode(TEXTS))


def test_a_layer_on_top_of_a_models_layer(place):
    model = npmoji.load(place / "weights.hdf5", engine="numpy")
    top = Dense(model["attlayer"], np.ones((model.features, 1), np.float32), None)
    np.testing.assert_array_equal(again(top)(np.array([[1, 2]])), top(np.array([[1, 2]])))


def test_a_layer_by_hand_stays_with_the_reference():
    net = chained()
    assert net[-1].network is None
    model = Model(Graph(net, net[-1:]), engine="numba")
    np.testing.assert_array_equal(net[-1](np.array([[1, 2]])), model.predict([[1, 2]]))


# Tokenizers, ensembles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compat", ["deepmoji", "torchmoji"])
def test_a_tokenizer_pickles(folder, compat):
    tokenizer = npmoji.Tokenizer(folder / "vocabulary.json", maxlen=7, compat=compat)
    before = len(pickle.dumps(tokenizer))
    wanted = tokenizer(TEXTS)
    assert len(pickle.dumps(tokenizer)) == before  # the words met so far are not in it
    for other in (again(tokenizer), copy.deepcopy(tokenizer), copy.copy(tokenizer)):
        np.testing.assert_array_equal(other(TEXTS), wanted)
        assert repr(other) == repr(tokenizer)


def test_a_large_vocabulary_is_not_parsed_for_a_pickle(tmp_path):
    letters = "abcdefghij"
    words = [
        *SPECIAL_WORDS,
        *(a + b + c + d + e for a in letters for b in letters for c in letters for d in letters for e in "xyz"),
    ]
    (tmp_path / "v.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    tokenizer = again(npmoji.Tokenizer(tmp_path / "v.json"))
    assert tokenizer._vocabulary._words is None
    assert tokenizer.ids("hijaz") == [words.index("hijaz")] and len(tokenizer.vocabulary) == 30_010


def test_an_ensemble_pickles(place):
    ensemble = npmoji.Ensemble([place / "weights.hdf5"] * 2, engine="numpy")
    np.testing.assert_array_equal(again(ensemble).predict(TEXTS), ensemble.predict(TEXTS))


def test_errors_pickle():
    error = again(WeightsError("x" * 10_000))
    assert str(error) == str(WeightsError("x" * 10_000)) and type(error) is WeightsError


# Pools, joblib, scikit-learn ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("embed", [False, True])
def test_a_pool_of_spawned_processes(place, tmp_path, embed):
    code = """
        import multiprocessing, sys
        import numpy as np, npmoji

        if __name__ == "__main__":
            model = npmoji.load(sys.argv[1], engine="numpy", embed=sys.argv[2] == "True")
            texts = ["i love this", "worst day"]
            model.predict(texts)
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                results = pool.map(model.predict, [[text] for text in texts])
                layer, = pool.map(model["bi_lstm_0"], [texts[:1]])
            print(all(np.array_equal(p, model.predict([text])) for p, text in zip(results, texts)))
            print(np.array_equal(layer, model["bi_lstm_0"](texts[:1])))
    """
    assert in_new_process(code, tmp_path, place / "weights.hdf5", embed) == "True\nTrue\n"


@pytest.mark.parametrize("embed", [False, True])
def test_joblib(place, tmp_path, embed):
    joblib = pytest.importorskip("joblib", reason="needs joblib")
    model = npmoji.load(place / "weights.hdf5", engine="numpy", embed=embed)
    joblib.dump(model, tmp_path / "model.joblib")
    same(model, joblib.load(tmp_path / "model.joblib"))
    joblib.dump(model, tmp_path / "packed.joblib", compress=3)
    same(model, joblib.load(tmp_path / "packed.joblib"))


def test_scikit_learn(place, tmp_path):
    sklearn = pytest.importorskip("sklearn", reason="needs scikit-learn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = npmoji.load(place / "weights.hdf5", engine="numpy")
    pipeline = make_pipeline(FunctionTransformer(model.encode), LogisticRegression(max_iter=20))
    texts = ["i love this", "worst day ever", "love", "worst"]
    pipeline.fit(texts, [1, 0, 1, 0])
    wanted = pipeline.predict_proba(texts)
    np.testing.assert_array_equal(again(pipeline).predict_proba(texts), wanted)
    cloned = sklearn.base.clone(pipeline).fit(texts, [1, 0, 1, 0])
    np.testing.assert_array_equal(cloned.predict_proba(texts), wanted)


def test_out_of_band_buffers(place):
    """Protocol 5 hands arrays over without copying them."""
    model = npmoji.load(place / "weights.hdf5", engine="numba", embed=True)
    buffers = []
    pickled = pickle.dumps(model, 5, buffer_callback=buffers.append)
    assert len(buffers) >= 10
    same(model, pickle.loads(pickled, buffers=buffers))


def test_nothing_but_loading_is_in_a_pickle(place):
    """A pickle by source names one function of npmoji's to call, and `load`."""
    import pickletools

    pickled = pickle.dumps(npmoji.load(place / "weights.hdf5"), 2)
    named = [text for code, text, _ in pickletools.genops(io.BytesIO(pickled)) if code.name == "GLOBAL"]
    assert named == ["npmoji.pickling reloaded", "npmoji.loading load"]
