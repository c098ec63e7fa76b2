"""One text on the numba engine runs as a program of kernel calls: the same bits as layer by layer, and really used."""

import gc
import os
import pickle
import threading
import time
import weakref

import numpy as np
import pytest

import npmoji
from npmoji import LSTM, Activation, Bidirectional, Concatenate, Dense, Embedding, Input, Layer, init
from npmoji.backends import backend
from npmoji.graph import Graph
from npmoji.kernels import dense as dense_kernel
from npmoji.kernels import helpers, one_text
from npmoji.kernels.helpers import Helper
from npmoji.layers import AttentionWeightedAverage, Dropout
from npmoji.layers.base import ancestors
from npmoji.lowering import plans
from npmoji.lowering.writing import CAPACITY
from npmoji.network import Network

RNG = np.random.default_rng(0)


def texts(vocabulary=400):
    """Ids (1, T) of many kinds: padding behind, in front, inside, everywhere; words again and again; long ones."""
    rng, found = np.random.default_rng(1), [np.zeros((1, steps), int) for steps in (1, 5)]
    for steps in (1, 2, 7, 15, 30, 97, CAPACITY - 1, CAPACITY, CAPACITY + 1, 200):
        ids = rng.integers(1, vocabulary, steps)
        found += [ids[None], np.pad(ids, (0, 4))[None], np.pad(ids, (2, 0))[None]]
        found += [np.where(rng.random(steps) < 0.3, 0, ids)[None], rng.integers(0, 3, (1, steps))]
    return found


@pytest.fixture
def runs(monkeypatch):
    """The plans that ran, one entry a text."""
    found, right = [], plans.Plan.run
    monkeypatch.setattr(plans.Plan, "run", lambda self, *arguments: found.append(self) or right(self, *arguments))
    return found


@pytest.fixture
def no_layers(monkeypatch):
    """Layers must not be called."""
    monkeypatch.setattr(Layer, "pull", lambda *_: pytest.fail("a layer was called"))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_bits_of_the_layers(small, precision, threads, runs):
    model = npmoji.load(small[0], engine="numba", precision=precision, threads=threads)
    layers = {"probabilities": model["softmax"], "features": model["attlayer"], "attention": model["attention"]}
    for ids in texts():
        found = model.results(ids, list(layers))
        for name, layer in layers.items():
            expected = layer(ids)
            assert found[name].dtype == np.float32 and found[name].shape == expected.shape
            assert found[name].tobytes() == expected.tobytes(), (name, ids.shape)
    limit = CAPACITY if threads < 3 else backend("numba", 3, precision).program_steps
    short = sum(min(ids.shape[1], np.flatnonzero(ids).max(initial=-1) + 2) <= limit for ids in texts())
    assert len(runs) == short and len(set(runs)) == 1


def test_no_layer_is_called(small, no_layers):
    model = npmoji.load(small[0], engine="numba")
    assert model.predict([[5, 6, 7, 0]]).shape == (1, 64)
    assert model.attention([[5, 6, 7, 0]]).shape == (1, 4)


def test_other_engines_and_several_texts_are_as_ever(small, runs):
    for engine, ids in (("numpy", [[5, 6]]), ("numba", [[5, 6], [7, 8]])):
        npmoji.load(small[0], engine=engine).predict(ids)
    assert not runs


class Double(Layer):
    """A layer of the caller's own."""

    def forward(self, ops, x):
        return np.asarray(x) * np.float32(2)


def cell(inputs, units, seed):
    return init.lstm(seed, inputs=inputs, units=units)


def start(mask_zero=True, dtype=np.float32):
    ids = Input(vocabulary_size=30, name="ids")
    return Embedding(ids, RNG.standard_normal((30, 6)).astype(dtype), mask_zero=mask_zero)


def both(x, width, seed, **options):
    return Bidirectional(x, cell(width, 5, seed), cell(width, 5, seed + 1), name=f"both_{seed}", **options)


def average(x, width):
    return AttentionWeightedAverage(x, np.float32(RNG.standard_normal((width, 1))), name="average")


def dense(x, width, columns, **options):
    kernel, bias = RNG.standard_normal((width, columns)), RNG.standard_normal(columns)
    return Dense(x, np.float32(kernel), np.float32(bias), **options)


def twice():
    x = start()
    one = both(x, 6, 1)
    return average(Concatenate(one, x, Concatenate(one, x), one), 42)


def mixed_masks():
    x = start()
    return average(Concatenate(both(x, 6, 1), LSTM(start_of(x, False), *cell(6, 3, 2))), 13)


def start_of(x, mask_zero):
    return Embedding(x.previous[0], RNG.standard_normal((30, 6)).astype(np.float32), mask_zero=mask_zero)


#: networks with the number of layers that are left to be called
NETWORKS = {
    "no mask": lambda: (average(both(start(False), 6, 1), 10), 0),
    "halves": lambda: (average(both(start(dtype=np.float16), 6, 1), 10), 0),
    "zeros at masked steps": lambda: (average(both(start(), 6, 1, hold_masked=False), 10), 0),
    "other gates": lambda: (average(both(start(), 6, 1, gate="sigmoid"), 10), 0),
    "Keras 3's gates": lambda: (average(both(start(), 6, 1, gate="hard_sigmoid_keras3"), 10), 0),
    "backwards": lambda: (average(LSTM(start(), *cell(6, 7, 1), go_backwards=True), 7), 0),
    "one after the other": lambda: (average(LSTM(LSTM(start(), *cell(6, 7, 1)), *cell(7, 20, 2)), 20), 0),
    "dropout and sigmoid": lambda: (
        dense(average(both(Dropout(Activation(start(), "sigmoid")), 6, 1), 10), 10, 3, activation="sigmoid"),
        0,
    ),
    "put together twice": lambda: (twice(), 0),
    "masks and none": lambda: (mixed_masks(), 0),
    "many columns": lambda: (dense(average(both(start(), 6, 1), 10), 10, 200, activation="softmax"), 0),
    "relu": lambda: (dense(average(both(start(), 6, 1), 10), 10, 3, activation="relu"), 1),
    "own layer": lambda: (average(both(Double(both(start(), 6, 1)), 10, 3), 10), 5),
    "relu in between": lambda: (average(both(start(), 6, 1, activation="relu"), 10), -1),
    "states in time order": lambda: (
        average(LSTM(start(), *cell(6, 7, 1), go_backwards=True, time_order=False), 7),
        -1,
    ),
    "no LSTM": lambda: (average(Concatenate(start()), 6), -1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network(name, runs):
    """What is known runs as a program, and the rest is called; -1: everything is."""
    end, left = NETWORKS[name]()
    for precision in ("fp32", "fp16", "int8"):
        network = Network(Graph([end], [end]), "numba", precision, 2)
        (end,) = network.layers
        runs.clear()
        for ids in texts(30):
            assert network.run(ids, end).tobytes() == end(ids).tobytes()
        assert bool(runs) is (left >= 0)
        for plan in set(runs):
            assert len(ancestors([end])) - len(plan.lowering.values) == left + 1  # and the input


def test_a_layer_in_the_middle_with_its_mask():
    """What the program leaves to the layers gets the masks, too."""
    x = start()
    end = LSTM(Double(both(x, 6, 1)), *cell(10, 4, 5), return_sequences=False)
    network = Network(Graph([end], [end]), "numba", threads=2)
    for ids in texts(30):
        assert network.run(ids, end).tobytes() == end(ids).tobytes()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_rows_of_the_embedding(precision):
    """Rounded to halves as ever; and what is not finite is found by the layer, which says so."""
    table = np.float32([[0, 0], [1e-8, -1e-6], [6e-5, 3e-5], [0.1, -2049.5], [6.5e4, -6.5e4], [np.nan, 1], [7e4, 1]])
    x = Embedding(Input(vocabulary_size=7), table, name="rows")
    end = average(Bidirectional(x, cell(2, 3, 1), cell(2, 3, 2)), 6)
    network = Network(Graph([end], [end]), "numba", precision, 1)
    for ids in ([[1, 2, 3]], [[4, 1, 4]], [[4, 4, 3, 2, 1]]):
        assert network.run(ids, end).tobytes() == end(np.array(ids)).tobytes()
    for bad in (5, 6) if precision != "fp32" else (5,):
        messages = set()
        for run in (lambda ids: network.run(ids, end), lambda ids: network.run(np.repeat(ids, 2, axis=0), end)):
            with pytest.raises(npmoji.WeightsError, match=f"'rows'.*row {bad}") as caught:
                run(np.array([[1, bad, 2]]))
            messages.add(str(caught.value))
        assert len(messages) == 1


def test_wrong_widths_are_told_as_ever():
    end = average(Bidirectional(start(), cell(7, 3, 1), cell(7, 3, 2), name="wrong"), 6)
    with pytest.raises(npmoji.WeightsError, match="layer 'wrong/forward': kernel has shape"):
        Network(Graph([end], [end]), "numba").run([[1, 2]], end)


@pytest.mark.parametrize("M, K, C", [(1, 300, 64), (3, 50, 1), (2, 7, 32), (5, 33, 70), (1, 40, 200)])
def test_dense_is_one_chain_a_column(M, K, C):
    """Whether a column is computed beside others in registers or not, and for single rows however the weights lie in
    memory."""
    rng = np.random.default_rng(C)
    x, kernel, bias = (np.float32(rng.standard_normal(shape)) for shape in ((M, K), (K, C), C))
    sums = np.repeat(np.float64(bias)[None], M, axis=0)
    for k in range(K):
        sums += np.float64(x[:, k : k + 1]) * np.float64(kernel[k])
    for same in (kernel, np.asfortranarray(kernel), np.repeat(kernel, 2, axis=1)[:, ::2]) if M < 4 else (kernel,):
        out = np.empty((M, C), np.float32)
        dense_kernel(x, same, bias, out, 0, M)
        np.testing.assert_array_equal(out, np.float32(sums))


# Threads --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(small):
    return npmoji.load(small[0], engine="numba", threads=2)


def test_python_threads_share_a_model(model):
    some = [ids for ids in texts() if ids.shape[1] < 50]
    expected, wrong = [model["softmax"](ids).tobytes() for ids in some], []

    def work(first):
        for turn in range(60):
            i = (first + turn) % len(some)
            if model.predict(some[i]).tobytes() != expected[i]:
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert len(helpers.helpers(1)._idle) == 1


def test_a_helper_takes_the_second_task(model, monkeypatch):
    """While the caller is kept from its tasks, the helper does its own."""
    expected, right, done = model.predict([[3, 4, 5]]), helpers.run, []

    def late(program, who):
        if who == one_text.CALLER and not done:
            program[one_text.BOARD + 1] = 1  # as if the first stage were done
            until = time.monotonic() + 60
            while not program[one_text.BOARD + one_text.LINE + 1] and time.monotonic() < until:
                time.sleep(0.001)
            done.append(int(program[one_text.BOARD + one_text.LINE + 1]))
        return right(program, who)

    monkeypatch.setattr(helpers, "run", late)
    model.predict([[3, 4, 5]])
    assert done[0] & 2  # the second of two tasks; it may have taken the first as well
    monkeypatch.undo()
    assert model.predict([[3, 4, 5]]).tobytes() == expected.tobytes()


def test_a_helper_that_never_comes(model, monkeypatch):
    expected, asked = model.predict([[3, 4, 5]]), []

    def ask(self, program):
        program[one_text.HELPER] = one_text.WANTED
        asked.append(program)

    monkeypatch.setattr(Helper, "ask", ask)
    assert model.predict([[3, 4, 5]]).tobytes() == expected.tobytes()
    assert asked and asked[0][one_text.HELPER] == one_text.IDLE
    assert one_text.run(asked[0], one_text.JOINING) is False  # too late: there is nothing to do
    assert asked[0][one_text.HELPER] == one_text.IDLE


def test_an_interrupt_stops_the_helper(model, monkeypatch):
    expected, right, programs = model.predict([[3, 4, 5]]), helpers.run, []

    def interrupted(program, who):
        if who == one_text.CALLER:
            programs.append(program)
            raise KeyboardInterrupt
        return right(program, who)

    monkeypatch.setattr(helpers, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.predict([[3, 4, 5]])
    assert programs[0][one_text.STOP] == 1
    monkeypatch.undo()
    assert model.predict([[3, 4, 5]]).tobytes() == expected.tobytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork(model):
    expected = model.predict([[3, 4, 5]]).tobytes()
    child = os.fork()
    if not child:
        os._exit(0 if model.predict([[3, 4, 5]]).tobytes() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


# What is kept ---------------------------------------------------------------------------------------------------------


def test_pickles_and_copies_have_no_plans(model):
    model.predict([[3, 4, 5]])
    assert model.graph.plans
    assert not pickle.loads(pickle.dumps(model)).graph.plans and not model.graph.copy().plans


def test_closing_frees_it(model):
    model.predict([[3, 4, 5]])
    (plan,) = map(weakref.ref, model.graph.plans.values())
    model.close()
    gc.collect()
    assert plan() is None


def test_texts_one_after_the_other_share_memory(model, runs):
    for ids in texts():
        model.predict(ids)
    assert len(runs[0]._idle) == 1
