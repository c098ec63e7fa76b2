"""One network's training run, from its settings: what `finetune` and `class_average` have in common."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import __version__
from ..checks.verify import weights_sha256
from ..errors import InputError
from ..files.paths import local
from ..model import Model
from ..text.tokenizer import Tokenizer
from . import checkpoint as checkpoints
from .checkpoint import Checkpoint
from .data import DRAW, BatchSampler, batch_size_for
from .heads import rebuilt
from .loop import Batch, Patience
from .methods import METHODS
from .prepare import Part, Prepared, prepare
from .run import RESULTS, At, Run, State
from .starting import start
from .training import check_model, pytorch

if TYPE_CHECKING:
    from .trainer import Trainer

CHAIN_THAW = "chain-thaw"
EXTENDED = 10_000  # words added by the published scripts, for all methods but `last`
WHOLE = "all"  # the one stage of the other methods


@dataclass(frozen=True)
class Settings:
    """How to train; `finetune` says what each means."""

    method: str = CHAIN_THAW
    epochs: int = 1000
    epoch_size: int = 5000
    batch_size: int | None = None
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
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not (whole and value >= least) and not (name == "batch_size" and value is None):
                raise InputError(f"{name} is {value!r:.60}, expected an integer of at least {least}")
        if self.seed >= 1 << 32:
            raise InputError(f"seed is {self.seed}, expected an integer below 2**32")

    def for_texts_of(self, maxlen: int) -> Settings:
        """The settings with the original's size of a batch, if none was given: 250, or 50 for long texts.

        Raises:
            InputError: an epoch would have no batch.

        >>> from npmoji.learn.tuning import Settings
        >>> Settings().for_texts_of(30).batch_size, Settings().for_texts_of(200).batch_size
        (250, 50)
        """
        size = batch_size_for(maxlen) if self.batch_size is None else self.batch_size
        rows = min(self.epoch_size, DRAW)
        if size > rows:
            raise InputError(f"batch_size {size} is more than an epoch's {rows} rows: expected a whole batch or more")
        return replace(self, batch_size=size)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self.epoch_size // (self.batch_size or 1)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}


class Job(NamedTuple):
    """Everything that training needs: data, settings, the network to start from, and its checkpoint."""

    data: Prepared
    settings: Settings
    first: Model
    kept: Keeping


def begin(
    model: Model,
    texts: Any,
    labels: Any,
    settings: Settings,
    *,
    binary: bool = False,
    validation: Any = None,
    test: Any = None,
    classes: Sequence[Any] | None = None,
    head: str = "new",
    extend_with: int | None = None,
    maxlen: int | None = None,
    checkpoint: Any = None,
    resume: Any = None,
) -> Job:
    """Make ready what `finetune` is given.

    Args:
        binary: the last layer is one sigmoid, whatever the classes.
    """
    check_model(model)
    pytorch()  # told at once if it is missing
    more = 0 if settings.method == "last" else EXTENDED
    data = prepare(model, texts, labels, validation, test, classes, extend_with, maxlen, settings.seed, more)
    settings = settings.for_texts_of(data.maxlen)
    names, columns = data.classes, 1
    if binary:
        names = ["others", "class"]
    elif data.multi_label or len(names) > 2:
        columns = len(names)
    first = start(model, data, columns, names, head, settings.seed)
    if head == "keep" and not binary and first.class_names and list(first.class_names) != names:
        raise InputError(f"{model.path}: its classes are {first.class_names!r:.80}, the labels' {names!r:.80}")
    return Job(data, settings, first, Keeping(checkpoint, resume, identity(settings, data, first)))


def trainer_of(model: Model, settings: Settings, number: int = 0) -> Trainer:
    """A trainer of this model.

    Args:
        number: of the network among those trained one after the other: each drops by a seed of its own.
    """
    from .trainer import Trainer

    seed = settings.seed if not number else int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    trainer = Trainer(
        model,
        method=settings.method,
        learning_rate=settings.learning_rate,
        l2=settings.l2,
        clipnorm=settings.clipnorm,
        embed_dropout=settings.embed_dropout,
        final_dropout=settings.final_dropout,
        seed=seed,
    )
    if settings.method == "new":
        trainer.reinitialise(settings.seed)
    return trainer


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

    size = settings.batch_size or 1
    sampler = BatchSampler(training.labels, size, upsample=settings.upsample, seed=settings.sampling_seed)
    run = Run(
        trainer.stages if thaws else [WHOLE],
        make,
        _batches(training, sampler),
        lambda _: trainer.evaluate(*validation, batch_size=size),
        settings.steps,
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
        yield part.at(rows)


def identity(settings: Settings, data: Prepared, first: Model) -> dict[str, Any]:
    """What must be the same for a run to go on from a checkpoint."""
    return {
        **settings.as_dict(),
        "classes": data.classes,
        "data": data.digest,
        "validation": data.validated_on,
        "added_words": data.added,
        "maxlen": data.maxlen,
        "initial_weights": weights_sha256(first.contents),
    }


class Keeping:
    """A run's checkpoint, if it is to have one.

    Attributes:
        state: to go on from; None to begin.
        results, done: what finished parts of the run left, see `checkpoint.Checkpoint`.
    """

    def __init__(self, path: Any, resume: Any, settings: dict[str, Any]):
        if resume is True and path is None:
            raise InputError("resume=True: expected checkpoint, the file to go on from")
        source = path if resume is True else resume or None
        target = source if path is None else path
        self.path = None if target is None else local(target)
        self.settings, self.state = settings, None
        self.results: list[dict[str, Any]] = []
        self.done: dict[str, np.ndarray] = {}
        if source is not None and (resume is not True or os.path.exists(local(source))):
            _, self.state, self.results, self.done = checkpoints.read(source, settings)

    def save(self, state: State) -> None:
        """Write it."""
        if self.path is not None:
            checkpoints.write(self.path, Checkpoint(self.settings, state, self.results, self.done))


def provenance(settings: Settings, data: Prepared, **more: Any) -> dict[str, Any]:
    """How weights were made, for the model's file: what JSON holds, and nothing that differs from run to run."""
    return {
        "made_by": f"npmoji {__version__} finetune",
        **settings.as_dict(),
        "data_sha256": data.digest,
        "texts": len(data.train),
        "validation": data.validated_on,
        "added_words": data.added,
        "maxlen": data.maxlen,
        **more,
    }


def history(state: State) -> dict[str, Any]:
    """A run's epochs, stage by stage, and the best one of all; None for losses that are no numbers."""
    stages = [
        {
            name: [value if math.isfinite(value) else None for value in values] if name in RESULTS else values
            for name, values in {"epochs_run": len(entry["val_loss"]), **entry}.items()
        }
        for entry in state.history
    ]
    return {"best_stage": state.best.stage, "best_epoch": state.best.epoch, "stages": stages}


def finished(model: Model, data: Prepared, told: dict[str, Any], classes: Sequence[str] | None = None) -> Model:
    """The model that a run gives: with its provenance, and a tokenizer that cuts texts where the training did."""
    model = rebuilt(model, {}, classes=classes, provenance=told)
    if model.tokenizer is not None and model.tokenizer.maxlen != data.maxlen:
        model.tokenizer = Tokenizer(model.tokenizer.vocabulary, data.maxlen, model.tokenizer.compat)
    return model
