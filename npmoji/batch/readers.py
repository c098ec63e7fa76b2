"""The records of one file. Each reader takes the file's lines, and yields None where the next record has not arrived
yet."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import InputError
from . import Record
from .lines import Lines

DELIMITERS = {"csv": ",", "tsv": "\t"}
_ELSE = ";\t|"  # tried for files whose header does not fit the default delimiter


class Columns:
    """Which columns are wanted.

    Args:
        text: the name of the texts' column.
        keep: names of others, or None for all others.
        whole: the texts' column may be one of the "others", too: it is kept if it is named, or all are.

    Attributes:
        kept: the names of the others, in order, as soon as they are known; for JSON lines those of the first row.
        unseen: the requested names that no row has had so far.
    """

    def __init__(self, text: str, keep: list[str] | None, whole: bool = False):
        self.text, self.whole, self._apart = text, whole, None if whole else text
        self.keep = None if keep is None else [name for name in dict.fromkeys(keep) if name != self._apart]
        self.kept: list[str] | None = self.keep
        self.unseen = set(self.keep or ())

    @property
    def with_text(self) -> bool:
        """Whether the texts' column is among those to keep."""
        return self.whole and (self.keep is None or self.text in self.keep)

    def look(self, names: list[str]) -> None:
        """Called with the names of a table's header, or of a JSON row, before the columns are taken from it."""

    def option(self, name: str) -> str:
        """The command line's option that names this column."""
        return "--column" if name == self.text else "--keep"

    def of(self, names: list[str]) -> list[str]:
        """The columns to keep of a row or table with these names."""
        chosen = [name for name in names if name != self._apart] if self.keep is None else self.keep
        if self.kept is None:
            self.kept = chosen
        if self.unseen:
            self.unseen.difference_update(names)
        return chosen


def plain(lines: Lines, columns: Columns, delimiter: str | None) -> Iterator[Record | None]:
    """One text per line."""
    source, kept = lines.source.name, columns.of([columns.text]) if columns.with_text else ()
    for line in lines:
        if line is None:
            yield None
        elif problem := lines.problem(line):
            yield Record(None, dict.fromkeys(kept), source, lines.number, problem)
        else:
            text = line.rstrip("\r")
            yield Record(text, dict.fromkeys(kept, text), source, lines.number)


# JSON lines -----------------------------------------------------------------------------------------------------------

_NAMES = {bool: "true or false", int: "a number", float: "a number"}
_NAMES |= {list: "an array", dict: "an object", str: "a string"}


def jsonl(lines: Lines, columns: Columns, delimiter: str | None) -> Iterator[Record | None]:
    """One object per line."""
    source = lines.source.name
    for line in lines:
        if line is None:
            yield None
        elif line.strip():
            problem = lines.problem(line)
            text, others, problem = (None, {}, problem) if problem else _object(line, columns)
            yield Record(text, others, source, lines.number, problem)


def _object(line: str, columns: Columns) -> tuple[str | None, dict[str, Any], str]:
    """A row's text, its other columns, and what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        place = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        return None, {}, f"not JSON: {getattr(error, 'msg', error)}{place}"
    if not isinstance(row, dict):
        return None, {}, f"expected an object with {columns.text!r}, got {_NAMES.get(type(row), 'null')}"
    columns.look(list(row))
    others = {name: row.get(name) for name in columns.of(list(row))}
    if columns.text not in row:
        found = ", ".join(map(repr, row)) or "nothing"
        return None, others, f"expected an object with {columns.text!r}, got one with {found}"[:300]
    text = row[columns.text]
    if isinstance(text, str):
        return text, others, ""
    found = "a missing value (null)" if text is None else _NAMES[type(text)]
    return None, others, f"{columns.text!r} is {found}, expected a string"


# Tables ---------------------------------------------------------------------------------------------------------------


def table(lines: Lines, columns: Columns, delimiter: str | None, default: str) -> Iterator[Record | None]:
    """Comma- or tab-separated columns with a header; unless a delimiter is given, others are recognised from the
    header."""
    csv.field_size_limit(2**31 - 1)
    feed, source = _Feed(lines), lines.source.name
    if delimiter is None:
        yield from feed.until_a_line()
        delimiter = feed.stated_delimiter()
    rows = feed.rows(delimiter or default)
    names, failed = [], None
    try:
        for names in rows:
            if names is not None:
                break
            yield None
    except InputError as error:
        if delimiter is not None:
            raise
        failed = error
    if delimiter is None and columns.text not in (names or []):
        delimiter, names = _recognised(feed.taken, columns.text, names or [], default)
        if failed and columns.text not in names:
            raise InputError(f"{failed}; if the columns are separated by another character: --delimiter") from failed
        rows = feed.rows(delimiter)
    names, delimiter = names or [], delimiter or default
    line, problem = feed.problem()
    if problem:
        raise InputError(f"{source}, line {line}: {problem}")
    columns.look(names)
    check_header(names, columns, source)
    place, chosen = names.index(columns.text), columns.of(names)
    kept = [(name, names.index(name)) for name in chosen]
    for row in rows:
        if row is None:
            yield None
            continue
        line, problem = feed.problem()
        if problem := problem or _misfit(row, names, delimiter):
            yield Record(None, None, source, line, problem)
        else:
            yield Record(row[place], {name: row[i] for name, i in kept}, source, line)


def _recognised(header: list[str], column: str, names: list[str], default: str) -> tuple[str, list[str]]:
    """The delimiter with which the header has the column, else one with which it has several, else the default; and the
    names it gives."""
    found = {default: names}
    for delimiter in _ELSE:
        try:
            found[delimiter] = next(csv.reader([line + "\n" for line in header], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        if column in found[delimiter]:
            return delimiter, found[delimiter]
    return max(found.items(), key=lambda item: len(item[1])) if len(names) < 2 else (default, names)


def check_header(names: list[str], columns: Columns, source: str) -> None:
    """Raise an InputError unless a table with columns of these names has all that are wanted, each once."""
    for name in (columns.text, *(columns.keep or ())):
        if name not in names:
            found = str(names)[:300] if names else "none"
            raise InputError(f"{source}: no column {name!r} ({columns.option(name)}), there are: {found}")
    twice = next((name for name in (columns.text, *columns.of(names)) if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{source}: two columns named {twice!r}, expected different names")


def _misfit(row: list[str], names: list[str], delimiter: str) -> str:
    if len(row) == len(names):
        return ""
    few = len(row) < len(names)
    shown = ", ".join(map(repr, names)) if len(names) <= 10 else f"{names[0]!r}, …"
    hint = "a column is missing" if few else f'a text that contains {delimiter!r} must be quoted: "…"'
    return f"too {'few' if few else 'many'} columns, {len(row)}, expected {len(names)} ({shown}): {hint}"


class _Pause(Exception):
    """The rest of a record has not arrived yet."""


class _Feed:
    """Lines for the standard library's reader; if a record is incomplete so far, its lines are given again later.

    Attributes:
        taken: the lines of the last row.
    """

    def __init__(self, lines: Lines):
        self.lines, self.taken = lines, []
        self._iterator, self._again = iter(lines), []  # lines to give again, the next one last

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.pop()
        else:
            line = next(self._iterator)
            if line is None:
                raise _Pause
        self.taken.append(line)
        return line.replace("\0", "") + "\n"  # Python 3.10 does not accept NUL; `problem` reports it

    def until_a_line(self) -> Iterator[None]:
        """Wait for the first line, which is given again afterwards; None for as long as it has not arrived."""
        while True:
            try:
                next(self)
            except _Pause:
                yield None
                continue
            except StopIteration:
                return
            self._again.append(self.taken.pop())
            return

    def stated_delimiter(self) -> str | None:
        """The delimiter that Excel's first line ``sep=;`` states, which is then skipped."""
        found = re.fullmatch('"?sep=(.)"?\\s*', self._again[-1]) if self._again else None
        if found:
            self._again.pop()
        return found[1] if found else None

    def rows(self, delimiter: str) -> Iterator[list[str] | None]:
        """All rows but blank ones."""
        reader = csv.reader(self, delimiter=delimiter, strict=True)
        while True:
            self.taken = []
            try:
                row = next(reader)
            except StopIteration:
                return
            except _Pause:
                self._again += reversed(self.taken)
                row = None
            except csv.Error as error:
                line, problem = self.problem()
                raise InputError(f"{self.lines.source.name}, line {line}: {problem or f'not CSV: {error}'}") from error
            if row is None or row:
                yield row

    def problem(self) -> tuple[int, str]:
        """The line number and kind of a problem with the last row's characters; if there is none, its first line and
        ""."""
        first = self.lines.number - len(self._again) - len(self.taken) + 1
        for number, line in enumerate(self.taken, first):
            if "\0" in line:
                return number, "contains NUL, which is not text"
            if problem := self.lines.problem(line):
                return number, problem
        return first, ""


def _csv(lines: Lines, columns: Columns, delimiter: str | None) -> Iterator[Record | None]:
    return table(lines, columns, delimiter, ",")


def _tsv(lines: Lines, columns: Columns, delimiter: str | None) -> Iterator[Record | None]:
    return table(lines, columns, delimiter, "\t")


Reader = Callable[[Lines, Columns, "str | None"], Iterator["Record | None"]]
READERS: dict[str, Reader] = {"txt": plain, "csv": _csv, "tsv": _tsv, "jsonl": jsonl}
