"""`npmoji convert`: weights, vocabulary and reference results to one file, for npmoji or in Keras' layout."""

from __future__ import annotations

import argparse

from .models import layers
from .options import COMPAT, LAYER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("source", metavar="IN", help="any weights file that npmoji reads")
    parser.add_argument("target", metavar="OUT", help="the file to write: .safetensors, .hdf5 or .h5")
    parser.add_argument(
        "--precision", choices=("fp32", "fp16", "int8"), help="precision of the large matrices (default: as in IN)"
    )
    parser.add_argument("--vocabulary", metavar="PATH", help="vocabulary.json (default: the one beside IN)")
    parser.add_argument("--compat", **COMPAT)
    parser.add_argument("--layer", **LAYER)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..export.convert import convert

    options = {
        "precision": arguments.precision,
        "vocabulary": arguments.vocabulary,
        "compat": arguments.compat,
        "layers": layers(arguments),
    }
    convert(arguments.source, arguments.target, **options)
