"""The order of inputs and outputs, and what a dict of inputs is known by: as genuine Keras takes and gives them."""

import json

import numpy as np
import pytest
from test_keras_files import arrays, built, layer, model
from test_keras_graphs import CASES, ENGINES, LIMIT, by_place, difference, golden, load

from npmoji.model import Model

SEVERAL = [name for name in CASES if len(golden(name, "inputs")) > 1]
LISTED = [name for name in CASES if "listed_ends" in name]


def case(name):
    return json.loads((CASES[name] / "case.json").read_text())


def check(model, X, name):
    outputs, wanted = by_place(model.predict(X)), golden(name, "outputs")
    assert outputs.keys() == wanted.keys()
    for key, theirs in wanted.items():
        assert difference(outputs[key], theirs) < LIMIT


def listed(name):
    """The inputs in the order in which genuine Keras was given them: that of the golden's arrays."""
    with np.load(CASES[name] / "golden.npz") as golden:
        return {key.partition("/")[2]: golden[key] for key in golden if key.startswith("inputs/")}


def test_there_is_a_case_for_every_container():
    files = {(case(name)["framework"]["name"], *case(name)["files"]) for name in LISTED}
    assert files == {
        *(("tf_keras", file) for file in ("model.h5", "model.keras", "weights.h5", "model.weights.h5")),
        *(("keras", file) for file in ("model.h5", "model.keras", "model.weights.h5")),
    }
    assert all(case(name)["inputs"][0] != sorted(case(name)["inputs"][0]) for name in LISTED)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SEVERAL)
def test_a_list_of_inputs_is_in_the_models_order(name, engine):
    model, X = load(name, engine), listed(name)
    assert [layer.name for layer in model.graph.inputs] == list(X)
    check(model, list(X.values()), name)
    check(model, tuple(X.values()), name)
    last = model.layers[-1]
    one, other = (by_place(last(given)) for given in (X, list(X.values())))
    for place, array in one.items():
        np.testing.assert_array_equal(other[place], array)


@pytest.mark.parametrize("name", LISTED)
def test_a_dict_of_inputs_goes_by_the_models_own_keys(name):
    model, X, (names, keys) = load(name), listed(name), case(name)["inputs"]
    assert model.graph.input_names == keys
    check(model, {key: X[layer] for layer, key in zip(names, keys)}, name)
    if not set(names) & set(keys) or names == keys:
        check(model, X, name)


def test_some_models_were_made_with_a_dict_of_other_keys():
    assert {case(name)["framework"]["name"] for name in LISTED if case(name)["inputs"][0] != case(name)["inputs"][1]}


def subtraction(input_layers, version="2.0.5"):
    """``a - b`` of Keras 2's dialect, made with these inputs."""
    entries = [
        layer("InputLayer", "a", batch_input_shape=[None, 1]),
        layer("InputLayer", "b", batch_input_shape=[None, 1]),
        layer("Subtract", "difference", [["a", 0, 0], ["b", 0, 0]]),
        layer("Dense", "double", [["difference", 0, 0]], use_bias=False),
    ]
    config = model(entries, [], [("double", 0, 0), ("difference", 0, 0), ("double", 0, 0)])
    config["config"]["input_layers"] = input_layers
    return built(config, {"double": [np.float32([[2]])]}, version)


def network(graph):
    return Model(graph, engine="numpy")


A, B = ["a", 0, 0], ["b", 0, 0]


@pytest.mark.parametrize(
    "input_layers, X, wanted",
    [
        ([A, B], [1, 10], -9),
        ([B, A], [1, 10], 9),
        ([[B], [A]], [1, 10], 9),
        ([B, A], {"a": 1, "b": 10}, -9),
        ({"b": B, "a": A}, [1, 10], -9),
        ({"y": B, "z": A}, [1, 10], 9),
        ({"y": B, "z": A}, {"z": 1, "y": 10}, -9),
        ({"y": B, "z": A}, {"a": 1, "b": 10}, -9),
        ({"a": B, "b": A}, {"a": 1, "b": 10}, 9),
        ({"a": B, "b": A}, [1, 10], 9),
        ([B, A, B], [1, 10, 100], -90),
    ],
)
def test_what_is_taken_for_which_input(input_layers, X, wanted):
    """As tf_keras and Keras 3 do; only the latter lets an input be listed twice, and takes the last array."""
    graph = subtraction(input_layers, "3.15.1" if len(input_layers) > 2 else "2.0.5")
    given = {k: np.float32([[x]]) for k, x in X.items()} if isinstance(X, dict) else [np.float32([[x]]) for x in X]
    outputs = network(graph).predict(given)
    assert [float(output[0, 0]) for output in outputs] == [2 * wanted, wanted, 2 * wanted]


def nested(inner_inputs, call):
    """``a - b`` as a model within, called with p and q."""
    inside = [
        layer("InputLayer", "a", batch_input_shape=[None, 1]),
        layer("InputLayer", "b", batch_input_shape=[None, 1]),
        layer("Subtract", "difference", [["a", 0, 0], ["b", 0, 0]]),
    ]
    config = model(inside, [], [("difference", 0, 0)], name="inner")["config"] | {"input_layers": inner_inputs}
    entries = [
        layer("InputLayer", "p", batch_input_shape=[None, 1]),
        layer("InputLayer", "q", batch_input_shape=[None, 1]),
        {"class_name": "Model", "name": "inner", "config": config, "inbound_nodes": [call]},
    ]
    return built(model(entries, ["q", "p"], [("inner", 1, 0)]), {}, "2.15.0")


P, Q = ["p", 0, 0, {}], ["q", 0, 0, {}]


@pytest.mark.parametrize(
    "inner_inputs, call, a_is",
    [
        ([A, B], [P, Q], "p"),
        ([B, A], [P, Q], "q"),
        ([B, A], {"a": P, "b": Q}, "p"),
        ([B, A], {"a": P, "b": Q, "c": Q}, "p"),
        ({"y": B, "z": A}, [P, Q], "q"),
        ({"y": B, "z": A}, {"y": P, "z": Q}, "q"),
        ({"b": A, "a": B}, {"a": P, "b": Q}, "q"),
    ],
)
def test_a_model_within_takes_its_inputs_as_it_lists_them(inner_inputs, call, a_is):
    model = network(nested(inner_inputs, call))
    value = model.predict({"p": np.float32([[1]]), "q": np.float32([[10]])})[0, 0]
    assert value == (-9 if a_is == "p" else 9)


@pytest.mark.parametrize("call", [[P, Q], {"b": P, "a": Q}])
def test_the_input_of_an_embedding_in_a_model_within_is_one_of_token_ids(call):
    inside = [
        layer("InputLayer", "a", batch_input_shape=[None, 2]),
        layer("InputLayer", "b", batch_input_shape=[None, 2]),
        layer("Embedding", "table", [["b", 0, 0]], input_dim=9),
        layer("Flatten", "flat", [["table", 0, 0]]),
        layer("Add", "sum", [["flat", 0, 0], ["a", 0, 0]]),
    ]
    config = model(inside, ["b", "a"], [("sum", 0, 0)], name="inner")["config"]
    entries = [
        layer("InputLayer", "p", batch_input_shape=[None, 2]),
        layer("InputLayer", "q", batch_input_shape=[None, 2]),
        {"class_name": "Model", "name": "inner", "config": config, "inbound_nodes": [call]},
    ]
    graph = built(model(entries, ["q", "p"], [("inner", 1, 0)]), {"inner": arrays((9, 1))}, "2.15.0")
    assert {layer.name: layer.vocabulary_size for layer in graph.inputs} == {"p": 9, "q": None}


def test_an_input_that_nothing_uses_keeps_its_place():
    entries = [
        layer("InputLayer", "a", batch_input_shape=[None, 1]),
        layer("InputLayer", "idle", batch_input_shape=[None, 1]),
        layer("Flatten", "flat", [["a", 0, 0]]),
    ]
    ours = network(built(model(entries, ["idle", "a"], [("flat", 0, 0)]), {}))
    assert ours.predict([np.float32([[1]]), np.float32([[2]])]) == 2


def test_a_model_within_gets_the_masks_of_a_dict_with_their_inputs():
    """Keras 3 stores the masks in a dict like that of the inputs; the model lists these in another order."""
    inside = [
        layer("InputLayer", "a", batch_input_shape=[None, 2, 1]),
        layer("InputLayer", "b", batch_input_shape=[None, 2, 1]),
        layer("GlobalAveragePooling1D", "mean_a", [["a", 0, 0]]),
        layer("GlobalAveragePooling1D", "mean_b", [["b", 0, 0]]),
        layer("Subtract", "difference", [["mean_a", 0, 0], ["mean_b", 0, 0]]),
    ]
    inner = model(inside, ["b", "a"], [("difference", 0, 0)], "Functional", name="inner")["config"]
    p, q, mask = (
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}} for name in ("p", "q", "mask")
    )
    call = {"args": [{"a": p, "b": q}], "kwargs": {"mask": {"a": mask, "b": None}}}
    entries = [
        layer("InputLayer", "p", batch_input_shape=[None, 2, 1]),
        layer("InputLayer", "q", batch_input_shape=[None, 2, 1]),
        layer("InputLayer", "mask", batch_input_shape=[None, 2]),
        {"class_name": "Functional", "name": "inner", "config": inner, "inbound_nodes": [call]},
    ]
    ours = network(built(model(entries, ["p", "q", "mask"], [("inner", 0, 0)], "Functional"), {}, "3.15.1"))
    x = np.float32([[[1], [3]]])
    assert ours.predict([x, x, np.float32([[1, 0]])]) == 1 - 2
