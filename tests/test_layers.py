"""Layers made by hand: wiring, masks, and arithmetic small enough to be checked by eye."""

import numpy as np
import pytest

from npmoji import (
    LSTM,
    Activation,
    AttentionWeightedAverage,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Input,
    InputError,
    Layer,
    WeightsError,
)
from npmoji.backends import activations, backend
from npmoji.backends.ops import REFERENCE


def f32(*values):
    return np.array(values, np.float32)


def random_lstm(rng, F, H):
    shapes = (F, 4 * H), (H, 4 * H), (4 * H,)
    return tuple((rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32) for shape in shapes)


def test_a_chain_called_at_its_end_or_in_its_middle():
    inp = Input()
    pro = Dense(inp, f32([1, 2], [3, 4]), f32(10, -30))
    act = Activation(pro, "relu")
    net = [inp, pro, act, Dense(act, f32([2], [5]))]
    X = f32([1, 1], [0, 2])
    np.testing.assert_array_equal(net[-3](X), [[14, -24], [16, -22]])
    np.testing.assert_array_equal(net[-2](X), [[14, 0], [16, 0]])
    np.testing.assert_array_equal(net[-1](X), [[28], [32]])
    assert inp(X) is X


def test_a_layer_reached_by_several_paths_is_computed_once():
    class Counter(Layer):
        calls = 0

        def forward(self, ops, x):
            self.calls += 1
            return x + 1

    shared = Counter(Input())
    end = Concatenate(shared, Activation(shared, "tanh"), Dropout(shared))
    out = end(f32([1, 2]))
    assert shared.calls == 1
    np.testing.assert_allclose(out, [[2, 3, np.tanh(2), np.tanh(3), 2, 3]], rtol=1e-6)


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("hard_sigmoid", [0, 0, 0.3, 0.5, 0.7, 1, 1]),  # slope 0.2
        ("hard_sigmoid_keras3", [0, 0, 2 / 6, 3 / 6, 4 / 6, 5.5 / 6, 1]),  # slope 1/6
        ("relu", [0, 0, 0, 0, 1, 2.5, 90]),
        ("linear", [-90, -3, -1, 0, 1, 2.5, 90]),
    ],
)
def test_activations(name, wanted):
    x = f32(-90, -3, -1, 0, 1, 2.5, 90)
    np.testing.assert_allclose(REFERENCE.activate(name, x), wanted, rtol=0, atol=1e-7)


def test_sigmoid_and_softmax_do_not_overflow():
    x = f32([-1e30, -100, 0, 100, 1e30])
    np.testing.assert_allclose(activations.sigmoid(x), [[0, 0, 0.5, 1, 1]], atol=1e-7)
    np.testing.assert_allclose(activations.softmax(x), [[0, 0, 0, 0, 1]], atol=1e-7)
    np.testing.assert_allclose(activations.softmax(f32([1, 1, 1, 1])), [[0.25] * 4], atol=1e-7)


def test_one_lstm_step_by_hand():
    """One unit, one step: i = hs(1), f = hs(2), candidate = tanh(0.5), o = hs(-1), from zero states."""
    lstm = LSTM(Input(), kernel=f32([1, 2, 0.5, -1]), recurrent_kernel=f32([9, 9, 9, 9]), bias=f32(0, 0, 0, 0))
    c = 0.7 * np.tanh(0.5)
    np.testing.assert_allclose(lstm(f32([[1]])), [[[0.3 * np.tanh(c)]]], rtol=1e-6)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("gate", ["hard_sigmoid", "hard_sigmoid_keras3", "sigmoid"])
def test_masked_steps_are_carried_over(engine, gate):
    """Wherever the masked steps are, the valid ones come out as if the others were not there."""
    ops, rng = backend(engine), np.random.default_rng(1)
    weights = ops.pack_lstm(*random_lstm(rng, 3, 5))
    x = rng.standard_normal((1, 4, 3)).astype(np.float32)
    gappy = np.zeros((1, 9, 3), np.float32)
    valid = [1, 3, 4, 7]
    gappy[:, valid] = x
    mask = np.zeros((1, 9), bool)
    mask[:, valid] = True
    for go_backwards in (False, True):
        plain = ops.lstm(x, np.ones((1, 4), bool), weights, gate=gate, go_backwards=go_backwards)
        held = ops.lstm(gappy, mask, weights, gate=gate, go_backwards=go_backwards)
        zeroed = ops.lstm(gappy, mask, weights, gate=gate, go_backwards=go_backwards, hold_masked=False)
        np.testing.assert_allclose(held[:, valid], plain, rtol=0, atol=1e-6)
        order = [0, 0, 1, 1, 2, 3, 3, 3] if go_backwards else [0, 0, 1, 2, 2, 2, 3, 3]
        carried = held[:, :8] if go_backwards else held[:, 1:]
        np.testing.assert_allclose(carried, plain[:, order], rtol=0, atol=1e-6)
        assert not held[:, 8 if go_backwards else 0].any()  # nothing came before: the initial zeros
        assert not zeroed[~mask].any()
        np.testing.assert_array_equal(zeroed[mask], held[mask])


def test_bidirectional_reads_the_sequence_backwards():
    """With the same weights both ways, the backward half is the forward half of the reversed input."""
    rng = np.random.default_rng(2)
    weights = random_lstm(rng, 2, 3)
    layer = Bidirectional(Input(), weights, weights)
    x = rng.standard_normal((2, 5, 2)).astype(np.float32)
    ahead, behind = np.split(layer(x), 2, axis=-1)
    np.testing.assert_allclose(behind, np.split(layer(x[:, ::-1]), 2, axis=-1)[0][:, ::-1], rtol=0, atol=1e-6)
    assert np.abs(ahead - behind).max() > 0.01


@pytest.mark.parametrize("N, T, H", [(1, 1, 1), (1, 30, 17), (300, 7, 5), (33, 12, 64), (2, 100, 3), (0, 4, 8)])
@pytest.mark.parametrize("hold_masked", [True, False])
def test_the_numba_engine_equals_the_reference(N, T, H, hold_masked):
    """Ragged lengths, inner gaps, rows of nothing but padding, odd widths."""
    numba_ops, rng = backend("numba"), np.random.default_rng(N + T + H)
    forward, backward = random_lstm(rng, 6, H), random_lstm(rng, 6, H)
    x = rng.standard_normal((N, T, 6)).astype(np.float32)
    mask = (np.arange(T) < rng.integers(0, T + 1, (N, 1))) & (rng.random((N, T)) < 0.9)
    for gate in ("hard_sigmoid", "sigmoid"):
        packed = numba_ops.pack_lstm(*forward), numba_ops.pack_lstm(*backward)
        ours = numba_ops.bidirectional(x, mask, *packed, gate=gate, hold_masked=hold_masked)
        plain = REFERENCE.pack_lstm(*forward), REFERENCE.pack_lstm(*backward)
        wanted = REFERENCE.bidirectional(x, mask, *plain, gate=gate, hold_masked=hold_masked)
        assert ours.shape == wanted.shape == (N, T, 2 * H) and ours.dtype == np.float32
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=3e-6)


def test_attention_counts_the_padding_in_its_maximum():
    """A padded step with a logit 30 above the others: exp(-30) drowns in the epsilon, as in the original."""
    layer = AttentionWeightedAverage(Embedding(Input(), f32([30], [0])), kernel=f32([1]), name="attlayer")
    weights = layer.attention(np.array([[1, 0], [1, 1], [0, 0]]))
    assert 0 < weights[0, 0] < 1e-5 and weights[0, 1] == 0
    np.testing.assert_allclose(weights[1:], [[0.5, 0.5], [0, 0]], atol=1e-6)
    np.testing.assert_array_equal(layer(np.array([[0, 0]])), [[0]])
    assert layer.logits(np.array([[1, 0]])).shape == (1, 2)


def test_an_embedding_without_mask_zero_masks_nothing():
    table = f32([1], [2])
    masked, plain = (AttentionWeightedAverage(Embedding(Input(), table, mask_zero=m), f32([0])) for m in (True, False))
    tokens = np.array([[1, 0]])
    np.testing.assert_allclose([masked(tokens)[0, 0], plain(tokens)[0, 0]], [2, 1.5], atol=1e-5)


def test_dense_with_an_activation_shows_its_logits():
    dense = Dense(Input(), f32([1, 0], [0, 1]), f32(0, 1), activation="softmax")
    x = f32([1, 2])
    np.testing.assert_array_equal(dense.logits(x), [[1, 3]])
    np.testing.assert_allclose(dense(x), np.exp(f32([1, 3])) / np.exp(f32([1, 3])).sum(), rtol=1e-6)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda x: Dense(x, f32([1, 2]), f32(1), name="softmax"), ("'softmax'", "bias", "(1,)", "(2)")),
        (lambda x: Dense(x, f32(1, 2)), ("kernel", "(2,)")),
        (
            lambda x: LSTM(x, f32([1, 2, 3, 4]), f32([1, 2, 3]), f32(1, 2, 3, 4)),
            ("recurrent_kernel", "(1, 3)", "(1, 4)"),
        ),
        (lambda x: LSTM(x, f32([1, 2, 3]), f32([1, 2, 3, 4]), f32(1, 2, 3, 4)), ("kernel", "(1, 3)")),
        (lambda x: Embedding(x, np.zeros((0, 4), np.float32)), ("embeddings", "(0, 4)")),
        (lambda x: Activation(x, "swoosh"), ("unknown activation", "'swoosh'")),
    ],
)
def test_wrong_shapes_are_told_with_layer_and_both_shapes(make, words):
    with pytest.raises(WeightsError) as error:
        make(Input())
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    "ids, words",
    [
        ([[1, 2], [3, 10]], ("row 1, step 1", "10", "0 to 9")),
        ([[1, -2]], ("row 0, step 1", "-2")),
        ([1, 2], ("(2,)",)),
        ([[1.0, 2.0]], ("float64",)),
        ([[True]], ("bool",)),
        (np.zeros((3, 0), int), ("(3, 0)",)),
        (np.array([[2**63]], np.uint64), ("row 0",)),
    ],
)
def test_wrong_token_ids_are_told_with_their_place(ids, words):
    with pytest.raises(InputError) as error:
        Input(vocabulary_size=10)(np.asarray(ids))
    assert all(word in str(error.value) for word in words), error.value


def test_nan_in_an_embedding_row_in_use_is_an_error():
    table = np.ones((5, 2), np.float32)
    table[3, 1] = np.nan
    layer = Embedding(Input(5), table, name="embedding")
    assert layer(np.array([[1, 4]])).shape == (1, 2, 2)
    with pytest.raises(WeightsError, match="'embedding'.* row 3"):
        layer(np.array([[1, 3]]))


def test_a_layer_prints_what_it_is():
    assert repr(Dense(Input(), f32([1, 2]), f32(0, 0), name="softmax")) == "<Dense 'softmax': kernel (1, 2), bias (2,)>"
