"""`npmoji download`: fetch the original weights and vocabulary, and verify them."""

from __future__ import annotations

import argparse
import sys

from .verify import report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "name",
        nargs="?",
        choices=("original", "torchmoji"),
        default="original",
        help="whose weights (default: original)",
    )
    parser.add_argument("--url", metavar="URL", help="a mirror of the weights file, or a local path")
    parser.add_argument("--vocabulary-url", metavar="URL", help="a mirror of vocabulary.json, or a local path")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..download.originals import download
    from ..loading import load

    path = download(arguments.name, url=arguments.url, vocabulary_url=arguments.vocabulary_url)
    code = report(load(arguments.name))
    if code:
        print(f"npmoji: the file is kept; to fetch it again, remove {path}", file=sys.stderr)
    return code
