"""The original's class-average F1: a network with one sigmoid for each class, trained one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..inputs import Inputs
from ..model import Model
from .data import DRAW, BatchSampler
from .heads import with_head
from .loop import Arrays
from .metrics import above, f1, rounds, threshold
from .prepare import Part
from .run import At, State
from .starting import last_dense
from .tuning import CHAIN_THAW, Job, Settings, begin, finished, history, new_state, provenance, train, trainer_of
from .watch import watching

if TYPE_CHECKING:
    from .trainer import Trainer


class Binary(NamedTuple):
    """The network of one class.

    Attributes:
        label: the class's name.
        model: gives its probability, (N, 1).
        threshold: the probability above which a text is of the class: with the best F1 on the validation part.
        val_f1, test_f1: F1 of the class there, and on the test part; NaN without one.
    """

    label: str
    model: Model
    threshold: float
    val_f1: float
    test_f1: float


class ClassAverage(NamedTuple):
    """What `class_average` gives: a `Binary` for each class, one for two classes; and the mean of their ``test_f1``."""

    runs: list[Binary]
    f1: float


def class_average(
    model: Model,
    texts: Inputs,
    labels: Any,
    *,
    carry_optimiser: bool = False,
    validation: Any = None,
    test: Any = None,
    checkpoint: Any = None,
    resume: Any = None,
    progress: bool | Callable[[At], object] = False,
    classes: Any = None,
    head: str = "new",
    extend_with: int | None = None,
    maxlen: int | None = None,
    **settings: Any,
) -> ClassAverage:
    """Train a network for each class against all others, each from the same weights; find the threshold with the best
    F1 on the validation part, and F1 on the test part with it. The mean of these is the original's measure.

    With two classes there is one network, for the second. As in the original, the loss that tells when to stop is that
    of ``epoch_size`` rows drawn from the validation part, and batches are drawn alike for all classes.

    Args:
        carry_optimiser: let Adam's averages and its number of steps go on from one class to the next, as they do in the
            original because it compiles the network once; but not for chain-thaw.
        settings: ``method``, ``epochs`` and so on; these and the others are as `finetune` takes them.

    Ctrl-C is a KeyboardInterrupt; with a ``checkpoint`` it can go on later.

    Raises:
        InputError, VocabularyError, WeightsError: as `finetune`.

    >>> texts, labels = [f"{word} day {n}" for n in range(8) for word in ("happy", "sad", "odd")], ["a", "b", "c"] * 8
    >>> model = npmoji.load()
    >>> found = npmoji.learn.class_average(model, texts, labels, test=(texts, labels), method="last", epochs=1)
    >>> [run.label for run in found.runs], 0 <= found.f1 <= 1
    (['a', 'b', 'c'], True)
    """
    data = {
        "validation": validation,
        "test": test,
        "classes": classes,
        "head": head,
        "extend_with": extend_with,
        "maxlen": maxlen,
        "checkpoint": checkpoint,
        "resume": resume,
    }
    given = Settings(**settings)
    return trained(model, texts, labels, given, carry_optimiser=carry_optimiser, progress=progress, **data)


def trained(
    model: Model,
    texts: Inputs,
    labels: Any,
    settings: Settings,
    *,
    carry_optimiser: bool = False,
    progress: bool | Callable[[At], object] = False,
    **data: Any,
) -> ClassAverage:
    """What `class_average` does; ``data`` is as `tuning.begin` takes it."""
    job = begin(model, texts, labels, settings, binary=True, **data)
    count = len(job.data.classes)
    sides = [rounds(part.labels, count) if part is not None else [] for part in _parts(job)]
    chosen = job.data.classes if len(sides[0]) > 1 else job.data.classes[1:]
    carried = carry_optimiser and job.settings.method != CHAIN_THAW
    trainer: Trainer | None = None
    initial: Arrays = {}
    state = job.kept.state
    with watching(progress) as watch:
        for number, label in enumerate(chosen):
            if number < len(job.kept.results):
                continue
            if trainer is None or not carried:
                trainer = trainer_of(job.first, job.settings, number)
                initial = initial or trainer.weights()
            trainer.set_weights(initial)
            mine = [Part(part.ids, y[number]) for part, y in zip(_parts(job), sides) if part is not None]
            state = state or new_state(job.settings)
            train(trainer, job.settings, mine[0], _drawn(mine[1], job.settings), state, job.kept.save, watch)
            _keep(job, number, label, trainer, state, mine, initial)
            state = None
    return _result(job, trainer or trainer_of(job.first, job.settings), initial, carry_optimiser)


def _parts(job: Job) -> list[Part | None]:
    return [job.data.train, job.data.validation, job.data.test]


def _drawn(part: Part, settings: Settings) -> Part:
    """The rows of the validation part that tell when to stop: the first ``epoch_size`` of a draw."""
    size = settings.epoch_size
    rows = BatchSampler(part.labels, size, max(DRAW, size), seed=settings.sampling_seed).epoch()[0]
    return part.at(rows)


def _keep(
    job: Job, number: int, label: str, trainer: Trainer, state: State, parts: list[Part], initial: Arrays
) -> None:
    """Put a class's results and weights, those that training changed, with those of the classes before."""
    predicted = [trainer.predict(part.ids) for part in parts[1:]]
    found = threshold(parts[1].labels, predicted[0])
    scores = [f1(part.labels, above(p, found.threshold)) for part, p in zip(parts[2:], predicted[1:])]
    job.kept.results.append(
        {
            "class": label,
            "threshold": found.threshold,
            "val_f1": float(found.curve.max()),
            "test_f1": scores[0] if scores else None,
            **history(state),
        }
    )
    for name, array in trainer.weights().items():
        if not np.array_equal(array, initial[name]):
            job.kept.done[f"{number}/{name}"] = array


def _result(job: Job, trainer: Trainer, initial: Arrays, carry_optimiser: bool) -> ClassAverage:
    """The models of all classes, and the mean of their scores."""
    initial, runs, results = initial or trainer.weights(), [], job.kept.results
    for number, result in enumerate(results):
        label, others = result["class"], f"not {result['class']}"
        names = job.data.classes if len(results) == 1 else [others, label]
        parts = {
            name.partition("/")[2]: array for name, array in job.kept.done.items() if name.startswith(f"{number}/")
        }
        trainer.set_weights(initial | parts)
        told = provenance(job.settings, job.data, metric="f1", carry_optimiser=carry_optimiser, **result)
        made = finished(trainer.model(), job.data, told, classes=names)
        score = math.nan if result["test_f1"] is None else result["test_f1"]
        runs.append(Binary(label, made, result["threshold"], result["val_f1"], score))
    return ClassAverage(runs, float(np.mean([run.test_f1 for run in runs])))


def merged(found: ClassAverage) -> Model:
    """The networks of all classes as one, with a sigmoid for each: what method ``"last"`` gives, whose networks are the
    same but for the last layer. For two classes, the one there is.
    """
    first = found.runs[0].model
    if len(found.runs) == 1:
        return first
    heads = [last_dense(run.model).weights() for run in found.runs]
    told = {**(first.provenance or {}), "classes": {run.label: run.model.provenance for run in found.runs}}
    for name in ("class", "threshold", "val_f1", "test_f1", "best_stage", "best_epoch", "stages"):
        told.pop(name)
    told["thresholds"] = {run.label: run.threshold for run in found.runs}
    return with_head(
        first,
        np.hstack([head["kernel"] for head in heads]),
        np.hstack([head.get("bias", np.zeros(1, np.float32)) for head in heads]),
        classes=[run.label for run in found.runs],
        multi_label=True,
        provenance=told,
    )
