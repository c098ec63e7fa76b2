"""Networks of more layers than Python lets functions call each other."""

import pickle
import sys

import numpy as np
import pytest

from npmoji import Dense, Input, Layer, load_layers, save_layers
from npmoji.backends import backend
from npmoji.graph import Graph
from npmoji.layers import Add, Dropout, Pass, TimeDistributed
from npmoji.model import Model

DEPTH = 3 * sys.getrecursionlimit()


class Half(Layer):
    """A layer of the caller's own."""

    def forward(self, ops, x):
        return np.asarray(x) / np.float32(2)


def deep(start):
    """Many layers in a row, whose value is the input's; each third takes two others."""
    end = start
    for i in range(DEPTH // 3):
        half = Half(end, name=f"half{i}")
        end = Add(half, Dropout(half, name=f"same{i}"), name=f"sum{i}")
    return end


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_deep_network_is_computed(engine):
    end = Dense(deep(Input()), np.eye(3, dtype=np.float32), name="end")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert (end(x) == x).all()
    assert (np.asarray(end.pull(x, Pass(backend(engine)))[0]) == x).all()


def test_a_deep_layer_for_each_step():
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    assert (TimeDistributed(Input(), deep(Input()))(x) == x).all()


def test_a_deep_model_is_tried_out_loaded_and_pickled(tmp_path):
    start = Input(shape=(3,))
    end = Dense(deep(start), np.eye(3, dtype=np.float32), name="end")
    graph = Graph([start, end], [end])
    graph.try_out()
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert (Model(graph).predict(x) == x).all()
    chain = Input()
    for i in range(DEPTH):
        chain = Dropout(chain, name=f"d{i}")
    save_layers(tmp_path / "net.npz", chain)
    net = load_layers(tmp_path / "net.npz")
    assert (net[-1](x) == x).all()
    model = pickle.loads(pickle.dumps(Model(Graph(net, net[-1:]))))
    assert (model.predict(x) == x).all()
