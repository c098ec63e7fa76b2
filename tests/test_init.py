"""Fresh weights: each initialiser against its definition, statistically; seeds are fixed and bounds are 6 standard
errors."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import npmoji
from npmoji import deepmoji, initialisers
from npmoji.errors import InputError
from npmoji.formats import Contents

LARGE = [(300, 500), (3, 200, 250), (3000, 50)]  # a dense kernel, a convolution's, an embedding table: 150,000 each
FANS = {(300, 500): (300, 500), (3, 200, 250): (600, 750), (3000, 50): (3000, 50)}

#: function: (variance times the fan, which fan, distribution)
SCALED = {
    initialisers.glorot_uniform: (1, "fan_avg", "uniform"),
    initialisers.glorot_normal: (1, "fan_avg", "truncated_normal"),
    initialisers.he_uniform: (2, "fan_in", "uniform"),
    initialisers.he_normal: (2, "fan_in", "truncated_normal"),
    initialisers.lecun_uniform: (1, "fan_in", "uniform"),
    initialisers.lecun_normal: (1, "fan_in", "truncated_normal"),
}


# Yardsticks ----------------------------------------------------------------------------------------------------------


def normal_cdf(z):
    return 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))


def truncated_cdf(z):
    """Of the standard normal distribution cut off at -2 and 2."""
    tail = normal_cdf(np.float64(-2))
    return np.clip((normal_cdf(z) - tail) / (1 - 2 * tail), 0, 1)


def uniform_cdf(z):
    """Of the uniform distribution on -1 to 1."""
    return np.clip((z + 1) / 2, 0, 1)


CDF = {
    "uniform": uniform_cdf,
    "normal": truncated_cdf,
    "truncated_normal": truncated_cdf,
    "untruncated_normal": normal_cdf,
}


def check_distribution(x, cdf):
    """Kolmogorov and Smirnov's test: the largest gap to the distribution function, at a level of 1e-5."""
    x = np.sort(np.float64(x).ravel())
    expected, n = cdf(x), len(x)
    gap = max(np.abs(expected - np.arange(n) / n).max(), np.abs(expected - np.arange(1, n + 1) / n).max())
    assert gap * math.sqrt(n) < 2.47


def check_moments(x, mean, stddev):
    """Mean and variance within 6 standard errors (the variance's as of a normal distribution; the others' is less)."""
    x = np.float64(x)
    assert abs(x.mean() - mean) < 6 * stddev / math.sqrt(x.size)
    assert abs(x.var() / stddev**2 - 1) < 6 * math.sqrt(2 / x.size)


def test_the_yardsticks_tell_apart():
    """A distribution a little too wide, one shifted a little or one clipped instead of drawn again must not pass."""
    x = np.random.default_rng(0).standard_normal(100_000)
    check_distribution(x, normal_cdf)
    check_moments(x, 0, 1)
    for wrong, cdf in ((x * 1.05, normal_cdf), (x + 0.03, normal_cdf), (np.clip(x, -2, 2), truncated_cdf)):
        with pytest.raises(AssertionError):
            check_distribution(wrong, cdf)
    for wrong in (x * 1.03, x + 0.03):
        with pytest.raises(AssertionError):
            check_moments(wrong, 0, 1)


# Constants -----------------------------------------------------------------------------------------------------------


def test_constants():
    for array, value in (
        (initialisers.zeros((2, 3)), 0),
        (initialisers.ones((2, 3)), 1),
        (initialisers.constant((2, 3), -0.1), np.float32(-0.1)),
    ):
        assert array.shape == (2, 3) and array.dtype == np.float32 and (array == value).all()
    assert (
        initialisers.zeros(4).shape == (4,)
        and initialisers.ones(()).shape == ()
        and initialisers.ones([2, 1]).shape == (2, 1)
    )


def test_identity():
    for shape in ((3, 3), (2, 4), (4, 2)):
        matrix = initialisers.identity(shape, gain=0.5)
        assert matrix.dtype == np.float32 and matrix.shape == shape
        assert (matrix == 0.5 * np.eye(*shape)).all()


# Distributions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("low, high", [(-0.05, 0.05), (-0.1, 0.7), (0.2, 0.3), (-3, -1)])
def test_uniform(low, high):
    x = initialisers.uniform(1, (400, 250), low, high)
    assert x.dtype == np.float32 and x.shape == (400, 250)
    assert x.min() >= np.float32(low) and x.max() <= np.float32(high)
    reach = (high - low) * 3e-4  # of 100,000 draws some come this near each bound, but for a chance of 1e-13
    assert x.min() < low + reach and x.max() > high - reach
    check_moments(x, (low + high) / 2, (high - low) / math.sqrt(12))
    check_distribution((x - (low + high) / 2) / ((high - low) / 2), uniform_cdf)


def test_the_default_range_is_keras():
    x = initialisers.uniform(2, 100_000)
    assert np.float32(-0.05) <= x.min() < -0.04998 and 0.04998 < x.max() <= np.float32(0.05)


def test_uniform_is_bit_for_bit_the_generator():
    """What makes uniform draws the same everywhere: 53 bits of PCG64, one product, one sum, one rounding."""
    bits = np.random.PCG64(7).random_raw(1000) >> 11
    expected = (bits * 2.0**-53 * 0.75 + -0.25).astype(np.float32)
    assert np.array_equal(initialisers.uniform(7, (10, 100), -0.25, 0.5).ravel(), expected)


def test_a_range_of_one_value():
    assert (initialisers.uniform(3, (2, 2), 0.25, 0.25) == 0.25).all()
    for draw in (initialisers.normal, initialisers.truncated_normal):
        assert (draw(3, (2, 2), mean=0.25, stddev=0) == 0.25).all()


@pytest.mark.parametrize("mean, stddev", [(0, 0.05), (1.5, 0.2), (-20, 3)])
def test_normal(mean, stddev):
    x = initialisers.normal(4, (400, 250), mean, stddev)
    assert x.dtype == np.float32 and x.shape == (400, 250)
    check_moments(x, mean, stddev)
    check_distribution((np.float64(x) - mean) / stddev, normal_cdf)
    assert np.abs((x - mean) / stddev).max() > 3


@pytest.mark.parametrize("mean, stddev", [(0, 0.05), (1.5, 0.2), (-20, 3)])
def test_truncated_normal(mean, stddev):
    x = initialisers.truncated_normal(5, (400, 250), mean, stddev)
    assert x.dtype == np.float32 and x.shape == (400, 250)
    assert np.float32(mean - 2 * stddev) <= x.min() and x.max() <= np.float32(mean + 2 * stddev)
    z = (np.float64(x) - mean) / stddev
    assert z.min() < -1.99 and z.max() > 1.99
    check_moments(x, mean, initialisers.TRUNCATED_STD * stddev)
    check_distribution(z, truncated_cdf)


def test_defaults_of_the_normal_ones():
    check_moments(initialisers.normal(6, 100_000), 0, 0.05)
    check_moments(initialisers.truncated_normal(6, 100_000), 0, 0.05 * initialisers.TRUNCATED_STD)


def test_the_truncation_constant():
    density, inside = math.exp(-2) / math.sqrt(2 * math.pi), math.erf(math.sqrt(2))
    assert initialisers.TRUNCATED_STD == pytest.approx(math.sqrt(1 - 4 * density / inside), rel=1e-15)


# Orthogonal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(7, 7), (30, 8), (8, 32), (1, 6), (6, 1), (1, 1), (3, 4, 5), (2, 3, 17), (2, 2, 3, 4)]
)
@pytest.mark.parametrize("gain", [1.0, 0.5, -2.0])
def test_orthogonal(shape, gain):
    array = initialisers.orthogonal(8, shape, gain)
    assert array.dtype == np.float32 and array.shape == shape and array.flags.c_contiguous
    matrix = np.float64(array).reshape(-1, shape[-1])
    product = matrix.T @ matrix if len(matrix) >= shape[-1] else matrix @ matrix.T
    assert np.abs(product / gain**2 - np.eye(len(product))).max() < 1e-6


def test_the_lstm_shape_is_orthogonal_at_full_size():
    matrix = np.float64(initialisers.orthogonal(9, (512, 2048)))
    assert np.abs(matrix @ matrix.T - np.eye(512)).max() < 1e-6


@pytest.mark.parametrize("shape", [(3, 3), (3, 12), (12, 3)])
def test_orthogonal_matrices_are_equally_likely(shape):
    """Each entry of a Haar matrix has mean 0, variance 1 / (the longer side) and either sign; in 3-D it is uniform."""
    rng, n = np.random.default_rng(10), 1500
    samples = np.stack([initialisers.orthogonal(rng, shape) for _ in range(n)])
    if shape == (3, 3):
        for i, j in np.ndindex(shape):  # a coordinate of a random point on a sphere
            check_distribution(samples[:, i, j], uniform_cdf)
        turns = sum(np.linalg.det(matrix) > 0 for matrix in np.float64(samples))
        assert abs(turns - n / 2) < 6 * math.sqrt(n / 4)
    spread = math.sqrt(1 / max(shape))
    for place in np.ndindex(shape):
        x = np.float64(samples[(slice(None), *place)])
        check_moments(x, 0, spread)
        assert abs((x > 0).sum() - n / 2) < 6 * math.sqrt(n / 4)


# Scaled by the layer's width -----------------------------------------------------------------------------------------


def test_fans():
    expected = {
        (): (1, 1),
        (7,): (7, 7),
        (300, 64): (300, 64),  # dense (in, out)
        (50_000, 256): (50_000, 256),  # embeddings (V, E)
        (3, 20, 50): (60, 150),  # 1-D convolution (window, in, out)
        (3, 5, 4, 6): (60, 90),
        (2, 3, 4, 5, 6): (120, 144),
    }
    assert {shape: initialisers.fans(shape) for shape in expected} == expected
    assert initialisers.fans(5) == (5, 5)


def check_scaled(x, variance, distribution, truncated_at=2 / initialisers.TRUNCATED_STD):
    """Range, moments and distribution of an array that should have mean 0 and this variance."""
    stddev = math.sqrt(variance)
    reach = {"uniform": math.sqrt(3), "untruncated_normal": math.inf}.get(distribution, truncated_at)
    assert np.abs(x).max() <= np.float32(reach * stddev)
    assert np.abs(x).max() > min(reach, 3.5) * stddev * 0.999
    check_moments(x, 0, stddev)
    width = {"uniform": math.sqrt(3) * stddev, "untruncated_normal": stddev}.get(distribution, reach / 2 * stddev)
    check_distribution(x / width, CDF[distribution])


@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("mode", initialisers.MODES)
@pytest.mark.parametrize("distribution", initialisers.DISTRIBUTIONS)
def test_variance_scaling(shape, mode, distribution):
    fan_in, fan_out = FANS[shape]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    x = initialisers.variance_scaling(11, shape, 1.7, mode, distribution)
    assert x.dtype == np.float32 and x.shape == shape
    check_scaled(x, 1.7 / n, distribution)


@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("function", SCALED)
def test_named_scalings(function, shape):
    scale, mode, distribution = SCALED[function]
    fan_in, fan_out = FANS[shape]
    n = fan_in if mode == "fan_in" else (fan_in + fan_out) / 2
    check_scaled(function(12, shape), scale / n, distribution)


def test_the_defaults_of_variance_scaling():
    """Keras': scale 1, fan_in, truncated normal, corrected; and "normal" is the truncated one."""
    expected = initialisers.lecun_normal(13, (30, 40))
    assert np.array_equal(initialisers.variance_scaling(13, (30, 40)), expected)
    assert np.array_equal(initialisers.variance_scaling(13, (30, 40), distribution="normal"), expected)


@pytest.mark.parametrize("function", [f for f in SCALED if SCALED[f][2] == "truncated_normal"])
def test_without_the_correction_it_is_as_in_keras_2_0_5(function):
    scale, mode, _ = SCALED[function]
    n = 300 if mode == "fan_in" else 400
    x = function(14, (300, 500), corrected=False)
    assert np.abs(x).max() <= np.float32(2 * math.sqrt(scale / n))
    check_moments(x, 0, initialisers.TRUNCATED_STD * math.sqrt(scale / n))
    assert np.allclose(function(14, (300, 500)) * initialisers.TRUNCATED_STD, x, rtol=1e-6, atol=0)


# Layers --------------------------------------------------------------------------------------------------------------


def shapes(arrays):
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in arrays)
    return [array.shape for array in arrays]


def check_glorot(kernel):
    limit = math.sqrt(6 / sum(initialisers.fans(kernel.shape)))
    assert 0.98 * limit < np.abs(kernel).max() <= np.float32(limit)
    check_moments(kernel, 0, limit / math.sqrt(3))


def check_orthogonal_rows(matrix):
    matrix = np.float64(matrix)
    assert np.abs(matrix @ matrix.T - np.eye(len(matrix))).max() < 1e-6


def test_lstm():
    kernel, recurrent_kernel, bias = arrays = initialisers.lstm(15, 20, 12)
    assert shapes(arrays) == [(20, 48), (12, 48), (48,)]
    check_glorot(kernel)
    check_orthogonal_rows(recurrent_kernel)
    assert bias.tolist() == [0] * 12 + [1] * 12 + [0] * 24  # input, forget, candidate and output
    assert not initialisers.lstm(15, 20, 12, unit_forget_bias=False)[2].any()


@pytest.mark.parametrize("reset_after, bias", [(False, (36,)), (True, (2, 36))])
def test_gru(reset_after, bias):
    arrays = initialisers.gru(16, 20, 12, reset_after=reset_after)
    assert shapes(arrays) == [(20, 36), (12, 36), bias]
    check_glorot(arrays[0])
    check_orthogonal_rows(arrays[1])
    assert not arrays[2].any()


def test_the_first_gru_is_without_reset_after():
    assert initialisers.gru(16, 2, 3)[2].shape == (9,)


def test_simple_rnn():
    arrays = initialisers.simple_rnn(17, 40, 12)
    assert shapes(arrays) == [(40, 12), (12, 12), (12,)]
    check_glorot(arrays[0])
    check_orthogonal_rows(arrays[1])
    assert not arrays[2].any()


def test_dense_and_convolution():
    for arrays, expected in (
        (initialisers.dense(18, 70, 30), [(70, 30), (30,)]),
        (initialisers.conv1d(18, 3, 20, 40), [(3, 20, 40), (40,)]),
        (initialisers.dense(18, 70, 30, use_bias=False), [(70, 30)]),
        (initialisers.conv1d(18, 3, 20, 40, use_bias=False), [(3, 20, 40)]),
    ):
        assert shapes(arrays) == expected
        check_glorot(arrays[0])
        assert not any(bias.any() for bias in arrays[1:])


@pytest.mark.parametrize(
    "arrays, shape",
    [(initialisers.embedding(19, 500, 40), (500, 40)), (initialisers.attention(19, 20_000), (20_000, 1))],
)
def test_embedding_and_attention(arrays, shape):
    assert shapes(arrays) == [shape]
    assert 0.0499 < np.abs(arrays[0]).max() <= np.float32(0.05)
    check_moments(arrays[0], 0, 0.05 / math.sqrt(3))


def test_normalizations():
    assert [array.tolist() for array in initialisers.batch_normalization(2)] == [[1, 1], [0, 0], [0, 0], [1, 1]]
    assert [array.tolist() for array in initialisers.layer_normalization(2)] == [[1, 1], [0, 0]]
    assert (
        shapes(initialisers.batch_normalization(3)) == [(3,)] * 4
        and shapes(initialisers.layer_normalization(3)) == [(3,)] * 2
    )


@pytest.mark.parametrize("classes", [64, 3, 1])
def test_a_fresh_deepmoji(classes):
    weights = initialisers.deepmoji(20, vocabulary=50, embedding=6, units=4, classes=classes)
    assert {name: tuple(arrays) for name, arrays in weights.items()} == deepmoji.WEIGHTED
    assert shapes(weights["bi_lstm_1"].values()) == [(8, 16), (4, 16), (16,)] * 2
    network = deepmoji.build(Contents("fresh", weights))
    probabilities = network[-1](np.array([[3, 4, 5, 0], [49, 1, 0, 0]]))
    assert probabilities.shape == (2, classes) and np.isfinite(probabilities).all()
    if classes > 1:
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_the_original_sizes_are_the_default():
    weights = initialisers.deepmoji(21)
    lstms = [[(inputs, 2048), (512, 2048), (2048,)] * 2 for inputs in (256, 1024)]
    assert [shapes(arrays.values()) for arrays in weights.values()] == [
        [(50_000, 256)], *lstms, [(2304, 1)], [(2304, 64), (64,)]
    ]  # fmt: skip
    check_moments(weights["embedding"]["embeddings"], 0, 0.05 / math.sqrt(3))
    check_glorot(weights["bi_lstm_1"]["backward_kernel"])
    check_orthogonal_rows(weights["bi_lstm_0"]["backward_recurrent_kernel"])


# Seeds ---------------------------------------------------------------------------------------------------------------

DRAWS = {
    "uniform": lambda rng: [initialisers.uniform(rng, (9, 8))],
    "normal": lambda rng: [initialisers.normal(rng, (9, 8))],
    "truncated_normal": lambda rng: [initialisers.truncated_normal(rng, (9, 8))],
    "variance_scaling": lambda rng: [initialisers.variance_scaling(rng, (9, 8))],
    "orthogonal": lambda rng: [initialisers.orthogonal(rng, (9, 8))],
    **{function.__name__: lambda rng, f=function: [f(rng, (9, 8))] for function in SCALED},
    "dense": lambda rng: initialisers.dense(rng, 9, 8, use_bias=False),
    "conv1d": lambda rng: initialisers.conv1d(rng, 3, 4, 5, use_bias=False),
    "embedding": lambda rng: initialisers.embedding(rng, 9, 8),
    "attention": lambda rng: initialisers.attention(rng, 70),
    "lstm": lambda rng: initialisers.lstm(rng, 5, 6)[:2],
    "gru": lambda rng: initialisers.gru(rng, 5, 6)[:2],
    "simple_rnn": lambda rng: initialisers.simple_rnn(rng, 9, 8)[:2],
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seed_settles_the_draw(draw):
    first = draw(22)
    rng = np.random.default_rng(22)
    for same in (draw(22), draw(np.int64(22)), draw(rng)):
        assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    for other in (draw(rng), draw(23)):  # the generator goes on; another seed is another stream
        assert not any((a == b).mean() > 0.1 for a, b in zip(first, other, strict=True))


def test_draws_are_independent():
    """Neighbouring seeds, and successive draws from one generator, are uncorrelated."""
    n, rng = 100_000, np.random.default_rng(24)
    arrays = [initialisers.uniform(seed, n) for seed in (0, 1, 2)] + [
        initialisers.uniform(rng, n),
        initialisers.normal(rng, n),
        initialisers.uniform(rng, n),
    ]
    correlations = np.corrcoef(np.float64(arrays)) - np.eye(len(arrays))
    assert np.abs(correlations).max() < 6 / math.sqrt(n)


def test_no_two_arrays_of_a_network_are_alike():
    weights = initialisers.deepmoji(25, vocabulary=30, embedding=8, units=8, classes=5)
    drawn = [array for arrays in weights.values() for array in arrays.values() if array.ndim == 2]
    assert len(drawn) == 11
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            size = min(one.size, other.size)
            assert not np.array_equal(one.ravel()[:size], other.ravel()[:size])


def test_later_sizes_do_not_change_earlier_layers():
    small, wide = (initialisers.deepmoji(26, vocabulary=30, embedding=8, units=4, classes=c) for c in (2, 9))
    assert all(np.array_equal(a, b) for name in ("embedding", "bi_lstm_0", "bi_lstm_1", "attlayer")
               for a, b in zip(small[name].values(), wide[name].values(), strict=True))  # fmt: skip


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()
    initialisers.deepmoji(27, vocabulary=5, embedding=2, units=2, classes=2)
    assert np.array_equal(np.random.get_state()[1], before)


# Arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call, message", [
    (lambda: initialisers.uniform(None, (2, 2)), "expected a numpy.random.Generator or a seed"),
    (lambda: initialisers.uniform(-1, (2, 2)), "an int of 0 or more, got -1"),
    (lambda: initialisers.uniform(True, (2, 2)), "got True"),
    (lambda: initialisers.normal(1.0, (2, 2)), "got 1.0"),
    (lambda: initialisers.lstm(np.random.RandomState(0), 2, 2), "expected a numpy.random.Generator"),
    (lambda: initialisers.zeros((2, 0)), r"sizes must be integers of 1 or more, got \(2, 0\)"),
    (lambda: initialisers.zeros((2, -3)), "integers of 1 or more"),
    (lambda: initialisers.ones((2, 2.0)), "integers of 1 or more"),
    (lambda: initialisers.ones("22"), "integers of 1 or more"),
    (lambda: initialisers.ones((True, 2)), "integers of 1 or more"),
    (lambda: initialisers.uniform(0, None), "integers of 1 or more"),
    (lambda: initialisers.constant(2, math.nan), "value must be a finite number, got nan"),
    (lambda: initialisers.constant(2, "1"), "value must be a finite number"),
    (lambda: initialisers.constant(2, 10**400), "value must be a finite number"),
    (lambda: initialisers.constant(2, 1e39), "value must be a finite number"),
    (lambda: initialisers.uniform(0, 2, 0.1, -0.1), "minval 0.1 is above maxval -0.1"),
    (lambda: initialisers.uniform(0, 2, 0, math.inf), "maxval must be a finite number"),
    (lambda: initialisers.normal(0, 2, stddev=-1), "stddev must be a finite number of 0 or more, got -1"),
    (lambda: initialisers.truncated_normal(0, 2, stddev=-1), "stddev must be a finite number of 0 or more, got -1"),
    (lambda: initialisers.truncated_normal(0, 2, mean=math.nan), "mean must be"),
    (lambda: initialisers.variance_scaling(0, (2, 2), scale=0), "scale must be positive, got 0"),
    (lambda: initialisers.variance_scaling(0, (2, 2), scale=-1), "scale must be positive, got -1"),
    (lambda: initialisers.variance_scaling(0, (2, 2), mode="fan"), "mode must be .* fan_out, fan_avg, got 'fan'"),
    (
        lambda: initialisers.variance_scaling(0, (2, 2), distribution="gamma"),
        "distribution must be one of uniform, .* got 'gamma'",
    ),
    (lambda: initialisers.orthogonal(0, (4,)), r"2 sizes or more, got \(4,\)"),
    (lambda: initialisers.orthogonal(0, (4, 4), gain=math.inf), "gain must be a finite number"),
    (lambda: initialisers.identity((2, 2, 2)), r"2 sizes, got \(2, 2, 2\)"),
    (lambda: initialisers.dense(0, 3, 0), r"got \(3, 0\)"),
    (lambda: initialisers.lstm(0, 3, (4, 5)), r"got \(3, \(4, 5\)\)"),
    (lambda: initialisers.gru(0, None, 3), r"got \(None, 3\)"),
    (lambda: initialisers.simple_rnn(0, 2, 1.5), r"got \(2, 1.5\)"),
    (lambda: initialisers.batch_normalization(0), "got 0"),
    (lambda: initialisers.deepmoji(0, units=0), r"got \(50000, 256, 0, 64\)"),
])  # fmt: skip
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)


def test_a_refused_draw_uses_nothing_up():
    rng, fresh = np.random.default_rng(28), np.random.default_rng(28)
    for call in (
        lambda: initialisers.normal(rng, (2, 2), stddev=-1),
        lambda: initialisers.truncated_normal(rng, (2, 2), mean=math.nan),
        lambda: initialisers.orthogonal(rng, (2, 2), gain=math.nan),
        lambda: initialisers.uniform(rng, (2, 2), 1, 0),
        lambda: initialisers.deepmoji(rng, classes=0),
    ):
        with pytest.raises(InputError):
            call()
    assert rng.bit_generator.state == fresh.bit_generator.state


# The package ---------------------------------------------------------------------------------------------------------


def test_it_is_there_after_a_bare_import_and_costs_little():
    code = (
        "import sys, npmoji; before = 'npmoji.initialisers' in sys.modules\n"
        "npmoji.init.zeros(2); print(before, *sys.modules)"
    )
    path = os.pathsep.join([str(Path(npmoji.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
    )
    before, *names = run.stdout.split()
    assert before == "False"
    assert {name for name in names if name.startswith("npmoji")} == {
        "npmoji",
        "npmoji.errors",
        "npmoji.initialisers",
    }
    assert not set(names) & {"numba", "h5py", "torch"}
    assert npmoji.init is initialisers and "init" in npmoji.__all__
