"""Another last layer on networks other than DeepMoji, in each dialect of Keras' configs."""

import copy
import json

import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji.checks.verify import verify
from npmoji.errors import InputError
from npmoji.formats import Contents
from npmoji.learn import heads
from npmoji.loading import build
from npmoji.model import Model

V, E, T, H = 30, 6, 5, 4  # words, features, steps, units of the hidden layer
NAMES = ["x", "y", "z"]
DIALECTS = {"keras2": "2.0.5", "tf_keras": "2.15.0", "keras3": "3.3.0"}


def layer(dialect, kind, name, *before, calls=None, **settings):
    """A layer's entry in a config of that dialect."""
    entry = {"class_name": kind, "config": {"name": name, "trainable": True, **settings}, "name": name}
    calls = ([before] if before else []) if calls is None else calls
    if dialect == "keras3":
        entry |= {"module": "keras.layers", "registered_name": None}
        tensors = [
            [{"class_name": "__keras_tensor__", "config": {"keras_history": [*ref]}} for ref in c] for c in calls
        ]
        entry["inbound_nodes"] = [{"args": t if len(t) == 1 else [t], "kwargs": {}} for t in tensors]
    else:
        entry["inbound_nodes"] = [[[*ref, {}] for ref in call] for call in calls]
    return entry


def model_of(dialect, entries, inputs, outputs, arrays):
    """A Functional model of these layers."""
    ends = [[[name, 0, 0] for name in names] for names in (inputs, outputs)]
    config = {"name": "model", "layers": entries, "input_layers": ends[0], "output_layers": ends[1]}
    config = {"class_name": "Model" if dialect == "keras2" else "Functional", "config": config}
    return made(Contents("net.h5", arrays, DIALECTS[dialect], config))


def made(file):
    return Model(build(file), file=file, engine="numpy")


def numbers(*shape):
    return np.float32(np.random.default_rng(sum(shape)).standard_normal(shape))


def ids_layer(dialect):
    shape = {"batch_shape" if dialect == "keras3" else "batch_input_shape": [None, T]}
    return layer(dialect, "InputLayer", "ids", dtype="int32", **shape)


ARRAYS = {
    "ids": {},
    "words": {"0": numbers(V, E)},
    "att": {"0": numbers(E, 1)},
    "hidden": {"0": numbers(E, H), "1": numbers(H)},
    "drop": {},
    "out": {"0": numbers(H, 2), "1": numbers(2)},
}


def after_attention(dialect, end=()):
    """Words, DeepMoji's attention, a hidden layer, dropout and the output; then what ``end`` says."""
    dense = {"units": 2, "use_bias": True, "kernel_initializer": {"class_name": "GlorotUniform", "config": {}}}
    activation = "linear" if end else "softmax"
    entries = [
        ids_layer(dialect),
        layer(dialect, "Embedding", "words", ("ids", 0, 0), input_dim=V, output_dim=E, mask_zero=True),
        layer(dialect, "AttentionWeightedAverage", "att", ("words", 0, 0), return_attention=False),
        layer(dialect, "Dense", "hidden", ("att", 0, 0), units=H, activation="relu", use_bias=True),
        layer(dialect, "Dropout", "drop", ("hidden", 0, 0), rate=0.5),
        layer(dialect, "Dense", "out", ("drop", 0, 0), activation=activation, **dense),
        *end,
    ]
    last = entries[-1]["name"]
    return model_of(dialect, entries, ["ids"], [last], {**ARRAYS, **{one["name"]: {} for one in end}})


IDS = np.random.default_rng(0).integers(1, V, (4, T)) * np.tri(4, T, 1, dtype=int)  # padded at the end


def probabilities(x, kernel, bias, sigmoid):
    z = np.float64(x) @ kernel + bias
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return 1 / (1 + np.exp(-z)) if sigmoid else e / e.sum(axis=1, keepdims=True)


def check(model, before, kernel, tmp_path, **options):
    """The new layer on ``before``, in memory and after a round through both kinds of files."""
    config = copy.deepcopy(model.contents.config)
    bias = numbers(kernel.shape[1])
    names = NAMES[: max(2, kernel.shape[1])]
    new = heads.with_head(model, kernel, bias, classes=names, **options)
    assert model.contents.config == config, "the model's own config is left alone"
    wanted = probabilities(before, kernel, bias, options.get("multi_label") or kernel.shape[1] == 1)
    np.testing.assert_allclose(new.predict(IDS), wanted, rtol=0, atol=2e-6)
    json.dumps(new.contents.config)
    for name in ("a.safetensors", "b.h5"):
        heads.save(new, tmp_path / name)
        again = npmoji.load(tmp_path / name, engine="numpy")
        np.testing.assert_array_equal(again.predict(IDS), new.predict(IDS))
        assert again.class_names == names and verify(again).passed and verify(again).checked == "stored"
    return new


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("columns, multi_label", [(3, False), (1, False), (3, True)])
def test_the_last_dense_layer_is_replaced(dialect, columns, multi_label, tmp_path):
    model = after_attention(dialect)
    new = check(model, model["hidden"](IDS), numbers(H, columns), tmp_path, multi_label=multi_label)
    assert list(new.contents.layers) == list(model.contents.layers)
    (entry,) = (one for one in new.contents.config["config"]["layers"] if one["name"] == "out")
    assert entry["config"]["units"] == columns and "kernel_initializer" in entry["config"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("kind", ["Softmax", "Activation"])
def test_an_activation_after_it(dialect, multi_label, kind, tmp_path):
    settings = {"activation": "softmax"} if kind == "Activation" else {"axis": -1}
    end = layer(dialect, kind, "end", ("out", 0, 0), **settings)
    if kind == "Softmax" and dialect == "keras3":
        end["inbound_nodes"][0]["kwargs"]["mask"] = None
    model = after_attention(dialect, [end])
    assert model.classes == 2
    new = check(model, model["hidden"](IDS), numbers(H, 3), tmp_path, multi_label=multi_label)
    assert new.layers[-1].name == "end" and new.classes == 3
    assert "mask" not in json.dumps(new.contents.config["config"]["layers"][-1])  # which an Activation does not take


@pytest.mark.parametrize("dialect", DIALECTS)
def test_cut_after_the_attention_layer(dialect, tmp_path):
    model = after_attention(dialect, [layer(dialect, "Activation", "end", ("out", 0, 0), activation="softmax")])
    features = model.encode(IDS)
    new = check(model, features, numbers(E, 3), tmp_path)
    assert [one.name for one in new.layers] == ["ids", "words", "att", "out"]
    assert list(new.contents.layers) == ["ids", "words", "att", "out"]
    np.testing.assert_array_equal(new.encode(IDS), features)
    np.testing.assert_array_equal(new.probabilities(features), new.predict(IDS))
    check(new, features, numbers(E, 1), tmp_path)  # and replaced then


@pytest.mark.parametrize("dialect", DIALECTS)
def test_after_a_layer_of_ones_choice(dialect, tmp_path):
    model = after_attention(dialect)
    check(model, model["hidden"](IDS), numbers(H, 3), tmp_path, after="hidden")
    check(model, model["hidden"](IDS), numbers(H, 3), tmp_path, after="drop")  # which is cut after
    check(model, model.predict(IDS), numbers(2, 3), tmp_path, after="out")
    with pytest.raises(InputError, match="there is no layer 'no'"):
        heads.with_head(model, numbers(H, 3), classes=NAMES, after="no")
    with pytest.raises(InputError, match=r"of 7 rows, expected 6 for the features or 4 for the last Dense"):
        heads.with_head(model, numbers(7, 3), classes=NAMES)
    with pytest.raises(InputError, match=r"a kernel of 7 rows does not fit layer 'hidden', which gives \(4,\)"):
        heads.with_head(model, numbers(7, 3), classes=NAMES, after="hidden")
    with pytest.raises(InputError, match=r"does not fit layer 'words', which gives \(5, 6\)"):
        heads.with_head(model, numbers(E, 3), classes=NAMES, after="words")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_other_inputs_and_outputs_are_cut_off(dialect, tmp_path):
    entries = [
        ids_layer(dialect),
        layer(
            dialect, "InputLayer", "meta", **{"batch_shape" if dialect == "keras3" else "batch_input_shape": [None, 3]}
        ),
        layer(dialect, "Embedding", "words", ("ids", 0, 0), input_dim=V, output_dim=E, mask_zero=True),
        layer(dialect, "AttentionWeightedAverage", "att", ("words", 0, 0), return_attention=False),
        layer(dialect, "Concatenate", "both", ("att", 0, 0), ("meta", 0, 0), axis=-1),
        layer(dialect, "Dense", "out", ("both", 0, 0), units=2, activation="softmax", use_bias=True),
        layer(dialect, "Dense", "other", ("both", 0, 0), units=1, activation="sigmoid", use_bias=True),
    ]
    arrays = {name: ARRAYS.get(name, {}) for name in ("ids", "meta", "words", "att", "both")}
    arrays |= {"out": {"0": numbers(E + 3, 2), "1": numbers(2)}, "other": {"0": numbers(E + 3, 1), "1": numbers(1)}}
    model = model_of(dialect, entries, ["ids", "meta"], ["out", "other"], arrays)
    with pytest.raises(InputError, match="is not computed from 'att' alone, but also from 'meta'"):
        model.probabilities(numbers(4, E))
    new = check(model, model.encode([IDS, numbers(4, 3)]), numbers(E, 3), tmp_path)
    assert [one.name for one in new.graph.inputs] == ["ids"] and new.contents.layers.keys() == {
        "ids",
        "words",
        "att",
        "softmax",
    }
    with pytest.raises(
        InputError, match="a kernel of 9 rows, expected 6 for the features$"
    ):  # with two outputs, which would it be?
        heads.with_head(model, numbers(E + 3, 3), classes=NAMES)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_layer_used_on_both_sides_of_the_cut(dialect, tmp_path):
    twice = [[("words", 0, 0)], [("att", 0, 0)]]
    entries = [
        ids_layer(dialect),
        layer(dialect, "Embedding", "words", ("ids", 0, 0), input_dim=V, output_dim=E, mask_zero=True),
        layer(dialect, "Dense", "shared", calls=twice, units=E, activation="tanh", use_bias=True),
        layer(dialect, "AttentionWeightedAverage", "att", ("shared", 0, 0), return_attention=False),
        layer(dialect, "Dense", "out", ("shared", 1, 0), units=2, activation="softmax", use_bias=True),
    ]
    arrays = {name: ARRAYS.get(name, {}) for name in ("ids", "words", "shared", "att", "out")}
    arrays |= {"shared": {"0": numbers(E, E), "1": numbers(E)}, "out": {"0": numbers(E, 2), "1": numbers(2)}}
    model = model_of(dialect, entries, ["ids"], ["out"], arrays)
    new = check(model, model.encode(IDS), numbers(E, 3), tmp_path)
    assert [one.name for one in new.layers] == ["ids", "words", "shared", "att", "out"]
    entries[2] = layer(dialect, "Dense", "shared", calls=twice[::-1], units=E, activation="tanh", use_bias=True)
    for entry, number in ((3, 1), (4, 0)):
        kind, name = entries[entry]["class_name"], entries[entry]["name"]
        settings = {key: value for key, value in entries[entry]["config"].items() if key not in ("name", "trainable")}
        entries[entry] = layer(dialect, kind, name, ("shared", number, 0), **settings)
    model = model_of(dialect, entries, ["ids"], ["out"], arrays)
    with pytest.raises(InputError, match="'shared' is used before and after 'att'"):
        heads.with_head(model, numbers(E, 3), classes=NAMES)


@pytest.mark.parametrize("listed", [True, False])
def test_sequential_models(listed, tmp_path):
    def entry(kind, name, **settings):
        return {"class_name": kind, "config": {"name": name, **settings}}

    layers = [
        entry("Embedding", "words", input_dim=V, output_dim=E, mask_zero=True, batch_input_shape=[None, T]),
        entry("AttentionWeightedAverage", "att", return_attention=False),
        entry("Dense", "hidden", units=H, activation="relu", use_bias=True),
        entry("Dense", "out", units=2, activation="linear", use_bias=True),
        entry("Activation", "end", activation="softmax"),
    ]
    config = {"class_name": "Sequential", "config": layers if listed else {"name": "s", "layers": layers}}
    arrays = {name: ARRAYS.get(name, {}) for name in ("words", "att", "hidden", "out", "end")}
    model = made(Contents("net.h5", arrays, "2.0.5" if listed else "2.15.0", config))
    check(model, model["hidden"](IDS), numbers(H, 3), tmp_path)
    check(model, model["hidden"](IDS), numbers(H, 1), tmp_path)
    new = check(model, model.encode(IDS), numbers(E, 3), tmp_path, multi_label=True)
    assert list(new.contents.layers) == ["words", "att", "out"]


@pytest.mark.parametrize("name", ["tf_keras_slashes", "keras3_nested", "keras3_operators", "tf_keras_time_distributed"])
def test_genuine_files(name, tmp_path):
    """Nested models, operations, names with slashes: the last Dense layer of each is replaced."""
    (path,) = [p for p in (DATA / "keras" / name).iterdir() if p.suffix in (".h5", ".keras")]
    config = path.with_name("config.json")
    model = npmoji.load(path, engine="numpy", config=config if config.exists() else None)
    dense = model.graph.outputs[0]
    kernel = dense.weights()["kernel"]
    names = [f"c{i}" for i in range(max(2, kernel.shape[1]))]
    new = heads.with_head(model, kernel, dense.weights().get("bias"), classes=names)
    X = inputs_of(model)
    logits = dense.logits(X)
    wanted = probabilities(logits, np.eye(kernel.shape[1]), 0, kernel.shape[1] == 1)
    np.testing.assert_allclose(new.predict(X), wanted, rtol=0, atol=2e-6)
    for target in ("a.safetensors", "b.h5"):
        heads.save(new, tmp_path / target)
        np.testing.assert_array_equal(npmoji.load(tmp_path / target, engine="numpy").predict(X), new.predict(X))


def inputs_of(model):
    """Random values for every input."""
    rng, values = np.random.default_rng(2), {}
    for one in model.graph.inputs:
        shape = (3, *(size or 6 for size in one.shape or (None,)))
        ids = one.vocabulary_size
        values[one.name] = rng.integers(0, ids, shape) if ids else np.float32(rng.standard_normal(shape))
    return values


def test_a_larger_vocabulary(tmp_path):
    model = after_attention("keras3")
    rows = np.concatenate([ARRAYS["words"]["0"], numbers(4, E)])
    new = heads.rebuilt(model, {"words": {"embeddings": rows}})
    assert new.vocabulary_size == V + 4
    np.testing.assert_array_equal(new.predict(IDS), model.predict(IDS))
    sizes = [one["config"].get("input_dim") for one in new.contents.config["config"]["layers"]]
    assert [size for size in sizes if size] == [V + 4]


def test_a_class_of_the_callers(registered):
    """What the caller says of classes of layers holds for the model made of it, too."""
    from npmoji.layers import AttentionWeightedAverage

    model = after_attention("keras2")
    config = copy.deepcopy(model.contents.config)
    config["config"]["layers"][2]["class_name"] = "MyAttention"
    registered("MyAttention", lambda x, W, config, name: AttentionWeightedAverage(x, W, name=name), ["W"])
    own = made(Contents("net.h5", ARRAYS, "2.0.5", config))
    new = heads.with_head(own, numbers(E, 3), classes=NAMES)
    np.testing.assert_array_equal(new.encode(IDS), model.encode(IDS))
