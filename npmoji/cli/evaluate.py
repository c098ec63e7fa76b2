"""`npmoji evaluate`: how well a classifier does on texts whose labels are known."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from ..errors import InputError, WeightsError
from .inputs import read_labelled
from .models import load
from .options import add_labelled_options, add_model_options
from .scores import Outcome, show

if TYPE_CHECKING:
    import numpy as np

    from ..batch.labelled import Labelled
    from ..learn.labels import Labels
    from ..model import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = "Score a classifier on texts with labels that it was not trained on."
    parser.add_argument("file", metavar="FILE", help="the texts and their labels; - is standard input")
    add_labelled_options(parser)
    add_model_options(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text, for people to read")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..learn.report import Report

    if arguments.weights is None:
        raise InputError("evaluate: expected --weights FILE, the classifier that `npmoji train` wrote")
    data = read_labelled(arguments, arguments.file)
    model = load(arguments, note=False)
    labels = known(model, data, arguments.file)
    probabilities = predicted(model, data.texts)
    report = Report.of(labels.classes, labels.codes, probabilities, data.texts, multi_label=labels.multi_label)
    title = f"{arguments.file}: {len(data.texts):,} texts, scored by {arguments.weights}"
    show(Outcome(report, title, [], {"weights": arguments.weights}), arguments.format)


def known(model: Model, data: Labelled, source: str) -> Labels:
    """The labels by the numbers of the model's classes.

    Raises:
        WeightsError: the model's classes have no names. InputError: a label is none of them, or lists of labels where
            the model tells one label a text, or the reverse.
    """
    from ..learn.labels import encode, listed

    names = model.class_names
    if not names:
        raise WeightsError(f"{model.path}: does not name its classes, expected a file that `npmoji train` wrote")
    lists = isinstance(data.labels[0], list)
    if lists and not model.multi_label:
        raise InputError(f"{source}: several labels a text, but {model.path} tells one class a text")
    if model.multi_label and not lists:
        data = data._replace(labels=[[label] for label in data.labels])
    given = {str(part) for label in data.labels for part in (label if isinstance(label, list) else [label])}
    unknown = given - set(names)
    flags = model.multi_label and given <= {"0", "1"}
    for label, place in zip(data.labels, data.places) if unknown and not flags else ():
        for part in label if isinstance(label, list) else [label]:
            if str(part) in unknown:
                raise InputError(f"{place}: unknown label {str(part)!r:.60}; {model.path} has {listed(names)}")
    try:
        return encode(data.labels, classes=names, count=len(data.texts))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def predicted(model: Model, texts: list[str]) -> np.ndarray:
    """The probabilities of the classes, float32 (N, C); of two classes also where the model has one output."""
    import numpy as np

    from ..display import ProgressLine
    from .inputs import BLOCK

    found = []
    with contextlib.closing(ProgressLine(len(texts))) as progress:
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            found.append(model.predict(block))
            progress.step(len(block), start + len(block))
    p = np.concatenate(found)
    one = p.shape[1] == 1 and len(model.class_names) == 2
    return np.concatenate([1 - p, p], axis=1) if one else p
