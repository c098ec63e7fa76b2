"""Convolution in the numba engine: the sums over windows, and that their bits depend on nothing but the window."""

import threading

import numpy as np
import pytest

import npmoji
from npmoji import kernels as nk
from npmoji.backends import backend
from npmoji.backends.ops import REFERENCE
from npmoji.backends.packing import Rows


def floats(seed, *shape):
    return np.float32(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("width", [1, 5, 16, 70])
@pytest.mark.parametrize("strides, dilation, before, steps", [(1, 1, 0, 5), (2, 1, 1, 4), (1, 2, 4, 7), (3, 2, 0, 1)])
def test_sums_over_windows(width, strides, dilation, before, steps):
    size, T = 3, 7
    parts, bias = floats(0, 9, size * width), floats(1, width)
    index = np.random.default_rng(2).integers(0, 9, (4, T))
    out = np.full((4, steps, width), np.nan, np.float32)
    where = {"strides": strides, "dilation": dilation, "before": before}
    nk.window_sums(parts, index, bias, out, first=1, last=3, **where)
    assert np.isnan(out[[0, 3]]).all()
    for text in (1, 2):
        for step in range(steps):
            total = bias.copy()
            for k in range(size):
                at = strides * step + dilation * k - before
                if 0 <= at < T:
                    total += parts[index[text, at], k * width : (k + 1) * width]
            np.testing.assert_array_equal(out[text, step], total)


@pytest.mark.parametrize(
    "change",
    [
        {"last": 3},
        {"first": -1},
        {"strides": 0},
        {"dilation": 0},
        {"bias": np.zeros(3, np.float32)},
        {"bias": np.zeros(0, np.float32)},
        {"parts": np.zeros((5, 7), np.float32)},
        {"index": np.full((2, 4), 5)},
        {"index": np.full((2, 4), -1)},
    ],
)
def test_what_does_not_fit_is_refused(change):
    parts, index, bias, out = floats(0, 5, 6), np.zeros((2, 4), np.int64), floats(1, 2), np.zeros((2, 3, 2), np.float32)
    arguments = {"parts": parts, "index": index, "bias": bias, "out": out, "first": 0, "last": 2}
    arguments |= {"strides": 1, "dilation": 1, "before": 0}
    nk.window_sums(**arguments)
    with pytest.raises(ValueError, match="rows|fit|index"):
        nk.window_sums(**arguments | change)


SETTINGS = [
    {"padding": "valid"},
    {"padding": "same", "strides": 2},
    {"padding": "causal", "dilation": 2},
    {"padding": "valid", "strides": 3, "bias": None},
    {"padding": "valid", "size": 30},  # longer than the text
]


def network(settings, embedded=True):
    """A convolution over embedded tokens, or over the same numbers as an input."""
    size = settings.get("size", 3)
    options = {"bias": floats(3, 7), **{key: value for key, value in settings.items() if key != "size"}}
    source = npmoji.Embedding(npmoji.Input(20), floats(4, 20, 6)) if embedded else npmoji.Input()
    return npmoji.Conv1D(source, floats(5, size, 6, 7), **options)


def output(layer, X, **options):
    return np.asarray(layer.compute(X, npmoji.layers.Pass(backend("numba", **options))))


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_text_has_the_same_bits_in_any_batch_and_on_any_threads(settings):
    layer, ids = network(settings), np.random.default_rng(6).integers(0, 20, (150, 11))
    whole = output(layer, ids, threads=1)
    wanted = np.asarray(layer.compute(ids, npmoji.layers.Pass(REFERENCE)))
    assert whole.shape == wanted.shape and whole.dtype == np.float32
    np.testing.assert_allclose(whole, wanted, rtol=0, atol=3e-6)
    for rows in ([3], [149, 0, 17], np.arange(40, 80)):
        np.testing.assert_array_equal(output(layer, ids[rows], threads=1), whole[rows])
    for threads in (2, 3):
        np.testing.assert_array_equal(output(layer, ids, threads=threads), whole)
    numbers = floats(4, 20, 6)[ids]  # rows that are not known to be the same have the same bits, too
    np.testing.assert_array_equal(output(network(settings, embedded=False), numbers, threads=2), whole)


def test_rows_that_are_used_by_no_window_change_nothing():
    ops, kernel = backend("numba", 1), floats(0, 2, 3, 4)
    values, index = floats(1, 5, 3), np.array([[4, 1, 1]])
    x = Rows(values, index)
    weights = ops.pack_conv1d(kernel, None)
    some = ops.conv1d(x, weights, 1, 1, (0, 0))
    np.testing.assert_array_equal(ops.conv1d(values[index], weights, 1, 1, (0, 0)), some)


def test_scratch_memory():
    scratch, others = nk.Scratch(), []
    first = scratch.array(3, 4)
    assert first.shape == (3, 4) and first.dtype == np.float32
    assert np.shares_memory(first, scratch.array(2, 5))
    assert not np.shares_memory(first, scratch.array(3, 4, which=1))
    thread = threading.Thread(target=lambda: others.append(scratch.array(3, 4)))
    thread.start()
    thread.join()
    assert not np.shares_memory(first, others[0])
    large = scratch.array(1, scratch.MOST + 1)
    assert not np.shares_memory(large, scratch.array(1, scratch.MOST + 1))
