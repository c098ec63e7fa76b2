"""Random small networks made of all the layers: both engines agree, and numba's bits depend on nothing but the row."""

import numpy as np
import pytest

import npmoji
from npmoji import initialisers, layers
from npmoji.backends import backend
from npmoji.layers import Input, Pass

STEPS = 7
ROWS = 9
V = 30
GATES = ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras3")
FUNCTIONS = (
    "tanh",
    "relu",
    "sigmoid",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "swish",
    "gelu",
    "mish",
    "softmax",
    "exponential",
)


class Maker:
    """Makes layers of random kinds and sizes; knows the width of what it has made."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def any_of(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def noise(self, array, size=0.3):
        return (array + size * self.rng.standard_normal(array.shape)).astype(np.float32)

    def chance(self):
        return bool(self.rng.integers(2))

    # (N, T, F) to (N, T, F')

    def dense(self, x, F):
        C = int(self.rng.integers(1, 7))
        kernel, bias = initialisers.dense(self.rng, F, C)
        function = self.any_of("linear", *FUNCTIONS)
        return layers.Dense(x, kernel, self.noise(bias) if self.chance() else None, function), C

    def recurrent(self, x, F):
        H = int(self.rng.integers(1, 10))
        cell, weights, options = self.cell(F, H)
        options |= {"hold_masked": self.chance(), "go_backwards": self.chance(), "time_order": self.chance()}
        return cell(x, *weights, **options), H

    def cell(self, F, H):
        kind = self.any_of("lstm", "gru", "rnn")
        odd = {"activation": self.any_of("relu", "softsign")} if self.rng.integers(6) == 0 else {}
        if kind == "rnn":
            return layers.SimpleRNN, tuple(map(self.noise, initialisers.simple_rnn(self.rng, F, H))), odd
        if kind == "lstm":
            weights = tuple(map(self.noise, initialisers.lstm(self.rng, F, H)))
            return layers.LSTM, weights, odd | {"gate": self.any_of(*GATES)}
        after = self.chance()
        weights = tuple(map(self.noise, initialisers.gru(self.rng, F, H, reset_after=after)))
        return layers.GRU, weights, odd | {"gate": self.any_of(*GATES), "reset_after": after}

    def bidirectional(self, x, F):
        H = int(self.rng.integers(1, 10))
        cell, forward, options = self.cell(F, H)
        backward = tuple(map(self.noise, forward))
        mode = self.any_of("concat", "concat", "sum", "mul", "ave")
        options |= {"hold_masked": self.chance(), "reverse": self.rng.integers(5) == 0}
        return layers.Bidirectional(x, forward, backward, cell=cell, merge_mode=mode, **options), H * (
            1 + (mode == "concat")
        )

    def activation(self, x, F):
        return layers.Activation(x, self.any_of(*FUNCTIONS)), F

    def rectifier(self, x, F):
        slope = self.any_of(0.0, 0.3, self.rng.random(F).astype(np.float32))
        return layers.ReLU(x, slope, max_value=self.any_of(None, 1.5), threshold=self.any_of(0.0, 0.2)), F

    def normalisation(self, x, F):
        if self.chance():
            return layers.LayerNormalization(x, *map(self.noise, initialisers.layer_normalization(F))), F
        gamma, beta, mean, variance = initialisers.batch_normalization(F)
        return layers.BatchNormalization(x, self.noise(gamma), self.noise(beta), self.noise(mean), variance), F

    def convolution(self, x, F):
        C, size = int(self.rng.integers(1, 6)), int(self.rng.integers(1, 4))
        kernel, bias = initialisers.conv1d(self.rng, size, F, C)
        return layers.Conv1D(
            x, kernel, self.noise(bias), padding=self.any_of("same", "causal"), dilation=self.any_of(1, 2)
        ), C

    def dropout(self, x, F):
        return layers.Dropout(x), F

    def softmax_over_time(self, x, F):
        return layers.Softmax(x, axis=1), F

    # (N, T, F) to (N, F')

    def reduce(self, x, F):
        kind = self.any_of("mean", "max", "attention", "kaggle", "last", "flatten")
        if kind == "mean":
            return layers.GlobalAveragePooling1D(x), F
        if kind == "max":
            return layers.GlobalMaxPooling1D(x), F
        if kind == "attention":
            return layers.AttentionWeightedAverage(x, self.noise(*initialisers.attention(self.rng, F))), F
        if kind == "kaggle":
            A = int(self.rng.integers(2, 5))
            return layers.AttentionWithContext(
                x, *map(self.noise, initialisers.dense(self.rng, F, A)), self.noise(np.zeros((A, 1), np.float32), 1)
            ), F
        if kind == "last":
            cell, weights, options = self.cell(F, 3)
            return cell(x, *weights, **options, return_sequences=False), 3
        return layers.Flatten(x), F * STEPS

    def sequence(self, x, F, length):
        kinds = [self.dense, self.recurrent, self.bidirectional, self.activation, self.rectifier, self.normalisation]
        kinds += [self.convolution, self.dropout, self.softmax_over_time]
        for _ in range(length):
            x, F = self.any_of(*kinds)(x, F)
        return x, F

    def network(self):
        """Token ids, and numbers beside them, through branches that meet again: the last layer."""
        F = int(self.rng.integers(1, 9))
        table = self.noise(*initialisers.embedding(self.rng, V, F), size=1)
        words = layers.Embedding(Input(vocabulary_size=V, name="ids"), table, mask_zero=self.chance())
        x, F = self.sequence(words, F, int(self.rng.integers(1, 4)))
        left, F_left = self.sequence(x, F, int(self.rng.integers(0, 3)))
        if F_left == F and self.chance():
            x = self.any_of(layers.Add, layers.Multiply, layers.Average, layers.Maximum)(x, left)
        else:
            x, F = layers.Concatenate(x, left), F + F_left
        (a, A), (b, B) = self.reduce(x, F), self.reduce(x, F)
        numbers = Input(shape=(3,), name="numbers")
        joined = layers.Concatenate(a, b, numbers)
        return layers.Dense(
            joined, *map(self.noise, initialisers.dense(self.rng, A + B + 3, 4)), self.any_of("softmax", "sigmoid")
        )


def inputs(seed):
    """Rows with inner, leading and trailing padding, and one of nothing else."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, V, (ROWS, STEPS))
    ids[rng.random(ids.shape) < 0.2] = 0
    ids[0], ids[1, 4:], ids[2, :3] = 0, 0, 0
    return {"ids": ids, "numbers": rng.standard_normal((ROWS, 3)).astype(np.float32)}


def value(end, X, ops):
    return np.asarray(end.pull(X, Pass(ops))[0])


def part(X, rows):
    return {name: array[rows] for name, array in X.items()}


@pytest.mark.parametrize("seed", range(120))
def test_the_engines_agree_and_rows_are_alone(seed, tmp_path):
    end, X = Maker(seed).network(), inputs(seed)
    numba, numpy = backend("numba", 2), backend("numpy")
    whole = value(end, X, numba)
    np.testing.assert_allclose(whole, value(end, X, numpy), rtol=2e-4, atol=2e-5)
    for rows in (slice(0, 1), slice(3, 4), slice(2, 7), slice(None, None, -1)):
        np.testing.assert_array_equal(value(end, part(X, rows), numba), whole[rows])
    np.testing.assert_array_equal(value(end, X, backend("numba", 1)), whole)
    if seed % 10 == 0:
        npmoji.save_layers(tmp_path / "net.npz", end)
        np.testing.assert_array_equal(value(npmoji.load_layers(tmp_path / "net.npz")[-1], X, numba), whole)


def test_the_networks_differ_and_hold_every_layer():
    """The test above is worth something only if its networks are many."""
    seen = set()
    for seed in range(120):
        stack = [Maker(seed).network()]
        while stack:
            layer = stack.pop()
            seen.add(type(layer).__name__)
            stack.extend(layer.previous)
    assert seen >= {
        *("LSTM", "GRU", "SimpleRNN", "Bidirectional", "Conv1D", "BatchNormalization", "LayerNormalization", "ReLU"),
        *("Softmax", "Add", "Multiply", "Concatenate", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "Flatten"),
        *("AttentionWithContext", "AttentionWeightedAverage", "Activation", "Dense", "Dropout", "Average", "Maximum"),
    }
