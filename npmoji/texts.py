"""Texts from files and streams, one at a time, so that a file of any size costs the memory of a line.

Plain text: one text a line, UTF-8. `.csv` and `.jsonl`: the column of a given name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO

from .errors import InputError


class Texts:
    """The texts of a file or of standard input (``"-"``), to be iterated over once.

    Attributes:
        done: bytes read so far; ``size``: bytes in all, or 0 if that is not known.
        typed: whether somebody types them, so that each should be answered at once.

    Raises (also while iterating):
        InputError: the file cannot be read, or a line is not UTF-8, not a JSON object or lacks the column; names the line.
    """

    def __init__(self, path: str | os.PathLike, column: str = "text"):
        if path != "-":
            from .paths import local

            path = local(path)
        self.name = "standard input" if path == "-" else path
        self.column = column
        self.done = self.size = 0
        try:
            self._file: BinaryIO = _standard_input() if path == "-" else open(path, "rb")  # noqa: SIM115
            if path != "-" and self._file.seekable():
                self.size = self._file.seek(0, 2)
                self._file.seek(0)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        self.typed = path == "-" and sys.stdin.isatty()
        suffix = path.lower().rpartition(".")[2] if "." in path else ""
        self._parse = {"csv": self._csv, "jsonl": self._jsonl}.get(suffix, self._plain)

    def __iter__(self) -> Iterator[str]:
        yield from self._parse(self._lines())
        self.close()  # the output may take the file's place

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lines(self) -> Iterator[str]:
        """Decoded lines with their line ends; a byte order mark at the start is dropped."""
        for number, line in enumerate(self._raw_lines(), 1):
            self.done += len(line)
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(f"{self.name}, line {number}: not UTF-8 ({error.reason})") from error
            yield text.removeprefix("\ufeff") if number == 1 else text

    def _raw_lines(self) -> Iterator[bytes]:
        try:
            yield from self._file
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read: {error.strerror or error}") from error

    def _plain(self, lines: Iterable[str]) -> Iterator[str]:
        return (line.rstrip("\r\n") for line in lines)

    def _csv(self, lines: Iterable[str]) -> Iterator[str]:
        import csv

        csv.field_size_limit(2**31 - 1)
        reader = csv.DictReader(lines, strict=True)
        try:
            if self.column not in (reader.fieldnames or ()):
                raise InputError(f"{self.name}: no column {self.column!r}, there are: {reader.fieldnames or 'none'}")
            for record in reader:
                if record[self.column] is None:
                    raise InputError(f"{self.name}, line {reader.line_num}: too few columns, no {self.column!r}")
                yield record[self.column]
        except csv.Error as error:
            raise InputError(f"{self.name}, line {reader.line_num}: not CSV: {error}") from error

    def _jsonl(self, lines: Iterable[str]) -> Iterator[str]:
        import json

        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)[self.column]
            except (ValueError, RecursionError) as error:
                raise InputError(f"{self.name}, line {number}: not JSON: {error}") from error
            except (KeyError, TypeError, IndexError) as error:
                raise InputError(f"{self.name}, line {number}: expected an object with {self.column!r}") from error
            if not isinstance(text, str):
                raise InputError(f"{self.name}, line {number}: {self.column!r} is {type(text).__name__}, expected a string")
            yield text


def _standard_input() -> BinaryIO:
    if sys.stdin is None:  # closed by whoever started us
        raise InputError("standard input is closed")
    return sys.stdin.buffer


def chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of up to ``size`` items."""
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block
