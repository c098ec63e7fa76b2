"""Telling how far a call has come: `progress=True`, or a function of the caller's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

from .errors import InputError

Told: TypeAlias = Callable[[int, int], object]  # called with the texts done and the texts in all
Progress: TypeAlias = bool | Told


@contextlib.contextmanager
def telling(progress: Progress) -> Iterator[Told | None]:
    """What is to be called as the work goes on: a bar's update, the caller's function, or None.

    Raises:
        InputError: neither a bool nor a function.
    """
    if progress is True:
        with contextlib.closing(Bar() if sys.stderr and sys.stderr.isatty() else Lines()) as shown:
            yield shown.update
    elif progress is False or callable(progress):
        yield progress if callable(progress) else None
    else:
        raise InputError(f"progress {progress!r}: expected True, False or a function of the texts done and all texts")


def part(told: Told | None, index: int, parts: int) -> Told | None:
    """For the work that does every text ``parts`` times, what is to be called in its part of that index."""
    if told is None or parts == 1:
        return told
    return lambda done, total: told((index * total + done) // parts, total)


class Bar:
    """The command line's line, on a terminal."""

    def __init__(self) -> None:
        self.line, self.done = None, 0

    def update(self, done: int, total: int) -> None:
        """So many of all texts are done."""
        from .outputs import ProgressLine

        self.line = self.line or ProgressLine(total)
        self.line.step(done - self.done, done)
        self.done = done

    def close(self) -> None:
        """Take the line away."""
        if self.line:
            self.line.close()


class Lines:
    """Where standard error is no terminal: a line for each tenth of the work, ten at most."""

    def __init__(self) -> None:
        self.tenths = 0

    def update(self, done: int, total: int) -> None:
        """So many of all texts are done."""
        tenths = 10 * done // total
        if tenths > self.tenths and sys.stderr:
            self.tenths = tenths
            print(f"npmoji: {done:,} of {total:,} texts", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is left to do."""
