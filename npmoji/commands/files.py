"""Weights files made and fetched: `npmoji convert` and `npmoji download`."""

from __future__ import annotations

import argparse
import sys

from . import layers


def convert(arguments: argparse.Namespace) -> None:
    """`npmoji convert`."""
    from ..convert import convert

    options = {
        "precision": arguments.precision,
        "vocabulary": arguments.vocabulary,
        "compat": arguments.compat,
        "layers": layers(arguments),
    }
    convert(arguments.source, arguments.target, **options)


def download(arguments: argparse.Namespace) -> int:
    """`npmoji download`: afterwards the weights are verified; 1 if they are not what they are called."""
    from ..fetching.download import download
    from ..model import load
    from .trust import report

    path = download(arguments.name, url=arguments.url, vocabulary_url=arguments.vocabulary_url)
    code = report(load(arguments.name))
    if code:
        print(f"npmoji: kept all the same; to have it fetched again, remove {path}", file=sys.stderr)
    return code
