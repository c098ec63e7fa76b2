"""Logistic regression on features: scikit-learn's, made quick by what does not change its optimum.

    centring      the bias is not penalised, so features less their means have the same optimum; a sixth of the steps
    a start       the optimum over the leading directions of the features, which are much narrower, is near it
    the path      C is chosen over those directions too, from the strongest regularisation on, each fit starting where
                  the one before ended, until the likelihood of held-out texts falls

The result is that of `sklearn.linear_model.LogisticRegression(C=C)` on the features as they are.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from . import folds
from .labels import Labels, listed, name_of

#: what C is chosen from, factors of the square root of ten
GRID = tuple(float(f"{10 ** (step / 2):.3g}") for step in range(-8, 9))
PATIENCE = 1  # values of C without a better likelihood that end the search
FOLDS = 3  # for the choice of C
MOST = 4_000  # texts that C is chosen on: C hardly depends on their number
NARROW = 192  # directions of wider features
WIDE = 2 * NARROW  # features from which on directions save work
LOOSE, TIGHT = 1e-3, 1e-4  # tolerances: for the choice of C, for the result (scikit-learn's default)
STEPS = 1_000


class Fitted(NamedTuple):
    """A last layer.

    Attributes:
        kernel, bias: float32 (F, C), (C,): logits are ``features @ kernel + bias``.
        C: the inverse strength of regularisation.
        tried: each C tried -> the mean log-likelihood of held-out texts; empty if C was given.
    """

    kernel: np.ndarray
    bias: np.ndarray
    C: float
    tried: dict[float, float]


def fit(
    X: np.ndarray,
    labels: Labels,
    *,
    C: float | None = None,
    weights: np.ndarray | None = None,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Fitted:
    """The last layer that fits features (N, F) to labels.

    Softmax over all classes, two columns for two; or, if multi-label, a sigmoid for each class on its own.

    Args:
        C: by default chosen by cross-validation over `GRID`.
        weights: float (N,), of the texts; or (N, C) if multi-label.
        seed: of the folds.
        groups: equal where texts must be in one fold.
    """
    X = np.asarray(X, np.float32)
    mean = X.mean(axis=0, dtype=np.float64).astype(np.float32)
    X = X - mean
    with _one_thread():
        narrow = _directions(X, seed) if X.shape[1] > WIDE and len(X) > NARROW else None
        Z = X if narrow is None else X @ narrow
        tried: dict[float, float] = {}
        if C is None:
            C, tried = _choice(Z, labels, weights, seed, groups)
        start = _fit(Z, labels, C, weights, TIGHT if narrow is None else LOOSE)
        if narrow is not None:
            wide = [(coef @ narrow.T, intercept) for coef, intercept in start]
            start = _fit(X, labels, C, weights, TIGHT, wide)
    return _folded(start, labels, mean, C, tried)


def class_weights(labels: Labels, given: dict[Any, float] | str | None) -> np.ndarray | None:
    """How much each text counts, (N,); if multi-label, for each class, (N, C): a class' weight is that of its texts.

    Args:
        given: ``"balanced"``: each class as much as the others, if multi-label as much as the texts without it; or
            class -> weight, 1 for those that are not there.

    Raises:
        InputError: neither, an unknown class, or no weight.
    """
    if given is None:
        return None
    counts, N, codes = labels.counts(), len(labels.codes), labels.codes
    if isinstance(given, str) and given == "balanced":
        if labels.multi_label:
            return np.where(codes == 1, N / (2 * np.maximum(counts, 1)), N / (2 * np.maximum(N - counts, 1)))
        return (N / (len(counts) * counts))[codes]
    if not isinstance(given, dict):
        raise InputError(f"class_weight {given!r:.60}: expected None, 'balanced' or a dict class -> weight")
    numbers = {name: number for number, name in enumerate(labels.names)}
    weights = np.ones(len(numbers))
    for key, value in given.items():
        if name_of(key) not in numbers:
            raise InputError(f"class_weight: there is no class {key!r:.60}; the classes are {listed(numbers)}")
        if not isinstance(value, (int, float, np.number)) or isinstance(value, bool) or not 0 <= value < np.inf:
            raise InputError(f"class_weight of {key!r:.60}: {value!r:.60}, expected a number of at least 0")
        weights[numbers[name_of(key)]] = value
    return np.where(codes == 1, weights, 1.0) if labels.multi_label else weights[codes]


def _folded(
    solved: list[tuple[np.ndarray, np.ndarray]], labels: Labels, mean: np.ndarray, C: float, tried: dict[float, float]
) -> Fitted:
    """As one dense layer, on features that are not centred."""
    kernel = np.concatenate([coef for coef, _ in solved]).T.astype(np.float64)
    bias = np.concatenate([intercept for _, intercept in solved]).astype(np.float64)
    if kernel.shape[1] == 1 and not labels.multi_label:  # sigmoid(z) = softmax([-z/2, z/2])[1]
        kernel, bias = np.hstack([-kernel / 2, kernel / 2]), np.hstack([-bias / 2, bias / 2])
    bias = bias - mean.astype(np.float64) @ kernel
    return Fitted(np.ascontiguousarray(kernel, np.float32), bias.astype(np.float32), float(C), tried)


def _directions(X: np.ndarray, seed: int) -> np.ndarray:
    """Orthonormal directions (F, `NARROW`) that hold nearly all that features (N, F) with mean 0 can.

    Randomised range finder with one power iteration (Halko, Martinsson and Tropp 2011, algorithms 4.3 and 4.4).
    """
    random = np.random.RandomState(seed).standard_normal((len(X), NARROW)).astype(np.float32)
    basis, _ = np.linalg.qr(X.T @ (X @ (X.T @ random)))
    return basis


def _choice(
    Z: np.ndarray, labels: Labels, weights: np.ndarray | None, seed: int, groups: np.ndarray | None
) -> tuple[float, dict[float, float]]:
    """The C with the best likelihood of held-out texts, and all that were tried."""
    rows = _some(labels, seed)
    codes = labels.codes[rows]
    part = _validated(codes, seed, None if groups is None else groups[rows])
    if part is None:
        return 1.0, {}
    Z, labels = Z[rows], labels._replace(codes=codes)
    weights = None if weights is None else weights[rows]
    splits = [(part != fold, part == fold) for fold in range(part.max() + 1)]
    starts: list[Any] = [None] * len(splits)
    tried: dict[float, float] = {}
    best = GRID[0]
    for C in GRID:
        total = 0.0
        for i, (train, held) in enumerate(splits):
            inner = labels._replace(codes=codes[train])
            starts[i] = _fit(Z[train], inner, C, None if weights is None else weights[train], LOOSE, starts[i])
            total += _likelihood(starts[i], Z[held], codes[held], None if weights is None else weights[held])
        tried[C] = total / len(Z)
        best = C if tried[C] > tried[best] else best
        if GRID.index(C) - GRID.index(best) >= PATIENCE:
            break
    return best, tried


def _some(labels: Labels, seed: int) -> np.ndarray:
    """The rows that C is chosen on: `MOST` at random, some of each class among them."""
    N = len(labels.codes)
    if N <= MOST:
        return np.arange(N)
    order = np.random.RandomState(seed).permutation(N)
    if labels.multi_label:
        wanted = [labels.codes[order, c] == flag for c in range(len(labels.classes)) for flag in (0, 1)]
    else:
        wanted = [labels.codes[order] == c for c in range(len(labels.classes))]
    kept = [order[np.flatnonzero(flags)[: 4 * FOLDS]] for flags in wanted]
    first = np.concatenate([*kept, order])
    _, places = np.unique(first, return_index=True)
    return np.sort(first[np.sort(places)][: max(MOST, sum(map(len, kept)))])


def _validated(codes: np.ndarray, seed: int, groups: np.ndarray | None) -> np.ndarray | None:
    """The fold of each text; None if a class has texts for less than two."""
    for number in range(FOLDS, 1, -1):
        with contextlib.suppress(InputError):
            part = folds.stratified(codes, number, seed, groups)
            if codes.ndim == 1 or all(_both(codes[part != fold]) for fold in range(number)):
                return part
    return None


def _both(codes: np.ndarray) -> bool:
    """Whether each column has a 0 and a 1."""
    return bool((codes.min(axis=0) == 0).all() and (codes.max(axis=0) == 1).all())


def _fit(
    X: np.ndarray,
    labels: Labels,
    C: float,
    weights: np.ndarray | None,
    tolerance: float,
    start: list[tuple[np.ndarray, np.ndarray]] | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's coefficients (K, F) and intercepts (K,): one pair, or one a class if multi-label."""
    if not labels.multi_label:
        return [_regression(X, labels.codes, C, weights, tolerance, start and start[0])]
    return [
        _regression(X, labels.codes[:, c], C, None if weights is None else weights[:, c], tolerance, start and start[c])
        for c in range(labels.codes.shape[1])
    ]


def _regression(
    X: np.ndarray, codes: np.ndarray, C: float, weights: np.ndarray | None, tolerance: float, start: Any
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=C, tol=tolerance, max_iter=STEPS, warm_start=start is not None)
    if start is not None:
        model.coef_, model.intercept_ = start
    with warnings.catch_warnings():  # at the limit of float32 the last steps may gain nothing
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # few texts, not a quantity
        model.fit(X, codes, sample_weight=weights)
    return model.coef_, model.intercept_


def _likelihood(
    solved: list[tuple[np.ndarray, np.ndarray]], X: np.ndarray, codes: np.ndarray, weights: np.ndarray | None
) -> float:
    """The log-likelihood of these labels, summed over rows and columns."""
    logits = np.hstack([X @ coef.T + intercept for coef, intercept in solved]).astype(np.float64)
    if codes.ndim == 2 or logits.shape[1] == 1:
        flags = codes.reshape(logits.shape)
        found = -np.logaddexp(0, np.where(flags, -logits, logits))
        return float((found if weights is None else found * weights.reshape(found.shape)).sum())
    most = logits.max(axis=1)
    found = logits[np.arange(len(codes)), codes] - most - np.log(np.exp(logits - most[:, None]).sum(axis=1))
    return float((found if weights is None else found * weights).sum())


_lock = threading.Lock()
_inside: list[Any] = []  # the limit, while any thread is inside


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """BLAS on one thread: the products are small, and scipy's and NumPy's threads would wait for each other.

    The setting is the whole process'; the last thread that leaves puts it back.
    """
    from threadpoolctl import threadpool_limits

    with _lock:
        _inside.append(_inside[0] if _inside else threadpool_limits(1, "blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _inside.pop()
            if not _inside:
                limit.restore_original_limits()
