"""Where results go: files that appear whole or not at all, and the formats of `npmoji score` and `npmoji encode`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import BinaryIO, TextIO

import numpy as np

from .emojis import NAMES
from .errors import InputError
from .model import Prediction


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """A binary file to be filled in the ``with`` block: it takes its name only if the block ends well.

    It is written beside the target and renamed. Devices and pipes, which cannot be renamed over, are written directly.
    What killed processes have left of earlier attempts is removed.

    Raises:
        InputError: the place cannot be written to.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with _telling(path), open(path, "wb") as file:
            yield file
        return
    from . import parts

    target = os.path.realpath(path)  # a link stays one
    with _telling(path), contextlib.ExitStack() as cleanup:
        parts.sweep(target)
        part, file = parts.begin(target, cleanup, lambda part: open(part, "xb"), _remove)  # noqa: SIM115
        with file:
            yield file
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
def text_output(path: str) -> Iterator[TextIO]:
    """UTF-8 text to a whole file, or to standard output for ``"-"``; what UTF-8 cannot hold is written as \\udcxx."""
    if path == "-":
        if sys.stdout is None:  # closed by whoever started us
            raise InputError("standard output is closed")
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        with _telling("standard output"):
            yield sys.stdout
            sys.stdout.flush()
        return
    options = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
    with whole_file(path) as file, open(file.fileno(), "w", closefd=False, **options) as text:
        yield text


class ArrayFile:
    """Rows appended to a `.npy` file whose number is known only at the end: float32 (rows, width), C order."""

    HEADER = 128  # bytes; NumPy's reader takes any length that the header itself states

    def __init__(self, file: BinaryIO, width: int):
        self.file, self.width, self.rows = file, width, 0
        file.write(bytes(self.HEADER))

    def append(self, rows: np.ndarray) -> None:
        """Write some more rows, (any number, width)."""
        self.file.write(np.ascontiguousarray(rows, "<f4").tobytes())
        self.rows += len(rows)

    def finish(self) -> None:
        """Write the header, now that the number of rows is known."""
        head = np.lib.format.magic(1, 0) + (self.HEADER - 10).to_bytes(2, "little")
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self.rows}, {self.width}), }}"
        self.file.seek(0)
        self.file.write(head + text.encode("ascii").ljust(self.HEADER - 11) + b"\n")


# csv, json and shutil are imported where they are used: a text on the command line should be answered at once.

# Formats of `npmoji score`: each takes a stream and writes one text with its predictions at a time ---------------------


class JsonLines:
    """``{"text": ..., "emojis": [{"id": 36, "emoji": ..., "p": 0.1234}, ...]}`` a line."""

    def __init__(self, out: TextIO, k: int):
        import json

        self.out, self.encode = out, json.JSONEncoder(ensure_ascii=False).encode

    def write(self, text: str, top: list[Prediction]) -> None:
        """One line."""
        emojis = [{"id": p.id, "emoji": p.emoji, "p": shortest(p.probability)} for p in top]
        self.out.write(self.encode({"text": text, "emojis": emojis}) + "\n")


class Csv:
    """The columns of the original's example script: Text, Top5%, Emoji_1..Emoji_5 (ids), Pct_1..Pct_5."""

    def __init__(self, out: TextIO, k: int):
        import csv

        self.rows = csv.writer(out, lineterminator="\n")
        ranks = range(1, k + 1)
        self.rows.writerow(["Text", f"Top{k}%", *(f"Emoji_{i}" for i in ranks), *(f"Pct_{i}" for i in ranks)])

    def write(self, text: str, top: list[Prediction]) -> None:
        """One row."""
        p = [shortest(prediction.probability) for prediction in top]
        self.rows.writerow([text, shortest(sum(p)), *(prediction.id for prediction in top), *p])


class People:
    """The text, then a line an emoji: emoji, name, percentage, and on a terminal a small bar; at most 80 columns there."""

    BAR = 20  # columns for 100 %

    def __init__(self, out: TextIO, k: int):
        self.out, self.first, self.width = out, True, 0
        if out.isatty():
            import shutil

            self.width = min(80, shutil.get_terminal_size().columns or 80)  # Python 3.10 may give 0

    def write(self, text: str, top: list[Prediction]) -> None:
        """One paragraph."""
        text = "".join(c if c.isprintable() else " " for c in text)
        if self.width:
            text = shorten(text, self.width)
        lines = [text, *(self._line(prediction) for prediction in top)]
        self.out.write("" if self.first else "\n")
        self.out.write("\n".join(lines) + "\n")
        self.first = False

    def _line(self, p: Prediction) -> str:
        name = NAMES[p.id] if p.emoji else f"class {p.id}"
        line = f"  {p.emoji}{' ' * (4 - columns(p.emoji))}{name:20}{100 * p.probability:6.1f} %"
        if self.width:
            line += "  " + "█" * max(1, round(self.BAR * p.probability))
        return line


FORMATS = {"text": People, "csv": Csv, "jsonl": JsonLines}


def shortest(p: float) -> float:
    """A float32 as the shortest decimal that gives it back."""
    return float(str(np.float32(p)))


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


class Progress:
    """One line on standard error, rewritten as the work goes on: only on a terminal, and only for what takes a while."""

    def __init__(self, size: int, enabled: bool = True):
        self.size, self.texts, self.shown = size, 0, False
        self.enabled = enabled and sys.stderr.isatty()
        self.next = time.monotonic() + 1

    def step(self, texts: int, done: int) -> None:
        """``texts`` more were done, with ``done`` of ``size`` bytes read."""
        self.texts += texts
        if not self.enabled or time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 0.2
        part = min(1.0, done / self.size) if self.size else 0
        bar = f"[{'#' * round(30 * part):30}] {100 * part:3.0f} %  " if self.size else ""
        sys.stderr.write(f"\r{bar}{self.texts:,} texts ")
        sys.stderr.flush()
        self.shown = True

    def close(self) -> None:
        """Take the line away."""
        if self.shown:
            sys.stderr.write("\r" + " " * 60 + "\r")
            sys.stderr.flush()
