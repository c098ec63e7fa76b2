"""`npmoji info`: show which weights, engine and CPU are in use; and compile ahead."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .models import load
from .options import add_model_options

if TYPE_CHECKING:
    from ..model import Model


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
        compile_ahead(model)
    with text_output("-") as out:
        for name, value in lines(model):
            out.write(f"{name:12}{value}\n")


def compile_ahead(model: Model) -> None:
    """Compute a text alone, and some together, on the numba engine, whose cache holds what was compiled then."""
    from ..graph import zeros

    chosen, model.engine = model.engine, "numba"
    for rows in (1, 32):
        x = {layer.name: zeros(layer, rows, model.graph.size or 8) for layer in model.graph.inputs}
        x = {name: array if array.dtype == object else array + array.dtype.type(1) for name, array in x.items()}
        for layer in model.graph.outputs:
            model.run(x, layer)
    model.engine = chosen
