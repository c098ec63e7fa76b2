"""Which of a model's arrays belong to which of its layers, where a file keeps them in one list and some layers take any
number of them: attention layers that several authors wrote, see `choices`."""

from __future__ import annotations

import numpy as np

from .choices import scores_of
from .place import ANY

MOST = 3  # of arrays that such a layer has
MATRICES = ("embeddings", "kernel", "recurrent_kernel")
VECTORS = ("bias", "gamma", "beta", "mean", "variance")


def shares(names: list[str], arrays: list[np.ndarray]) -> list[int] | None:
    """How many arrays each name stands for, in their order: one, but for `ANY`; None if that does not come out, or in
    several ways.

    A single `ANY` gets what is left. Of several each must get arrays that an attention layer may have; if that leaves
    a choice, the other arrays must be matrices or vectors as their names say.

    >>> W, b, u = np.zeros((4, 3)), np.zeros(3), np.zeros((3, 1))
    >>> shares(["embeddings", "*", "*"], [np.zeros((9, 4)), W, b, u, W, u])
    [1, 3, 2]
    """
    rest = len(arrays) - len(names) + names.count(ANY)
    if names.count(ANY) < 2:
        return None if rest < 0 or (rest and ANY not in names) else [rest if name == ANY else 1 for name in names]
    for strict in (False, True):
        ways = _ways(names, arrays, strict)
        if len(ways) < 2:
            break
    return ways[0] if len(ways) == 1 else None


def _ways(names: list[str], arrays: list[np.ndarray], strict: bool) -> list[list[int]]:
    """All ways, or two of them if there are more."""
    ends: dict[int, list[list[int]]] = {0: [[]]}  # by the number of arrays that the names so far stand for
    for name in names:
        longer: dict[int, list[list[int]]] = {}
        for start, ways in ends.items():
            for count in range(1, MOST + 1) if name == ANY else (1,):
                some = arrays[start : start + count]
                if len(some) == count and (_is_attention(some) if name == ANY else not strict or _fits(name, some[0])):
                    longer.setdefault(start + count, []).extend([*way, count] for way in ways)
        ends = {end: ways[:2] for end, ways in longer.items()}
    return ends.get(len(arrays), [])


def _is_attention(arrays: list[np.ndarray]) -> bool:
    """Whether these may be the arrays of one attention layer: W (F, 1), b (T, 1) or W (F, A), b (A,), u (A, 1), columns
    also as vectors."""
    scores = scores_of(arrays)
    if "context" not in scores:
        return bool(scores) and all(array.shape[1:] in ((), (1,)) for array in arrays)
    kernel, *bias, context = arrays
    A = kernel.shape[1]
    return all(array.shape == (A,) for array in bias) and context.shape in ((A,), (A, 1))


def _fits(name: str, array: np.ndarray) -> bool:
    """Whether an array has as many axes as its name says; a GRU may have two biases."""
    if name.removeprefix("forward_").removeprefix("backward_") in MATRICES:
        return array.ndim >= 2
    return name.rpartition("_")[2] not in VECTORS or array.ndim == 1 or len(array) == 2
