"""What a user sees: standard output, the width of text on a terminal, and progress."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TextIO, TypeAlias

from .errors import InputError
from .files.whole import reporting, whole_file
from .text.widths import columns, shorten


@contextlib.contextmanager
def text_output(path: str, compression: str = "") -> Iterator[TextIO]:
    """UTF-8 text to a whole file, or to standard output for ``"-"``; what UTF-8 cannot encode is written as \\udcxx.

    Args:
        compression: ``".gz"``, ``".bz2"``, ``".xz"`` or ``".zst"`` to compress the file.
    """
    if path == "-":
        if sys.stdout is None:  # closed by whoever started us
            raise InputError("standard output is closed")
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        with reporting("standard output"):
            yield sys.stdout
            sys.stdout.flush()
        return
    from .files.packed import packed

    with whole_file(path) as file, packed(file, compression, path) as content, _encoded(content) as text:
        yield text


@contextlib.contextmanager
def _encoded(file: BinaryIO) -> Iterator[TextIO]:
    """UTF-8 text to a binary file, which stays open."""
    text = io.TextIOWrapper(file, "utf-8", "backslashreplace", "\n")
    try:
        yield text
    finally:
        text.detach()  # writes the rest


class ProgressLine:
    """One line on standard error, rewritten as the work goes on: only on a terminal, and only if the work takes a
    while.

    Args:
        size: how much there is to do, in the unit `step` uses for ``done``: bytes, texts, anything; 0 if unknown.
        enabled: whether progress is to be shown at all.

    Attributes:
        enabled: whether it is, and standard error is a terminal.
        texts: how many have been done.
    """

    BAR = 30  # columns

    def __init__(self, size: int, enabled: bool = True):
        self.size, self.texts = size, 0
        self.enabled = enabled and sys.stderr is not None and sys.stderr.isatty()
        self._start = time.monotonic()
        self._next = self._start + 1
        self._warm: tuple[float, int, int] | None = None  # time, texts and done after the first step, which may compile
        self._shown = 0  # columns that the line takes now

    def step(self, texts: int, done: int) -> None:
        """Report that ``texts`` more are done, and ``done`` of ``size`` altogether."""
        self.texts += texts
        if not self.enabled:
            return
        now = time.monotonic()
        self._warm = self._warm or (now, self.texts, done)
        if now >= self._next:
            self._next = now + 0.2
            line = self._line(now, done)
            sys.stderr.write(f"\r{line}{' ' * (self._shown - columns(line))}")
            sys.stderr.flush()
            self._shown = columns(line)

    def close(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write(f"\r{' ' * self._shown}\r")
            sys.stderr.flush()
            self._shown = 0

    def finish(self, note: str = "") -> None:
        """Replace the line by a summary that ends in ``note``."""
        self.close()
        if self.enabled:
            seconds = time.monotonic() - self._start
            rate = _rate(self.texts, seconds)
            sys.stderr.write(f"npmoji: {self.texts:,} texts in {_duration(seconds)}, {rate}{note and ', '}{note}\n")
            sys.stderr.flush()

    def _line(self, now: float, done: int) -> str:
        """As much as fits: a bar, how much is done, the rate, the time left."""
        start, texts, before = self._since(now)
        counts, rate = f"{self.texts:,} texts", _rate(self.texts - texts, now - start)
        left = part = ""
        if self.size:
            done = min(done, self.size)
            part = f"{100 * done / self.size:3.0f} %"
            if done > before:
                left = f"{_clock((self.size - done) * (now - start) / (done - before))} left"
        return self._fitted(done, (part, counts, rate, left), (part, counts, left), (part, left), (part or counts,))

    def _since(self, now: float) -> tuple[float, int, int]:
        """Time, texts and done from which to reckon."""
        warm = self._warm or (now, 0, 0)
        return (self._start, 0, 0) if warm[0] == now else warm

    def _fitted(self, done: int, *choices: tuple[str, ...]) -> str:
        """The first of these lines that fits, the last one if none does, with a bar before it if there is room."""
        width = _width() - 1  # some terminals start a new line after the last column
        for pieces in choices:
            line = "  ".join(piece for piece in pieces if piece)
            if columns(line) <= width:
                break
        bar = min(self.BAR, width - columns(line) - 4)
        if self.size and bar >= self.BAR // 3:
            line = f"[{'#' * round(bar * done / self.size):{bar}}]  {line}"
        return shorten(line, width)


class NotedLine(ProgressLine):
    """A progress line of steps that says what it is told to, and how long the steps left would take: at most, as work
    may end sooner, or leave some of them out."""

    _note: tuple[str, ...] = ()

    def note(self, done: int, *note: str) -> None:
        """Report that one more step is done, and ``done`` of ``size`` taken together or left out.

        Args:
            note: what to show, in pieces: the last ones are left out if there is no room.
        """
        self._note = note
        self.step(1, done)

    def _line(self, now: float, done: int) -> str:
        start, steps, _ = self._since(now)
        left = f"at most {_clock((self.size - done) * (now - start) / max(1, self.texts - steps))} left"
        shorter = [self._note[:end] for end in range(len(self._note), 0, -1)]
        return self._fitted(done, *((*pieces, left) for pieces in shorter), *shorter[-1:])


def _width() -> int:
    """Columns of the terminal on standard error."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def _rate(texts: int, seconds: float) -> str:
    rate = texts / max(seconds, 1e-6)
    return f"{rate:,.0f} texts/s" if rate >= 10 else f"{rate:.1f} texts/s"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else _clock(seconds)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


Told: TypeAlias = Callable[[int, int], object]  # called with the texts done and the texts in all


Progress: TypeAlias = bool | Told


@contextlib.contextmanager
def telling(progress: Progress) -> Iterator[Told | None]:
    """The function to call as the work goes on: a progress bar's update, the caller's function, or None.

    Raises:
        InputError: ``progress`` is neither a bool nor a function.
    """
    with shown(progress, Bar, Lines, "(texts done, texts in all)") as told:
        yield told


@contextlib.contextmanager
def shown(
    progress: Any, line: Callable[[], Any], lines: Callable[[], Any], of: str
) -> Iterator[Callable[..., object] | None]:
    """The same for progress of any kind: the ``update`` of what ``line`` makes on a terminal and ``lines`` elsewhere,
    closed in the end, the caller's function ``of`` something, or None."""
    if progress is True:
        with contextlib.closing(line() if sys.stderr and sys.stderr.isatty() else lines()) as display:
            yield display.update
    elif progress is False or callable(progress):
        yield progress if callable(progress) else None
    else:
        raise InputError(f"progress {progress!r:.60}: expected True, False or a function of {of}")


def part(told: Told | None, index: int, parts: int) -> Told | None:
    """The function to call during part ``index`` of work that goes through the texts ``parts`` times."""
    if told is None or parts == 1:
        return told
    return lambda done, total: told((index * total + done) // parts, total)


class Bar:
    """The command line's progress line, on a terminal."""

    def __init__(self) -> None:
        self.line: ProgressLine | None = None
        self.done = 0

    def update(self, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` texts are done."""
        self.line = self.line or ProgressLine(total)
        self.line.step(done - self.done, done)
        self.done = done

    def close(self) -> None:
        """Remove the line."""
        if self.line:
            self.line.close()


class Lines:
    """If standard error is not a terminal: a line for each tenth of the work, ten at most."""

    def __init__(self) -> None:
        self.tenths = 0

    def update(self, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` texts are done."""
        tenths = 10 * done // total
        if tenths > self.tenths and sys.stderr:
            self.tenths = tenths
            print(f"npmoji: {done:,} of {total:,} texts", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to remove."""
