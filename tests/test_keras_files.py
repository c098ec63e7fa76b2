"""What the files of Keras 2, tf_keras and Keras 3 leave open: whose arrays are whose, and in which order."""

import json
import zipfile

import h5py
import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji import WeightsError, formats, loading
from npmoji.formats import Contents, keras3
from npmoji.formats.contents import numbered
from npmoji.keras import config as keras_config
from npmoji.keras import graph as keras_graph
from npmoji.keras.config import Ref

KERAS = DATA / "keras"


def layer(class_name, name, *inbound, **config):
    """An entry of a Keras 2 model_config; ``inbound`` are lists of calls."""
    calls = [[[source, *numbers, {}] for source, *numbers in call] for call in inbound]
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": calls}


def model(layers, inputs, outputs, class_name="Model", name="model"):
    ends = {"input_layers": [[i, 0, 0] for i in inputs], "output_layers": [list(o) for o in outputs]}
    return {"class_name": class_name, "config": {"name": name, "layers": layers, **ends}}


def arrays(*shapes, start=1):
    return [np.full(shape, start + i, np.float32) for i, shape in enumerate(shapes)]


def built(config, layers, version="2.0.5"):
    layers = {name: numbered(held) for name, held in layers.items()}
    return loading.build(Contents("model.h5", layers, version, config))


# Weights only --------------------------------------------------------------------------------------------------------


def test_weights_only_take_the_config_beside_them_or_the_one_given(tmp_path):
    source = KERAS / "tf_keras_perceptron"
    config = json.loads((source / "config.json").read_text())
    with np.load(source / "golden.npz") as arrays:
        x = next(arrays[key] for key in arrays if key.startswith("inputs/"))
    wanted = npmoji.load(source / "model.weights.h5").predict(x)
    target = tmp_path / "model.weights.h5"
    target.write_bytes((source / "model.weights.h5").read_bytes())
    with pytest.raises(WeightsError, match="model.weights.h5"):
        npmoji.load(target)
    (tmp_path / "elsewhere.json").write_text(json.dumps(config))
    for given in (config, tmp_path / "elsewhere.json", str(source / "config.json")):
        np.testing.assert_array_equal(npmoji.load(target, config=given).predict(x), wanted)


def test_groups_without_names_are_numbered_by_class():
    """tf_keras' files name no layer: the second Dense is `dense_1`, whatever its name in the config."""
    file = formats.read(KERAS / "tf_keras_perceptron" / "model.weights.h5")
    assert isinstance(file.layers, keras3.ByGroup) and "sequential/dense" in file.layers
    config = json.loads((KERAS / "tf_keras_perceptron" / "config.json").read_text())
    config["config"]["layers"][-2]["config"]["name"] = "renamed"
    named = keras3.with_config(file, config).layers
    assert named["renamed"] is file.layers["dense_1"] and "inner/dense" in named
    del config["config"]["layers"][-2]
    with pytest.raises(WeightsError, match="'dense_1'.*no such layers"):
        keras3.with_config(file, config)


def test_the_first_keras_3_files_name_no_layers(tmp_path):
    """Later ones have the name as an attribute of each layer's `vars`."""
    source, target = KERAS / "keras3_encoder_decoder", tmp_path / "model.weights.h5"
    with zipfile.ZipFile(source / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
        target.write_bytes(archive.read("model.weights.h5"))
    with np.load(source / "golden.npz") as arrays:
        X = {key.partition("/")[2]: arrays[key] for key in arrays if key.startswith("inputs/")}
    wanted = npmoji.load(source / "model.keras").predict(X)
    assert not isinstance(formats.read(target).layers, keras3.ByGroup)
    with h5py.File(target, "r+") as file:
        file.visititems(lambda name, group: group.attrs.pop("name", None) and None)
    assert isinstance(formats.read(target).layers, keras3.ByGroup)
    ours = npmoji.load(target, config=config).predict(X)
    for one, other in zip(*(v if isinstance(v, list) else [v] for v in (ours, wanted))):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "config", [{}, {"class_name": "Model"}, 5, [], "no_such_file.json", {"class_name": [], "config": 1}]
)
def test_a_config_that_is_none(config):
    with pytest.raises(WeightsError, match="config"):
        npmoji.load(KERAS / "tf_keras_perceptron" / "model.weights.h5", config=config)


@pytest.mark.parametrize(
    "name, group",
    [
        ("GlobalMaxPooling1D", "global_max_pooling1d"),
        ("LSTM", "lstm"),
        ("TimeDistributed", "time_distributed"),
        ("PReLU", "p_re_lu"),
        ("SimpleRNN", "simple_rnn"),
        ("AttentionWithContext", "attention_with_context"),
    ],
)
def test_the_group_of_a_class(name, group):
    assert keras3._snake(name) == group


# The order of arrays -------------------------------------------------------------------------------------------------


def nested_config(frozen):
    inner = [
        layer("InputLayer", "x", batch_input_shape=[None, 2]),
        layer("Dense", "first", [["x", 0, 0]], trainable=not frozen),
        layer("BatchNormalization", "norm", [["first", 0, 0]]),
        layer("Dense", "second", [["norm", 0, 0]]),
    ]
    nested = model(inner, ["x"], [("second", 0, 0)], name="inner")
    entry = {"class_name": "Model", "name": "inner", "config": nested["config"], "inbound_nodes": [[["ids", 0, 0, {}]]]}
    return model([layer("InputLayer", "ids", batch_input_shape=[None, 2]), entry], ["ids"], [("inner", 1, 0)])


@pytest.mark.parametrize(
    "frozen, first, variance, second",
    [(False, 1, 8, 5), (True, 5, 8, 3)],
    ids=["all trainable", "the first layer frozen"],
)
def test_a_nested_model_keeps_what_training_changes_first(frozen, first, variance, second):
    """Kernel and bias, gamma and beta of all layers, and then the moving averages and what is frozen."""
    trainable = [(2, 3), (3,), (3,), (3,), (3, 4), (4,)]
    shapes = trainable + [(3,)] * 2 if not frozen else [*trainable[2:], *trainable[:2], (3,), (3,)]
    named = built(nested_config(frozen), {"inner": arrays(*shapes)}).named
    assert named["inner/first"].kernel[0, 0] == first
    assert named["inner/norm"].weights()["moving_variance"][0] == variance
    assert named["inner/second"].kernel[0, 0] == second


@pytest.mark.parametrize("class_name, gates", [("CuDNNLSTM", 4), ("CuDNNGRU", 3)])
def test_cudnn_layers_hold_each_gates_matrix_row_by_row(class_name, gates):
    """One number for each place: gate g, unit u, input i or unit v; two biases."""
    F, H = 3, 2
    want = np.arange(F * gates * H, dtype=np.float32).reshape(F, gates * H)  # as a plain layer has it
    recurrent = 100 + np.arange(H * gates * H, dtype=np.float32).reshape(H, gates * H)
    bias = np.arange(2 * gates * H, dtype=np.float32)
    stored = [
        np.concatenate([gate.T.ravel().reshape(gate.shape) for gate in np.split(matrix, gates, axis=1)], axis=1)
        for matrix in (want, recurrent)
    ]
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 5, F]),
        layer(class_name, "rnn", [["x", 0, 0]], units=H, return_sequences=True),
    ]
    rnn = built(model(layers, ["x"], [("rnn", 0, 0)]), {"rnn": [*stored, bias]}, "2.2.4").named["rnn"]
    np.testing.assert_array_equal(rnn.kernel, want)
    np.testing.assert_array_equal(rnn.recurrent_kernel, recurrent)
    np.testing.assert_array_equal(
        rnn.bias, bias.reshape(2, -1) if gates == 3 else bias[: gates * H] + bias[gates * H :]
    )
    with pytest.raises(WeightsError, match="'rnn'.*CuDNN"):
        built(model(layers, ["x"], [("rnn", 0, 0)]), {"rnn": [*stored, bias[:-1]]}, "2.2.4")


# Versions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version, gate, hold",
    [("2.0.5", "hard_sigmoid", True), ("2.15.0", "hard_sigmoid", False), ("3.1.0", "hard_sigmoid_keras3", False)],
)
def test_what_the_version_decides(version, gate, hold):
    inner = {
        "class_name": "LSTM",
        "config": {"units": 1, "return_sequences": True, "recurrent_activation": "hard_sigmoid"},
    }
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 5, 1]),
        layer("Bidirectional", "both", [["x", 0, 0]], layer=inner, merge_mode="concat"),
    ]
    weights = {"both": arrays((1, 4), (1, 4), (4,), (1, 4), (1, 4), (4,))}
    options = built(model(layers, ["x"], [("both", 0, 0)]), weights, version).named["both"].ahead.options
    assert (options["gate"], options["hold_masked"]) == (gate, hold)


def merged(version, **config):
    """The mask of two masked inputs concatenated."""
    layers = [
        layer("InputLayer", "a", batch_input_shape=[None, 3]),
        layer("InputLayer", "b", batch_input_shape=[None, 3]),
        layer("Embedding", "table", [["a", 0, 0]], [["b", 0, 0]], input_dim=2, mask_zero=True),
        layer("Concatenate", "both", [["table", 0, 0], ["table", 1, 0]], axis=-1),
        layer("GlobalAveragePooling1D", "mean", [["both", 0, 0]]),
    ]
    graph = built(model(layers, ["a", "b"], [("mean", 0, 0)]), {"table": [np.float32([[8], [1]])]}, version)
    return graph.outputs[0]({"a": np.array([[1, 1, 0]]), "b": np.array([[1, 0, 0]])})


def test_masks_of_several_inputs():
    """Keras 2 takes a step as valid if all inputs' masks do, Keras 3 if any does, from 3.4 on; before that it forgets
    the masks. A shared layer's calls count apart."""
    np.testing.assert_array_equal(merged("2.0.5"), [[1, 1]])
    np.testing.assert_array_equal(merged("3.4.0"), [[1, 4.5]])
    np.testing.assert_allclose(merged("3.3.0"), [[10 / 3, 17 / 3]], rtol=1e-6)


# Dialects of the config ----------------------------------------------------------------------------------------------


def test_a_sequential_of_keras_2_0_is_a_list():
    entries = [{"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 4]}}]
    network = keras_config.parse({"class_name": "Sequential", "config": entries})
    assert [node.name for node in network.nodes] == ["input", "d"]
    assert network.nodes[0].config == {"batch_shape": [None, 4]}
    assert (network.inputs, network.outputs) == ([Ref("input")], [Ref("d")])


def test_calls_of_keras_3_and_2_come_to_the_same():
    tensor = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 3], "dtype": "float32", "keras_history": ["x", 0, 1]},
    }
    new = keras_config._call({"args": [[tensor, tensor]], "kwargs": {"mask": [None, tensor], "training": False}})
    old = keras_config._call([["x", 0, 1, {"mask": [None, ["x", 0, 1]]}], ["x", 0, 1, {}]])
    assert new.args == old.args == [[Ref("x", 0, 1)] * 2]
    assert new.kwargs == old.kwargs == {"mask": [None, Ref("x", 0, 1)]}


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["config"]["layers"].append(c["config"]["layers"][-1]), "two layers of a model have the same name"),
        (lambda c: c["config"].update(output_layers=[]), "without outputs"),
        (lambda c: c["config"].update(output_layers=[["inner", 7, 0]]), "'inner', 7, 0.* given by no layer"),
        (lambda c: c["config"].update(input_layers=[["nothing", 0, 0]]), "'nothing'"),
        (lambda c: c["config"]["layers"][1].update(inbound_nodes=[[["inner", 1, 0, {}]]]), "nothing gives"),
        (lambda c: c["config"]["layers"][0]["config"].update(batch_input_shape=[None, 10**9]), "input 'ids'.*shape"),
        (lambda c: c.pop("config"), "cannot be understood"),
    ],
)
def test_graphs_that_do_not_hang_together(change, words):
    config = nested_config(False)
    change(config)
    weights = {"inner": numbered(arrays((2, 3), (3,), (3,), (3,), (3, 4), (4,), (3,), (3,)))}
    with pytest.raises(WeightsError, match=words):
        keras_graph.build(Contents("model.h5", weights, "2.0.5", config))


def test_weights_of_layers_that_the_config_does_not_have():
    with pytest.raises(WeightsError, match="layers that its model_config does not have.*stray"):
        built(nested_config(False), {"stray": arrays((2,))})
