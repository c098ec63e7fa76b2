"""Texts with their labels, from one file: a table with a header, or JSON lines."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from ..errors import InputError
from . import Record, names
from .readers import Columns
from .records import Inputs
from .sources import name_of

Single: TypeAlias = str | int | bool
Label: TypeAlias = Single | list[Single]  # a list: any number of labels for one text

ON_ERROR = ("fail", "skip")
TEXT, LABEL = "text", "label"  # the columns' names unless others are given
_KINDS = {str: "a string", bool: "true or false", int: "an integer"}
_HINT = "; with --on-error skip such rows are left out"


class Labelled(NamedTuple):
    """The rows of a file.

    Attributes:
        texts, labels: one of each per row. All labels are lists, or none is.
        places: each row's file and line, for messages.
        notes: what the user should know about how the file was read.
    """

    texts: list[str]
    labels: list[Label]
    places: list[str]
    notes: list[str]


class LabelledColumns(Columns):
    """The texts' and the labels' column of a file.

    A name that is not given is "text" or "label". If only one of the two is there, and the file has just one other
    column, that is the other; nothing else is guessed.

    Args:
        source: the file's name, for messages.
        text, label: the names, or None.
    """

    def __init__(self, source: str, text: str | None, label: str | None):
        self.source, self.given = source, (text, label)
        self.label = LABEL if label is None else label
        super().__init__(TEXT if text is None else text, [self.label])
        self.notes: list[str] = []
        self._looked = False
        if self.text == self.label:
            raise InputError(f"{source}: --text and --label name the same column, {self.text!r}")

    def look(self, names: list[str]) -> None:
        """Settle the two names by the first header or row.

        Raises:
            InputError: a column is missing; the message lists those there are.
        """
        if self._looked:
            return
        self._looked = True
        text, label = self.given
        if len(set(names)) == 2:
            if text is None and self.text not in names and self.label in names:
                self.text = next(name for name in names if name != self.label)
                self.notes.append(f"{self.source}: no column {TEXT!r}, so the texts are taken from {self.text!r}")
            elif label is None and self.label not in names and self.text in names:
                self.label = next(name for name in names if name != self.text)
                self.notes.append(f"{self.source}: no column {LABEL!r}, so the labels are taken from {self.label!r}")
        self.keep = self.kept = [self.label]
        missing = [name for name in (self.text, self.label) if name not in names]
        if missing:
            options = " and ".join(f"{name!r} ({self.option(name)})" for name in missing)
            found = str(names)[:300] if names else "none"
            header = (
                "" if len(missing) < 2 else "; a table starts with a row of its columns' names, such as: text,label"
            )
            columns = f"{self.source}: no column{'s' if len(missing) > 1 else ''}"
            raise InputError(f"{columns} {options}, there are: {found}{header}")

    def option(self, name: str) -> str:
        """The command line's option that names this column."""
        return "--text" if name == self.text else "--label"


def read(
    path: str,
    *,
    text: str | None = None,
    label: str | None = None,
    separator: str | None = None,
    form: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    on_error: str = "fail",
) -> Labelled:
    """The texts and labels of a file, compressed or not; ``"-"`` is standard input.

    Labels of tables are strings without the spaces around them, or integers if all of them are. Those of JSON lines are
    strings, integers, booleans, or arrays of them; arrays of equal length with 0 and 1 only are flags, one a class.

    Args:
        text, label: the columns' names, see `LabelledColumns`.
        separator: between the labels of one cell; each cell then holds any number of labels, none if it is empty.
        form, encoding, delimiter: as `Inputs` takes them.
        on_error: what to do with a row whose text or label is missing or cannot be used: "fail", or "skip" to leave it
            out.

    Raises:
        InputError: the file cannot be read, has no such columns, or a row cannot be used; the message names it.
    """
    source = name_of(path)
    if os.path.isdir(path):
        raise InputError(f"{source}: is a directory, expected a file")
    form = form or ("txt" if path == "-" else names.input_format(path))
    if form == "txt":
        raise InputError(
            f"{source}: one text per line has no labels, expected a table with a header or one JSON object per line; "
            "if it is one: --input-format csv, tsv or jsonl"
        )
    if separator is not None and form == "jsonl":
        raise InputError(f"{source}: --label-separator does not apply, in JSON several labels are an array")
    columns = LabelledColumns(source, text, label)
    options = {"form": form, "encoding": encoding, "delimiter": delimiter, "on_error": "null", "columns": columns}
    found, skipped, first = Labelled([], [], [], columns.notes), 0, ""
    with contextlib.closing(Inputs([path], **options)) as inputs:
        for record, value, problem in _rows(inputs, columns, separator):
            if problem:
                problem = f"{record.place}: {problem}"
                if on_error == "fail":
                    raise InputError(problem + _HINT)
                skipped, first = skipped + 1, first or problem
                continue
            found.texts.append(record.text or "")
            found.labels.append(value)
            found.places.append(record.place)
    if skipped:
        found.notes.append(f"rows left out: {skipped:,}; the first: {first}")
    if not found.texts:
        raise InputError(f"{source}: no rows with a text and a label" + (f"; {found.notes[-1]}" if skipped else ""))
    _check_alike(found)
    return found._replace(labels=numbers(found.labels) if form != "jsonl" else found.labels)


def _rows(inputs: Inputs, columns: LabelledColumns, separator: str | None) -> Iterator[tuple[Record, Any, str]]:
    """Each record, its label, and what is wrong with it."""
    for record in inputs:
        value = record.others.get(columns.label)
        if record.text is None:
            yield record, value, record.problem
        elif not record.text.strip():
            yield record, value, f"the text is empty (column {columns.text!r})"
        else:
            value, problem = _label(value, separator)
            yield record, value, problem and f"{problem} (column {columns.label!r})"


def _label(value: Any, separator: str | None) -> tuple[Label, str]:
    """One row's label, or its labels, and what is wrong with it."""
    if isinstance(value, str) and separator is not None:
        value = [part for part in value.split(separator) if part.strip()]
    if isinstance(value, list):
        pairs = [_single(part) for part in value]
        return [label for label, _ in pairs], next((problem for _, problem in pairs if problem), "")
    return _single(value)


def _single(value: Any) -> tuple[Single, str]:
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "":
        return "", "no label"
    if (isinstance(value, float) and math.isnan(value)) or (isinstance(value, str) and value.lower() == "nan"):
        return "", "the label is NaN, which stands for a missing value"
    if isinstance(value, (str, int)):
        return value, ""
    kind = {float: "a number with a fraction", dict: "an object", list: "an array in an array"}[type(value)]
    return "", f"the label is {kind}, expected a string, an integer, true or false, or an array of them"


def _check_alike(found: Labelled) -> None:
    """Raise an InputError unless all rows have a label of one kind, or all of them lists of labels of one kind."""
    for form in (_form, _kind):
        first = ""
        for label, place in zip(found.labels, found.places):
            kind = form(label)
            first = first or kind
            if kind and kind != first:
                raise InputError(f"{place}: the label is {kind}, but in the rows before it is {first}")


def _form(label: Label) -> str:
    return "an array" if isinstance(label, list) else "a single one"


def _kind(label: Label) -> str:
    """Of a label, or of those in a list; "" if there is none."""
    kinds = {_KINDS[type(part)] for part in (label if isinstance(label, list) else [label])}
    return " and ".join(sorted(kinds))


def numbers(labels: list[Label]) -> list[Label]:
    """The labels as integers, if each of them is written as one; so that class 10 does not come before class 2.

    >>> numbers(["10", "2"]), numbers(["10", "02"])
    ([10, 2], ['10', '02'])
    """
    if not all(isinstance(label, str) and _is_number(label) for label in labels):
        return labels
    return [int(label) for label in labels if isinstance(label, str)]


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return len(text) < 19 and digits.isascii() and digits.isdigit() and str(int(text)) == text
