"""One network's training run, from its settings: what `finetune` and `class_average` have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..model import Model
from .data import DRAW, BatchSampler
from .loop import Batch, Patience
from .prepare import Part
from .run import At, Run, State

if TYPE_CHECKING:
    from .trainer import Trainer

CHAIN_THAW = "chain-thaw"
METHODS = ("last", "full", "new", CHAIN_THAW)
EXTENDED = 10_000  # words added by the published scripts, for all methods but `last`
WHOLE = "all"  # the one stage of the other methods


@dataclass(frozen=True)
class Settings:
    """How to train; `finetune` says what each means."""

    method: str = CHAIN_THAW
    epochs: int = 1000
    epoch_size: int = 5000
    batch_size: int = 250
    patience: int = 5
    learning_rate: float | None = None
    l2: float = 1e-6
    clipnorm: float | None = 1.0
    embed_dropout: float = 0.25
    final_dropout: float = 0.5
    upsample: bool = False
    seed: int = 0
    sampling_seed: int = 42

    def __post_init__(self) -> None:
        """Check what the trainer and the sampler do not."""
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r:.60}: expected one of {', '.join(METHODS)}")
        for name, least in {"epochs": 1, "epoch_size": 1, "batch_size": 1, "patience": 0, "seed": 0}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise InputError(f"{name} is {value!r:.60}, expected an integer of at least {least}")
        if self.batch_size > min(self.epoch_size, DRAW):
            raise InputError(
                f"batch_size {self.batch_size} is more than an epoch's {min(self.epoch_size, DRAW)} rows: no whole batch"
            )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}


def default_batch_size(maxlen: int) -> int:
    """The original's size of a batch.

    >>> from npmoji.learn.tuning import default_batch_size
    >>> default_batch_size(30), default_batch_size(200)
    (250, 50)
    """
    return 250 if maxlen <= 100 else 50


def trainer_of(model: Model, settings: Settings, number: int = 0) -> Trainer:
    """A trainer of this model.

    Args:
        number: of the network among those trained one after the other: each drops by a seed of its own.
    """
    from .trainer import Trainer

    seed = settings.seed if not number else int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    return Trainer(
        model,
        method=settings.method,
        learning_rate=settings.learning_rate,
        l2=settings.l2,
        clipnorm=settings.clipnorm,
        embed_dropout=settings.embed_dropout,
        final_dropout=settings.final_dropout,
        seed=seed,
    )


def train(
    trainer: Trainer,
    settings: Settings,
    training: Part,
    validation: Part,
    state: State,
    save: Callable[[State], object] | None = None,
    watch: Callable[[At], object] | None = None,
) -> None:
    """Train through all stages of the method; the trainer then has the best weights."""
    thaws = settings.method == CHAIN_THAW

    def make(stage: int) -> Trainer:
        if stage:
            trainer.start(stage)
        return trainer

    sampler = BatchSampler(
        training.labels, settings.batch_size, upsample=settings.upsample, seed=settings.sampling_seed
    )
    run = Run(
        trainer.stages if thaws else [WHOLE],
        make,
        _batches(training, sampler),
        lambda trained: trained.evaluate(*validation, batch_size=settings.batch_size),
        settings.epoch_size // settings.batch_size,
        settings.epochs,
        save,
        watch,
    )
    run.fit(state)


def new_state(settings: Settings) -> State:
    """A run that has not begun."""
    return State(patience=Patience(settings.patience))


def _batches(part: Part, sampler: BatchSampler) -> Iterator[Batch]:
    for rows in sampler:
        yield part.ids[rows], part.labels[rows]


def weights_digest(model: Model) -> str:
    """SHA-256 of all arrays, in their order."""
    digest = hashlib.sha256()
    for layer, arrays in model.graph.weights.items():
        for name, array in arrays.items():
            digest.update(f"{layer}/{name}{np.shape(array)}".encode())
            digest.update(np.ascontiguousarray(array, "<f4"))
    return digest.hexdigest()
