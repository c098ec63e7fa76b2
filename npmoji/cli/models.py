"""The model that the options of a command ask for."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from ..errors import NpmojiError

if TYPE_CHECKING:
    from ..model import Model

BUNDLED_NOTE = (
    "npmoji: using the small bundled model; for the original's weights: npmoji download, then --weights original"
)
DAY = 24 * 60 * 60  # s between two such notes


def load(arguments: argparse.Namespace, note: bool = True) -> Model:
    """The model that the common options ask for; on a terminal the bundled one says what it is, once a day."""
    from ..loading import load

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
        compat=arguments.compat,
        layers=layers(arguments),
    )


def layers(arguments: argparse.Namespace) -> dict[str, str] | None:
    """What ``--layer NAME=CHOICE`` asks for, as `npmoji.load` takes it."""
    return dict(arguments.layer) if arguments.layer else None


def is_due(name: str) -> bool:
    """Whether the note of this name was not shown within a day; from now on it was. A file's time in npmoji's cache folder
    remembers it; where that cannot be written, a note is always due."""
    from ..sources import home

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
