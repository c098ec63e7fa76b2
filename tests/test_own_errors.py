"""What comes from outside is checked where it comes in, and errors of code, the caller's or npmoji's, are errors of
code."""

import ast
import copy
import json
import random
from pathlib import Path

import numpy as np
import pytest
from test_keras_graphs import damaged

import npmoji
from npmoji import Dense, Input, Layer, WeightsError, load_layers, loading, save_layers
from npmoji.formats import Contents
from npmoji.formats.contents import numbered
from npmoji.graph import Graph
from npmoji.keras import config as keras_config
from npmoji.keras.place import KINDS
from npmoji.layers import GRU, LSTM, Bidirectional, Concatenate, Part, Softmax, TimeDistributed, TopK

PACKAGE = Path(npmoji.__file__).parent


def dense(name, units, **settings):
    return {"class_name": "Dense", "config": {"name": name, "units": units, "activation": "linear", **settings}}


def sequential(*entries):
    first = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3]}}
    return {"class_name": "Sequential", "config": {"name": "model", "layers": [first, *entries]}}


def built(config, layers=None, **arrays):
    held = {name: numbered(some) for name, some in arrays.items()}
    return loading.build(Contents("model.h5", held, "2.2.0", config), layers=layers)


KERNEL, BIAS = np.ones((3, 2), np.float32), np.zeros(2, np.float32)
OWN = {"class_name": "package>Own", "config": {"name": "mine", "size": 3}}


# Errors of code ------------------------------------------------------------------------------------------------------


def raising(error):
    def function(*arguments, **options):
        raise error

    return function


class Odd(Layer):
    def __init__(self, previous, error, name=None):
        super().__init__(previous, name=name)
        self.error = error

    def forward(self, ops, x):
        raise self.error


ERRORS = [
    TypeError("a"),
    AttributeError("b"),
    KeyError("c"),
    ValueError("d"),
    ZeroDivisionError("e"),
    RecursionError("f"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["make", "arrays"])
def test_errors_of_the_callers_functions_are_what_they_are(error, where):
    own = {"make": raising(error), "arrays": (lambda x, **options: x, raising(error))}[where]
    with pytest.raises(type(error)) as found:
        built(sequential(OWN), layers={"Own": own})
    assert found.value is error and any("'mine'" in note and "Own" in note for note in error.__notes__)


def test_the_callers_function_with_other_parameters_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        built(sequential(OWN), layers={"Own": lambda x: x})


@pytest.mark.parametrize("error", ERRORS[:3], ids=lambda error: type(error).__name__)
def test_errors_of_the_callers_layers_are_what_they_are(error):
    with pytest.raises(type(error)) as found:
        built(sequential(OWN), layers={"Own": lambda x, config, name: Odd(x, error, name=name)})
    assert found.value is error and any("'mine'" in note for note in error.__notes__)


def test_a_weights_error_of_the_callers_functions_names_the_layer():
    with pytest.raises(WeightsError, match=r"too small.*'?package>Own"):
        built(sequential(OWN), layers={"Own": raising(WeightsError("too small"))})
    with pytest.raises(npmoji.InputError, match="names of the weights as a list.* gave 3"):
        built(sequential(OWN), layers={"Own": (lambda x, **options: x, lambda config: 3)})


@pytest.mark.parametrize("error", ERRORS[:3], ids=lambda error: type(error).__name__)
def test_mistakes_of_npmojis_own_are_not_taken_for_damage(error, monkeypatch, tmp_path):
    model = sequential(dense("d", 2))
    save_layers(tmp_path / "net.npz", Dense(Input(), KERNEL, BIAS))
    with monkeypatch.context() as patch:
        patch.setitem(KINDS, "Dense", KINDS["Dense"]._replace(make=raising(error)))
        with pytest.raises(type(error)):
            built(model, d=[KERNEL, BIAS])
    with monkeypatch.context() as patch:
        patch.setattr(keras_config, "_sequential", raising(error))
        with pytest.raises(type(error)):
            built(model, d=[KERNEL, BIAS])
    monkeypatch.setattr(Layer, "expect", raising(error))
    with pytest.raises(type(error)):
        load_layers(tmp_path / "net.npz")


#: where an error of these types may be caught: what runs there is a library's, given what comes from outside
LIBRARY = {
    "batch/sources.py": {"arrivals", "_is_file"},
    "backends/__init__.py": {"default_threads"},  # `os` without a function
    "cli/plain.py": {"read"},  # argparse reads it once more
    "compiling.py": {"is_compiled", "_start"},  # layers of the caller's: the call itself will tell; their pickles
    "checks/golden_files.py": {"_read_json", "_read_npz", "load_array"},
    "checks/verify.py": {"checked_references"},
    "display.py": {"_width"},
    "errors.py": {"noted"},  # raises it again
    "explain/projection.py": {"umap"},
    "files/paths.py": {"local"},
    "formats/hdf5_library.py": {"open_file"},
    "inputs.py": {"_asarray", "_iterator"},
    "layers/arguments.py": {"made"},
    "initialisers.py": {"_shape"},
    "layers/saving.py": {"_members"},
    "serve/batching.py": {"_run"},  # whoever waits is told, and
    "serve/guards.py": {"__call__"},  # standard error says which error it was, and where
    "text/tokenizer.py": {"to_sentence"},
}


def catching(path):
    """The functions of a module with handlers that take in a TypeError or an AttributeError."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for handler in (node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler)):
            named = (
                {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else set()
            )
            for name in named & constants.keys():
                named |= {node.id for node in ast.walk(constants[name]) if isinstance(node, ast.Name)}
            if handler.type is None or named & {"TypeError", "AttributeError", "Exception"}:
                yield function.name


def test_no_handler_takes_in_mistakes_of_code():
    places = {path.relative_to(PACKAGE).as_posix(): set(catching(path)) for path in PACKAGE.rglob("*.py")}
    found = {name: functions - LIBRARY.get(name, set()) for name, functions in places.items()}
    assert {name: functions for name, functions in found.items() if functions} == {}


# A config's values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry, words",
    [
        (dense("d", 2) | {"class_name": 3}, "layer 1 of the model: 'class_name' is an integer, 3, expected a string"),
        (dense("d", 2) | {"config": "x"}, "layer 1 of the model: 'config' is a string, 'x', expected an object"),
        (dense("d", 2) | {"name": []}, r"layer 1 of the model: 'name' is a list, \[\], expected a string"),
        (dense("d", 2) | {"config": []}, r"layer 'dense': 'config' is a list, \[\], expected an object"),
        (3, "layer 1 of the model is an integer, 3, expected an object"),
        ({"class_name": "Dense"}, "layer 1 of the model: 'config' is missing"),
        (dense("d", 2, activation=["x"]), r"layer 'd': unknown activation \['x'\]"),
        (
            {"class_name": "Permute", "config": {"name": "p", "dims": [2, "1"]}},
            "layer 'p': dims .*expected a list of sizes",
        ),
        ({"class_name": "Reshape", "config": {"name": "r"}}, "layer 'r': 'target_shape' is missing, expected a list"),
        ({"class_name": "Softmax", "config": {"name": "s", "axis": 2**70}}, "layer 's': axis"),
        ({"class_name": "ELU", "config": {"name": "e", "alpha": {"config": 1}}}, "layer 'e': 'alpha': 'config' is an"),
        ({"class_name": "Bidirectional", "config": {"name": "b"}}, "layer 'b': 'layer' is missing"),
        (
            {"class_name": "Bidirectional", "config": {"name": "b", "layer": {"config": {}}}},
            "layer 'b': 'layer': 'class_n",
        ),
        ({"class_name": "TimeDistributed", "config": {"name": "t", "layer": "x"}}, "layer 't': 'layer' is a string"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(entry, words):
    weights = {"d": [KERNEL, BIAS]} if "'d'" in words else {}
    with pytest.raises(WeightsError, match=words):
        built(sequential(entry), **weights)


def functional(**changes):
    first = {"class_name": "InputLayer", "name": "x", "config": {"batch_shape": [None, 3]}, "inbound_nodes": []}
    last = dense("d", 2) | {"name": "d", "inbound_nodes": [[["x", 0, 0, {}]]]}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["d", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": [first, last | changes], **ends}}


@pytest.mark.parametrize(
    "calls", ["x", 3, [3], [["x"]], [[["x", "0", 0]]], [[["x", 0, "y"]]], [{"args": 3}], [["x", 0]]]
)
def test_a_call_that_is_none_is_named(calls):
    with pytest.raises(WeightsError, match="layer 'd'.*(expected|not supported)"):
        built(functional(inbound_nodes=calls), d=[KERNEL, BIAS])


def test_configs_that_are_deep_or_no_json():
    inner = dense("d", 2)
    for _ in range(300):
        inner = {"class_name": "TimeDistributed", "config": {"name": "t", "layer": inner}}
    with pytest.raises(WeightsError, match="more than 200 levels"):
        built(sequential(inner))
    with pytest.raises(WeightsError, match="the key 3, expected a string"):
        built(sequential(dense("d", 2, regularizer={3: 1, "x": 2})), d=[KERNEL, BIAS])
    endless = {}
    endless["endless"] = endless
    with pytest.raises(WeightsError, match="more than 200 levels"):
        built(sequential(dense("d", 2, regularizer=endless)), d=[KERNEL, BIAS])


def test_layers_of_one_name():
    with pytest.raises(WeightsError, match="two layers of a model have the same name"):
        built(sequential(dense("d", 2), dense("d", 2)), d=[KERNEL, BIAS, BIAS, BIAS])
    nested = {"class_name": "Sequential", "config": [dense("d", 2)], "name": "m"}
    config = sequential(nested, dense("m/d", 2))
    with pytest.raises(WeightsError, match="two layers of the model_config are called 'm/d'"):
        built(config, m=[KERNEL, BIAS], **{"m/d": [BIAS[:, None], BIAS]})


def test_a_sequential_models_layer_may_be_called_input():
    config = {"class_name": "Sequential", "config": [dense("input", 2, batch_input_shape=[None, 3])]}
    graph = built(config, input=[KERNEL, BIAS])
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert [type(layer).__name__ for layer in graph.layers] == ["Input", "Dense"]
    np.testing.assert_array_equal(graph.outputs[0](x), x @ KERNEL)


@pytest.mark.parametrize(
    "class_name, arguments, settings",
    [
        ("Cast", ["x"], {"dtype": "str7"}),
        ("Cast", ["x"], {}),
        ("Add", ["x"], {}),
        ("Add", ["x", None], {}),
        ("NotEqual", ["x", "y"], {}),
        ("LogicalNot", ["x", "x"], {}),
        ("Any", ["x"], {"axis": "1"}),
        ("Squeeze", ["x"], {"axis": 2**70}),
        ("ExpandDims", ["x"], {}),
        ("Concatenate", ["x"], {"axis": [1]}),
        ("Negative", [3], {}),
    ],
)
def test_operations_with_the_wrong_arguments(class_name, arguments, settings):
    from npmoji.layers.operations import Operation

    x = Input(shape=(3,))
    with pytest.raises(WeightsError, match=f"layer 'o': the operation '{class_name}' with"):
        Operation(class_name, [x if value == "x" else value for value in arguments], settings, name="o")


def test_layers_that_do_not_fit_are_still_a_weights_error():
    x = Input(shape=(3,))
    for end in (Dense(Dense(x, KERNEL), KERNEL), Concatenate(x, Dense(x, KERNEL), axis=7)):
        with pytest.raises(WeightsError):
            Graph([x, end], [end]).try_out()


# Layers from a file --------------------------------------------------------------------------------------------------


def networks():
    R = np.random.default_rng(0)

    def array(*shape):
        return R.random(shape).astype(np.float32)

    x = Input(shape=(None, 3))
    lstm = Bidirectional(x, (array(3, 8), array(2, 8), array(8)), (array(3, 8), array(2, 8), array(8)), gate="sigmoid")
    gru = GRU(lstm, array(4, 6), array(2, 6), array(6), return_state=True, return_sequences=False)
    yield Softmax(TopK(Part(gru, 0), np.int64(1)))
    yield TimeDistributed(LSTM(x, array(3, 8), array(2, 8)), Dense(Input(), array(2, 2), activation="tanh"))
    yield Dense(Input(), KERNEL, BIAS, activation="relu")


def members_of(path):
    with np.load(path) as arrays:
        return dict(arrays)


def rewritten(path, arrays, graph):
    np.savez(path, **(arrays | {"graph": np.frombuffer(json.dumps(graph).encode(), np.uint8)}))


@pytest.mark.parametrize("which", range(3))
def test_networks_are_saved_and_loaded(which, tmp_path):
    end = list(networks())[which]
    save_layers(tmp_path / "net.npz", end)
    x = np.random.default_rng(1).random((2, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(load_layers(tmp_path / "net.npz")[-1](x), end(x))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda e: e["arguments"].append(3), "layer 1, Dense: bias is 3, expected an array of numbers or None"),
        (lambda e: e["options"].update(units=3), "layer 1, Dense: .*units"),
        (lambda e: e["arguments"].clear(), "layer 1, Dense: .*previous"),
        (lambda e: e["options"].update(activation="tanx"), "activation is 'tanx', expected one of"),
        (lambda e: e["options"].update(activation=["tanh"]), "stands for no value"),
        (lambda e: e["options"].update(name=3), "name is 3, expected a string"),
        (lambda e: e["arguments"].__setitem__(0, {"layer": -1}), "no layer -1 before it"),
        (lambda e: e["arguments"].__setitem__(1, {"layer": 0}), "kernel is Input, expected an array"),
        (lambda e: e["arguments"].__setitem__(1, {"array": "x"}), "no array 'x'"),
        (
            lambda e: e.update({"class": "Remask", "options": {}, "arguments": [{"layer": 0}]}),
            "1 layers before it, expected 2",
        ),
        (lambda e: e.update(options=None), "'options' is None, expected a dict"),
    ],
)
def test_arguments_are_checked(change, words, tmp_path):
    path = tmp_path / "net.npz"
    save_layers(path, Dense(Input(), KERNEL, name="d"))
    arrays = members_of(path)
    graph = json.loads(arrays["graph"].tobytes())
    change(graph["layers"][1])
    rewritten(path, arrays, graph)
    with pytest.raises(WeightsError, match=r"net\.npz: .*" + words):
        load_layers(path)


@pytest.mark.parametrize("array", [np.array(["x", "y"]), np.zeros((3, 2), complex), np.zeros(2, [("a", "f4")])])
def test_arrays_that_are_no_numbers(array, tmp_path):
    path = tmp_path / "net.npz"
    save_layers(path, Dense(Input(), KERNEL, name="d"))
    arrays = members_of(path)
    np.savez(path, **(arrays | {name: array for name in arrays if name != "graph"}))
    with pytest.raises(WeightsError, match="kernel is ndarray, expected an array of numbers"):
        load_layers(path)
    np.save(tmp_path / "one.npy", array)
    with pytest.raises(WeightsError, match="not a network written by npmoji"):
        load_layers(tmp_path / "one.npy")


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_graph_is_refused_or_makes_a_network(seed, tmp_path):
    chance, path = random.Random(seed), tmp_path / "net.npz"
    save_layers(path, chance.choice(list(networks())))
    arrays = members_of(path)
    good = json.loads(arrays["graph"].tobytes())
    for _ in range(10):
        rewritten(path, arrays, damaged(copy.deepcopy(good), chance))
        try:
            net = load_layers(path)
        except WeightsError as error:
            assert str(path) in str(error)
            continue
        assert all(isinstance(layer, Layer) for layer in net)
