"""Classes of one name that several authors wrote, and layers known by their own name: choices, and what is refused."""

import itertools

import numpy as np
import pytest
from test_keras_files import arrays, layer, model
from test_keras_graphs import CASES, ENGINES, LIMIT, Scaled, difference, entry, given, golden, load

import npmoji
from npmoji import InputError, WeightsError, loading
from npmoji.cli import main
from npmoji.formats import Contents
from npmoji.formats.contents import numbered
from npmoji.keras.choices import CHOICES
from npmoji.model import Model

SIX = {"tf_keras_six_attentions": "model.h5", "keras3_six_attentions": "model.keras"}
KERAS3 = CASES["keras3_called_attention"] / "model.h5"  # a Sequential: no calls are stored
N, T, F, A = 5, 6, 3, 4


def path(name):
    return CASES[name] / SIX[name]


# What genuine Keras computes (tests/test_keras_graphs.py looks at every layer of these files, too) --------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SIX)
def test_every_choice_is_what_keras_computes(name, engine):
    wanted, ids = golden(name, "layers"), given(name)
    network = npmoji.load(path(name), engine=engine, layers={choice: choice for choice in CHOICES})
    for choice in CHOICES:
        assert difference(network[choice](ids), wanted[choice]) < LIMIT, choice


@pytest.mark.parametrize("name", SIX)
def test_the_choices_differ_where_there_is_a_mask(name):
    wanted = golden(name, "layers")
    for one, other in itertools.combinations(CHOICES, 2):
        assert difference(wanted[one], wanted[other]) > 0.01, (one, other)


# What a file settles -------------------------------------------------------------------------------------------------


def sequence_model(class_name, weights, mask_zero=True, version="2.15.0", keras3=None, **config):
    """An embedding and an attention layer; ``keras3``: the kwargs of a call of Keras 3's Functional models."""
    layers = [
        layer("InputLayer", "ids", batch_input_shape=[None, T]),
        layer("Embedding", "words", [["ids", 0, 0]], input_dim=9, mask_zero=mask_zero),
        layer(class_name, "att", [["words", 0, 0]], **config),
    ]
    if keras3 is not None:
        version = "3.15.1"
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["words", 0, 0]}}
        layers[2]["inbound_nodes"] = [{"args": [tensor], "kwargs": keras3}]
    rng = np.random.default_rng(1)
    table = rng.standard_normal((9, F)).astype(np.float32)
    held = [rng.standard_normal(shape).astype(np.float32) for shape in weights]
    return Contents(
        "m.h5", {"words": numbered([table]), "att": numbered(held)}, version, model(layers, ["ids"], [("att", 0, 0)])
    )


def reference(file, ids, choice, masked):
    """The formulas in float64."""
    table, (W, *rest) = file.layers["words"]["0"].astype(float), file.layers["att"].values()
    x, score = table[ids], choice.partition("-")[0]
    W = W.reshape(F, -1).astype(float)
    u = rest.pop().reshape(-1, 1) if score == "context" else None
    e = x @ W
    if score == "tanh":
        e = np.tanh(e + (rest[0].reshape(T, 1) if rest else 0))
    if score == "context":
        e = np.tanh(e + (rest[0] if rest else 0)) @ u
    a = np.exp(e) * ((ids != 0)[..., None] if masked else 1)
    return (x * a / (a.sum(axis=1, keepdims=True) + 1e-7)).sum(axis=1)


IDS = np.random.default_rng(2).integers(0, 9, (N, T))


def check(file, choice, layers=None):
    """The network computes the choice, and with a mask nothing else."""
    value = Model(loading.build(file, layers=layers), engine="numpy").predict(IDS)
    mask_zero = entry(file.config, "Embedding")["config"]["mask_zero"]
    masked = mask_zero and choice.endswith("-masked")
    np.testing.assert_allclose(value, reference(file, IDS, choice, masked), rtol=2e-5, atol=2e-5)


SHAPES = {
    "kaggle": [(F,), (T,)],
    "narrow": [(F, 1), (T, 1)],
    "one": [(F,)],
    "column": [(F, 1)],
    "context": [(F, A), (A,), (A, 1)],
    "vector": [(F, A), (A,), (A,)],
}


@pytest.mark.parametrize(
    "class_name, shapes, options, choice",
    [
        ("Attention", "kaggle", {}, "tanh-masked"),  # one author keeps W as (F,)
        ("Attention", "one", {"bias": False}, "tanh-masked"),
        ("Attention", "narrow", {"step_dim": T}, "tanh-masked"),
        ("mine>Attention", "kaggle", {}, "tanh-masked"),
        ("AttentionWithContext", "context", {}, "context-masked"),
        ("AttentionWithContext", "vector", {}, "context-masked"),
        ("AttLayer", "context", {"attention_dim": A}, "context-masked"),
        # without a mask it does not matter
        ("Attention", "narrow", {"mask_zero": False}, "tanh-unmasked"),
        ("AttLayer", "one", {"mask_zero": False}, "tanh-unmasked"),
        ("AttLayer", "vector", {"mask_zero": False}, "context-unmasked"),
        # Keras 3 stores the mask that a layer is called with, null if there is none, and nothing if it takes none
        ("Attention", "narrow", {"keras3": {}}, "tanh-unmasked"),
        ("AttLayer", "vector", {"keras3": {}}, "context-unmasked"),
        ("Attention", "narrow", {"keras3": {"mask": None}, "mask_zero": False}, "tanh-masked"),
    ],
)
def test_what_a_file_settles(class_name, shapes, options, choice):
    check(sequence_model(class_name, SHAPES[shapes], **options), choice)


@pytest.mark.parametrize(
    "class_name, shapes, options, choices",
    [
        ("Attention", "narrow", {}, ("tanh-masked", "tanh-unmasked")),
        ("Attention", "narrow", {"keras3": {"mask": None}}, ("tanh-masked", "tanh-unmasked")),
        ("Attention", "context", {}, ("context-masked", "context-unmasked")),
        ("AttLayer", "one", {}, ("tanh-masked", "tanh-unmasked")),
        ("AttLayer", "vector", {"version": "2.0.5"}, ("context-masked", "context-unmasked")),
        # the scores themselves are not settled: with a mask or without
        ("Attention", "column", {}, ("linear-masked", "linear-unmasked", "tanh-masked", "tanh-unmasked")),
        ("Attention", "column", {"mask_zero": False}, ("linear-masked", "tanh-masked")),
        ("AttLayer", "column", {"keras3": {}}, ("linear-unmasked", "tanh-unmasked")),
    ],
)
def test_what_a_file_leaves_open(class_name, shapes, options, choices, registered):
    file = sequence_model(class_name, SHAPES[shapes], **options)
    with pytest.raises(WeightsError) as error:
        loading.build(file)
    words = ("'att'", repr(class_name), "several authors", "register_layer", f"layers={{{class_name!r}: ")
    message = str(error.value)
    assert all(word in message for word in (*words, *map(repr, choices))) and len(message) < 700, message
    for choice in choices:
        for key in (class_name, "att"):
            check(file, choice, {key: choice})
    registered(class_name, choices[0])
    check(file, choices[0])
    check(file, choices[-1], {class_name: choices[-1]})  # what is given comes before what is registered


@pytest.mark.parametrize(
    "config, wanted", [({"use_scale": True}, "scale"), ({"score_mode": "dot"}, "none"), ({"use_scale": False}, "none")]
)
def test_keras_own_attention_is_told_from_those_of_its_name(config, wanted):
    with pytest.raises(WeightsError, match=f"'att' .Attention. has 2 arrays, expected {wanted}"):
        loading.build(sequence_model("Attention", [(F, 1), (T, 1)], **config))
    with pytest.raises(WeightsError, match="'att': called with 1 inputs, expected query, value"):
        loading.build(sequence_model("Attention", [()] if wanted == "scale" else [], **config))


def test_a_choice_that_does_not_fit():
    file = sequence_model("Attention", SHAPES["context"])
    with pytest.raises(WeightsError, match="'att'.*expected one input and W .F, 1. and perhaps b .T, 1."):
        loading.build(file, layers={"Attention": "tanh-masked"})
    with pytest.raises(WeightsError, match="'att'.*return_sequences"):
        loading.build(
            sequence_model("Attention", SHAPES["narrow"], return_sequences=True), layers={"att": "tanh-unmasked"}
        )


def test_the_class_that_started_it():
    """W (F, 1), b (T, 1), a softmax, no mask: below Embedding(mask_zero=True) npmoji once applied the mask all the
    same."""
    with pytest.raises(WeightsError, match="'tanh-masked', 'tanh-unmasked'"):
        npmoji.load(KERAS3)
    wanted, X = golden("keras3_called_attention", "outputs")["0"], given("keras3_called_attention")
    right, wrong = (npmoji.load(KERAS3, layers={"Attention": f"tanh-{mask}"}) for mask in ("unmasked", "masked"))
    assert difference(right.predict(X), wanted) < LIMIT < 0.02 < difference(wrong.predict(X), wanted)
    ensemble = npmoji.Ensemble([KERAS3, KERAS3], layers={"Attention": "tanh-unmasked"})
    np.testing.assert_allclose(ensemble.predict(X), right.predict(X), rtol=1e-6)


# By name -------------------------------------------------------------------------------------------------------------


def with_lambdas():
    """A model of three Lambdas."""
    entries = [
        layer("InputLayer", "x", batch_input_shape=[None, 2]),
        layer("Lambda", "double", [["x", 0, 0]]),
        layer("Lambda", "negate", [["double", 0, 0]]),
        layer("Lambda", "double_again", [["negate", 0, 0]]),
    ]
    return Contents("m.h5", {}, "2.15.0", model(entries, ["x"], [("double_again", 0, 0)]))


def times(factor):
    class Times(npmoji.Layer):
        def forward(self, ops, x):
            return x * np.float32(factor)

    return lambda x, config, name: Times(x, name=name)


def value(layers=None):
    return Model(loading.build(with_lambdas(), layers=layers), engine="numpy").predict(np.float32([[1, 3]])).tolist()


def test_lambdas_by_their_names(registered):
    with pytest.raises(WeightsError, match="'double'.*'Lambda' holds code.*register_layer.'double'"):
        value()
    assert value({"Lambda": times(2), "negate": times(-1)}) == [[-4, -12]]
    assert value({"double": times(2), "double_again": times(2), "negate": times(-1)}) == [[-4, -12]]
    registered("Lambda", times(2))
    assert value() == [[8, 24]]
    registered("negate", times(-1))
    assert value() == [[-4, -12]]
    assert value({"negate": times(10)}) == [[40, 120]]
    assert value({"Lambda": times(3)}) == [[27, 81]]  # for this file


def test_a_name_within_a_nested_model():
    inside = [layer("InputLayer", "x", batch_input_shape=[None, 2]), layer("Lambda", "double", [["x", 0, 0]])]
    inner = model(inside, ["x"], [("double", 0, 0)], name="inner")["config"]
    entries = [
        layer("InputLayer", "y", batch_input_shape=[None, 2]),
        layer("Lambda", "double", [["y", 0, 0]]),
        {"class_name": "Model", "name": "inner", "config": inner, "inbound_nodes": [[["double", 0, 0, {}]]]},
    ]
    file = Contents("m.h5", {}, "2.15.0", model(entries, ["y"], [("inner", 1, 0)]))
    network = Model(loading.build(file, layers={"double": times(2), "inner/double": times(5)}), engine="numpy")
    assert network.predict(np.float32([[1, 3]])).tolist() == [[10, 30]]


def test_a_layer_named_like_a_known_class_is_not_meant():
    entries = [layer("InputLayer", "x", batch_input_shape=[None, 2]), layer("Activation", "Dense", [["x", 0, 0]])]
    entries[1]["config"]["activation"] = "relu"
    config = model([*entries, layer("Dense", "last", [["Dense", 0, 0]])], ["x"], [("last", 0, 0)])
    file = Contents("m.h5", {"last": numbered(arrays((2, 1), (1,)))}, "2.15.0", config)
    layers = {"Dense": (lambda x, kernel, bias, config, name: Scaled(x, kernel, bias, 3, name), ["kernel", "bias"])}
    plain, scaled = (Model(loading.build(file, layers=own), engine="numpy") for own in (None, layers))
    X = np.float32([[1, -2]])
    assert scaled.predict(X) == 3 * plain.predict(X)


@pytest.mark.parametrize(
    "layers, words",
    [
        ({"Atention": "tanh-masked"}, ("m.h5", "no class 'Atention'")),
        ({"Attention": "tanh"}, ("'Attention'", "'tanh'", "tanh-unmasked")),
        ({"Attention": 5}, ("'Attention'", "a function")),
        ({"Attention": (len, 5)}, ("'Attention'", "names of its weights")),
        ({5: "tanh-masked"}, ("a dict",)),
        (["tanh-masked"], ("a dict",)),
    ],
)
def test_layers_that_are_not_what_they_should_be(layers, words):
    with pytest.raises(InputError) as error:
        loading.build(sequence_model("Attention", SHAPES["kaggle"]), layers=layers)
    assert all(word in str(error.value) for word in words), error.value


def test_deepmoji_needs_no_layers():
    with pytest.raises(InputError, match="DeepMoji"):
        npmoji.load(layers={"AttentionWeightedAverage": "linear-masked"})


# Command line --------------------------------------------------------------------------------------------------------


def test_the_command_line(capsys, tmp_path):
    assert main(["inspect", str(KERAS3)]) == 2
    assert "--layer Attention=CHOICE" in capsys.readouterr().err
    assert main(["inspect", str(KERAS3), "--layer", "attention=tanh-unmasked"]) == 0
    assert "Attention" in capsys.readouterr().out
    assert main(["info", "--weights", str(KERAS3), "--layer", "Attention=tanh-unmasked"]) == 0
    target = tmp_path / "model.safetensors"
    assert main(["convert", str(KERAS3), str(target), "--layer", "Attention=tanh-unmasked"]) == 0
    X, layers = given("keras3_called_attention"), {"Attention": "tanh-unmasked"}
    np.testing.assert_array_equal(*(npmoji.load(p, layers=layers).predict(X) for p in (KERAS3, target)))
    with pytest.raises(SystemExit) as error:
        main(["inspect", str(KERAS3), "--layer", "tanh-unmasked"])
    assert error.value.code == 2 and "NAME=CHOICE" in capsys.readouterr().err


# Saved by hand -------------------------------------------------------------------------------------------------------


def test_networks_with_choices_are_saved(tmp_path):
    network, ids = load("tf_keras_six_attentions"), given("tf_keras_six_attentions")
    npmoji.save_layers(tmp_path / "net.npz", *network.graph.outputs)
    again = npmoji.load_layers(tmp_path / "net.npz")
    for ours, theirs in zip(again[-len(network.graph.outputs) :], network.graph.outputs):
        np.testing.assert_array_equal(ours(ids), theirs(ids))
