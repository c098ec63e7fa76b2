"""What an engine is: one class with the functions of `Ops`, of which it overrides what it does in its own way."""

import inspect
from importlib.util import find_spec

import numpy as np
import pytest

import npmoji
from npmoji import backends
from npmoji.backends import backend
from npmoji.backends.numba_ops import NumbaOps
from npmoji.backends.ops import REFERENCE, Array, Ops, over_time
from npmoji.backends.products import product
from npmoji.layers import GRU, LSTM, Bidirectional, Dense, Input, LayerNormalization, Pass, SimpleRNN
from npmoji.layers.base import HiddenMask
from npmoji.precision import PRECISIONS

OTHERS = [
    "numba",
    pytest.param(
        "torch", marks=pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch: pip install '.[torch]'")
    ),
]
TEXTS = ["I love mom's cooking", "this is the worst day ever !", ""]


class Float64(Ops):
    """Every product in float64, rounded once."""

    def dense(self, x: Array, weights: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        kernel, bias = weights
        return (np.asarray(x, np.float64) @ np.asarray(kernel, np.float64) + bias).astype(np.float32)


class Own:
    """An engine's own kind of array."""

    def __init__(self, array: np.ndarray):
        self._array, self.shape, self.ndim = array, array.shape, array.ndim

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self._array.astype(dtype or np.float32, copy=bool(copy))


class Transposed(Ops):
    """Weights in a form of its own, and arrays of its own from the two functions that all others are made of."""

    def pack_dense(self, kernel, bias):
        kernel, bias = super().pack_dense(kernel, bias)
        return {"transposed": np.ascontiguousarray(kernel.T), "bias": bias}

    def dense(self, x, weights):
        return Own(super().dense(x, (weights["transposed"].T, weights["bias"])))

    def activate(self, name, x):
        return Own(np.asarray(super().activate(name, x)))


def test_an_engine_that_overrides_dense_runs_the_bundled_model():
    model = npmoji.load()
    tokens = model.arrays(TEXTS)
    ours, wanted = (model["softmax"].compute(tokens, Pass(engine)) for engine in (Float64(), Ops()))
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=2e-6)
    assert (ours != wanted).any()


def test_one_row_makes_it_an_engine_by_name(monkeypatch):
    row = backends.Engine(lambda threads, precision, device: Float64(precision), "none")
    monkeypatch.setitem(backends.ENGINES, "float64", row)
    np.testing.assert_allclose(
        npmoji.load(engine="float64").predict(TEXTS), npmoji.load(engine="numpy").predict(TEXTS), rtol=0, atol=2e-6
    )


def recurrent_network(cell, gates, **options):
    rng = np.random.default_rng(gates)
    F, H = 5, 4

    def arrays(inputs):
        return [np.float32(rng.standard_normal(s) / 2) for s in ((inputs, gates * H), (H, gates * H), (gates * H,))]

    both = Bidirectional(Input(), arrays(F), arrays(F), cell=cell, **options)
    one = cell(LayerNormalization(both, None, None), *arrays(2 * H), **options)
    return Dense(one, np.float32(rng.standard_normal((H, 3))), activation="softmax")


@pytest.mark.parametrize("cell, gates", [(LSTM, 4), (GRU, 3), (SimpleRNN, 1)])
def test_the_recurrent_layers_need_no_more_than_dense_and_activate(cell, gates):
    """Packed weights and arrays of the engine's own kind go through all of them."""
    end, x = recurrent_network(cell, gates), np.float32(np.random.default_rng(0).standard_normal((6, 7, 5)))
    np.testing.assert_allclose(end.compute(x, Pass(Transposed())), end(x), rtol=0, atol=1e-6)
    calls = []

    class Counting(Ops):
        def dense(self, x, weights):
            calls.append(x.shape)
            return super().dense(x, weights)

    np.testing.assert_array_equal(end.compute(x, Pass(Counting())), end(x))
    assert len(calls) > 3 * 7  # in each direction one for all steps, and one or more a step


def test_steps_that_no_text_has_are_not_computed():
    asked = []

    def step(projected, h):
        asked.append(projected[0, 0])
        return (projected + h,)

    numbers = np.arange(8, dtype=np.float32).reshape(2, 4, 1)
    mask = np.array([[False, True, False, False], [False, True, True, False]])
    for hold, wanted in ((True, [[0, 2, 2, 2], [0, 6, 12, 12]]), (False, [[0, 2, 0, 0], [0, 6, 12, 0]])):
        outputs, (h,) = over_time(step, numbers, mask, [np.ones((2, 1), np.float32)], hold, False)
        assert outputs[..., 0].tolist() == wanted and h.tolist() == [[2], [12]]
    assert asked == [1, 2, 1, 2]


def functions(cls):
    return {name: value for name, value in vars(cls).items() if inspect.isfunction(value) and not name.startswith("_")}


@pytest.mark.parametrize("engine", OTHERS)
def test_engines_take_what_the_base_class_says(engine):
    """Any call that one engine takes, the others take too: the same names in the same order, the same defaults."""
    cls = type(backend(engine))
    assert issubclass(cls, Ops)
    for name, method in functions(cls).items():
        assert name in functions(Ops), f"{cls.__name__}.{name} is no function of Ops"
        ours, base = (inspect.signature(f).parameters.values() for f in (method, getattr(Ops, name)))
        if not any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in ours):  # those hand on whatever comes
            assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in base], name


@pytest.mark.parametrize("engine", ["numpy", *OTHERS])
@pytest.mark.parametrize("width", [1, 17, 300])
def test_feature_sum(engine, width):
    x = np.float32(np.random.default_rng(width).standard_normal((4, 5, width)))
    total = np.asarray(backend(engine).feature_sum(x))
    np.testing.assert_allclose(total, x.sum(axis=-1, dtype=np.float64), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(total, backend(engine).attention_logits(x, np.ones((width, 1), np.float32)))


@pytest.mark.parametrize("engine", OTHERS)
def test_a_mask_changed_in_place_between_two_calls_counts(engine):
    """Nothing is remembered of a mask outside of a pass, where layer after layer has the same."""
    ops, rng = backend(engine), np.random.default_rng(0)
    weights = [np.float32(rng.standard_normal(shape)) for shape in ((3, 8), (2, 8), 8)]
    x, mask = np.float32(rng.standard_normal((4, 5, 3))), np.ones((4, 5), bool)
    for run in (ops, ops.for_pass()):
        for valid in (5, 2, 4):
            mask[:], mask[1, valid:] = True, False
            wanted = REFERENCE.lstm(x, mask, REFERENCE.pack_lstm(*weights))
            np.testing.assert_allclose(run.lstm(x, mask, ops.pack_lstm(*weights)), wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("engine", OTHERS)
def test_a_mask_is_packed_once_a_pass(engine, monkeypatch):
    model, tokens, made = npmoji.load(engine=engine), np.array([[3, 4, 0], [5, 0, 0]]), []
    module, name = inspect.getmodule(type(backend(engine))), {"numba": "pack", "torch": "plan"}[engine]
    right = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: made.append(name) or right(*arguments))
    for _ in range(2):
        model["softmax"](tokens)
    assert len(made) == 2  # two passes with two LSTM layers each


def test_the_mask_of_a_hidden_one_goes_on():
    weights = [np.float32(np.random.default_rng(1).standard_normal(shape)) for shape in ((1, 8), (2, 8), 8)]
    ids = Input(vocabulary_size=9)
    x = npmoji.Embedding(ids, np.arange(9, dtype=np.float32)[:, None])
    plain, hidden = LSTM(x, *weights), LSTM(HiddenMask(x), *weights)
    tokens = np.array([[1, 2, 0]])
    (seen, mask), (unseen, same) = (layer.pull(tokens, Pass(REFERENCE)) for layer in (plain, hidden))
    np.testing.assert_array_equal(mask, [[True, True, False]])
    np.testing.assert_array_equal(same, mask)
    np.testing.assert_array_equal(seen[:, 2], seen[:, 1])
    assert (unseen[:, 2] != seen[:, 2]).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_engines_of_one_kind_share_packed_weights(precision):
    assert Ops(precision).packing == Ops(precision).packing == backend("numpy", None, precision).packing
    assert NumbaOps(1, precision).packing == NumbaOps(2, precision).packing
    kinds = {engine(precision=precision).packing for engine in (Ops, Float64)} | {NumbaOps(1, precision).packing}
    assert len(kinds) == 3 and Ops("fp32").packing != Ops("int8").packing


@pytest.mark.parametrize("engine", ["numpy", *OTHERS])
@pytest.mark.parametrize("gate, activation", [("relu", "tanh"), ("sigmoid", "softsign")])
def test_bidirectional_takes_any_functions(engine, gate, activation):
    ops, rng = backend(engine), np.random.default_rng(0)
    x, mask = np.float32(rng.standard_normal((4, 5, 3))), rng.random((4, 5)) < 0.7
    packed = [
        ops.pack_lstm(*(np.float32(rng.standard_normal(shape)) for shape in ((3, 8), (2, 8), 8))) for _ in range(2)
    ]
    together = np.asarray(ops.bidirectional(x, mask, *packed, gate=gate, activation=activation))
    for back, half in ((False, slice(0, 2)), (True, slice(2, 4))):
        alone = ops.lstm(x, mask, packed[back], gate=gate, activation=activation, go_backwards=back)
        np.testing.assert_array_equal(together[..., half], alone)


@pytest.mark.parametrize("engine", ["numpy", *OTHERS])
def test_layers_of_callers_get_plain_arrays(engine):
    """Whatever kind of array the engine's own layers hand to each other, as after an embedding."""

    class Doubled(npmoji.Layer):
        def forward(self, ops, x):
            assert type(x) is np.ndarray
            return x[:, :, ::-1] * 2

    rng = np.random.default_rng(0)
    ids = Input(vocabulary_size=9)
    ends = Doubled(npmoji.Embedding(ids, rng.standard_normal((9, 3)).astype(np.float32), mask_zero=False))
    value = ends.compute(np.array([[1, 2, 1]]), Pass(backend(engine)))
    np.testing.assert_array_equal(value, ends.compute(np.array([[1, 2, 1]]), Pass(REFERENCE)))


@pytest.mark.parametrize("columns", [3, 600])
@pytest.mark.parametrize("rows", [0, 1, 2, 4, 5, 9])
def test_few_rows_one_by_one_give_the_same_product(rows, columns):
    rng = np.random.default_rng(rows)
    x, matrix = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, 300), (300, columns)))
    found = product(x, matrix)
    assert found.dtype == np.float32 and found.shape == (rows, columns)
    np.testing.assert_allclose(found, x.astype(np.float64) @ matrix, rtol=1e-4, atol=1e-4)
