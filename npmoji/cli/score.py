"""`npmoji score`: print the most likely emojis, or classes of one's own, of each text."""

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
    parser.add_argument("--format", choices=formats, help="default: by FILE's suffix, else text, for people to read")
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="number of emojis per text (default 5)")
    keep = "other columns to copy in front of the results: all, none (default), or their names"
    parser.add_argument("--keep", type=kept, default=[], metavar="COL,…", help=keep)
    parser.add_argument(
        "--emojis", action="store_true", help="for csv and tsv: add a column with the emojis that the ids stand for"
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
        raise InputError("--keep does not apply to --format text, expected csv, tsv or jsonl")
    if arguments.emojis and form not in ("csv", "tsv"):
        raise InputError(f"--emojis does not apply to --format {form}, which has them anyway; expected csv or tsv")
    with source(arguments) as inputs:
        model = load(arguments)
        k, labels = min(arguments.top, len(model.class_names) or model.classes), model.own_classes
        if arguments.emojis and labels:
            raise InputError(f"--emojis does not apply to {model.path}, whose classes have names and are no emojis")
        with (
            text_output(arguments.output, compression) as out,
            contextlib.closing(computed(model, inputs, lambda x: model.top(x, k), quiet=out.isatty())) as results,
        ):
            results = begun(results)  # the writer may write a header, which must wait for the first result
            writer = FORMATS[form](out, k, inputs.kept, arguments.emojis, labels)
            with keeping(writer):
                for block, tops in results:
                    for record, top in zip(block, tops):
                        writer.write(record, top)
                    if not compression:  # flushing a compressed file gains nothing and compresses worse
                        out.flush()
