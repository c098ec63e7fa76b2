"""`npmoji evaluate`: how well a classifier does on texts whose labels are known."""

from __future__ import annotations

import argparse

from ..errors import InputError, WeightsError
from .labelled import known, predicted, read_labelled
from .models import load
from .options import add_labelled_options, add_model_options
from .scores import Outcome, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = "Score a classifier on texts with labels that it was not trained on."
    parser.add_argument("file", metavar="FILE", help="the texts and their labels; - is standard input")
    add_labelled_options(parser)
    add_model_options(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text, for people to read")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..batch.sources import name_of
    from ..learn.report import Report

    if arguments.weights is None:
        raise InputError("evaluate: expected --weights FILE, the classifier that `npmoji train` wrote")
    data = read_labelled(arguments, arguments.file)
    model = load(arguments, note=False)
    if not model.class_names:
        raise WeightsError(f"{model.path}: does not name its classes, expected a file that `npmoji train` wrote")
    labels = known(data, model.class_names, model.multi_label, name_of(arguments.file), model.path)
    probabilities = predicted(model, data.texts)
    report = Report.of(labels.classes, labels.codes, probabilities, data.texts, multi_label=labels.multi_label)
    title = f"{name_of(arguments.file)}: {len(data.texts):,} texts, scored by {arguments.weights}"
    show(Outcome(report, title, [], {"weights": arguments.weights}), arguments.format)
