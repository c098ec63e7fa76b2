"""`npmoji parity`: compare two engines on the same texts."""

from __future__ import annotations

import argparse

from ..errors import InputError
from .compare import report
from .inputs import check_given, listed
from .models import load
from .options import add_model_options, add_text_options

CUDA = 2e-5  # absolute tolerance of any number on a GPU, in float32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_text_options(parser, "npmoji's own list")
    add_model_options(parser, engine=False)
    parser.add_argument(
        "--engine", action="append", metavar="E", help="give it twice: numpy, numba or torch (default: numpy and numba)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text, for people to read")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..checks.compare import compare
    from ..checks.golden import BUILTIN, collect

    engines = arguments.engine or ["numpy", "numba"]
    if len(engines) != 2:
        raise InputError("parity: give --engine twice")
    if arguments.texts:
        check_given(arguments)
    source = arguments.texts or (listed(arguments, arguments.input) if arguments.input else BUILTIN)
    sides, device = [], arguments.device
    for engine in engines:
        arguments.engine, arguments.device = engine, device if engine == "torch" else "cpu"
        sides.append(collect(load(arguments, note=False), source))
    if device == "cuda":  # it sums products in yet another order
        for entry in sides[0].manifest["tensors"]:
            entry["tolerance"]["absolute"] = max(entry["tolerance"]["absolute"], CUDA)
    return report(compare(*sides), arguments.format)
