"""`finetune`: the network itself trained for one's own classes, as the original does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InputError
from ..inputs import Inputs
from ..model import Model
from .binary import merged, trained
from .labels import encode
from .metrics import threshold as best_threshold
from .prepare import Prepared
from .run import At
from .tuning import Job, Settings, begin, finished, history, new_state, provenance, train, trainer_of
from .watch import watching


def finetune(
    model: Model,
    texts: Inputs,
    labels: Any,
    *,
    method: str = "chain-thaw",
    metric: str = "acc",
    validation: Any = None,
    test: Any = None,
    classes: Sequence[Any] | None = None,
    head: str = "new",
    extend_with: int | None = None,
    maxlen: int | None = None,
    batch_size: int | None = None,
    epochs: int = 1000,
    epoch_size: int = 5000,
    patience: int = 5,
    learning_rate: float | None = None,
    l2: float = 1e-6,
    clipnorm: float | None = 1.0,
    embed_dropout: float = 0.25,
    final_dropout: float = 0.5,
    upsample: bool = False,
    seed: int = 0,
    sampling_seed: int = 42,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool | str | os.PathLike[str] | None = None,
    progress: bool | Callable[[At], object] = False,
) -> Model:
    """Train the network for one's own classes: a new model, the one given is unchanged.

    An epoch is ``epoch_size // batch_size`` batches of rows drawn at random. After each, the loss on the validation
    part is computed: the weights with the lowest are what is returned, and training ends at the sixth epoch in a row
    without a new low (``patience`` 5). Chain-thaw trains one layer after the other like that, the last one first, then
    all of them.

    Needs PyTorch. With the same seeds, threads and machine the same weights come out, bit for bit.

    Args:
        model: at precision fp32; of DeepMoji, or any Keras network whose layers have a gradient.
        texts: N texts, or token ids (N, T); or whatever else the network takes, as `Model.predict` does.
        labels: N: strings, integers or booleans; or lists of them, or a 0/1 matrix (N, C): several labels a text.
        method: what is trained, and how fast: ``"last"``, the last layer at 0.001; ``"full"``, all at 0.0001;
            ``"new"``, all at 0.001, from fresh values; ``"chain-thaw"``: the last layer at 0.001, then each of the
            others alone and all together at 0.0001.
        metric: ``"f1"``: the original's class-average F1, see `class_average`: a sigmoid for each class, trained on its
            own, all of them in one network; of more than two classes only method ``"last"`` gives such a network.
        validation: a pair (texts, labels); or which share of the texts to hold back, by default a tenth: of each class,
            equal texts together.
        test: a pair (texts, labels) to measure the result on; the score is kept in `provenance`.
        classes: the classes in their order, by default the distinct labels, sorted.
        head: the last layer: ``"new"``, with fresh values, one sigmoid for two classes, a softmax for more, a sigmoid
            for each if a text has several; or ``"keep"``, the model's own, which must fit.
        extend_with: at most so many of the most frequent unknown words of the training texts get ids and embeddings of
            their own: by default 0 for ``"last"``, else 10,000, as the published scripts have it; 0 for ids.
        maxlen: tokens of a text, by default the tokenizer's.
        batch_size: by default 250, or 50 for texts of more than 100 tokens.
        epochs: at most so many, for each stage.
        epoch_size, patience: see above.
        learning_rate: instead of the method's; for chain-thaw in all stages.
        l2: times the sum of all squared embeddings, added to the loss.
        clipnorm: the length of all gradients together from which on they are shortened.
        embed_dropout, final_dropout: shares of what is dropped in training, after the embedding and at the end.
        upsample: of two classes, draw as many rows of each.
        seed: of all initial values and of dropout; and of what is held back.
        sampling_seed: of the batches.
        checkpoint: a file that is written after every epoch, to go on from.
        resume: True: go on from ``checkpoint`` if it is there; or the path of another. What comes out is what an
            unbroken run gives. Data and settings must be the same.
        progress: show epoch, batch, loss, validation and the time left on standard error; or a function that is called
            after every step, with an `At`.

    Ctrl-C ends training and gives the model with the best weights so far; its provenance says ``"interrupted"``. Before
    the end of the first epoch it is a KeyboardInterrupt like any other.

    Raises:
        InputError: texts, labels or settings that do not fit, a checkpoint of another run, or a loss that is no number
            from the start.
        VocabularyError: texts for a model without a vocabulary.
        WeightsError: the checkpoint cannot be read.

    >>> texts = ["what a lovely day", "i hate this", "so happy", "awful, just awful"] * 5
    >>> texts = [f"{text} {n}" for n, text in enumerate(texts)]
    >>> labels = ["good", "bad"] * 10
    >>> mine = npmoji.learn.finetune(npmoji.load(), texts, labels, method="last", epochs=2, epoch_size=250)
    >>> mine.class_names
    ['bad', 'good']
    """
    settings = Settings(
        method,
        epochs,
        epoch_size,
        batch_size,
        patience,
        learning_rate,
        l2,
        clipnorm,
        embed_dropout,
        final_dropout,
        upsample,
        seed,
        sampling_seed,
    )
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
    if metric == "f1":
        one = method == "last" or len(encode(labels, classes=classes).classes) == 2
        if not one:
            raise InputError(
                f"metric 'f1': method {method!r} trains a network for each class, which are no one model; "
                "npmoji.learn.class_average gives them all, and method 'last' makes one of them"
            )
        return merged(trained(model, texts, labels, settings, progress=progress, **data))
    if metric != "acc":
        raise InputError(f"metric {metric!r:.60}: expected 'acc' or 'f1'")
    job = begin(model, texts, labels, settings, **data)
    return _trained(job, progress)


def _trained(job: Job, progress: bool | Callable[[At], object]) -> Model:
    """Train one network, with Ctrl-C as an end."""
    data, settings, interrupted = job.data, job.settings, {}
    trainer, state = trainer_of(job.first, settings), job.kept.state or new_state(settings)
    with watching(progress) as watch:
        try:
            train(trainer, settings, data.train, data.validation, state, job.kept.save, watch)
        except KeyboardInterrupt:
            if state.best.weights is None:
                raise
            trainer.set_weights(state.best.weights)
            interrupted = {"interrupted": True}
    told = provenance(settings, data, **interrupted, **history(state), scores=scores(trainer, data))
    return finished(trainer.model(), data, told)


def scores(trainer: Any, data: Prepared) -> dict[str, Any]:
    """What the best weights reach: on the validation part, and on the test part if there is one."""
    loss, accuracy = trainer.evaluate(*data.validation)
    found = {"val_loss": loss, "val_accuracy": accuracy}
    if len(data.classes) == 2 and not data.multi_label:
        best = best_threshold(data.validation.labels, trainer.predict(data.validation.ids))
        found |= {"threshold": best.threshold, "val_f1": float(best.curve.max())}
    if data.test is not None:
        loss, accuracy = trainer.evaluate(*data.test)
        found |= {"test_loss": loss, "test_accuracy": accuracy}
    return found
