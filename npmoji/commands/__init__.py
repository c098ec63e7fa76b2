"""What the commands of the command line do, a module for each group, and here the pieces they share."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from ..errors import InputError
from ..texts import Texts, chunks

if TYPE_CHECKING:
    from ..model import Model

Item = TypeVar("Item")

BLOCK = 512  # texts read, computed and written together
BUNDLED_NOTE = (
    "npmoji: using the small bundled model, trained on sentences written for this project; "
    "for the original's weights: --weights deepmoji_weights.hdf5 (with vocabulary.json beside it)"
)


def load(arguments: argparse.Namespace, note: bool = True) -> Model:
    """The model that the common options ask for; on a terminal the bundled one says what it is."""
    from ..model import load

    if note and arguments.weights is None and sys.stderr.isatty():
        print(BUNDLED_NOTE, file=sys.stderr)
    return load(
        arguments.weights,
        vocabulary=arguments.vocabulary,
        maxlen=arguments.maxlen,
        engine=arguments.engine,
        precision=arguments.precision,
        threads=arguments.threads,
        device=arguments.device,
        compat=arguments.compat,
        layers=layers(arguments),
    )


def layers(arguments: argparse.Namespace) -> dict[str, str] | None:
    """What ``--layer NAME=CHOICE`` asks for, as `npmoji.load` takes it."""
    return dict(arguments.layer) if arguments.layer else None


@contextlib.contextmanager
def source(arguments: argparse.Namespace) -> Iterator[Texts | list[str]]:
    """The texts of the command line, or the opened file or standard input."""
    if not arguments.texts:
        with contextlib.closing(Texts("-" if arguments.input is None else arguments.input, arguments.column)) as texts:
            yield texts
    elif arguments.input is not None:
        raise InputError("give texts or -i FILE, not both")
    else:
        yield arguments.texts


def blocks(texts: Texts | list[str], quiet: bool = False) -> Iterator[list[str]]:
    """The texts, some hundred at a time, with a progress line unless ``quiet``; typed texts one by one."""
    from ..outputs import Progress

    if isinstance(texts, list):
        yield from chunks(texts, BLOCK)
        return
    if texts.typed:
        print("npmoji: reading texts from the keyboard, one a line, until end of file", file=sys.stderr)
    progress = Progress(texts.size, enabled=not quiet and not texts.typed)
    try:
        for block in chunks(texts, 1 if texts.typed else BLOCK):
            yield block
            progress.step(len(block), texts.done)
    finally:
        progress.close()


def begun(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, the first of them computed now."""
    return chain(list(islice(items, 1)), items)
