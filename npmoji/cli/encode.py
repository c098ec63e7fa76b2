"""`npmoji encode`: write the features of each text to a `.npy` file."""

from __future__ import annotations

import argparse
import contextlib

from ..errors import InputError
from .inputs import computed, keeping, source
from .models import load
from .options import ON_ERROR, add_model_options, add_text_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_text_options(parser)
    add_model_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE.npy", help="where to write: float32, one row per text"
    )
    parser.add_argument("--on-error", choices=("fail", "skip", "null"), default="fail", help=f"{ON_ERROR} NaN")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    import numpy as np

    from ..files.npy import ArrayFile
    from ..files.whole import whole_file

    if not arguments.output.endswith(".npy"):
        raise InputError(f"-o {arguments.output}: encode writes a NumPy array, expected a name that ends in .npy")
    with source(arguments) as inputs:
        model = load(arguments)
        none = np.full(model.features, np.nan, np.float32)
        with (
            whole_file(arguments.output) as file,
            contextlib.closing(ArrayFile(file, model.features)) as array,
            contextlib.closing(computed(model, inputs, model.encode)) as results,
            keeping(array),
        ):
            for _, features in results:
                array.append(np.stack([none if row is None else row for row in features]))
