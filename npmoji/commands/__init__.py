"""What the commands of the command line do, a module for each group, and here the pieces they share."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from ..errors import InputError, NpmojiError
from ..texts import Texts, chunks

if TYPE_CHECKING:
    from ..model import Model

Item = TypeVar("Item")

BLOCK = 512  # texts read, computed and written together
BUNDLED_NOTE = (
    "npmoji: using the small bundled model; for the original's weights: npmoji download, then --weights original"
)
DAY = 24 * 60 * 60  # s between two such notes


def load(arguments: argparse.Namespace, note: bool = True) -> Model:
    """The model that the common options ask for; on a terminal the bundled one says what it is, once a day."""
    from ..model import load

    if note and arguments.weights is None and sys.stderr.isatty() and is_due("bundled-note"):
        print(BUNDLED_NOTE, file=sys.stderr)
    return load(
        arguments.weights,
        vocabulary=arguments.vocabulary,
        maxlen=arguments.maxlen,
        engine=arguments.engine,
        precision=arguments.precision,
        threads=arguments.threads,
        device=arguments.device,
    )


def is_due(name: str) -> bool:
    """Whether the note of this name was not shown within a day; from now on it was. A file's time in npmoji's cache folder
    remembers it; where that cannot be written, a note is always due."""
    from ..fetching.cache import home

    try:
        path = os.path.join(home(), name)
        with contextlib.suppress(FileNotFoundError):
            if 0 <= time.time() - os.stat(path).st_mtime < DAY:
                return False
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
        os.utime(path)
    except (NpmojiError, OSError):
        pass
    return True


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
