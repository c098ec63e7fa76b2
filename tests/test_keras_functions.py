"""Functions in files of Keras: how they are stored, what they are called, and what is refused."""

import copy
import json
import random

import numpy as np
import pytest
from test_keras_files import arrays, built, layer, model
from test_keras_graphs import CASES, damaged, load

from npmoji import Activation, NpmojiError, WeightsError, formats, loading
from npmoji.backends import backend
from npmoji.formats import Contents
from npmoji.layers import Pass
from npmoji.model import Model

NAMES = [name for name in CASES if "functions" in name]


def tensor(name, kind="float32", at=0):
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 3], "dtype": kind, "keras_history": [name, 0, at]},
    }


def operation(class_name, args, kwargs=None, module="keras.src.ops.numpy", **config):
    """A Keras 3 operation called "f"."""
    call = {"args": args, "kwargs": kwargs or {}}
    return {"class_name": class_name, "module": module, "name": "f", "config": {"name": "f", **config},
            "inbound_nodes": [call]}  # fmt: skip


def array(value, dtype="float32", class_name="__numpy__"):
    return {"class_name": class_name, "config": {"value": value, "dtype": dtype}}


def network(entry, version="3.15.0", weights=None, **config):
    """A network of an input "x" (N, 3) and one layer."""
    x = layer("InputLayer", "x", batch_input_shape=[None, 3], **config)
    kind = "Functional" if version > "3" else "Model"
    return Model(built(model([x, entry], ["x"], [("f", 0, 0)], kind), weights or {}, version), engine="numpy")


X = np.float32([[-1, 0.5, 2], [3, 0, -2]])
SLICE = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}


# As Keras stores them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry, wanted",
    [
        (operation("GetItem", [tensor("x"), [SLICE, -1]]), X[:, -1]),
        (operation("GetItem", [tensor("x"), [{"class_name": "__ellipsis__", "config": {}}, None, 0]]), X[:, None, 0]),
        (operation("Add", [tensor("x"), array([1, 2, 3], "float64")]),
         X + np.float32([1, 2, 3])),
        (operation("Multiply", [array(2, "int32", "__tensor__"), tensor("x")]),
         2 * X),
        (operation("Clip", [tensor("x")], x_min=0, x_max=array([1.0, 2.0, 3.0])), np.clip(X, 0, [1, 2, 3])),
        (operation("Pad", [tensor("x")], {"constant_values": None}, pad_width=[[0, 0], [1, 0]], mode="constant"),
         np.pad(X, [[0, 0], [1, 0]])),
        (operation("Relu", [tensor("x")], module="keras.src.ops.nn"), np.maximum(X, 0)),
    ],
)  # fmt: skip
def test_operations_of_keras_3(entry, wanted):
    np.testing.assert_array_equal(network(entry).predict(X), wanted.astype(np.float32))


def test_outputs_of_one_operation():
    entries = [
        layer("InputLayer", "x", batch_input_shape=[None, 3]),
        operation("Split", [tensor("x")], indices_or_sections=3, axis=1) | {"name": "s"},
        operation("Add", [tensor("s", at=2), tensor("s")]),
    ]
    entries[1]["config"]["name"] = "s"
    ours = Model(built(model(entries, ["x"], [("f", 0, 0)], "Functional"), {}, "3.15.0"), engine="numpy")
    np.testing.assert_array_equal(ours.predict(X)[:, 0], X[:, 2] + X[:, 0])
    assert [part.shape for part in ours["s"](X)] == [(2, 1)] * 3


def test_an_inputs_integers_are_integers_to_functions():
    entry = operation("FloorDivide", [tensor("x", "int32"), 2])
    assert network(entry, dtype="int32").predict(np.array([[5, 4, -3]])).tolist() == [[2, 2, -2]]


def tensorflow(function, *arguments, **options):
    """A TFOpLambda layer called "f", of ``x`` and of what is given by name."""
    call = ["x", 0, 0, options] if not arguments else [*arguments, options]
    return {"class_name": "TFOpLambda", "name": "f", "config": {"name": "f", "function": function},
            "inbound_nodes": [call]}  # fmt: skip


@pytest.mark.parametrize(
    "entry, wanted",
    [
        (tensorflow("math.reduce_mean", axis=1, keepdims=True, name=None), X.mean(1, keepdims=True)),
        (tensorflow("math.subtract", "_CONSTANT_VALUE", -1, 2.0, y=["x", 0, 0], name=None), 2 - X),
        (tensorflow("compat.v1.transpose", perm=[0, 1], conjugate=False), X),
        (tensorflow("clip_by_value", clip_value_min=-1, clip_value_max=1), np.clip(X, -1, 1)),
        (tensorflow("nn.gelu"), None),
        (tensorflow("math.argmax", axis=1), X.argmax(1)),
    ],
)
def test_tensorflows_functions(entry, wanted):
    found = network(entry, "2.15.0").predict(X)
    if wanted is not None:
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


# Layers that are activations -----------------------------------------------------------------------------------------


def dense(activation, class_name="Dense"):
    return layer(class_name, "f", [["x", 0, 0]], activation=activation, use_bias=False)


LEAKY = {"module": "keras.layers", "class_name": "LeakyReLU", "config": {"name": "leaky", "negative_slope": 0.5}}


@pytest.mark.parametrize("class_name", ["Dense", "Activation"])
def test_an_activation_that_is_a_layer(class_name):
    kernel = np.eye(3, dtype=np.float32)
    weights = {"f": [kernel]} if class_name == "Dense" else {}
    ours = network(dense(LEAKY, class_name), "2.15.0", weights)
    np.testing.assert_array_equal(ours.predict(X), np.where(X > 0, X, X / 2))


@pytest.mark.parametrize(
    "activation, words",
    [
        (
            {**LEAKY, "class_name": "PReLU"},
            "'f': its activation is a layer of class 'PReLU', expected a name or one of",
        ),
        ({**LEAKY, "class_name": 3}, "'f': its activation: 'class_name' is an integer"),
        ({**LEAKY, "config": {"negative_slope": "much"}}, "'f': negative_slope 'much'"),
        ({**LEAKY, "config": []}, "'f': its activation: 'config' is a list"),
        ({"class_name": "Activation", "config": {"activation": {"class_name": "Activation", "config": {}}}}, None),
    ],
)
def test_activations_that_are_refused(activation, words):
    if words is None:
        network(dense(activation), "2.15.0", {"f": arrays((3, 3))})
        return
    with pytest.raises(WeightsError) as error:
        network(dense(activation), "2.15.0", {"f": arrays((3, 3))})
    assert words in str(error.value)


def lambda_(function, **config):
    return layer("Lambda", "f", [["x", 0, 0]], function=function, **config)


def named(name):
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


@pytest.mark.parametrize(
    "entry, wanted",
    [
        (lambda_(named("relu"), arguments={}), np.maximum(X, 0)),
        (lambda_(named("relu"), arguments={"max_value": 1.0}), np.clip(X, 0, 1)),
        (lambda_("relu", function_type="function", module="keras.activations"), np.maximum(X, 0)),
        (lambda_(named("leaky_relu"), arguments={"negative_slope": 0.5}), np.where(X > 0, X, X / 2)),
    ],
)
def test_a_lambda_of_an_activation(entry, wanted):
    np.testing.assert_allclose(network(entry, "2.15.0").predict(X), wanted, rtol=1e-6)


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry, version, words",
    [
        (tensorflow("image.resize", size=[2, 2]), "2.15.0", ("'f'", "'image.resize' is not known", "register_layer")),
        (tensorflow("math.reduce_mean", input="x"), "2.15.0", ("'f'", "'math.reduce_mean' with 'input'")),
        (tensorflow("math.reduce_mean", axis="one"), "2.15.0", ("'f'", "'Mean' with axis 'one'", "numbers of axes")),
        (tensorflow("einsum", "_CONSTANT_VALUE", -1, "ij->ji"), "2.15.0", ("'f'", "einsum without what it multiplies")),
        (lambda_(named("mean"), arguments={"axis": 1}), "3.1.0", ("'f'", "'mean' of a Lambda", "register_layer")),
        (lambda_(["4wEA", None, None], function_type="lambda"), "2.15.0", ("'f'", "holds code")),
        (operation("GetItem", [tensor("x"), [SLICE, "a"]]), "3.1.0", ("'f'", "'GetItem' with key", "slices")),
        (operation("GetItem", [tensor("x"), {"class_name": "__slice__", "config": 3}]), "3.1.0", ("'f'", "'config'")),
        (operation("GetItem", [tensor("x"), {"class_name": "Thing", "config": {}}]), "3.1.0", ("'f'", "'Thing'")),
        (operation("Cast", [tensor("x")], dtype="bfloat16"), "3.1.0", ("'f'", "dtype 'bfloat16'")),
        (operation("Mean", [tensor("x")], axis=7), "3.1.0", ("'f'", "axis 7 of an array with 2 axes")),
        (operation("Stack", [[tensor("x"), 2.0]], axis=1), "3.1.0", ("'f' does not take what comes before it",)),
        (operation("Fft", [tensor("x")]), "3.1.0", ("'f'", "'Fft' is not known")),
        (operation("Add", [tensor("x"), array([[1], 2])]),
         "3.1.0", ("'f'", "no array")),
        (operation("Add", [tensor("x"), array([1], "text")]),
         "3.1.0", ("'f'", "'text'")),
    ],
)  # fmt: skip
def test_what_is_refused(entry, version, words):
    with pytest.raises(WeightsError) as error:
        network(entry, version).graph.try_out()
    assert all(word in str(error.value) for word in words), error.value


def test_a_class_of_ones_own_comes_before_a_function_of_that_name():
    """A config without the settings that layers have might be that of a function."""
    entry = operation("Clip", [tensor("x")], module="mine.layers")
    config = model([layer("InputLayer", "x", batch_input_shape=[None, 3]), entry], ["x"], [("f", 0, 0)], "Functional")
    contents = Contents("model.keras", {}, "3.15.0", config)
    own = {"Clip": lambda x, config, name: Activation(x, "tanh", name=name)}
    assert isinstance(loading.build(contents, layers=own).outputs[0], Activation)


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_config_is_refused_or_makes_a_network(seed):
    chance = random.Random(seed)
    folder = CASES[chance.choice(NAMES)]
    (file,) = json.loads((folder / "case.json").read_text())["files"]
    contents = formats.read(folder / file)
    config = contents.config
    for _ in range(3):
        config = damaged(config, chance)
    try:
        graph = loading.build(contents._replace(config=config))
    except WeightsError as error:
        assert str(error)
        return
    run = Pass(backend("numpy"))
    rows = graph.row(6)
    for output in graph.outputs:
        try:
            with np.errstate(all="ignore"):
                output.compute(rows, run)
        except NpmojiError as error:
            assert str(error)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_is_lacking_is_told(name):
    """A file with several functions that are not known."""
    from npmoji.keras.lacking import lacking

    (file,) = json.loads((CASES[name] / "case.json").read_text())["files"]
    contents = formats.read(CASES[name] / file)
    assert lacking(contents) == []
    config = copy.deepcopy(contents.config)
    changed = []
    for entry in config["config"]["layers"]:
        if entry["class_name"] == "TFOpLambda" and len(changed) < 2:
            entry["config"]["function"] = "signal.stft"
        elif ".ops." in (entry.get("module") or "") and len(changed) < 2:
            entry["class_name"] = "Stft"
        else:
            continue
        changed.append(entry["config"]["name"])
    reasons = lacking(contents._replace(config=config))
    assert len(changed) == 2 and all(any(repr(one) in reason for reason in reasons) for one in changed)


@pytest.mark.parametrize("name", NAMES)
def test_bits_depend_on_nothing_but_the_text(name):
    ours = load(name, "numba")
    with np.load(CASES[name] / "golden.npz") as golden:
        given = {key.partition("/")[2]: golden[key] for key in golden if key.startswith("inputs/")}
    whole = ours.predict(given)
    alone = ours.predict({key: x[4:5] for key, x in given.items()})
    for every, one in zip(*(value if isinstance(value, list) else [value] for value in (whole, alone))):
        np.testing.assert_array_equal(every[4:5], one)
