"""`npmoji verify`: check the weights against their reference results."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import InputError
from .models import load
from .options import add_model_options

if TYPE_CHECKING:
    from ..model import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="the weights, as --weights")
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command: 1 if the results differ, or if there is nothing to check against."""
    if arguments.file is not None:
        if arguments.weights is not None:
            raise InputError("give FILE or --weights PATH, not both")
        arguments.weights = arguments.file
    return report(load(arguments, note=False))


def report(model: Model) -> int:
    """Verify a model, print the verdict, and return the exit code."""
    from ..checks.verify import verify
    from ..display import text_output

    verdict = verify(model)
    with text_output("-") as out:
        out.write("".join(f"{line}\n" for line in verdict.lines))
    return 0 if verdict.passed else 1
