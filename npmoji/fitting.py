"""The size of the axes that a network's inputs leave free, where a later layer takes one size only: a `Reshape` to
fixed steps, a bias for each step, another input of a known length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .layers import Layer, Reshape, TimeDistributed
from .layers.base import ancestors

APART = 60  # between two sizes of which the axes' growth is told: a multiple of all small strides
LARGEST, MOST = 1 << 12, 64  # no larger sizes are tried, and no more


def guesses(layer: Layer, done: Mapping[Layer, Any], longer: Mapping[Layer, Any], size: int) -> list[int]:
    """The sizes with which a layer may take what comes before it, largest first: those with which an axis, or the
    number of all elements, comes to a number that the layer knows.

    Args:
        done, longer: values and masks of what comes before it, with the inputs' free axes of ``size``, and of `APART`
            more.
    """
    shapes = [(np.shape(done[one][0])[1:], np.shape(longer[one][0])[1:]) for one in layer.previous if one in longer]
    found: set[int] = set()
    for i, (small, large) in enumerate(shapes):
        others = [n for j, ends in enumerate(shapes) if j != i for n, m in zip(*ends) if n == m]
        grown = [m - n for n, m in zip(small, large) if n != m]
        if len(small) != len(large) or not grown:
            continue
        stride = max(1, *(math.ceil(APART / abs(growth)) for growth in grown))
        for n, m in [*zip(small, large), (math.prod(small), math.prod(large))]:
            for wanted in {*_numbers(layer), *others} if n != m else ():
                start = size + (wanted - n) * APART // (m - n)
                found.update(range(start - stride + 1, start + stride))
    return sorted((guess for guess in found if 0 < guess <= LARGEST), reverse=True)[:MOST]


def _numbers(layer: Layer) -> Iterator[int]:
    """All sizes that a layer, or one within it, has in its arrays or its settings."""
    for one in ancestors([layer.layer]) if isinstance(layer, TimeDistributed) else [layer]:
        for array in one.weights().values():
            yield from array.shape
        if isinstance(one, Reshape):
            yield from one.shape
            yield math.prod(one.shape)
