"""`npmoji golden`: write every layer's output, for authors of other ports."""

from __future__ import annotations

import argparse

from ..errors import InputError
from .inputs import listed
from .models import load
from .options import add_file_options, add_model_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_file_options(parser)
    add_model_options(parser)
    parser.add_argument(
        "texts",
        nargs="?",
        metavar="TEXTS",
        help="texts, one per line (also .csv, .tsv or .jsonl), token ids (.npy), or inputs by name (.npz)",
    )
    parser.add_argument("target", metavar="OUTDIR", help="the folder to write; with --npz, the file")
    parser.add_argument(
        "--builtin", action="store_true", help="use a list of tricky texts and token ids instead of TEXTS"
    )
    parser.add_argument("--npz", action="store_true", help="write one .npz file instead of a folder")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..checks.golden import BUILTIN, write

    if arguments.builtin == (arguments.texts is not None):
        raise InputError("golden: give either TEXTS or --builtin, and OUTDIR")
    model = load(arguments)
    source = BUILTIN if arguments.builtin else listed(arguments, [arguments.texts])
    write(model, source, arguments.target, npz=arguments.npz)
