"""What `npmoji train` does: train, score on texts that were not seen, write the model.

`last` is scored by cross-validation and then trained on all texts. Training the network takes much longer: a fifth of
the texts is held out once, and the model trained on the others is the one that is written and scored; with ``--folds``
it is as for `last`, which takes as many runs and one more.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, NpmojiError
from ..files.paths import local
from .labelled import known, predicted, read_labelled
from .models import load
from .options import FOLDS
from .scores import Outcome

if TYPE_CHECKING:
    from ..batch.labelled import Label
    from ..learn.labels import Labels
    from ..learn.report import Report
    from ..model import Model

FEW = 20  # texts of a class: one more or less is 5 %
TEST = 0.2  # share of the texts that is held out when the network is trained


def last(arguments: argparse.Namespace, texts: list[str], given: list[Label], labels: Labels) -> Outcome:
    """A new last layer on the features."""
    from ..learn.classifier import Classifier

    model = base(arguments, texts)
    settings = {"C": arguments.C, "class_weight": arguments.class_weight, "random_state": arguments.seed}
    classifier = Classifier(model, **settings)
    report = classifier.cross_validate(texts, given, folds=arguments.folds or FOLDS, progress=sys.stderr.isatty())
    made = classifier.fit(texts, given).to_model()
    return written(arguments, made, report, labels, cross_validated(arguments.folds or FOLDS))


def network(arguments: argparse.Namespace, texts: list[str], given: list[Label], labels: Labels) -> Outcome:
    """The network itself."""
    from ..learn.data import groups
    from ..learn.folds import held_out, stratified

    model, validation, same = base(arguments, texts), validation_of(arguments, labels), groups(texts)
    if arguments.folds:
        fold = stratified(labels.codes, arguments.folds, arguments.seed, groups=same, names=labels.names)
        p = np.zeros((len(texts), len(labels.classes)), np.float32)
        for number in range(arguments.folds):
            print(f"npmoji: fold {number + 1} of {arguments.folds}", file=sys.stderr)
            made = tuned(arguments, model, texts, labels, fold != number, validation)
            if interrupted(made):
                raise KeyboardInterrupt
            p[fold == number] = predicted(made, chosen(texts, fold == number))
        report, title = report_of(labels, p, texts, fold), cross_validated(arguments.folds)
        print("npmoji: all texts", file=sys.stderr)
        tell_of_ctrl_c()
        made = tuned(arguments, model, texts, labels, np.full(len(texts), True), validation)
    else:
        tell_of_ctrl_c()
        test = held_out(labels.codes, TEST, arguments.seed, same, labels.names)
        made = tuned(arguments, model, texts, labels, ~test, validation, keep=True)
        held = chosen(texts, test)
        report = report_of(labels._replace(codes=labels.codes[test]), predicted(made, held), held)
        title = f"scored on {len(held):,} of the {len(texts):,} texts, held out from training"
    return written(arguments, made, report, labels, title)


def base(arguments: argparse.Namespace, texts: list[str]) -> Model:
    """The model to start from; says so if it does not see all of some texts."""
    model = load(arguments)
    if model.tokenizer is None:
        raise InputError(f"{model.path}: has no vocabulary; give one with --vocabulary vocabulary.json")
    cut, maxlen = sum(map(model.tokenizer.is_cut, texts)), model.tokenizer.maxlen
    if cut:
        print(f"npmoji: note: of {cut:,} texts only the first {maxlen} tokens are used (--maxlen)", file=sys.stderr)
    return model


def validation_of(arguments: argparse.Namespace, labels: Labels) -> Any:
    """What ``--validation`` means: a share, or texts and labels.

    Raises:
        InputError: the file cannot be used; its labels are not all among the classes.
    """
    if arguments.validation is None or isinstance(arguments.validation, float):
        return arguments.validation
    data = read_labelled(arguments, arguments.validation)
    found = known(data, labels.names, labels.multi_label, arguments.validation, arguments.file)
    return data.texts, named(labels.names, found)


def tuned(
    arguments: argparse.Namespace,
    model: Model,
    texts: list[str],
    labels: Labels,
    rows: np.ndarray,
    validation: Any,
    keep: bool = False,
) -> Model:
    """The network trained on these rows.

    Args:
        rows: bool (N,).
        keep: keep a file beside the output from which an interrupted run can go on.
    """
    from ..learn.finetuning import finetune

    with checkpoint(arguments) if keep else contextlib.nullcontext() as path:
        return finetune(
            model,
            chosen(texts, rows),
            named(labels.names, labels._replace(codes=labels.codes[rows])),
            method=arguments.method,
            validation=validation,
            classes=labels.names,
            extend_with=arguments.extend_with,
            seed=arguments.seed,
            progress=True,
            checkpoint=path,
            resume=arguments.resume or None,
            **({} if arguments.epochs is None else {"epochs": arguments.epochs}),
        )


def chosen(texts: list[str], rows: np.ndarray) -> list[str]:
    """The texts of these rows, bool (N,)."""
    return [texts[row] for row in np.flatnonzero(rows)]


def named(names: list[str], labels: Labels) -> list[str] | np.ndarray:
    """Labels as `finetune` takes them: names, or 0/1 (N, C) if there are several a text."""
    return labels.codes if labels.multi_label else [names[code] for code in labels.codes]


def tell_of_ctrl_c() -> None:
    """Said where it is so: while folds are trained Ctrl-C ends the command like any other."""
    print("npmoji: Ctrl-C ends training and keeps the best weights so far", file=sys.stderr)


def interrupted(model: Model) -> bool:
    """Whether training was ended early by Ctrl-C."""
    return bool((model.provenance or {}).get("interrupted"))


@contextlib.contextmanager
def checkpoint(arguments: argparse.Namespace) -> Iterator[str]:
    """The file beside the output that an interrupted run goes on from; it stays only if the run was interrupted.

    Raises:
        InputError: there is none to go on from.
    """
    path = f"{local(arguments.output)}.checkpoint"
    there = os.path.exists(path)
    if arguments.resume and not there:
        raise InputError(f"--resume: there is no {path}, which a run that was interrupted leaves")
    if there and not arguments.resume:
        print(f"npmoji: note: starting anew; with --resume it would go on from {path}", file=sys.stderr)
    try:
        yield path
    except NpmojiError:
        if not there:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        raise


def report_of(labels: Labels, p: np.ndarray, texts: list[str], part: np.ndarray | None = None) -> Report:
    """The scores of these probabilities, (N, C)."""
    from ..learn.report import Report

    return Report.of(labels.names, labels.codes, p, texts, labels.multi_label, part)


def cross_validated(folds: int) -> str:
    """The title of such scores."""
    return f"{folds} folds: each text is scored by a classifier that was trained on the other folds"


def doubts(report: Report, labels: Labels) -> Iterator[str]:
    """Why the scores may be less telling than they look."""
    name, count = min(zip(labels.names, labels.counts().tolist()), key=lambda pair: pair[1])
    if count < FEW:
        yield f"class {name!r:.80} has {count} texts, from which scores are a rough guess; {FEW} or more tell more"
    if report.accuracy == 1:
        yield "all texts were got right, which is rare: do they repeat each other, or hold their labels?"


def written(arguments: argparse.Namespace, model: Model, report: Report, labels: Labels, title: str) -> Outcome:
    """Write the model, and say what to do with it."""
    from ..learn.heads import rebuilt, save

    told = report.as_dict()
    scores = {name: told[name] for name in ("accuracy", "macro_f1", "baseline_accuracy")}
    made = rebuilt(model, {}, provenance={**(model.provenance or {}), "scores": scores, "scored": title})
    save(made, arguments.output)
    for doubt in doubts(report, labels):
        print(f"npmoji: note: {doubt}", file=sys.stderr)
    after = [f"wrote {arguments.output}, {os.path.getsize(local(arguments.output)) / 1e6:,.1f} MB"]
    if interrupted(model):
        after.append("training was interrupted: these are the best weights so far; to go on: the same with --resume")
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{local(arguments.output)}.checkpoint")
    weights = f"--weights {shlex.quote(arguments.output)}"
    after += [f'next: npmoji score {weights} "your text"', f"      npmoji evaluate other.csv {weights}"]
    return Outcome(report, title, after, {"written": arguments.output, "method": arguments.method})
