"""What a network gives, in the lists and dicts of its Keras model; and the number of steps that a later layer fixes.
Their cases run in `test_keras_graphs`."""

import copy
import json
import pickle

import numpy as np
import pytest
from test_keras_files import built, layer, model
from test_keras_graphs import CASES, by_place, given, golden, load

import npmoji
from npmoji import InputError, WeightsError, describe
from npmoji.keras import config as description
from npmoji.outputs import alone

NAMED, ROWS = "keras3_named_ends", 7


def same(ours, wanted):
    assert by_place(ours).keys() == by_place(wanted).keys()
    for place, array in by_place(wanted).items():
        np.testing.assert_array_equal(by_place(ours)[place], array)


def test_a_dict_where_keras_gives_a_dict():
    network, X = load(NAMED), given(NAMED)
    found = network.predict(X)
    assert list(found) == ["zeta", "alpha"] and [one.name for one in network.graph.outputs] == ["alpha", "zeta"]
    assert {key: array.shape for key, array in found.items()} == {"zeta": (ROWS, 2), "alpha": (ROWS, 3)}
    same(network.results(X, ["probabilities"])["probabilities"], found)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        same(other.predict(X), found)


def test_an_ensemble_averages_each_output():
    (file,) = json.loads((CASES[NAMED] / "case.json").read_text())["files"]
    path, X = CASES[NAMED] / file, given(NAMED)
    same(npmoji.Ensemble([path, path]).predict(X), load(NAMED).predict(X))


def dense(name, C, source="x"):
    return layer("Dense", name, [[source, 0, 0]], units=C, use_bias=False)


def network(ends, *more):
    """Three dense layers over numbers (N, 2), with these outputs."""
    layers = [layer("InputLayer", "x", batch_input_shape=[None, 2]), *(dense(name, C) for name, C in WIDTHS.items())]
    config = model([*layers, *more], ["x"], [])
    config["config"]["output_layers"] = ends
    return config


WIDTHS = {"a": 1, "b": 2, "c": 3}
ARRAYS = {name: [np.full((2, C), C, np.float32)] for name, C in WIDTHS.items()}
A, B, C = (["a", 0, 0], ["b", 0, 0], ["c", 0, 0])
X = np.ones((4, 2), np.float32)


def shapes(outputs):
    return {place: array.shape[1] for place, array in by_place(outputs).items()}


@pytest.mark.parametrize(
    "ends, wanted",
    [
        (A, {"0": 1}),
        ([A], {"0": 1}),
        ([A, C], {"0": 1, "1": 3}),
        ([C, [B, A]], {"0": 3, "1/0": 2, "1/1": 1}),
        ({"only": B}, {"only": 2}),
        ({"z": B, "a": [C]}, {"z": 2, "a/0": 3}),
        ({"z": {"q": A, "p": B}, "y": A}, {"z/q": 1, "z/p": 2, "y": 1}),
        ([B, {"q": C, "d": A}], {"0": 2, "1/q": 3, "1/d": 1}),
        ([[C]], {"0": 3}),  # of the outer list nothing is left
    ],
)
def test_lists_and_dicts_in_each_other(ends, wanted):
    found = npmoji.Model(built(network(ends), ARRAYS)).predict(X)
    assert shapes(found) == wanted and list(by_place(found)) == list(wanted)
    assert isinstance(found, dict) == isinstance(ends, dict)
    rows = list(npmoji.Model(built(network(ends), ARRAYS)).stream(X))
    assert len(rows) == 4 and {place: len(row) for place, row in by_place(rows[0]).items()} == wanted


def test_a_sequential_model_gives_what_its_last_layer_does():
    inner = network({"zeta": A, "alpha": C})
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "outer",
            "layers": [
                layer("InputLayer", "first", batch_shape=[None, 2]),
                {"class_name": "Functional", "config": inner["config"]},
            ],
        },
    }
    found = npmoji.Model(built(config, {"model": [ARRAYS[name][0] for name in "abc"]}, "3.0")).predict(X)
    assert shapes(found) == {"zeta": 1, "alpha": 3}


def test_a_last_layer_with_states():
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "SimpleRNN", "config": {"name": "rnn", "batch_input_shape": [None, 3, 2],
                                                   "use_bias": False, "return_state": True}}
        ],
    }  # fmt: skip
    found = npmoji.Model(built(config, {"rnn": [np.ones((2, 4), np.float32), np.eye(4, dtype=np.float32)]})).predict(
        np.ones((4, 3, 2), np.float32)
    )
    assert shapes(found) == {"0": 4, "1": 4}


def test_one_output_in_a_dict_is_ranked():
    some = npmoji.Model(built(network({"only": C}), ARRAYS))
    found = some.predict(X)
    assert list(found) == ["only"] and alone(found).shape == (4, 3)
    np.testing.assert_array_equal(some.results(X, ["probabilities"])["probabilities"], found["only"])
    assert [p.id for p in some.top(X, 1)[0]] == [p.id for p in some.best(found["only"], 1)[0]]
    with pytest.raises(InputError, match="one probability for each class"):
        npmoji.Model(built(network({"only": C, "other": B}), ARRAYS)).top(X)


@pytest.mark.parametrize("ends", [{"a": 3}, {"a": None}, [[3]], [A, {"b": ["b"]}], {}, [], "a", None, [{}]])
def test_damaged_ends(ends):
    with pytest.raises(WeightsError):
        built(network(ends), ARRAYS)


def test_models_of_other_outputs_are_no_ensemble(tmp_path):
    places = []
    for i, ends in enumerate((A, {"a": A})):
        folder = tmp_path / str(i)
        folder.mkdir()
        graph = built(network(ends), ARRAYS)
        from npmoji.formats.contents import Contents, numbered
        from npmoji.formats.keras_write import write

        file = Contents("", {name: numbered(some) for name, some in ARRAYS.items()}, "2.12.0", network(ends))
        places.append(folder / "model.h5")
        with open(places[-1], "wb") as target:
            write(target, file)
        assert graph.structure == (0 if i == 0 else {"a": 0})
    with pytest.raises(InputError, match="other lists and dicts"):
        npmoji.Ensemble(places)


# Steps that no input fixes --------------------------------------------------------------------------------------------


def fixed(*layers, arrays=None, width=2, **inputs):
    """A network of a free number of steps whose layers follow each other."""
    names = ["x", *(entry["name"] for entry in layers)]
    entries = [layer("InputLayer", "x", batch_input_shape=[None, None, width])]
    for before, entry in zip(names, layers):
        entries.append({**entry, "inbound_nodes": [[[before, 0, 0, {}]]]})
    return built(model(entries, ["x"], [[names[-1], 0, 0]]), arrays or {})


def conv(size, strides=1, padding="valid"):
    return layer("Conv1D", "conv", [], kernel_size=[size], strides=[strides], padding=padding, use_bias=False)


@pytest.mark.parametrize(
    "layers, arrays, steps",
    [
        ([layer("Reshape", "flat", [], target_shape=[14])], {}, 7),
        ([layer("Reshape", "steps", [], target_shape=[7, -1])], {}, 7),
        ([layer("Permute", "turned", [], dims=[2, 1]), dense("d", 3)], {"d": [np.ones((9, 3), np.float32)]}, 9),
        ([conv(3), layer("Reshape", "r", [], target_shape=[5, 4])], {"conv": [np.ones((3, 2, 4), np.float32)]}, 7),
        ([conv(2, 3), layer("Reshape", "r", [], target_shape=[4, 4])], {"conv": [np.ones((2, 2, 4), np.float32)]}, 13),
        (
            [layer("MaxPooling1D", "pool", [], pool_size=[2]), layer("Reshape", "r", [], target_shape=[150, 2])],
            {},
            301,  # as is 300
        ),
        ([layer("Flatten", "f", []), dense("d", 3)], {"d": [np.ones((40, 3), np.float32)]}, 20),
        ([layer("PReLU", "alpha", [])], {"alpha": [np.ones((11, 2), np.float32)]}, 11),
    ],
)
def test_the_steps_that_a_later_layer_takes(layers, arrays, steps):
    graph = fixed(*layers, arrays=arrays)
    assert graph.size == steps
    npmoji.Model(graph).predict(np.zeros((2, steps, 2), np.float32))
    with pytest.raises(npmoji.NpmojiError):
        npmoji.Model(graph).predict(np.zeros((2, 2 * steps + 1, 2), np.float32))


def test_no_number_of_steps_fits():
    with pytest.raises(WeightsError, match=r"'r'.*cannot reshape \(64, 2\) to \(7, 3\)"):
        fixed(layer("Reshape", "r", [], target_shape=[7, 3]))
    with pytest.raises(WeightsError, match="'r'"):
        fixed(
            layer("Reshape", "r", [], target_shape=[7, -1]), dense("d", 3), arrays={"d": [np.ones((5, 3), np.float32)]}
        )


def test_inspect_shows_what_is_free_up_to_there():
    name = next(name for name in CASES if "fixed_later" in name)
    (file,) = json.loads((CASES[name] / "case.json").read_text())["files"]
    rows = {row.name: row.shape for row in describe.rows(CASES[name] / file)}
    assert rows["ids"] == (None, None) and rows["embedding"][1] is None
    assert all(None not in shape[1:] for key, shape in rows.items() if "reshape" in key)
    steps = golden(name, "inputs")["ids"].shape[1]
    assert load(name).graph.steps == steps


def test_texts_are_cut_to_the_steps_that_fit():
    config = [
        {"class_name": "Embedding", "config": {"name": "e", "batch_input_shape": [None, None]}},
        {"class_name": "Reshape", "config": {"name": "r", "target_shape": [9, 2]}},
    ]
    graph = built({"class_name": "Sequential", "config": config}, {"e": [np.ones((50, 2), np.float32)]})
    assert graph.steps == 9 and graph.copy().steps == 9


def test_structures_of_nested_models_are_numbered_in_the_order_of_their_keys():
    network_ = description.parse(network({"z": [B, A], "a": C}))
    assert [ref.layer for ref in network_.outputs] == ["c", "b", "a"]
    assert network_.structure == {"z": [1, 2], "a": 0} and list(network_.structure) == ["z", "a"]
