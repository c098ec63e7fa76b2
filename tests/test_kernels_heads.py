"""Dot products and weighted sums: each in one fixed order, whatever is computed side by side and however arrays lie."""

import numpy as np
import pytest

from npmoji import kernels as nk

WIDTHS = [1, 3, 4, 7, 15, 16, 17, 31, 32, 100, 331]


def dots(x, w):
    """The definition: 16 running sums, added up at the end, then what is left over; all in float32."""
    whole = len(w) // 16 * 16
    sums, total = np.zeros((len(x), 16), np.float32), np.zeros(len(x), np.float32)
    for k in range(0, whole, 16):
        sums += x[:, k : k + 16] * w[k : k + 16]
    for j in range(16):
        total += sums[:, j]
    for k in range(whole, len(w)):
        total += x[:, k] * w[k]
    return total


def weighted(x, weights):
    """The definition: step by step; those with the weight 0 do not count, whatever they are."""
    out = np.zeros((len(x), x.shape[2]), np.float32)
    for t in range(x.shape[1]):
        counts = weights[:, t] != 0
        out[counts] += weights[counts, t, None] * x[counts, t]
    return out


def numbers(random, *shape):
    return (random.standard_normal(shape) * 10.0 ** random.integers(-3, 4, shape)).astype(np.float32)


def layouts(x):
    """The same numbers, one after the other and in other ways."""
    apart = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), np.float32)
    apart[..., ::2] = x
    return x, apart[..., ::2], np.asfortranarray(x), np.pad(x, [(0, 0)] * (x.ndim - 1) + [(3, 5)])[..., 3:-5]


@pytest.mark.parametrize("width", WIDTHS)
def test_dot_products_have_one_order(width):
    random = np.random.default_rng(width)
    x, w = numbers(random, 9, width), numbers(random, width)
    wanted = dots(x, w)
    for rows in layouts(x):
        for vector in layouts(w):
            out = np.full(9, 7, np.float32)
            nk.dot_rows(rows, vector, out, 1, 8)
            np.testing.assert_array_equal(out[1:8], wanted[1:8])
            assert out[0] == out[8] == 7


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("steps", [1, 6])
def test_weighted_sums_have_one_order(width, steps):
    random = np.random.default_rng(width)
    x, weights = numbers(random, 5, steps, width), numbers(random, 5, steps)
    weights[random.random(weights.shape) < 0.2] = 0
    x[weights == 0] = np.nan
    wanted = weighted(x, weights)
    for rows in layouts(x):
        for factors in layouts(weights):
            for out in layouts(np.full((5, width), 7, np.float32)):
                nk.weighted_sum(rows, factors, out, 1, 4)
                np.testing.assert_array_equal(out[1:4], wanted[1:4])
                assert (out[[0, 4]] == 7).all()


def test_what_is_no_number_stays():
    x = np.ones((1, 2, 40), np.float32)
    x[0, 0, 3], x[0, 1, 39] = np.nan, np.inf
    out = np.empty((1, 40), np.float32)
    nk.weighted_sum(x, np.ones((1, 2), np.float32), out, 0, 1)
    assert np.isnan(out[0, 3]) and np.isinf(out[0, 39]) and (np.delete(out[0], [3, 39]) == 2).all()
    found = np.empty(2, np.float32)
    nk.dot_rows(x[0], np.ones(40, np.float32), found, 0, 2)
    assert np.isnan(found[0]) and np.isinf(found[1])
