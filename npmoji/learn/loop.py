"""The training loop: epoch after epoch, the best weights, early stopping.

    for epoch in epochs(trainer, batches, count=5):     # any trainer with `step`, any batches
        ...

`run` has the original's runs through stages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from ..errors import InputError

Arrays: TypeAlias = dict[str, np.ndarray]
Batch: TypeAlias = tuple[Any, ...]  # what `step` takes: token ids and labels


class Steps(Protocol):
    """What `epochs` needs of a trainer."""

    @property
    def step(self) -> Callable[..., float]:
        """One optimiser step on a `Batch`, perhaps at a ``rate``; the loss before it."""


class Batches(Protocol):
    """An epoch's batches: a list of them, or what yields them."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Batch]:
        """One after the other."""


class Trains(Steps, Protocol):
    """What `fit` needs of a trainer besides."""

    def weights(self) -> Arrays:
        """All arrays, as copies."""

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take these, and leave the optimiser as it is."""

    def state(self) -> Arrays:
        """All that is needed to go on later."""

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from there."""


def some(x: Any, rows: np.ndarray) -> Any:
    """Some rows of an array, or of each of several inputs' arrays by name.

    >>> from npmoji.learn.loop import some
    >>> some({"ids": np.array([[1], [2], [3]])}, np.array([True, False, True]))
    {'ids': array([[1],
           [3]])}
    """
    return type(x)({name: array[rows] for name, array in x.items()}) if isinstance(x, dict) else x[rows]


class Epoch(NamedTuple):
    """What came of an epoch; ``number`` counts from 0 within its stage, ``loss`` is the mean over its batches."""

    number: int
    loss: float
    val_loss: float = math.nan
    val_score: float = math.nan
    best: bool = False


@dataclass
class Best:
    """The weights with the lowest validation loss so far.

    >>> from npmoji.learn.loop import Best
    >>> best = Best()
    >>> [best.offer(loss, 0, epoch, dict) for epoch, loss in enumerate([0.5, 0.5, float("nan"), 0.4])]
    [True, False, False, True]
    """

    loss: float = math.inf
    stage: int = -1
    epoch: int = -1
    weights: Arrays | None = None

    def offer(self, loss: float, stage: int, epoch: int, weights: Callable[[], Arrays]) -> bool:
        """Keep the weights if the loss is lower; whether it was."""
        if not loss < self.loss:
            return False
        self.loss, self.stage, self.epoch, self.weights = loss, stage, epoch, weights()
        return True


@dataclass
class Patience:
    """Early stopping, of one stage. With ``epochs`` 5 the sixth in a row without a new low is the last.

    >>> from npmoji.learn.loop import Patience
    >>> patience = Patience(epochs=1)
    >>> [patience.after(loss) for loss in [3.0, 4.0, 2.0, 2.0, 2.0]]
    [False, False, False, False, True]
    """

    epochs: int = 5
    low: float = math.inf
    wait: int = 0
    stopped: bool = False

    def after(self, loss: float) -> bool:
        """Whether training ends after an epoch of this loss."""
        if loss < self.low:
            self.low, self.wait = loss, 0
        elif self.wait >= self.epochs:
            self.stopped = True
        else:
            self.wait += 1
        return self.stopped


Validate: TypeAlias = Callable[[], tuple[float, float]]  # loss and score, of the weights as they are
Watch: TypeAlias = Callable[[int, int, int, float], object]


def epochs(
    trainer: Steps,
    batches: Callable[[int], Batches],
    count: int,
    *,
    first: int = 0,
    rate: Callable[[int, int, int], float] | None = None,
    after_step: Callable[[], object] | None = None,
    validate: Validate | None = None,
    watch: Watch | None = None,
) -> Iterator[Epoch]:
    """Train for so many epochs, giving the results of each as it ends. What is done between two of them is the
    caller's: to stop, leave.

    Args:
        batches: by the epoch's number (from 0) its batches, each what ``trainer.step`` takes.
        first: the epoch to begin with, if those before are done.
        rate: the learning rate by the epoch, the batch within it and the number of its batches; by default the
            trainer's own.
        after_step: called after every step, for a running average of the weights, say.
        validate: called after every epoch.
        watch: called after every step with the epoch, the batch, the number of batches and the loss.

    Raises:
        InputError: an epoch without batches.

    >>> from npmoji.learn.loop import epochs
    >>> class Halving:
    ...     loss = 8.0
    ...     def step(self, x, rate=None):
    ...         self.loss /= 2
    ...         return 2 * self.loss
    >>> [epoch.loss for epoch in epochs(Halving(), lambda n: [(0,), (0,)], count=2)]
    [6.0, 1.5]
    """
    for number in range(first, count):
        losses: list[float] = []
        drawn = batches(number)
        for at, batch in enumerate(drawn):
            settings = {} if rate is None else {"rate": rate(number, at, len(drawn))}
            losses.append(float(trainer.step(*batch, **settings)))
            if after_step is not None:
                after_step()
            if watch is not None:
                watch(number, at, len(drawn), losses[-1])
        if not losses:
            raise InputError(f"epoch {number + 1} has no batches: there must be at least one")
        yield Epoch(number, float(np.mean(losses)), *(validate() if validate is not None else ()))
