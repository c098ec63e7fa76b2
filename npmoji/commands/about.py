"""What there is to know of a model: `npmoji info` and `npmoji inspect`; and of the command line itself."""

from __future__ import annotations

import argparse

from . import layers, load


def info(arguments: argparse.Namespace) -> None:
    """`npmoji info`."""
    from ..info import lines
    from ..outputs import text_output

    with text_output("-") as out:
        for name, value in lines(load(arguments, note=False), arguments.vocabulary):
            out.write(f"{name:12}{value}\n")


def inspect(arguments: argparse.Namespace) -> None:
    """`npmoji inspect`."""
    from ..inspection import rows, table
    from ..outputs import text_output

    with text_output("-") as out:
        out.write(table(rows(arguments.file, arguments.config, layers(arguments))))


def usage(arguments: argparse.Namespace) -> None:
    """`npmoji` alone."""
    arguments.parser.print_help()


def completion(arguments: argparse.Namespace) -> None:
    """`npmoji completion`."""
    from ..completion import script
    from ..outputs import text_output

    with text_output("-") as out:
        out.write(script(arguments.parser, arguments.shell))
