"""Layers of recurrent cells: `StackedRNN`, and what files say of `RNN` and `Bidirectional`. Their cases run in
`test_keras_graphs`."""

import copy
import json
import pickle

import numpy as np
import pytest
from test_keras_files import built, layer, model

import npmoji
from npmoji import GRU, LSTM, Bidirectional, Embedding, Input, SimpleRNN, StackedRNN, WeightsError
from npmoji.backends import backend
from npmoji.graph import Graph
from npmoji.layers import Part, Pass
from npmoji.layers.base import ancestors

IDS = np.array([[3, 1, 2, 0, 0], [0, 0, 4, 1, 2], [1, 0, 3, 0, 2], [0, 0, 0, 0, 0], [4, 4, 1, 2, 3]])
PARTS = (
    (LSTM, npmoji.init.lstm(1, 4, 3), {"gate": "sigmoid"}),
    (GRU, npmoji.init.gru(2, 3, 5), {"activation": "softsign"}),
    (SimpleRNN, npmoji.init.simple_rnn(3, 5, 2), {}),
)


def words():
    return Embedding(Input(vocabulary_size=5), np.random.default_rng(0).random((5, 4), np.float32), mask_zero=True)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("backwards", [True, False])
def test_cells_are_layers_one_after_the_other(engine, hold, backwards):
    x = words()
    stack = StackedRNN(x, *PARTS, hold_masked=hold, go_backwards=backwards, return_state=True)
    states, y = [], x
    for kind, arrays, options in PARTS:
        one = kind(y, *arrays, hold_masked=hold, go_backwards=backwards, return_state=True, **options)
        y, states = Part(one, 0), states + [Part(one, i) for i in range(1, one.outputs)]
    run = Pass(backend(engine))
    for ours, wanted in zip(stack.compute(IDS, run), [part.compute(IDS, run) for part in (y, *states)], strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(wanted))


def test_a_cell_has_its_own_initial_states():
    x = words()
    given = [Input(shape=(H,), name=name) for name, H in (("h", 3), ("c", 3), ("g", 5), ("s", 2))]
    stack = StackedRNN(x, *PARTS, initial_state=tuple(given), return_state=True)
    X = {layer.name: np.full((5, *layer.shape), i + 1, np.float32) for i, layer in enumerate(given)} | {"input": IDS}
    for after, i in zip(stack(X)[1:], range(1, 5)):
        assert (after[3] == i).all()  # of the row without valid steps
    X["g"] = X["g"][:, :4]
    with pytest.raises(npmoji.NpmojiError, match="'g'"):
        stack(X)
    with pytest.raises(WeightsError, match="'stack': 2 initial states, expected 4"):
        StackedRNN(x, *PARTS, initial_state=tuple(given[:2]), name="stack")


def both():
    return Bidirectional(
        words(), PARTS, PARTS[:2], cell=StackedRNN, backward_cell=StackedRNN, backward_options={"hold_masked": False}
    )


@pytest.mark.parametrize("end", [lambda: StackedRNN(words(), *PARTS), both])
def test_saved_pickled_and_copied(end, tmp_path):
    layer = end()
    npmoji.save_layers(tmp_path / "net.npz", layer)
    network = npmoji.Model(Graph(ancestors([layer]), [layer]), engine="numpy")
    wanted = network.predict(IDS)
    again = npmoji.load_layers(tmp_path / "net.npz")[-1]
    copied = copy.deepcopy(network).predict(IDS), pickle.loads(pickle.dumps(layer))(IDS)
    for found in (again(IDS), *copied):
        np.testing.assert_array_equal(found, wanted)
    assert list(again.weights()) == list(layer.weights())
    assert len(again.weights()) == len({id(array) for array in again.weights().values()})


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda cell: cell["tuple"].pop(), "cells is .*expected a cell: its class, two or three arrays, and options"),
        (lambda cell: cell["tuple"][2]["dict"].update(units=3), "expected a cell"),
        (lambda cell: cell["tuple"].__setitem__(0, {"class": "Dense"}), "expected a cell"),
        (lambda cell: cell["tuple"].__setitem__(0, {"class": "StackedRNN"}), "expected a cell"),
        (lambda cell: cell["tuple"][1]["tuple"].clear(), "expected a cell"),
        (lambda cell: cell["tuple"].__setitem__(0, {"class": "GRU"}), "layer 'stackedrnn/0': .*kernel has shape"),
    ],
)
def test_damaged_cells_in_our_own_file(change, words, tmp_path):
    path = tmp_path / "net.npz"
    npmoji.save_layers(path, StackedRNN(Input(shape=(None, 4)), *PARTS))
    with np.load(path) as found:
        arrays = dict(found)
    graph = json.loads(arrays["graph"].tobytes())
    change(graph["layers"][1]["arguments"][1])
    np.savez(path, **(arrays | {"graph": np.frombuffer(json.dumps(graph).encode(), np.uint8)}))
    with pytest.raises(WeightsError, match=words):
        npmoji.load_layers(path)


def test_cells_and_arrays_do_not_go_together(tmp_path):
    path = tmp_path / "net.npz"
    npmoji.save_layers(path, both())
    with np.load(path) as found:
        arrays = dict(found)
    graph = json.loads(arrays["graph"].tobytes())
    graph["layers"][2]["options"]["cell"] = {"class": "LSTM"}
    np.savez(path, **(arrays | {"graph": np.frombuffer(json.dumps(graph).encode(), np.uint8)}))
    with pytest.raises(WeightsError, match="layer 2, Bidirectional: arrays and cells do not go together in LSTM"):
        npmoji.load_layers(path)


def test_kernels_that_do_not_follow_one_another():
    with pytest.raises(WeightsError, match=r"'stackedrnn/1': kernel has shape \(5, 2\), expected \(3, any\)"):
        StackedRNN(words(), PARTS[0], PARTS[2])
    with pytest.raises(WeightsError, match="no cells"):
        StackedRNN(words())


# From Keras' configs -------------------------------------------------------------------------------------------------


def cell(kind, name, units, **settings):
    return {"class_name": kind, "config": {"name": name, "units": units, **settings}}


def network(cell_config, kind="RNN", **settings):
    """A network of one layer of cells over numbers (N, T, 2), as Keras 2 describes it."""
    inner = layer("RNN", "rnn", [["x", 0, 0]], cell=cell_config, **settings)
    if kind == "Bidirectional":
        inner = layer("Bidirectional", "rnn", [["x", 0, 0]], layer={k: inner[k] for k in ("class_name", "config")})
    return model([layer("InputLayer", "x", batch_input_shape=[None, None, 2]), inner], ["x"], [["rnn", 0, 0]])


def arrays(*widths):
    """Those of SimpleRNN cells, one kernel and one recurrent kernel each."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(np.float32) for F, H in zip((2, *widths), widths) for s in ((F, H), (H, H))]


def stacked(*cells):
    return {"class_name": "StackedRNNCells", "config": {"cells": list(cells)}}


def plain(i, units=3, **settings):
    return cell("SimpleRNNCell", f"cell_{i}", units, **{"use_bias": False, **settings})


def test_cells_that_are_not_trained_come_last():
    X = np.random.default_rng(1).standard_normal((2, 4, 2)).astype(np.float32)
    first, second = arrays(3, 3)[:2], arrays(3, 3)[2:]
    usual = built(network(stacked(plain(0), plain(1))), {"rnn": [*first, *second]}, "2.12.0")
    frozen = built(network(stacked(plain(0, trainable=False), plain(1))), {"rnn": [*second, *first]}, "2.12.0")
    np.testing.assert_array_equal(frozen.named["rnn"](X), usual.named["rnn"](X))


def test_a_stack_in_a_stack_is_one():
    X = np.random.default_rng(1).standard_normal((2, 4, 2)).astype(np.float32)
    cells, some = [plain(i) for i in range(3)], {"rnn": arrays(3, 3, 3)}
    wanted = built(network(stacked(*cells)), some, "2.12.0").named["rnn"](X)
    found = built(network(stacked(cells[0], stacked(*cells[1:]))), some, "2.12.0").named["rnn"](X)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", ["RNN", "Bidirectional"])
@pytest.mark.parametrize(
    "cell_config, words",
    [
        (cell("MyCell", "mine", 3), ("'MyCell'", "LSTMCell", "register_layer")),
        (stacked(), ("no cells",)),
        (stacked(plain(0), cell("ConvLSTMCell", "other", 3)), ("cell 1", "'ConvLSTMCell'")),
        (stacked(plain(0), 3), ("cell 1", "an integer, 3", "expected an object")),
        ([plain(0)], ("'cell'", "a list", "expected an object")),
        ({"class_name": "SimpleRNNCell"}, ("'config'", "missing")),
        (plain(0, activation="swoosh"), ("unknown activation 'swoosh'",)),
        (plain(0, use_bias=True), ("arrays, expected", "bias")),
    ],
)
def test_cells_that_are_refused(cell_config, words, kind):
    some = arrays(3) * (2 if kind == "Bidirectional" else 1)
    with pytest.raises(WeightsError, match="'rnn'") as error:
        built(network(cell_config, kind), {"rnn": some}, "2.12.0")
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    "change, words",
    [({"return_state": True}, "several cells of Keras 2.2 with states"), ({}, None)],
)
def test_several_cells_of_the_first_keras_2(change, words):
    """Their order of states, and what a masked step gives, differ between versions."""
    config, some = network(stacked(plain(0), plain(1)), **change), {"rnn": arrays(3, 3)}
    if words is None:
        assert built(config, some, "2.2.4").named["rnn"](np.ones((1, 2, 2), np.float32)).shape == (1, 3)
        config["config"]["layers"].insert(1, layer("Masking", "masked", [["x", 0, 0]]))
        config["config"]["layers"][2]["inbound_nodes"] = [[["masked", 0, 0, {}]]]
        words = "several cells of Keras 2.2 with a mask"
    with pytest.raises(WeightsError, match=f"'rnn': {words}"):
        built(config, some, "2.2.4")
