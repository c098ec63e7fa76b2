"""What there is to know of a model: `npmoji info`."""

from __future__ import annotations

import argparse

from . import load


def info(arguments: argparse.Namespace) -> None:
    """`npmoji info`."""
    from ..info import lines
    from ..outputs import text_output

    with text_output("-") as out:
        for name, value in lines(load(arguments, note=False), arguments.vocabulary):
            out.write(f"{name:12}{value}\n")
