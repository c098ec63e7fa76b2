"""Where results go: files that appear whole or not at all, standard output, and the progress line."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TextIO

from .errors import InputError


class Unfinished(InputError):
    """The input ends early with an error, and what was made of the ``rows`` before is whole in itself."""

    def __init__(self, message: str, rows: int):
        super().__init__(message)
        self.rows = rows


@contextlib.contextmanager
def whole_file(path: str | bytes | os.PathLike) -> Iterator[BinaryIO]:
    """A binary file to be filled in the ``with`` block: it takes its name only if the block ends well.

    It is written beside the target and renamed, so that whoever has mapped the old one keeps it. Devices and pipes, which
    cannot be renamed over, are written directly. If the block ends with `Unfinished`, what it wrote is kept under the name
    with ``.partial`` behind it. What killed processes have left of earlier attempts is removed.

    Raises:
        InputError: the place cannot be written to.
    """
    from .paths import local

    path = local(path)
    if os.path.exists(path) and not os.path.isfile(path):
        with _telling(path), open(path, "wb") as file:
            yield file
        return
    from . import parts

    target = os.path.realpath(path)  # a link stays one
    with _telling(path), contextlib.ExitStack() as cleanup:
        parts.sweep(target)
        part, file = parts.begin(target, cleanup, lambda part: open(part, "xb"), _remove)  # noqa: SIM115
        try:
            with file:
                yield file
        except Unfinished as error:
            os.replace(part, f"{target}.partial")
            kept = f"what was done before it, {error.rows:,} rows, is in {target}.partial"
            raise InputError(f"{error}; {kept}") from error
        os.replace(part, target)


@contextlib.contextmanager
def whole_folder(path: str, may_replace: Callable[[str], None]) -> Iterator[str]:
    """A new folder to be filled in the ``with`` block: it takes its name only if the block ends well.

    It is made beside the target and renamed. An empty folder of that name gives way; for any other ``may_replace`` is
    called with its path, and raises unless it may go.

    Raises:
        InputError: the place cannot be written to, or holds something else.
    """
    from . import parts

    target = os.path.realpath(path)
    with _telling(path):
        _check_gives_way(target, may_replace)  # before the work that fills the new one
        with scratch_folder(target) as part:
            yield part
            _check_gives_way(target, may_replace)
            _take_place(part, target)
        parts.sweep(target)  # not before: a process killed in `_take_place` has left the old folder there


@contextlib.contextmanager
def scratch_folder(target: str) -> Iterator[str]:
    """An empty folder beside the target, for the time of the ``with`` block."""
    import shutil

    from . import parts

    with contextlib.ExitStack() as cleanup:
        part, _ = parts.begin(target, cleanup, os.mkdir, lambda part: shutil.rmtree(part, ignore_errors=True))
        yield part


def _check_gives_way(target: str, may_replace: Callable[[str], None]) -> None:
    if os.path.isdir(target):
        if os.path.samefile(target, os.curdir):  # whoever stands in it would be left in a folder that has gone
            raise InputError(f"{target}: is the current folder, which cannot be replaced; give the name of another")
        if os.listdir(target):
            may_replace(target)
    elif os.path.lexists(target):
        raise InputError(f"{target}: there is something else of that name, expected to make a folder")


def _take_place(part: str, target: str) -> None:
    """Rename one folder to another, which is put back if that fails."""
    if not os.path.isdir(target):
        os.rename(part, target)
        return
    with scratch_folder(target) as aside:
        old = os.path.join(aside, "old")
        try:
            os.rename(target, old)
            os.rename(part, target)
        finally:
            if not os.path.lexists(target):
                os.rename(old, target)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@contextlib.contextmanager
def _telling(name: str) -> Iterator[None]:
    """Turn what goes wrong in writing into an InputError; a closed pipe is not wrong."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"{name}: cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def text_output(path: str, compression: str = "") -> Iterator[TextIO]:
    """UTF-8 text to a whole file, or to standard output for ``"-"``; what UTF-8 cannot hold is written as \\udcxx.

    Args:
        compression: ``".gz"``, ``".bz2"`` or ``".xz"`` for a file that is to be compressed.
    """
    if path == "-":
        if sys.stdout is None:  # closed by whoever started us
            raise InputError("standard output is closed")
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        with _telling("standard output"):
            yield sys.stdout
            sys.stdout.flush()
        return
    with whole_file(path) as file, _packer(file, compression) as content, _encoded(content) as text:
        yield text


def _packer(file: BinaryIO, compression: str) -> contextlib.AbstractContextManager[Any]:
    """A file that compresses what is written to it, by its suffix; the same content gives the same bytes at any time."""
    if compression == ".gz":
        from gzip import GzipFile

        return GzipFile("", "wb", 6, file, mtime=0)
    if compression == ".bz2":
        from bz2 import BZ2File

        return BZ2File(file, "wb")
    if compression == ".xz":
        from lzma import LZMAFile

        return LZMAFile(file, "wb")
    return contextlib.nullcontext(file)


@contextlib.contextmanager
def _encoded(file: BinaryIO) -> Iterator[TextIO]:
    """UTF-8 text to a binary file, which stays open."""
    text = io.TextIOWrapper(file, "utf-8", "backslashreplace", "\n")
    try:
        yield text
    finally:
        text.detach()  # writes the rest


def columns(text: str) -> int:
    """How many columns a terminal takes for the text."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: str, width: int) -> str:
    """The text, cut to so many columns with an ellipsis if it is longer."""
    taken, fitting = 0, 0  # columns, and characters that leave room for the ellipsis
    for character in text:
        taken += columns(character)
        if taken > width:
            return text[:fitting] + "…"
        fitting += taken < width
    return text


class ProgressLine:
    """One line on standard error, rewritten as the work goes on: only on a terminal, and only for what takes a while.

    Args:
        size: how much there is to do, in what `step` counts as done: bytes, texts, anything; 0 if that is not known.
        enabled: whether it is wanted at all.

    Attributes:
        enabled: whether it is wanted, and there is a terminal.
        texts: how many were done.
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
        """``texts`` more were done, with ``done`` of ``size`` behind us."""
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
        """Take the line away."""
        if self._shown:
            sys.stderr.write(f"\r{' ' * self._shown}\r")
            sys.stderr.flush()
            self._shown = 0

    def finish(self, note: str = "") -> None:
        """Take the line away and leave one that sums up, with a ``note`` behind it."""
        self.close()
        if self.enabled:
            seconds = time.monotonic() - self._start
            rate = _rate(self.texts, seconds)
            sys.stderr.write(f"npmoji: {self.texts:,} texts in {_duration(seconds)}, {rate}{note and ', '}{note}\n")
            sys.stderr.flush()

    def _line(self, now: float, done: int) -> str:
        """What fits: a bar, how much is done, how fast it goes, how long it will take."""
        start, texts, before = self._warm or (now, 0, 0)
        if start == now:
            start, texts, before = self._start, 0, 0
        counts, rate = f"{self.texts:,} texts", _rate(self.texts - texts, now - start)
        left = part = ""
        if self.size:
            done = min(done, self.size)
            part = f"{100 * done / self.size:3.0f} %"
            if done > before:
                left = f"{_clock((self.size - done) * (now - start) / (done - before))} left"
        width = _width() - 1  # in the last column some terminals begin a new line
        for pieces in ((part, counts, rate, left), (part, counts, left), (part, left), (part or counts,)):
            line = "  ".join(piece for piece in pieces if piece)
            if len(line) <= width:
                break
        bar = min(self.BAR, width - len(line) - 4)
        if self.size and bar >= self.BAR // 3:
            line = f"[{'#' * round(bar * done / self.size):{bar}}]  {line}"
        return shorten(line, width)


def _width() -> int:
    """Columns of the terminal that standard error is."""
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
