"""`npmoji score`: print the most likely emojis, or classes of one's own, of each text; or any results, for tables."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ..errors import InputError
from .inputs import Given, begun, computed, keeping, source
from .models import load
from .options import ON_ERROR, UNSAID, add_model_options, add_text_options, kept, positive

if TYPE_CHECKING:
    import argparse

    from ..batch.records import Inputs
    from ..layers import Checked
    from ..model import Model
    from ..text.emojis import Prediction

P = "probabilities"
TEXTUAL = ("text", "csv", "tsv", "jsonl")
#: of the command line, what the output depends on besides inputs and weights
SETTINGS = (
    *("column", "input_format", "encoding", "delimiter", "keep", "on_error", "what", "top", "emojis"),
    *("device", "layer"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_text_options(parser)
    add_model_options(parser)
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="where to write (default: standard output)")
    parser.add_argument(
        "--format",
        choices=(*TEXTUAL, "parquet", "arrow"),
        help="default: by FILE's suffix, else text, for people to read",
    )
    what = (
        "the columns to add: top (emoji_1 …, p_1 …; default for .parquet and .arrow), probabilities, features, "
        "attention, tokens; several with commas. Text formats have those of the original's script without it"
    )
    parser.add_argument("--what", type=named_results, metavar="W", help=what)
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="number of emojis per text (default 5)")
    keep = (
        "other columns to copy in front of the results: all, none, or their names (default: all if a table of Parquet "
        "or Arrow is read or written, or with --what; else none)"
    )
    parser.add_argument("--keep", type=kept, default=UNSAID, metavar="COL,…", help=keep)
    parser.add_argument(
        "--emojis", action="store_true", help="for csv and tsv: add a column with the emojis that the ids stand for"
    )
    parser.add_argument(
        "--on-error", choices=("fail", "skip", "null"), default="fail", help=f"{ON_ERROR} empty results"
    )
    resume = "keep what is finished in FILE.parts, and go on with it if an earlier run was interrupted"
    parser.add_argument("--resume", action="store_true", help=resume)
    overwrite = "FILE may exist (with --what, --resume, .parquet or .arrow; other files are replaced anyway)"
    parser.add_argument("--overwrite", action="store_true", help=overwrite)


def named_results(text: str) -> list[str]:
    """argparse type: names of results."""
    return text.split(",")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..batch.names import output_format, split

    form = arguments.format or output_format(arguments.output)
    _, compression = split(arguments.output)
    _check(arguments, form, compression)
    arguments.form = form
    new = form not in TEXTUAL or arguments.what is not None
    with source(arguments, whole=new) as inputs:
        if new or arguments.resume:
            _do_job(arguments, inputs, form, compression)
            return
        model = load(arguments)
        if _from_file_to_file(arguments, inputs):
            from ..corpora import job

            model.engine = job.engine(model, inputs)
            if model.engine != "numpy":  # else there is too little to do
                _do_job(arguments, inputs, form, compression, model)
                return
        _stream(arguments, inputs, form, compression, model)


def _from_file_to_file(arguments: argparse.Namespace, inputs: Inputs | Given) -> bool:
    if isinstance(inputs, Given) or arguments.output == "-" or not inputs.size:
        return False
    return os.path.isfile(arguments.output) or not os.path.exists(arguments.output)


def _check(arguments: argparse.Namespace, form: str, compression: str) -> None:
    """Refuse options that do not go together."""
    if form == "text":
        if arguments.keep is not UNSAID and arguments.keep != []:
            raise InputError("--keep does not apply to --format text, expected csv, tsv or jsonl")
        if arguments.what is not None:
            raise InputError("--what does not apply to --format text, expected csv, tsv, jsonl, parquet or arrow")
    if arguments.emojis and (form not in ("csv", "tsv") or arguments.what is not None):
        has = f"--format {form}" if arguments.what is None else "--what"
        raise InputError(f"--emojis does not apply to {has}, which has them anyway; expected csv or tsv")
    if form not in TEXTUAL:
        if arguments.output == "-":
            raise InputError(f"--format {form} is for files, expected -o FILE")
        if compression:
            raise InputError(f"-o {arguments.output}: {form} files are compressed inside, expected no {compression}")


def _do_job(
    arguments: argparse.Namespace, inputs: Inputs | Given, form: str, compression: str, model: Model | None = None
) -> None:
    from ..corpora import job

    names = {name: getattr(arguments, name) for name in SETTINGS}
    settings = {f"--{name.replace('_', '-')}": value for name, value in names.items()}
    kept = getattr(inputs, "columns", inputs).kept
    settings |= {"--keep": "all" if kept is None else kept, "--format": form, "compression": compression}
    task = job.Task(
        arguments.output,
        form,
        compression,
        arguments.what,
        arguments.top,
        arguments.emojis,
        arguments.resume,
        arguments.overwrite,
        settings,
    )
    job.check(task, inputs)
    model = model or load(arguments)
    _check_labels(arguments, model)
    model.engine = job.engine(model, inputs, task.new)
    settings |= {"--engine": model.engine, "--precision": model.precision}
    if model.tokenizer is not None:
        settings |= {"--maxlen": model.tokenizer.maxlen, "--compat": model.tokenizer.compat}
    if model.engine != "numba":  # whose bits alone are the same on any number
        settings["--threads"] = arguments.threads
    job.run(task, inputs, model)


def _check_labels(arguments: argparse.Namespace, model: Model) -> None:
    if arguments.emojis and model.own_classes:
        raise InputError(f"--emojis does not apply to {model.path}, whose classes have names and are no emojis")


def _stream(arguments: argparse.Namespace, inputs: Inputs | Given, form: str, compression: str, model: Model) -> None:
    from ..batch.writers import FORMATS
    from ..display import text_output

    _check_labels(arguments, model)
    k, labels = min(arguments.top, len(model.class_names) or model.classes), model.own_classes

    def best(x: Checked) -> list[list[Prediction]]:
        return model.best(model.apart(x, [P])[P], k)

    with (
        text_output(arguments.output, compression) as out,
        contextlib.closing(computed(model, inputs, best, quiet=out.isatty())) as results,
    ):
        results = begun(results)  # the writer may write a header, which must wait for the first result
        writer = FORMATS[form](out, k, inputs.kept, arguments.emojis, labels)
        with keeping(writer):
            for block, tops in results:
                for record, top in zip(block, tops):
                    writer.write(record, top)
                if not compression:  # flushing a compressed file gains nothing and compresses worse
                    out.flush()
