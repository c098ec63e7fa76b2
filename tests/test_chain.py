"""Networks made by hand: the toolkit's layers against formulas written out, and their way to a file and back."""

import json
import math

import numpy as np
import pytest

import npmoji
from npmoji import (
    GRU,
    LSTM,
    Activation,
    Bidirectional,
    Concatenate,
    Conv1D,
    Dense,
    Embedding,
    Input,
    InputError,
    Layer,
    MaskedMean,
    NpmojiError,
    Softmax,
    TopK,
    WeightsError,
    initialisers,
    load_layers,
    save_layers,
)


def rows_equal(a, b):
    np.testing.assert_array_equal(a, b)


# Layers of the toolkit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k_gating_leaves_k_probabilities(k):
    rng = np.random.default_rng(k)
    logits = (10 * rng.standard_normal((7, 6))).astype(np.float32)
    logits[0] = 3  # of equal ones the first are kept
    gate = Softmax(TopK(Input(), k))
    p = gate(logits)
    kept = min(k, 6)
    assert (np.count_nonzero(p, axis=1) == kept).all()
    assert np.flatnonzero(p[0]).tolist() == list(range(kept))
    for row, x in zip(p, logits):
        best = np.argsort(-x, kind="stable")[:kept]
        wanted = np.exp(x[best].astype(np.float64) - x.max())
        np.testing.assert_allclose(row[best], wanted / wanted.sum(), rtol=1e-5)


def test_masked_mean_of_word_vectors():
    table = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    mean = MaskedMean(Embedding(Input(), table))
    ids = np.array([[1, 2, 3, 0], [0, 0, 0, 0], [0, 7, 0, 7], [4, 5, 6, 7]])
    wanted = [sum((table[i] for i in row if i), np.zeros(5)) / max(1, np.count_nonzero(row)) for row in ids]
    np.testing.assert_allclose(mean(ids), wanted, atol=1e-6)


def sparse_of(dense):
    """(indptr, indices, data) of a dense matrix."""
    rows, columns = np.nonzero(dense)
    return np.r_[0, np.cumsum(np.bincount(rows, minlength=len(dense)))], columns, dense[rows, columns]


class Sparse:
    """What is asked of a scipy.sparse matrix."""

    def __init__(self, indptr, indices, data):
        self.indptr, self.indices, self.data = indptr, indices, data

    def tocsr(self):
        return self


@pytest.mark.parametrize("density", [0, 0.01, 0.3, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_a_sparse_input_is_multiplied_as_a_dense_one(density, bias):
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((30, 400)) < density, rng.standard_normal((30, 400)), 0).astype(np.float32)
    kernel, b = initialisers.dense(rng, 400, 7)
    layer = Activation(Dense(Input(), kernel, b + 1 if bias else None), "tanh")
    for x in (sparse_of(dense), Sparse(*sparse_of(dense))):
        np.testing.assert_allclose(layer(x), layer(dense), atol=2e-6)


def test_a_large_sparse_product_is_done_in_parts(monkeypatch):
    from npmoji.layers import sparse

    rng = np.random.default_rng(2)
    dense = np.where(rng.random((50, 60)) < 0.4, 1, 0).astype(np.float32)
    layer = Dense(Input(), *initialisers.dense(rng, 60, 8))
    whole = layer(sparse_of(dense))
    monkeypatch.setattr(sparse, "BLOCK", 40)
    rows_equal(layer(sparse_of(dense)), whole)


@pytest.mark.parametrize(
    "arrays, words",
    [
        (([0, 1], [5], [1.0]), "column 5"),
        (([0, 2], [1], [1.0]), "indptr"),
        (([0, 2, 1], [1], [1.0]), "indptr"),
        (([1, 1], [], []), "indptr"),
        (([0, 1], [-1], [1.0]), "negative"),
        (([0, 1], [1], [np.nan]), "NaN"),
        (([0.0, 1.0], [1], [1.0]), "integers"),
        (([[0, 1]], [1], [1.0]), "1-D"),
        (([0, 1], [1], ["a"]), "numbers"),
    ],
)
def test_sparse_inputs_that_do_not_fit(arrays, words):
    layer = Dense(Input(), np.ones((5, 2), np.float32))
    with pytest.raises(NpmojiError, match=words):
        layer(tuple(map(np.asarray, arrays)))


# To a file and back ---------------------------------------------------------------------------------------------------


def small_networks():
    rng = np.random.default_rng(3)
    words = Embedding(Input(vocabulary_size=30), *initialisers.embedding(rng, 30, 4))
    both = Bidirectional(
        words, initialisers.gru(rng, 4, 3), initialisers.gru(rng, 4, 3), cell=GRU, reset_after=False, merge_mode="sum"
    )
    yield (
        "recurrent",
        Dense(
            LSTM(both, *initialisers.lstm(rng, 3, 5), gate="sigmoid", return_sequences=False),
            *initialisers.dense(rng, 5, 2),
        ),
    )
    yield "convolution", MaskedMean(Conv1D(words, *initialisers.conv1d(rng, 3, 4, 6), padding="same"))
    yield "branches", Concatenate(Softmax(words), words, Activation(words, "tanh"))


@pytest.mark.parametrize("name, end", list(small_networks()))
def test_a_network_comes_back_from_its_file(name, end, tmp_path):
    ids = np.array([[1, 2, 3, 29], [5, 0, 6, 0], [0, 0, 0, 0]])
    save_layers(tmp_path / "net.npz", end)
    net = load_layers(tmp_path / "net.npz")
    rows_equal(net[-1](ids), end(ids))
    assert [type(layer) for layer in net][:2] == [npmoji.Input, npmoji.Embedding]
    with np.load(tmp_path / "net.npz", allow_pickle=False) as arrays:
        assert all(array.dtype.kind in "fu" for array in arrays.values())


def test_a_loaded_model_may_be_saved_too(small, tmp_path):
    model = npmoji.load(small[0])
    save_layers(tmp_path / "net.npz", model.layers[-1])
    net = load_layers(tmp_path / "net.npz")
    assert [layer.name for layer in net] == [layer.name for layer in model.layers]
    rows_equal(net[-1](small[1]["tokens"]), npmoji.load(small[0], engine="numpy").layers[-1](small[1]["tokens"]))


def test_several_outputs_share_what_they_have_in_common(tmp_path):
    start = Input()
    shared = Dense(start, np.eye(3, dtype=np.float32))
    save_layers(tmp_path / "net.npz", Activation(shared, "tanh"), Softmax(shared))
    net = load_layers(tmp_path / "net.npz")
    assert len(net) == 4 and net[-1].previous == net[-2].previous == (net[1],)


def test_what_cannot_be_saved_is_told(tmp_path):
    class Own(Layer):
        pass

    path = tmp_path / "net.npz"
    for outputs, words in (((Own(Input()),), "Own"), ((), "expected the layers"), ((3,), "expected the layers")):
        with pytest.raises(InputError, match=words):
            save_layers(path, *outputs)
        assert not path.exists()
    with pytest.raises(InputError, match="nowhere"):
        save_layers(tmp_path / "nowhere" / "net.npz", Input())


def members_of(path):
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["layers"][0].update({"class": "Popen"}),
        lambda graph: graph["layers"][1].update({"class": "eval"}),
        lambda graph: graph["layers"].reverse(),
        lambda graph: graph["layers"][1]["arguments"].append({"layer": 99}),
        lambda graph: graph["layers"][1].pop("options"),
        lambda graph: graph["layers"][1]["options"].update({"name": {"array": "nothing"}}),
        lambda graph: graph.pop("outputs"),
        lambda graph: graph.update(layers=3),
    ],
)
def test_damaged_graphs_are_refused(change, tmp_path):
    path = tmp_path / "net.npz"
    save_layers(path, Dense(Input(), np.ones((2, 3), np.float32)))
    arrays = members_of(path)
    graph = json.loads(arrays["graph"].tobytes())
    change(graph)
    np.savez(path, **(arrays | {"graph": np.frombuffer(json.dumps(graph).encode(), np.uint8)}))
    with pytest.raises(WeightsError, match=r"net\.npz"):
        load_layers(path)


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"no file of ours", None])
def test_files_that_are_none_are_refused(data, tmp_path):
    path = tmp_path / "net.npz"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"net\.npz"):
        load_layers(path)


def test_flipped_bytes_never_surprise(tmp_path):
    path = tmp_path / "net.npz"
    save_layers(path, Dense(Input(), np.ones((2, 3), np.float32)))
    good, rng = path.read_bytes(), np.random.default_rng(4)
    for _ in range(150):
        bad = bytearray(good)
        for place in rng.integers(0, len(bad), math.ceil(rng.integers(1, 4))):
            bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        try:
            load_layers(path)
        except WeightsError:
            pass
