"""Texts in, results out: `npmoji score` and `npmoji encode`."""

from __future__ import annotations

import argparse
import contextlib

import numpy as np

from ..errors import InputError
from . import begun, computed, kept, load, source


def score(arguments: argparse.Namespace) -> None:
    """`npmoji score`."""
    from ..batch.names import output_format, split
    from ..batch.writers import FORMATS
    from ..outputs import text_output

    form = arguments.format or output_format(arguments.output)
    _, compression = split(arguments.output)
    if form == "text" and arguments.keep != []:
        raise InputError("--keep has no use for --format text, expected csv, tsv or jsonl")
    if arguments.emojis and form not in ("csv", "tsv"):
        raise InputError(f"--emojis has no use for --format {form}, which has them; expected csv or tsv")
    with source(arguments) as inputs:
        model = load(arguments)
        k = min(arguments.top, model.classes)
        with (
            text_output(arguments.output, compression) as out,
            contextlib.closing(computed(model, inputs, lambda x: model.top(x, k), quiet=out.isatty())) as results,
        ):
            results = begun(results)  # the writer may write a header: not before there is a first result
            writer = FORMATS[form](out, k, inputs.kept, arguments.emojis)
            with kept(writer):
                for block, tops in results:
                    for record, top in zip(block, tops):
                        writer.write(record, top)
                    if not compression:  # it would gain nothing, and compress worse
                        out.flush()


def encode(arguments: argparse.Namespace) -> None:
    """`npmoji encode`."""
    from ..batch.writers import ArrayFile
    from ..outputs import whole_file

    if not arguments.output.endswith(".npy"):
        raise InputError(f"-o {arguments.output}: encode writes a NumPy array, expected a name that ends in .npy")
    with source(arguments) as inputs:
        model = load(arguments)
        none = np.full(model.features, np.nan, np.float32)
        with (
            whole_file(arguments.output) as file,
            contextlib.closing(ArrayFile(file, model.features)) as array,
            contextlib.closing(computed(model, inputs, model.encode)) as results,
            kept(array),
        ):
            for _, features in results:
                array.append(np.stack([none if row is None else row for row in features]))
