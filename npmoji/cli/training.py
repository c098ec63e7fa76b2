"""What `npmoji train` does: train, score on texts that were not seen, write the model.

`last` is scored by cross-validation and then trained on all texts. Training the network takes much longer: one fifth of
the texts is held out once and the model trained on the rest is the one that is written, unless ``--folds`` is given.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, NpmojiError
from ..files.paths import local
from .inputs import read_labelled
from .models import load
from .scores import Outcome

if TYPE_CHECKING:
    from ..batch.labelled import Label
    from ..learn.labels import Labels
    from ..learn.report import Report
    from ..model import Model

FOLDS = 5  # the default of `last`; one of them is the part held out from training the network
SHARE = 0.1  # of the texts that the network is trained with: those that tell when to stop


def last(arguments: argparse.Namespace, texts: list[str], given: list[Label], labels: Labels) -> Outcome:
    """A new last layer on the features."""
    from ..learn.classifier import Classifier

    settings = {name: getattr(arguments, name) for name in ("C", "class_weight", "engine", "threads", "maxlen")}
    model = load(arguments)
    note_cut(model, texts)
    folds = arguments.folds or FOLDS
    classifier = Classifier(model, random_state=arguments.seed, **settings)
    report = classifier.cross_validate(texts, given, folds=folds)
    classifier.fit(texts, given).save(arguments.output)
    title = f"{folds} folds, each scored by a classifier trained on the others"
    return outcome(arguments, report, labels, title, {"folds": folds})


def network(arguments: argparse.Namespace, texts: list[str], given: list[Label], labels: Labels) -> Outcome:
    """The network itself."""
    from ..learn.folds import stratified
    from ..learn.heads import save

    model = load(arguments)
    note_cut(model, texts)
    validation = validation_of(arguments, labels)
    part = stratified(labels.codes, arguments.folds or FOLDS, arguments.seed, groups=texts, names=labels.names)
    print(f"npmoji: training {arguments.method}; Ctrl-C ends it and keeps the best weights so far", file=sys.stderr)


def note_cut(model: Model, texts: list[str]) -> None:
    """Say so if the model does not see all of some texts."""
    if model.tokenizer is None:
        raise InputError(f"{model.path}: has no vocabulary; give one with --vocabulary vocabulary.json")
    cut = sum(map(model.tokenizer.is_cut, texts))
    if cut:
        seen = f"of {cut:,} of {len(texts):,} texts only the first {model.tokenizer.maxlen} tokens are used"
        print(f"npmoji: note: {seen}; for more: --maxlen", file=sys.stderr)
