"""`npmoji info`: show which weights, engine and CPU are in use."""

from __future__ import annotations

import argparse

from .models import load
from .options import add_model_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..describe import lines
    from ..display import text_output

    with text_output("-") as out:
        for name, value in lines(load(arguments, note=False)):
            out.write(f"{name:12}{value}\n")
