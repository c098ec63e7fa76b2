"""`npmoji inspect`: list the layers of any weights file."""

from __future__ import annotations

import argparse
import sys

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


def run(arguments: argparse.Namespace) -> int:
    """Run the command; the exit code is that of an error if the file lacks several things."""
    from ..describe import lacking, rows, table, told
    from ..display import text_output
    from ..errors import WeightsError
    from ..files.paths import local
    from ..formats import read

    given = arguments.file, arguments.config, layers(arguments)
    try:
        found = rows(*given)
    except WeightsError:
        reasons = lacking(*given)
        if len(reasons) < 2:
            raise
        _tell(arguments.file, reasons)
        return 2
    with text_output("-") as out:
        out.write(table(found))
        for name, value in told(read(local(arguments.file))):
            out.write(f"{name}: {value}\n")
    return 0


def _tell(path: str, reasons: list[str]) -> None:
    """All that is wrong with a file, as an error of several lines."""
    from ..errors import one_line

    print(f"npmoji: error: {one_line(path)}: {len(reasons)} things are lacking:", file=sys.stderr)
    for reason in reasons:
        print(f"  {one_line(reason)}", file=sys.stderr)
