"""Which fold each text is validated in: classes in equal shares, copies of a text always together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError


def stratified(
    labels: Sequence[Any] | np.ndarray,
    folds: int,
    seed: int,
    groups: Iterable[Hashable] | None = None,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """The number of the fold in which each row is validated, int64 (N,), from 0.

    The rule of scikit-learn's ``StratifiedKFold(folds, shuffle=True, random_state=seed)``, fold for fold: classes are
    numbered as they appear, sorted rows are dealt out one by one to find how many of a class a fold gets, and which of
    the class they are is shuffled, class by class. For several labels a text there is no such rule: see `_dealt`.

    Args:
        labels: (N,) of any one kind; or 0/1 (N, C), several labels a text.
        folds: how many, at least 2.
        seed: of NumPy's `RandomState`.
        groups: N values, equal where rows must stay together: the texts. The folds are made over the first row of each
            group, by its label, and the others follow it.
        names: of the classes, for messages, if the labels are class numbers or columns.

    Raises:
        InputError: a class has fewer rows, or groups, than there are folds; says which and how many.

    >>> from npmoji.learn.folds import stratified
    >>> stratified(["sad", "glad", "sad", "glad"], 2, seed=0).tolist()
    [1, 0, 0, 1]
    """
    if isinstance(folds, bool) or not isinstance(folds, (int, np.integer)) or folds < 2:
        raise InputError(f"folds {folds!r:.60}: expected an integer of at least 2")
    chosen, group = _chosen(labels, groups, folds, names, f"fewer than the {folds} folds")
    random = np.random.RandomState(seed)
    made = _shares(chosen, folds, random) if chosen.ndim == 1 else _dealt(chosen.astype(bool), folds, random)
    found: np.ndarray = made[group]
    return found


def held_out(
    labels: Sequence[Any] | np.ndarray,
    share: float,
    seed: int,
    groups: Iterable[Hashable] | None = None,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Which rows to hold back, bool (N,): about this share of each class, at least one row of it, and never all.

    Arguments and copies are as for `stratified`. For several labels a text the rarest label comes first, and rows held
    back for it count for their other labels too.

    Raises:
        InputError: a class has fewer than two rows, or groups; says which.

    >>> from npmoji.learn.folds import held_out
    >>> held_out(["sad", "glad", "sad", "glad"], 0.1, seed=0).tolist()
    [False, False, True, True]
    """
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
        raise InputError(f"the share to hold back is {share!r:.60}, expected a number between 0 and 1")
    why = "too few for a part to train on and one to validate on"
    chosen, group = _chosen(labels, groups, 2, names, why)
    flags = chosen.astype(bool) if chosen.ndim > 1 else chosen[:, None] == np.unique(chosen)
    order = np.random.RandomState(seed).permutation(len(chosen))
    held = np.zeros(len(chosen), bool)
    for column in np.argsort(flags.sum(0), kind="stable"):
        rows = order[flags[order, column]]
        missing = min(max(1, round(share * len(rows))), len(rows) - 1) - held[rows].sum()
        if missing > 0:
            held[rows[~held[rows]][:missing]] = True
    found: np.ndarray = held[group]
    return found


def distinct(values: Iterable[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """The positions of values that did not occur before, (G,), and for each value which of them is equal to it, (N,).

    >>> from npmoji.learn.folds import distinct
    >>> [found.tolist() for found in distinct(["a", "b", "a"])]
    [[0, 1], [0, 1, 0]]
    """
    seen: dict[Hashable, int] = {}
    group = [seen.setdefault(value, len(seen)) for value in values]
    first = np.zeros(len(seen), np.int64)
    for at in range(len(group) - 1, -1, -1):
        first[group[at]] = at
    return first, np.array(group, np.int64)


def _chosen(
    labels: Any, groups: Iterable[Hashable] | None, least: int, names: Sequence[str] | None, why: str
) -> tuple[np.ndarray, np.ndarray]:
    """The labels of each group's first row, so many of every class, and the group of each row."""
    labels = np.asarray(labels)
    first, group = distinct(range(len(labels)) if groups is None else groups)
    if len(group) != len(labels):
        raise InputError(f"{len(labels)} labels, but {len(group)} texts: expected one label a text")
    kind = "" if len(first) == len(labels) else "distinct "
    _check_counts(labels, labels[first], least, names, kind, why)
    return labels[first], group


def _check_counts(
    labels: np.ndarray, chosen: np.ndarray, least: int, names: Sequence[str] | None, kind: str, why: str
) -> None:
    """Every class must have so many rows."""
    if labels.ndim == 1:
        numbers = dict(zip(*np.unique(chosen, return_counts=True)))
        counts = {label: int(numbers.get(label, 0)) for label in np.unique(labels)}
    else:
        counts = dict(enumerate(chosen.astype(bool).sum(0).tolist()))
    for label, count in counts.items():
        if count < least:
            name, unit = names[label] if names is not None else label, "text" if count == 1 else "texts"
            note = "; equal texts count once, with the label of the first" if kind else ""
            raise InputError(f"class {str(name)!r:.80} has {count} {kind}{unit}, {why}{note}")


def _shares(labels: np.ndarray, folds: int, random: np.random.RandomState) -> np.ndarray:
    """scikit-learn's rule."""
    _, first, code = np.unique(labels, return_index=True, return_inverse=True)
    code = np.argsort(np.argsort(first))[code.ravel()]  # numbered as they appear
    ordered = np.sort(code)
    shares = np.array([np.bincount(ordered[fold::folds], minlength=len(first)) for fold in range(folds)])
    found = np.zeros(len(labels), np.int64)
    for number in range(len(first)):
        mine = np.arange(folds).repeat(shares[:, number])
        random.shuffle(mine)
        found[code == number] = mine
    return found


def _dealt(labels: np.ndarray, folds: int, random: np.random.RandomState) -> np.ndarray:
    """For 0/1 (N, C): the rarest label first, each of its rows to the fold that lacks most of that label, then most
    rows (iterative stratification, Sechidis et al. 2011)."""
    found = np.full(len(labels), -1, np.int64)
    order = random.permutation(len(labels))
    lacking = np.tile(labels.sum(0) / folds, (folds, 1))  # (folds, C)
    room = np.full(folds, len(labels) / folds)
    while (left := order[found[order] < 0]).size:
        counts = labels[left].sum(0)
        rarest = int(np.where(counts > 0, counts, len(labels) + 1).argmin())
        for row in left[labels[left, rarest]] if counts.any() else left:
            wanted = lacking[:, rarest] if counts.any() else room
            fold = int(np.lexsort((room, wanted))[-1])
            found[row] = fold
            lacking[fold] -= labels[row]
            room[fold] -= 1
    return found
