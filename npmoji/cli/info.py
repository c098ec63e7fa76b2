"""`npmoji info`: show which weights, engine and CPU are in use; and compile ahead."""

from __future__ import annotations

import argparse

from .models import load
from .options import add_model_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_model_options(parser)
    ahead = (
        "first compile what the numba engine needs for these weights and this precision, so that no process has to "
        "later: for a container's image, say"
    )
    parser.add_argument("--compile", action="store_true", help=ahead)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..describe import lines
    from ..display import text_output

    model = load(arguments, note=False)
    if arguments.compile:
        from ..compiling import compile_ahead

        compile_ahead(model)
    with text_output("-") as out:
        for name, value in lines(model):
            out.write(f"{name:12}{value}\n")
