"""`npmoji compare`: compare another implementation's outputs with golden ones."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .models import load
from .options import add_model_options

if TYPE_CHECKING:
    from ..checks.compare import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_model_options(parser)
    parser.add_argument("golden", metavar="GOLDEN", help="a folder or .npz written by `npmoji golden`")
    parser.add_argument("candidate", metavar="CANDIDATE", help="a folder, .npz, .npy or .json with some of the tensors")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text, for people to read")


def run(arguments: argparse.Namespace) -> int:
    """Run the command: 0 if all is within tolerance, else 1."""
    from ..checks.compare import compare
    from ..checks.golden import read

    result = compare(read(arguments.golden), read(arguments.candidate), lambda: load(arguments, note=False))
    return report(result, arguments.format)


def report(result: Comparison, form: str) -> int:
    """Print a comparison and return its exit code."""
    from ..display import text_output

    with text_output("-") as out:
        out.write(result.json() if form == "json" else result.text())
    return 0 if result.passed else 1
