"""The model selected by a command's options."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from ..errors import NpmojiError

if TYPE_CHECKING:
    import argparse

    from ..model import Model

BUNDLED_NOTE = (
    "npmoji: using the small bundled model; for the original weights: npmoji download, then --weights original"
)
DAY = 24 * 60 * 60  # seconds between two such notes


def load(arguments: argparse.Namespace, note: bool = True) -> Model:
    """The model selected by the common options; on a terminal a note says once a day that it is the bundled one."""
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
    """The ``--layer NAME=CHOICE`` options in the form `npmoji.load` takes."""
    return dict(arguments.layer) if arguments.layer else None


def is_due(name: str) -> bool:
    """Whether the note of this name has not been shown for a day; if so, it counts as shown from now on. The time is
    kept as that of a file in npmoji's cache folder; if the folder is not writable, a note is always due."""
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
