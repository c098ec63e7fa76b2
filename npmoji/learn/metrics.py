"""Accuracy and F1, the search for a threshold, and the class-average F1 of the original; NumPy alone.

The class-average F1 makes one binary problem of each class (`relabelled`), looks for the threshold with the best F1 on
the validation part (`threshold`) and takes the mean of the F1 scores that these thresholds give on the test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError

THRESHOLDS = np.arange(0.01, 0.5, step=0.01)  # 49 of them, 0.01 to 0.49, as NumPy computes them
EXPECTED = "expected labels of shape (N,) and probabilities (N,) or (N, 1)"


class Threshold(NamedTuple):
    """The lowest threshold with the best F1, and the F1 (49,) at each of `THRESHOLDS`."""

    threshold: float
    curve: np.ndarray


class Averaged(NamedTuple):
    """The mean of the classes' F1 scores on the test part; the scores (C,), and the thresholds (C,) they are at."""

    f1: float
    scores: np.ndarray
    thresholds: np.ndarray


def accuracy(labels: Any, probabilities: Any) -> float:
    """The share of rows whose guess is their label.

    Args:
        labels: class numbers (N,).
        probabilities: (N, C), of which the first largest is the guess; or of class 1, (N,) or (N, 1), rounded half to
            even as the original does, so that 0.5 is a guess of class 0.

    Raises:
        InputError: the shapes do not fit, or there are no rows.

    >>> accuracy([0, 1, 1], [0.5, 0.51, 0.2])
    0.6666666666666666
    """
    p, y = np.asarray(probabilities), np.asarray(labels)
    if y.ndim != 1 or p.ndim not in (1, 2) or len(p) != len(y) or not y.size:
        raise InputError(f"labels {y.shape}, probabilities {p.shape}: expected labels (N,) and probabilities (N, C)")
    guesses = p.argmax(axis=1) if p.ndim == 2 and p.shape[1] > 1 else np.rint(p.reshape(len(y)))
    return float((guesses == y).mean())


def f1(labels: Any, guesses: Any) -> float:
    """The harmonic mean of precision and recall of class 1; 0 where no guess of it is right.

    Args:
        labels, guesses: 0 or 1 (or False and True), shape (N,) or (N, 1).

    Raises:
        InputError: the shapes do not fit, or there is another value.

    >>> f1([1, 1, 0, 0], [1, 0, 1, 0])
    0.5
    """
    y, guess = _binary(labels, "labels"), _binary(guesses, "guesses")
    if y.shape != guess.shape:
        raise InputError(f"{len(y)} labels, but {len(guess)} guesses")
    right = np.count_nonzero(y & guess)
    if not right:
        return 0.0
    # In this order, as scikit-learn 0.20 computed it for the original: where two thresholds are equally good on paper,
    # the last bit says which is taken.
    precision, recall = right / np.count_nonzero(guess), right / np.count_nonzero(y)
    return float(2.0 * precision * recall / (precision + recall))


def macro_f1(labels: Any, guesses: Any, classes: int) -> float:
    """The mean over the classes of each one's F1; labels and guesses are class numbers (N,).

    >>> round(macro_f1([0, 1, 2, 2], [0, 1, 1, 2], classes=3), 4)
    0.7778
    """
    y, guess = np.asarray(labels), np.asarray(guesses)
    return float(np.mean([f1(y == number, guess == number) for number in range(classes)]))


def above(probabilities: Any, threshold: float) -> np.ndarray:
    """Which probabilities are above the threshold, bool (N,).

    The threshold is cast to their dtype, as NumPy 1.16 did: a float32 of 0.3 is not above a threshold of 0.3.

    >>> above(np.float32([0.2, 0.3, 0.4]), 0.3)
    array([False, False,  True])
    """
    p = np.asarray(probabilities)
    if p.ndim not in (1, 2) or p.size != len(p):
        raise InputError(f"probabilities {p.shape}: {EXPECTED}")
    p = p.reshape(-1) if p.dtype.kind == "f" else p.reshape(-1).astype(np.float64)
    return p > p.dtype.type(threshold)


def threshold(labels: Any, probabilities: Any) -> Threshold:
    """The threshold on the probability of class 1 that gives the best F1: of equally good ones, the lowest.

    Args:
        labels: 0 or 1, shape (N,).
        probabilities: of class 1, shape (N,) or (N, 1).

    Raises:
        InputError: the shapes do not fit, or a label is neither 0 nor 1.

    >>> best, curve = threshold([0, 0, 1, 1], np.float32([0.1, 0.2, 0.25, 0.7]))
    >>> round(best, 2), float(curve.max())
    (0.2, 1.0)
    """
    curve = np.array([f1(labels, above(probabilities, candidate)) for candidate in THRESHOLDS])
    return Threshold(float(THRESHOLDS[curve.argmax()]), curve)


def relabelled(labels: Any, number: int) -> np.ndarray:
    """The binary problem of one class: int64 (N,), 1 where a row is of that class.

    Args:
        labels: class numbers (N,), or flags of 0 and 1 (N, C).

    >>> relabelled([0, 2, 1, 2], 2)
    array([0, 1, 0, 1])
    >>> relabelled([[1, 0], [0, 0], [1, 1]], 1)
    array([0, 0, 1])
    """
    y = np.asarray(labels)
    column = y == number if y.ndim == 1 else y[:, number] == 1
    return column.astype(np.int64)


def rounds(labels: Any, classes: int) -> list[np.ndarray]:
    """The binary problems of the class-average F1: one a class; for two classes with labels (N,), the labels alone.

    >>> rounds([0, 1, 1], classes=2)
    [array([0, 1, 1])]
    >>> rounds([0, 2, 1], classes=3)
    [array([1, 0, 0]), array([0, 0, 1]), array([0, 1, 0])]
    """
    if np.ndim(labels) == 1 and classes == 2:
        return [relabelled(labels, 1)]
    return [relabelled(labels, number) for number in range(classes)]


def class_average(
    validation: Sequence[tuple[Any, Any]] | None, test: Sequence[tuple[Any, Any]], thresholds: Any = None
) -> Averaged:
    """The class-average F1: for each binary problem, a threshold from the validation part, F1 on the test part.

    Args:
        validation, test: labels (N,) and probabilities (N,) or (N, 1) of each problem, in the same order.
        thresholds: those to use instead of searching.

    >>> part = [([0, 0, 1, 1], [0.1, 0.2, 0.25, 0.7]), ([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.12])]
    >>> average = class_average(part, part)
    >>> round(average.f1, 2), average.thresholds.round(2)
    (0.9, array([0.2 , 0.12]))
    """
    if thresholds is None:
        thresholds = [threshold(y, p).threshold for y, p in validation or ()]
    if len(thresholds) != len(test) or not len(test):
        raise InputError(f"{len(thresholds)} classes of the validation part, but {len(test)} of the test part")
    scores = np.array([f1(y, above(p, best)) for (y, p), best in zip(test, thresholds)])
    return Averaged(float(scores.mean()), scores, np.asarray(thresholds, np.float64))


def _binary(values: Any, what: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim not in (1, 2) or array.size != len(array):
        raise InputError(f"{what} {array.shape}: expected shape (N,)")
    array = array.reshape(-1)
    wrong = np.flatnonzero((array != 0) & (array != 1))
    if len(wrong):
        raise InputError(f"{what}: row {wrong[0]} is {array[wrong[0]]}, expected 0 or 1")
    return array == 1
