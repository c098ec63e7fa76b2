"""Texts in, results out: `npmoji score` and `npmoji encode`."""

from __future__ import annotations

import argparse

from ..errors import InputError
from . import begun, blocks, load, source


def score(arguments: argparse.Namespace) -> None:
    """`npmoji score`."""
    from ..outputs import FORMATS, text_output

    with source(arguments) as texts:
        model = load(arguments)
        k = min(arguments.top, model.classes)
        with text_output(arguments.output) as out:
            results = begun((block, model.top(block, k)) for block in blocks(texts, quiet=out.isatty()))
            writer = FORMATS[arguments.format](out, k)  # may write a header: not before there is a first result
            for block, tops in results:
                for text, top in zip(block, tops):
                    writer.write(text, top)
                out.flush()


def encode(arguments: argparse.Namespace) -> None:
    """`npmoji encode`."""
    from ..outputs import ArrayFile, whole_file

    if not arguments.output.endswith(".npy"):
        raise InputError(f"-o {arguments.output}: encode writes a NumPy array, expected a name that ends in .npy")
    with source(arguments) as texts:
        model = load(arguments)
        with whole_file(arguments.output) as file:
            array = ArrayFile(file, model.features)
            for block in blocks(texts):
                array.append(model.encode(block))
            array.finish()
