"""`npmoji inspect`: list the layers of any weights file."""

from __future__ import annotations

import argparse

from .models import layers
from .options import LAYER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("file", metavar="FILE", help="any weights file that npmoji reads")
    parser.add_argument(
        "--config",
        metavar="PATH",
        help="for a weights-only file: Keras' model.to_json() (default: config.json beside it)",
    )
    parser.add_argument("--layer", **LAYER)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..describe import rows, table, told
    from ..display import text_output
    from ..files.paths import local
    from ..formats import read

    found = rows(arguments.file, arguments.config, layers(arguments))
    with text_output("-") as out:
        out.write(table(found))
        for name, value in told(read(local(arguments.file))):
            out.write(f"{name}: {value}\n")
