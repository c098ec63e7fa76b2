"""The kernels against plain NumPy, and the promise that bits depend on nothing but the row itself."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from npmoji import kernels as nk
from npmoji.kernels import Pool
from npmoji.kernels.blocks import choose_widening
from npmoji.kernels.panels import pack_columns
from npmoji.kernels.target import LANES

GATES = {
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "hard_sigmoid_keras3": lambda x: np.clip(x + 3, 0, 6) / 6,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


# -- references -------------------------------------------------------------------------------------------------------


def chain(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The defining order: bias, then one fused multiply-add per k. A product of float32 is exact in float64."""
    acc = np.broadcast_to(bias, (len(x), kernel.shape[1])).astype(np.float32)
    for k in range(x.shape[1]):
        acc = (x[:, k, None].astype(np.float64) * kernel[k] + acc).astype(np.float32)
    return acc


def reference_lstm(x, mask, kernel, recurrent, bias, reverse, gate):
    """x (N, T, I), mask (N, T) -> (N, T, H) in float64; masked steps carry the state."""
    n, t_max, _ = x.shape
    h = c = np.zeros((n, len(recurrent)))
    out = np.zeros((n, t_max, len(recurrent)))
    for t in range(t_max)[:: -1 if reverse else 1]:
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
        new_c = GATES[gate](f) * c + GATES[gate](i) * np.tanh(g)
        new_h = GATES[gate](o) * np.tanh(new_c)
        valid = mask[:, t, None]
        h, c = np.where(valid, new_h, h), np.where(valid, new_c, c)
        out[:, t] = h
    return out


def weights(random, inputs, units):
    kernel = random.standard_normal((inputs, 4 * units)) / np.sqrt(inputs)
    recurrent = random.standard_normal((units, 4 * units)) / np.sqrt(units)
    return tuple(np.float32(a) for a in (kernel, recurrent, random.standard_normal(4 * units) * 0.3))


def packed(lengths):
    """batch_sizes, and of every packed position its row and its step."""
    sizes = (np.arange(lengths.max())[:, None] < lengths).sum(1)
    rows = np.concatenate([np.arange(n) for n in sizes])
    return sizes, rows, np.repeat(np.arange(len(sizes)), sizes)


def run_lstm(x, lengths, mask, layer, reverse=False, gate="hard_sigmoid", split=(), pack=nk.pack_gates):
    """Rows sorted by length; returns (N, T, 2H) with the result in the second half and zeros before it."""
    kernel, recurrent, bias = layer
    units = len(recurrent)
    sizes, rows, steps = packed(lengths)
    inputs = x[rows, steps]
    projected = np.empty((len(rows), nk.interleave_gates(bias).shape[0]), np.float32)
    nk.matmul(inputs, pack(kernel), nk.pack_bias(nk.interleave_gates(bias)), projected)
    index = np.where(mask[rows, steps], np.arange(len(rows)), -1)
    out = np.zeros((*x.shape[:2], 2 * units), np.float32)
    half = out.reshape(-1, 2 * units)[:, units:]
    panels, places = pack(recurrent), rows * x.shape[1] + steps
    for first, last in zip((0, *split), (*split, len(lengths))):
        nk.lstm(projected, index, panels, sizes, half, places, reverse=reverse, gate=gate, first=first, last=last)
    return out


def ragged(random, n, t_max, inputs, masked=True):
    lengths = np.sort(random.integers(1, t_max + 1, n))[::-1]
    x = random.standard_normal((n, lengths[0], inputs)).astype(np.float32)
    mask = np.arange(lengths[0]) < lengths[:, None]
    if masked:
        mask &= random.random(mask.shape) > 0.2
    return x, lengths, mask


# -- matrix product ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 7, 257, 530])
@pytest.mark.parametrize("n", [1, 3, 16, 65, 200])
def test_matmul_is_the_chain_of_fused_multiply_adds(k, n):
    random = np.random.default_rng(k * 1000 + n)
    for m in [*range(1, 21), 97, 200]:
        x, kernel, bias = (np.float32(random.standard_normal(s)) for s in ((m, k), (k, n), (n,)))
        out = np.full((m, n), np.nan, np.float32)
        nk.matmul(x, pack_columns(kernel), nk.pack_bias(bias), out)
        np.testing.assert_array_equal(out, chain(x, kernel, bias))


def test_matmul_takes_strided_rows_and_writes_only_its_range():
    random = np.random.default_rng(0)
    x, kernel = np.float32(random.standard_normal((30, 40))), np.float32(random.standard_normal((17, 33)))
    memory = np.full((30, 50), 7, np.float32)
    bias = np.zeros(33, np.float32)
    nk.matmul(x[:, 5:22], pack_columns(kernel), nk.pack_bias(bias), memory[:, 3:36], 4, 29)
    np.testing.assert_array_equal(memory[4:29, 3:36], chain(x[4:29, 5:22], kernel, bias))
    memory[4:29, 3:36] = 7
    assert (memory == 7).all()


def test_matmul_refuses_what_does_not_fit():
    x, panels, bias = np.zeros((2, 3), np.float32), pack_columns(np.zeros((3, 4), np.float32)), np.zeros(4, "f4")
    with pytest.raises(ValueError, match="do not fit"):
        nk.matmul(x[:, :2], panels, nk.pack_bias(bias), np.empty((2, 4), np.float32))
    with pytest.raises(ValueError, match="rows"):
        nk.matmul(x, panels, nk.pack_bias(bias), np.empty((2, 4), np.float32), 0, 3)
    with pytest.raises(ValueError, match="float32"):
        nk.matmul(x, panels, nk.pack_bias(bias), np.empty((2, 4)))


# -- halves -----------------------------------------------------------------------------------------------------------


def rounded(kernel: np.ndarray) -> np.ndarray:
    return kernel.astype(np.float16).astype(np.float32)


def test_every_half_is_widened_exactly():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    values = halves[np.isfinite(halves)].astype(np.float32)  # subnormal ones and both zeros among them
    out = np.empty((1, len(values)), np.float32)
    minus_zero = nk.pack_bias(np.full(len(values), -0.0))
    nk.matmul(np.ones((1, 1), np.float32), pack_columns(values[None], np.float16), minus_zero, out)
    np.testing.assert_array_equal(out[0].view(np.int32), values.view(np.int32))


@pytest.mark.parametrize("scale", [1, 1e-5])  # the smaller one makes many of them subnormal
def test_matmul_with_halves_is_the_chain_on_rounded_weights(scale):
    random = np.random.default_rng(7)
    for m, k, n in ((1, 257, 65), (2, 3, 200), (3, 7, 16), (6, 530, 33), (7, 31, 130), (97, 258, 64)):
        x, kernel, bias = (np.float32(random.standard_normal(s)) for s in ((m, k), (k, n), (n,)))
        kernel *= np.float32(scale)
        out, panels = np.full((m, n), np.nan, np.float32), pack_columns(kernel, np.float16)
        nk.matmul(x, panels, nk.pack_bias(bias), out)
        np.testing.assert_array_equal(out, chain(x, rounded(kernel), bias))
        assert 2 * panels.nbytes == pack_columns(kernel).nbytes


def test_lstm_with_halves_equals_rounded_weights():
    random = np.random.default_rng(8)
    kernel, recurrent, bias = weights(random, 6, 37)
    for n in (1, 3, 13, 101):
        rows = ragged(random, n, 9, 6)
        out = run_lstm(*rows, (kernel, recurrent, bias), n == 3, pack=nk.pack_half_gates)
        same = run_lstm(*rows, (rounded(kernel), rounded(recurrent), bias), n == 3)
        np.testing.assert_array_equal(out, same)


def test_only_targets_with_an_instruction_widen_with_it():
    for features, machine, name in (
        ({"avx", "f16c"}, "x86_64", "widen_half"),
        ({"avx"}, "amd64", "widen_half_by_hand"),
        ({"neon"}, "aarch64", "widen_half"),
        (set(), "ppc64le", "widen_half_by_hand"),
    ):
        assert choose_widening(frozenset(features), machine).__name__ == name


# -- LSTM -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("units", [1, 8, 37, 64])
def test_lstm_equals_numpy_on_odd_sizes(gate, reverse, units):
    random = np.random.default_rng(units)
    layer = weights(random, 6, units)
    for n in (1, 2, 3, 5, 7, 12, 13, 101, 300):
        for t_max in (1, 2, 9):
            x, lengths, mask = ragged(random, n, t_max, 6)
            out = run_lstm(x, lengths, mask, layer, reverse, gate)
            expected = reference_lstm(x, mask, *layer, reverse, gate)
            valid = np.arange(x.shape[1]) < lengths[:, None]
            np.testing.assert_allclose(out[..., units:][valid], expected[valid], atol=2e-6)
            assert not out[..., :units].any() and not out[~valid].any()


@pytest.mark.parametrize("reverse", [False, True])
def test_lstm_bits_do_not_depend_on_neighbours_or_split(reverse):
    random = np.random.default_rng(5)
    layer = weights(random, 9, 50)
    x, lengths, mask = ragged(random, 120, 11, 9)
    out = run_lstm(x, lengths, mask, layer, reverse)
    np.testing.assert_array_equal(run_lstm(x, lengths, mask, layer, reverse, split=(1, 30, 37)), out)
    for row in (0, 3, 60, 119):
        for size in (1, 2, 3, 4, 7, 20):
            some = slice(max(0, row - size + 1), row + 1)
            alone = run_lstm(x[some], lengths[some], mask[some], layer, reverse)
            np.testing.assert_array_equal(alone, out[some][:, : alone.shape[1]])


@pytest.mark.parametrize("reverse", [False, True])
def test_masked_steps_equal_dropped_steps(reverse):
    random = np.random.default_rng(2)
    layer = weights(random, 4, 21)
    x = random.standard_normal((1, 9, 4)).astype(np.float32)
    mask = np.array([[1, 0, 1, 1, 0, 0, 1, 1, 1]], bool)
    full = run_lstm(x, np.array([9]), mask, layer, reverse)
    dropped = run_lstm(x[:, mask[0]], np.array([6]), np.ones((1, 6), bool), layer, reverse)
    np.testing.assert_array_equal(full[:, mask[0]], dropped)


def test_lstm_refuses_indices_out_of_range():
    panels = nk.pack_gates(np.zeros((5, 20), np.float32))
    projected = np.zeros((2, nk.interleave_gates(np.zeros(20)).shape[0]), np.float32)
    sizes, out, good = np.array([1, 1]), np.zeros((2, 5), np.float32), np.arange(2)
    for index, places in ((good + 1, good), (good, good + 1), (good, good - 1), (good[:1], good)):
        with pytest.raises(ValueError):
            nk.lstm(projected, index, panels, sizes, out, places)
    with pytest.raises(ValueError):
        nk.lstm(projected, good, panels, np.array([0, 2]), out, good)


# -- elementwise ------------------------------------------------------------------------------------------------------

SPECIAL = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38, 88.72, 88.73, -87.4, -103.9, -104.1]


@pytest.mark.parametrize(
    ("function", "exact", "ulps"),
    [(nk.tanh, np.tanh, 1.5), (nk.exp, np.exp, 1.0), (nk.sigmoid, GATES["sigmoid"], 2.5)],
)
def test_functions_are_accurate(function, exact, ulps):
    x = np.concatenate([np.linspace(-20, 20, 200_001), np.logspace(-30, 1.2, 10_001)]).astype(np.float32)
    expected = exact(x.astype(np.float64))
    error = np.abs(function(x) - expected) / np.spacing(np.abs(expected).astype(np.float32))
    assert error.max() < ulps
    assert np.abs(nk.tanh(x) - np.tanh(x.astype(np.float64))).max() < 1e-7


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize(("function", "exact"), [(nk.tanh, np.tanh), (nk.exp, np.exp), (nk.sigmoid, GATES["sigmoid"])])
def test_functions_at_the_edges(function, exact):
    x = np.array(SPECIAL, np.float32)
    np.testing.assert_allclose(function(x), exact(x.astype(np.float64)).astype(np.float32), rtol=3e-7, atol=1e-37)
    np.testing.assert_array_equal(np.signbit(nk.tanh(x[3:5])), [False, True])


def test_hard_sigmoids():
    x = np.array([-np.inf, -3, -2.5, -1, 0, 1, 2.5, 3, np.inf, np.nan], np.float32)
    for function, gate in ((nk.hard_sigmoid, "hard_sigmoid"), (nk.hard_sigmoid_keras3, "hard_sigmoid_keras3")):
        np.testing.assert_allclose(function(x), GATES[gate](x.astype(np.float64)), atol=1e-7)


def test_an_element_has_the_same_bits_at_any_position():
    x = np.random.default_rng(0).standard_normal(100).astype(np.float32) * 4
    for function in (nk.tanh, nk.exp, nk.sigmoid):
        whole = function(x)
        for n in range(1, 40):
            np.testing.assert_array_equal(function(x[n : 2 * n]), whole[n : 2 * n])


# -- threads, processes, targets --------------------------------------------------------------------------------------


def test_pool_runs_every_task_once_and_passes_errors_on():
    done, pool = [], Pool(3)
    pool.run([lambda i=i: done.append(i) for i in range(20)])
    assert sorted(done) == list(range(20))

    def fail():
        raise KeyError("task")

    with pytest.raises(KeyError, match="task"):
        pool.run([fail, lambda: None])


def test_pool_is_shared_by_python_threads():
    pool, sums = Pool(2), []

    def use():
        numbers = []
        pool.run([lambda i=i: numbers.append(i) for i in range(50)])
        sums.append(sum(numbers))

    users = [threading.Thread(target=use) for _ in range(8)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert sums == [sum(range(50))] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_pool_works_in_a_forked_child():
    pool = Pool(2)
    pool.run([lambda: None] * 4)
    child = os.fork()
    if child == 0:
        done = []
        pool.run([lambda: done.append(1)] * 4)
        os._exit(len(done))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4


def digest() -> str:
    """One hash over all kernels' results, for comparing targets."""
    random, sha = np.random.default_rng(0), hashlib.sha256()
    x = np.concatenate([random.standard_normal(1001) * 9, SPECIAL]).astype(np.float32)
    for function in (nk.tanh, nk.exp, nk.sigmoid, nk.hard_sigmoid, nk.hard_sigmoid_keras3):
        sha.update(np.nan_to_num(function(x)).tobytes())
    for gate in GATES:
        for n in (1, 7, 40):
            layer, rows = weights(random, 5, 37), ragged(random, n, 6, 5)
            for pack in (nk.pack_gates, nk.pack_half_gates):
                sha.update(run_lstm(*rows, layer, n == 7, gate, pack=pack).tobytes())
    x, w, heads = random.standard_normal((4, 9, 117)).astype(np.float32), x[:117], np.empty((4, 117), np.float32)
    dots, columns = np.empty(36, np.float32), np.empty((7, 70), np.float32)
    nk.dot_rows(x.reshape(36, 117), w, dots, 0, 36)
    nk.weighted_sum(x, dots.reshape(4, 9), heads, 0, 4)
    nk.dense(x[0, :7], np.ascontiguousarray(x.reshape(36, 117)[:, :70].repeat(4, 0)[:117]), w[:70], columns, 0, 7)
    for array in (dots, heads, columns):
        sha.update(array.tobytes())
    return sha.hexdigest()


def in_another_process(code: str, **environment: str) -> str:
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(Path(nk.__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(
    "target",
    [
        {"NUMBA_CPU_NAME": "generic"},
        {"NUMBA_CPU_FEATURES": "-avx"},
        {"NUMBA_CPU_FEATURES": "-fma"},
        {"NUMBA_CPU_FEATURES": "-f16c"},
        {"NUMBA_CPU_FEATURES": "-avx512f"},
    ],
    ids=lambda target: " ".join(target.values()),
)
def test_bits_do_not_depend_on_the_target(target, tmp_path):
    printed = in_another_process(
        "import test_kernels as t; print(t.LANES, t.digest())", NUMBA_CACHE_DIR=str(tmp_path), **target
    )
    lanes, result = printed.split()
    assert int(lanes) <= LANES
    assert result == digest()


def test_works_without_a_cache_folder():
    code = "import numpy as np; from npmoji import kernels; print(kernels.tanh(np.zeros(3)))"
    assert in_another_process(code, NUMBA_CACHE_DIR=os.devnull + "/no") == "[0. 0. 0.]"
