"""Batches without their padding: the valid steps of all texts, time-major, and the way back to (N, T, ...)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Rows:
    """An array (N, T, F) stored as its distinct rows: ``values[index]``, with values (U, F) and index (N, T)."""

    def __init__(self, values: np.ndarray, index: np.ndarray):
        self.values, self.index = values, index
        self.shape, self.ndim = (*index.shape, values.shape[1]), index.ndim + 1

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.values[self.index]


class Packed(NamedTuple):
    """The valid steps of a batch, time-major: packed step i is step ``steps[i]`` of text ``rows[i]``.

    Attributes:
        batch_sizes: how many texts have more than t valid steps, for each t.
        lengths: (N,) number of valid steps of each text.
        prefixes: whether in every text the valid steps come first.
    """

    rows: np.ndarray
    steps: np.ndarray
    batch_sizes: np.ndarray
    lengths: np.ndarray
    prefixes: bool


def pack(mask: np.ndarray) -> Packed:
    """The valid steps of a mask (N, T), texts sorted by length, longest first (stable)."""
    rows, steps = np.nonzero(mask)
    lengths = mask.sum(axis=1)
    prefixes = not (mask[:, 1:] > mask[:, :-1]).any()
    if len(mask) == 1:
        return Packed(rows, steps, np.ones(len(rows), np.intp), lengths, prefixes)
    turn = np.arange(len(rows)) - (np.cumsum(lengths) - lengths)[rows]  # a step's index among its text's valid steps
    rank = np.empty(len(mask), np.intp)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(mask))
    order = np.lexsort((rank[rows], turn))
    return Packed(rows[order], steps[order], np.bincount(turn), lengths, prefixes)


def gather(x: np.ndarray | Rows, packed: Packed) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of x (N, T, F) at the packed steps, (U, F), and each step's index among them."""
    if isinstance(x, Rows):
        return x.values, x.index[packed.rows, packed.steps]
    return x[packed.rows, packed.steps], np.arange(len(packed.rows))


def as_rows(x: np.ndarray | Rows) -> tuple[np.ndarray, np.ndarray]:
    """x (N, T, F) as its distinct rows, as far as it knows them, (U, F), and each step's index among them, (N, T)."""
    if isinstance(x, Rows):
        return np.ascontiguousarray(x.values, np.float32), np.ascontiguousarray(x.index, np.int64)
    x = np.ascontiguousarray(x, np.float32)
    N, T, F = x.shape
    return x.reshape(N * T, F), np.arange(N * T).reshape(N, T)


def last_steps(mask: np.ndarray, go_backwards: bool) -> np.ndarray:
    """(N,) the last valid step of each text in the direction of travel; arbitrary for a text without any."""
    return np.argmax(mask, axis=1) if go_backwards else mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)


def hold(outputs: np.ndarray, mask: np.ndarray, packed: Packed, go_backwards: bool) -> None:
    """Let masked steps repeat the output before them in the direction of travel; those before the first stay 0."""
    if packed.prefixes:
        if go_backwards:  # all masked steps come before the first valid one
            return
        rows, steps = np.nonzero(~mask & (packed.lengths > 0)[:, None])
        outputs[rows, steps] = outputs[rows, packed.lengths[rows] - 1]
        return
    if go_backwards:
        outputs, mask = outputs[:, ::-1], mask[:, ::-1]
    before = np.maximum.accumulate(np.where(mask, np.arange(mask.shape[1]), -1), axis=1)
    rows, steps = np.nonzero(~mask & (before >= 0))
    outputs[rows, steps] = outputs[rows, before[rows, steps]]
