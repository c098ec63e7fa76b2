"""`npmoji score`: the most likely emojis of each text."""

from __future__ import annotations

import argparse
import contextlib

from ..errors import InputError
from .inputs import begun, computed, keeping, source
from .models import load
from .options import ON_ERROR, add_model_options, add_text_options, kept, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_text_options(parser)
    add_model_options(parser)
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="where to write (default: standard output)")
    formats = ("text", "csv", "tsv", "jsonl")
    parser.add_argument("--format", choices=formats, help="default: by FILE's suffix, else text, made for people")
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="how many emojis a text (default 5)")
    keep = "other columns to keep, before the results: all, none (default), or their names"
    parser.add_argument("--keep", type=kept, default=[], metavar="COL,…", help=keep)
    parser.add_argument(
        "--emojis", action="store_true", help="for csv and tsv: a column of the emojis behind their ids"
    )
    parser.add_argument(
        "--on-error", choices=("fail", "skip", "null"), default="fail", help=f"{ON_ERROR} empty results"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..batch.names import output_format, split
    from ..batch.writers import FORMATS
    from ..display import text_output

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
            with keeping(writer):
                for block, tops in results:
                    for record, top in zip(block, tops):
                        writer.write(record, top)
                    if not compression:  # it would gain nothing, and compress worse
                        out.flush()
