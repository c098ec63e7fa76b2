"""`npmoji train`: a classifier of one's own classes, from a file of texts with labels."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..errors import InputError
from .labelled import contradictions, read_labelled
from .options import FOLDS, add_labelled_options, add_model_options, positive, whole
from .scores import show

if TYPE_CHECKING:
    from ..batch.labelled import Label
    from ..learn.labels import Labels

NETWORK = ("new", "full", "chain-thaw")  # methods that train the network itself, with PyTorch
METHODS = ("last", *NETWORK)
PARTS = 3  # training the network takes a text of each class for every part
SUFFIXES = (".safetensors", ".hdf5", ".h5")
#: options that apply to the network only, with the values they have when not given
FOR_NETWORK = {"epochs": None, "validation": None, "extend_with": None, "resume": False}
DESCRIPTION = """\
Train a classifier of your own classes from a table with the columns text and label (.csv, .tsv or .jsonl, also as .gz,
.bz2 or .xz), and write it as an ordinary model file. The scores printed are for texts that the classifier did not see.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = DESCRIPTION
    parser.add_argument("file", metavar="FILE", help="the texts and their labels; - is standard input")
    out = "the model file to write: .safetensors with everything in it, or Keras' .hdf5 or .h5"
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help=out)
    add_labelled_options(parser)
    group = parser.add_argument_group("training")
    method = "last: a new last layer, in seconds (default); new, full, chain-thaw: the network itself, with PyTorch"
    group.add_argument("--method", choices=METHODS, default="last", help=method)
    folds = f"cross-validate with K folds (default: {FOLDS} for last; else a fifth of the texts is held out once)"
    group.add_argument("--folds", type=positive, metavar="K", help=folds)
    balanced = "balanced: a mistake counts the more, the rarer the class"
    group.add_argument("--class-weight", choices=("balanced",), help=balanced)
    strength = "for last: inverse strength of regularisation (default: chosen by cross-validation)"
    group.add_argument("-C", "--C", type=above_zero, metavar="X", help=strength)
    group.add_argument("--seed", type=whole, default=0, metavar="N", help="of all that is drawn at random (default 0)")
    group = parser.add_argument_group("training the network")
    group.add_argument("--epochs", type=positive, metavar="N", help="at most so many, a stage (default 1000)")
    validation = "texts that tell when to stop: a file, or a share of FILE such as 0.1 (the default)"
    group.add_argument("--validation", type=share, metavar="FILE", help=validation)
    extend = "add up to N words of the texts to the vocabulary (default 10000)"
    group.add_argument("--extend-with", type=whole, metavar="N", help=extend)
    resume = "go on from the last epoch of a run that was interrupted"
    group.add_argument("--resume", action="store_true", help=resume)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text, for people to read")
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..batch.sources import name_of

    check(arguments)
    data = read_labelled(arguments, arguments.file)
    labels = classes_of(arguments, data.texts, data.labels)
    if note := contradictions(data):
        print(f"npmoji: note: {name_of(arguments.file)}: {note}", file=sys.stderr)
    if arguments.method == "last":
        from .training import last as train
    else:
        from .training import network as train
    show(train(arguments, data.texts, data.labels, labels), arguments.format)


def check(arguments: argparse.Namespace) -> None:
    """Everything that can be told before the file is read.

    Raises:
        InputError: an option that does not apply, a package that is missing, or a file that cannot be written.
    """
    from ..files.extras import need
    from ..files.paths import local, same
    from ..files.whole import check_writable

    if arguments.method == "last":
        for name, default in FOR_NETWORK.items():
            if getattr(arguments, name) != default:
                option, methods = f"--{name.replace('_', '-')}", " or ".join(NETWORK)
                raise InputError(f"{option} does not apply to --method last, which trains no network; for {methods}")
    else:
        for name in ("C", "class_weight"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} applies to --method last only, not {arguments.method}")
        if arguments.resume and arguments.folds:
            raise InputError("--resume does not apply to --folds, whose runs leave nothing to go on from")
    if arguments.folds == 1:
        raise InputError("--folds 1: expected 2 or more: each fold is scored by what the others taught")
    target = local(arguments.output)
    if not target.lower().endswith(SUFFIXES):
        raise InputError(f"-o {arguments.output}: expected a name that ends in {', '.join(SUFFIXES)}")
    for name, path in (
        ("FILE", arguments.file),
        ("--weights", arguments.weights),
        ("--validation", arguments.validation),
    ):
        if isinstance(path, str) and same(target, path):
            raise InputError(f"-o {arguments.output}: is {name} as well; give another name")
    check_writable(target)
    if arguments.method == "last":
        need("sklearn", "learn", "npmoji train")
    else:
        need("torch", "torch", f"npmoji train --method {arguments.method}")


def classes_of(arguments: argparse.Namespace, texts: list[str], found: list[Label]) -> Labels:
    """The labels as class numbers, with enough texts in each class.

    Raises:
        InputError: one class only, or one with fewer texts than there are folds or parts.
    """
    from ..batch.sources import name_of
    from ..learn.data import groups
    from ..learn.folds import stratified
    from ..learn.labels import encode

    source, folds = name_of(arguments.file), arguments.folds or (FOLDS if arguments.method == "last" else 0)
    try:
        labels = encode(found, count=len(texts))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    try:
        if folds:
            stratified(labels.codes, folds, arguments.seed, groups=groups(texts), names=labels.names)
    except InputError as error:
        raise InputError(f"{source}: {error}; expected more texts, or fewer folds: --folds N") from error
    name, count = min(zip(labels.names, labels.counts().tolist()), key=lambda pair: pair[1])
    if not folds and count < PARTS:
        texts_ = "text" if count == 1 else "texts"
        parts = f"expected {PARTS} or more: to train on, to tell when to stop, and to score"
        raise InputError(f"{source}: class {name!r:.80} has {count} {texts_}, {parts}")
    return labels


def share(text: str) -> float | str:
    """argparse type: a number between 0 and 1, or the name of a file."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a share between 0 and 1 nor the name of a file")
    return number


def above_zero(text: str) -> float:
    """argparse type: a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
