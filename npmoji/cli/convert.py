"""`npmoji convert`: weights, vocabulary and references to one file, for npmoji or Keras; or a network to ONNX."""

from __future__ import annotations

import argparse

from .models import layers
from .options import COMPAT, LAYER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("source", metavar="IN", help="any weights file that npmoji reads")
    parser.add_argument("target", metavar="OUT", help="the file to write: .safetensors, .hdf5, .h5 or .onnx")
    parser.add_argument(
        "--precision", choices=("fp32", "fp16", "int8"), help="precision of the large matrices (default: as in IN)"
    )
    outputs = "for .onnx: layers whose outputs the network gives, softmax,attlayer,attention (default: its own)"
    parser.add_argument("--outputs", type=lambda text: text.split(","), metavar="NAME,…", help=outputs)
    parser.add_argument("--ids", choices=("int64", "int32"), help="for .onnx: the type of token ids (default: int64)")
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
        "outputs": arguments.outputs,
        "ids": arguments.ids,
    }
    convert(arguments.source, arguments.target, **options)
