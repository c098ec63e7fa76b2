"""Seed 003's training: a learning rate that rises and falls, and one model a fold.

    rate = ExpRange(base=0.001, top=0.003, half=300, gamma=0.99994)
    found = train_folds(make, ids, labels, fold, epochs=5, batch_size=512, rate=rate)

Each fold starts from the same weights, with a fresh optimiser and rate and a seed of its own. There is no best epoch
and no early stop: predictions are those after the last one. Those for other texts are averaged as probabilities.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..errors import InputError
from .loop import Batch, Batches, Steps, epochs, some


@dataclass(frozen=True)
class ExpRange:
    """The learning rate of optimiser step k, counted from 0 over all epochs.

    With cycle = floor(1 + k / 2 half) and x = |k / half - 2 cycle + 1|:
    base + (top - base) max(0, 1 - x) gamma^k. The same as torch's ``CyclicLR(mode="exp_range")``.

    >>> from npmoji.learn.schedule import ExpRange
    >>> rate = ExpRange(base=0.001, top=0.003, half=300, gamma=0.99994)
    >>> [round(rate(k), 7) for k in (0, 300, 600)]
    [0.001, 0.0029643, 0.001]
    """

    base: float = 0.001
    top: float = 0.003
    half: int = 300
    gamma: float = 0.99994

    def __call__(self, step: int) -> float:
        """The rate of a step."""
        cycle = math.floor(1 + step / (2 * self.half))
        x = abs(step / self.half - 2 * cycle + 1)
        return self.base + (self.top - self.base) * max(0.0, 1 - x) * self.gamma**step


SEED_003 = ExpRange()


def fold_seed(number: int) -> int:
    """The seed of a fold: 0, 1001, 2002, ...

    >>> from npmoji.learn.schedule import fold_seed
    >>> [fold_seed(number) for number in range(3)]
    [0, 1001, 2002]
    """
    return number * 1000 + number


class Shuffled:
    """An epoch's batches: every row once, in a random order, the last batch as large as what is left.

    >>> from npmoji.learn.schedule import Shuffled
    >>> x = np.arange(5)
    >>> [rows.tolist() for rows, _ in Shuffled(x, x, 2, np.random.RandomState(0))]
    [[2, 0], [1, 3], [4]]
    """

    def __init__(self, ids: Any, labels: np.ndarray, batch_size: int, random: np.random.RandomState):
        self.ids, self.labels, self.batch_size = ids, labels, batch_size
        self.order = random.permutation(len(labels))

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.labels), self.batch_size):
            rows = self.order[start : start + self.batch_size]
            yield some(self.ids, rows), self.labels[rows]


class Predicts(Steps, Protocol):
    """What `train_folds` needs of a trainer."""

    def predict(self, ids: Any) -> np.ndarray:
        """Probabilities, float32 (N, C) or (N, 1)."""


class Folds(NamedTuple):
    """What `train_folds` gives.

    Attributes:
        out_of_fold: probabilities of each row by the model that has not seen it, float32 (N, C) or (N, 1).
        test: the mean of all models' probabilities for the test part; None without one.
        losses: by fold and epoch the mean over batches of their losses (each a sum over rows, if the trainer's is).
        finished: what the caller made of each fold's trainer.
    """

    out_of_fold: np.ndarray
    test: np.ndarray | None
    losses: list[list[float]]
    finished: list[Any]


def train_folds(
    make: Callable[[int], Predicts],
    ids: Any,
    labels: np.ndarray,
    fold: np.ndarray,
    *,
    epochs_each: int = 5,
    batch_size: int = 512,
    rate: Callable[[int], float] | None = SEED_003,
    test: Any = None,
    finish: Callable[[Any], Any] | None = None,
    watch: Callable[[int, int, int, int, float], object] | None = None,
) -> Folds:
    """Train a network for each fold on all the others' rows.

    Args:
        make: by a seed a trainer with the one set of initial weights and a fresh optimiser.
        ids, labels: what its `step` takes, N rows: an array, or several inputs' arrays by name; and an array.
        fold: the fold in which each row is validated, (N,), such as `folds.stratified` gives.
        rate: by the number of the step within the fold; None for the trainer's own.
        test: other rows to predict.
        finish: called with each fold's trainer when it is trained, such as ``lambda trainer: trainer.model()``.
        watch: called after every step with fold, epoch, batch, number of batches and loss.

    Raises:
        InputError: arrays of different lengths, or sizes below 1.

    >>> from npmoji.learn.schedule import train_folds
    >>> class Mean:
    ...     def __init__(self, seed):
    ...         self.seen = []
    ...     def step(self, ids, labels, rate):
    ...         self.seen += labels.tolist()
    ...         return 0.0
    ...     def predict(self, ids):
    ...         return np.full((len(ids), 1), np.mean(self.seen), np.float32)
    >>> labels = np.array([0.0, 0.0, 1.0, 1.0])
    >>> train_folds(Mean, np.zeros((4, 2)), labels, np.array([0, 1, 0, 1])).out_of_fold.ravel().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    rows = {len(array) for array in ids.values()} if isinstance(ids, dict) else {len(ids)}
    if not rows == {len(labels)} == {len(fold)}:
        raise InputError(
            f"{', '.join(map(str, rows))} rows, {len(labels)} labels and {len(fold)} folds: expected as many of each"
        )
    for name, size in {"epochs": epochs_each, "batch_size": batch_size}.items():
        if size < 1:
            raise InputError(f"{name} is {size}, expected at least 1")
    found, tested, losses, finished = None, None, [], []
    K = int(fold.max()) + 1
    for number in range(K):
        trainer, mine = make(fold_seed(number)), fold == number
        watching = None if watch is None else partial(watch, number)
        random = np.random.RandomState(fold_seed(number))
        batches = partial(Shuffled, some(ids, ~mine), labels[~mine], batch_size, random)
        losses.append(_losses(trainer, batches, epochs_each, rate, watching))
        p = trainer.predict(some(ids, mine))
        found = np.zeros((len(fold), *p.shape[1:]), np.float32) if found is None else found
        found[mine] = p
        if test is not None:
            share = trainer.predict(test) / np.float32(K)
            tested = share if tested is None else tested + share
        finished.append(finish(trainer) if finish is not None else None)
    return Folds(np.asarray(found), tested, losses, finished)


def _losses(
    trainer: Steps,
    batches: Callable[[], Batches],
    count: int,
    rate: Callable[[int], float] | None,
    watch: Callable[[int, int, int, float], object] | None,
) -> list[float]:
    """Train for so many epochs, each with batches of its own; each epoch's loss."""
    steps = itertools.count()
    rates = None if rate is None else lambda epoch, at, size: rate(next(steps))
    return [result.loss for result in epochs(trainer, lambda epoch: batches(), count, rate=rates, watch=watch)]
