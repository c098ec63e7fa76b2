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
    from ..describe import rows, table
    from ..display import text_output

    with text_output("-") as out:
        out.write(table(rows(arguments.file, arguments.config, layers(arguments))))
