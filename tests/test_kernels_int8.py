"""The int8 kernels against whole-number NumPy, and their bits across targets."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from test_kernels import GATES, in_another_process, packed, ragged, reference_lstm

from npmoji import kernels as nk
from npmoji.kernels import int8 as n8
from npmoji.kernels.int8_blocks import choose_arithmetic


def quantised(x):
    """Rows as whole numbers -127..127 and their scales, as the kernels do it."""
    largest = np.abs(x).max(axis=1, keepdims=True)
    safe = np.where(largest == 0, np.float32(1), largest)
    scales = np.where(largest == 0, np.float32(0), largest / np.float32(127))
    return np.rint(x * (np.float32(127) / safe)), scales


def dequantised(kernel):
    """What the packed int8 weights of (K, N) stand for, in float64."""
    scales = np.abs(kernel).max(axis=0) / np.float32(127)
    safe = np.where(scales == 0, np.float32(1), scales)
    return np.rint(kernel / safe), scales


@pytest.mark.parametrize("k", [1, 4, 7, 130, 1030])
@pytest.mark.parametrize("n", [1, 16, 65, 200])
def test_matmul_equals_whole_number_products(k, n):
    random = np.random.default_rng(k * 1000 + n)
    for m in [*range(1, 15), 97, 200]:
        x, kernel, bias = (np.float32(random.standard_normal(s)) for s in ((m, k), (k, n), (n,)))
        x[m // 2] *= 0 if m > 2 else 1
        out = np.full((m, n), np.nan, np.float32)
        n8.matmul(x, n8.quantise_columns(kernel), nk.pack_bias(bias), out)
        (qx, sx), (qw, sw) = quantised(x), dequantised(kernel)
        expected = (qx.astype(np.float64) @ qw.astype(np.float64)) * (sx * sw) + bias
        np.testing.assert_array_equal(out, expected.astype(np.float32))


def test_extreme_bytes_do_not_saturate():
    for k in (2, 64, 515):
        x, kernel = np.full((3, k), -1, np.float32), np.full((k, 20), 1, np.float32)
        kernel[:, 1::2] = -1
        out = np.empty((3, 20), np.float32)
        n8.matmul(x, n8.quantise_columns(kernel), nk.pack_bias(np.zeros(20)), out)
        np.testing.assert_allclose(out, x @ kernel, rtol=1e-6)


def run_lstm(x, lengths, mask, layer, reverse, gate):
    """(tokens, H) of the int8 LSTM over float32 projections, packed; and the packed rows and steps."""
    kernel, recurrent, bias = layer
    sizes, rows, steps = packed(lengths)
    bias = nk.pack_bias(nk.interleave_gates(bias))
    projected = np.empty((len(rows), len(bias)), np.float32)
    nk.matmul(x[rows, steps], nk.pack_gates(kernel), bias, projected)
    index = np.where(mask[rows, steps], np.arange(len(rows)), -1)
    out = np.empty((len(rows), len(recurrent)), np.float32)
    n8.lstm(
        projected, index, n8.quantise_gates(recurrent), sizes, out, np.arange(len(rows)), reverse=reverse, gate=gate
    )
    return out, rows, steps


def lattice_weights(random, inputs, units):
    """Weights that int8 holds exactly, so that only the activations' rounding remains."""
    recurrent = random.integers(-127, 128, (units, 4 * units))
    recurrent[0] = 127
    scale = np.float32(2.0**-7 / 8)
    kernel, bias = random.standard_normal((inputs, 4 * units)), random.standard_normal(4 * units)
    return np.float32(kernel), np.float32(recurrent * scale), np.float32(bias)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("units", [1, 8, 37])
def test_lstm_is_near_the_exact_one(gate, reverse, units):
    random = np.random.default_rng(units)
    layer = lattice_weights(random, 6, units)
    for n in (1, 2, 5, 7, 13, 101, 300):
        for t_max in (1, 9):
            x, lengths, mask = ragged(random, n, t_max, 6)
            out, rows, steps = run_lstm(x, lengths, mask, layer, reverse, gate)
            expected = reference_lstm(x, mask, *layer, reverse, gate)[rows, steps]
            np.testing.assert_allclose(out, expected, atol=0.04)
            if t_max == 1:  # no recurrent product yet
                np.testing.assert_allclose(out, expected, atol=2e-6)


def test_lstm_bits_do_not_depend_on_neighbours():
    random = np.random.default_rng(5)
    layer = lattice_weights(random, 9, 50)
    x, lengths, mask = ragged(random, 120, 11, 9)
    out, rows, _ = run_lstm(x, lengths, mask, layer, True, "hard_sigmoid")
    for row in (0, 60, 119):
        alone = run_lstm(x[row : row + 1], lengths[row : row + 1], mask[row : row + 1], layer, True, "hard_sigmoid")[0]
        np.testing.assert_array_equal(alone, out[rows == row])


def test_nan_stays_visible():
    x = np.ones((3, 9), np.float32)
    x[1, 4] = np.nan
    out = np.empty((3, 5), np.float32)
    n8.matmul(x, n8.quantise_columns(np.ones((9, 5), np.float32)), nk.pack_bias(np.zeros(5)), out)
    assert np.isnan(out[1]).all() and np.isfinite(out[[0, 2]]).all()


def test_the_best_arithmetic_is_chosen():
    for features, lanes, name in (
        ({"avx512f", "avx512vnni", "avx512bw"}, 16, "VnniArithmetic"),
        ({"avx512f", "avx512bw"}, 16, "PairArithmetic"),
        ({"avx512f"}, 16, "IntArithmetic"),
        ({"avx2", "avxvnni"}, 8, "VnniArithmetic"),
        ({"avx2"}, 8, "SignArithmetic"),
        ({"avx"}, 8, "IntArithmetic"),
        ({"sse2"}, 4, "PairArithmetic"),
        ({"neon"}, 4, "IntArithmetic"),
    ):
        assert type(choose_arithmetic(frozenset(features), lanes)).__name__ == name


def digest() -> str:
    random, sha = np.random.default_rng(0), hashlib.sha256()
    for m, k, n in ((1, 5, 3), (7, 130, 65), (40, 33, 17)):
        x, kernel = (np.float32(random.standard_normal(s)) for s in ((m, k), (k, n)))
        out = np.empty((m, n), np.float32)
        n8.matmul(x, n8.quantise_columns(kernel), nk.pack_bias(np.zeros(n)), out)
        sha.update(out.tobytes())
    for n in (1, 7, 40):
        arguments = (*ragged(random, n, 6, 5), lattice_weights(random, 5, 37))
        sha.update(run_lstm(*arguments, n == 7, "sigmoid")[0].tobytes())
    return sha.hexdigest()


@pytest.mark.parametrize(
    "target",
    [
        {"NUMBA_CPU_FEATURES": "-avx"},
        {"NUMBA_CPU_FEATURES": "-avx2"},
        {"NUMBA_CPU_FEATURES": "-avx512f,-avxvnni"},
    ],
    ids=lambda target: " ".join(target.values()),
)
def test_bits_do_not_depend_on_the_target(target, tmp_path):
    code = "import test_kernels_int8 as t; print(t.digest())"
    assert in_another_process(code, NUMBA_CACHE_DIR=str(tmp_path), **target) == digest()
