"""Whole training runs as the original makes them: stage after stage, each until its validation loss falls no more.

    trainer = Run(stages, make, ...).fit(State())

- An epoch's validation loss is that of the whole validation part, L2 term included. There is none before the first.
- The weights are kept if it is below the lowest so far, which is infinite at first and **not** reset from stage to
  stage: a stage that is never better than those before ends with their weights. NaN is never better, equal is not.
- A stage stops when the loss has not been below the stage's own lowest for `patience` epochs, and then once more: the
  counter is looked at before it is raised (Keras 2.0.5; later versions stop an epoch earlier).
- At the end of a stage the best weights are loaded.
- Batches are drawn one by one; none is lost between stages, as some were in the original's queue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import InputError
from .loop import Arrays, Batch, Best, Epoch, Patience, Trains, epochs


class At(NamedTuple):
    """Where a run is, for those who watch it.

    Attributes:
        stage, stages: the stage's name, its place among all (from 0) and their number.
        epoch, epochs, batch, batches: how many have begun, of how many: the last is the most there can be.
        loss: of the batch, before its step; at the end of an epoch, of all its batches.
        val_loss, val_score: of the epoch before; NaN in the first.
        ended: whether the epoch has ended, and they are its own: told once more after its last batch.
    """

    stage: str
    place: int
    stages: int
    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    val_loss: float = math.nan
    val_score: float = math.nan
    ended: bool = False


RESULTS = ("loss", "val_loss", "val_score")  # of an epoch


@dataclass
class State:
    """How far a run is: all that is needed to go on later, see `checkpoint`.

    Attributes:
        stage, epoch: the stage, and how many of its epochs are done.
        drawn: batches taken from the sampler so far, over all stages.
        history: for each stage begun its ``stage``, its epochs' `RESULTS`, and ``saved_epochs``, those that were best.
        trainer: the trainer's state after the last epoch; None at the start of a stage.
    """

    stage: int = 0
    epoch: int = 0
    drawn: int = 0
    best: Best = field(default_factory=Best)
    patience: Patience = field(default_factory=Patience)
    history: list[dict[str, Any]] = field(default_factory=list)
    trainer: Arrays | None = None

    def record(self, name: str, result: Epoch, weights: Callable[[], Arrays]) -> Epoch:
        """Take in an epoch's results."""
        best = self.best.offer(result.val_loss, self.stage, result.number, weights)
        self.patience.after(result.val_loss)
        if len(self.history) <= self.stage:
            self.history.append({"stage": name, **{key: [] for key in RESULTS}, "saved_epochs": []})
        entry = self.history[self.stage]
        for key in RESULTS:
            entry[key].append(getattr(result, key))
        if best:
            entry["saved_epochs"].append(result.number)
        self.epoch = result.number + 1
        return result._replace(best=best)

    def last(self) -> Epoch:
        """The stage's last epoch; all NaN if there was none."""
        results = {key: self.history[self.stage][key][-1] for key in RESULTS} if self.epoch else {"loss": math.nan}
        return Epoch(self.epoch - 1, **results)

    def next_stage(self) -> None:
        """Stand at the start of the next one."""
        self.stage, self.epoch, self.trainer = self.stage + 1, 0, None
        self.patience = Patience(self.patience.epochs)


@dataclass
class _Drawn:
    """An epoch's batches, taken from the run's as they are asked for."""

    run: Run
    state: State

    def __len__(self) -> int:
        return self.run.steps

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.run.steps):
            yield next(self.run.batches)
            self.state.drawn += 1


@dataclass
class Run:
    """A training run through stages, each for at most `count` epochs of `steps` batches.

    Attributes:
        stages: their names; training without stages has just one.
        make: a stage's trainer by the stage's number, with a fresh optimiser. Its weights are set here, but for the
            first stage: those are as they come.
        batches: drawn one by one, over all stages.
        validate: loss and score of a trainer's weights.
        save: called after every epoch with the state; its ``trainer`` is filled in for that only.
        watch: called after every step.
    """

    stages: list[str]
    make: Callable[[int], Trains]
    batches: Iterator[Batch]
    validate: Callable[[Trains], tuple[float, float]]
    steps: int
    count: int
    save: Callable[[State], object] | None = None
    watch: Callable[[At], object] | None = None

    def fit(self, state: State) -> Trains:
        """Train; the last stage's trainer, with the best weights.

        Args:
            state: where to begin, kept up to date. If it is not at its beginning, the batches drawn for it are skipped.

        Raises:
            InputError: no epoch had a validation loss that is a number, so that there are no best weights.
        """
        for _ in range(state.drawn):
            next(self.batches)
        while True:
            trainer = self.make(state.stage)
            if state.trainer is not None:
                trainer.load_state(state.trainer)
            elif state.best.weights is not None:
                trainer.set_weights(state.best.weights)
            if not state.patience.stopped:
                self._stage(trainer, state)
            if state.best.weights is None:
                raise InputError(_nothing_learnt(self.stages[state.stage], state.history))
            trainer.set_weights(state.best.weights)
            if state.stage + 1 == len(self.stages):
                return trainer
            state.next_stage()

    def _stage(self, trainer: Trains, state: State) -> None:
        """The epochs of a stage that are not done yet."""
        name, before = self.stages[state.stage], state.last()

        def tell(number: int, at: int, size: int, loss: float, ended: bool = False) -> None:
            place = (name, state.stage, len(self.stages), number + 1, self.count, at + 1, size, loss)
            if self.watch is not None:
                self.watch(At(*place, before.val_loss, before.val_score, ended))

        for result in epochs(
            trainer,
            lambda number: _Drawn(self, state),
            self.count,
            first=state.epoch,
            validate=lambda: self.validate(trainer),
            watch=None if self.watch is None else tell,
        ):
            before = state.record(name, result, trainer.weights)
            if self.save is not None:
                state.trainer = trainer.state()
                self.save(state)
            state.trainer = None
            tell(result.number, self.steps - 1, self.steps, result.loss, ended=True)
            if state.patience.stopped:
                return


def _nothing_learnt(stage: str, history: list[dict[str, Any]]) -> str:
    losses = history[-1]["val_loss"] if history else []
    if not losses:
        return "no epoch was trained, so there are no best weights: epochs must be at least 1"
    return (
        f"training failed: the validation loss is {losses[0]} after epoch 1 of stage {stage!r} and was no finite "
        f"number in all {len(losses)} epochs, so there are no best weights; try a lower learning rate"
    )
