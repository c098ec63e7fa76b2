"""Rows of token ids by where they are padded, and the masks of ports that know a text's length only."""

from __future__ import annotations

import numpy as np

LEADING, INNER, TRAILING, EMPTY = 1, 2, 4, 8
MISPLACED = LEADING | INNER  # zeros before or between words, which a length cannot tell


def kinds(tokens: np.ndarray) -> np.ndarray:
    """Where each row of ids (N, T) has zeros: uint8 (N,), EMPTY for a row of zeros, else a sum of the others."""
    mask = np.asarray(tokens) != 0
    leading, trailing = ~mask[:, 0], ~mask[:, -1]
    inner = mask.sum(axis=1) < _ends(mask) - np.argmax(mask, axis=1)
    found = leading * LEADING + inner * INNER + trailing * TRAILING
    return np.where(mask.any(axis=1), found, EMPTY).astype(np.uint8)


def spread(rows: np.ndarray, kinds: np.ndarray, number: int) -> np.ndarray:
    """The first ``number`` of the rows, taking one of each kind in turn, so that every kind is among them."""
    turn = np.zeros(len(rows), np.intp)
    for kind in np.unique(kinds):
        turn[kinds == kind] = np.arange((kinds == kind).sum())
    return rows[np.argsort(turn, kind="stable")[:number]]


def by_length(mask: np.ndarray, length: str, least: int = 0) -> np.ndarray:
    """The mask (N, T) of a port that runs each text's first steps.

    Args:
        length: how many: ``count`` of the words, up to the ``last`` one, or up to the first ``zero``.
        least: the smallest length, 1 where none may be 0.
    """
    T = mask.shape[1]
    lengths = {
        "count": mask.sum(axis=1),
        "last": np.where(mask.any(axis=1), _ends(mask), 0),
        "zero": np.where(mask.all(axis=1), T, np.argmin(mask, axis=1)),
    }[length]
    return np.arange(T) < np.maximum(lengths, least)[:, None]


def _ends(mask: np.ndarray) -> np.ndarray:
    """The step after the last word."""
    return mask.shape[1] - np.argmax(mask[:, ::-1], axis=1)
