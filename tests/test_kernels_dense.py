"""The dense layer's kernel: sums in float64 in the order of the inputs, whatever is computed side by side."""

import numpy as np
import pytest

from npmoji import kernels as nk
from npmoji.backends import backend


def sums(x, kernel, bias):
    """The definition: a product of two floats is exact in float64."""
    total = np.tile(np.float64(bias), (len(x), 1))
    for k in range(len(kernel)):
        total += np.float64(x[:, k, None]) * np.float64(kernel[k])
    return np.float32(total)


@pytest.mark.parametrize("inputs", [1, 2, 5, 64, 259])
@pytest.mark.parametrize("width", [1, 3, 8, 65])
def test_dense_is_the_sum_in_order(inputs, width):
    random = np.random.default_rng(inputs * 100 + width)
    for rows in (*range(1, 10), 50):
        x, kernel, bias = (np.float32(random.standard_normal(s)) for s in ((rows, inputs), (inputs, width), (width,)))
        out = np.full((rows, width), np.nan, np.float32)
        nk.dense(x, kernel, bias, out, 0, rows)
        np.testing.assert_array_equal(out, sums(x, kernel, bias))
        out[:] = 7
        nk.dense(x, kernel, bias, out, 1, rows - 1)
        np.testing.assert_array_equal(out[1 : rows - 1], sums(x, kernel, bias)[1 : rows - 1])
        assert (out[[0, -1]] == 7).all()


def test_dense_of_the_engine_takes_arrays_of_any_layout():
    random, ops = np.random.default_rng(0), backend("numba", 2)
    x, kernel = np.float32(random.standard_normal((5, 3, 60))), np.float32(random.standard_normal((9, 40)))
    wanted = ops.dense(x[..., ::2][..., :20].copy(), ops.pack_dense(kernel.T[::2].copy(), None))
    np.testing.assert_array_equal(ops.dense(x[..., ::2][..., :20], ops.pack_dense(kernel.T[::2], None)), wanted)
    np.testing.assert_array_equal(ops.dense(x[..., ::2][..., :20], (kernel.T[::2], np.zeros(9, "f4"))), wanted)
