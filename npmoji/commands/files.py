"""Weights files made and fetched: `npmoji convert` and `npmoji download`."""

from __future__ import annotations

import argparse


def convert(arguments: argparse.Namespace) -> None:
    """`npmoji convert`."""
    from ..convert import convert

    convert(arguments.source, arguments.target, precision=arguments.precision, vocabulary=arguments.vocabulary)


def download(arguments: argparse.Namespace) -> int:
    """`npmoji download`: afterwards the weights are verified."""
    from ..download import download
    from ..model import load
    from .trust import report

    download(arguments.name, url=arguments.url, vocabulary_url=arguments.vocabulary_url)
    return report(load(arguments.name))
