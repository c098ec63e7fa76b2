"""The formats of results: each takes a stream, and writes one record with its predictions at a time.

The predictions of a record without a text are None. With ``labels`` the classes are people's own, with names.
"""

from __future__ import annotations

from typing import Any, TextIO

from ..classes import fields, shortest
from ..errors import InputError
from ..model import Prediction
from ..text.emojis import named
from ..text.widths import columns, printable, shorten
from . import Record

# csv, json and shutil are imported where they are used, so that a text on the command line is answered at once.


class JsonLines:
    """One object per line: the columns that are kept, then ``"text": ..., "emojis": [{"id": 36, "emoji": ..., "p":
    0.1234}, ...]``; one's own classes also have a ``"label"``."""

    def __init__(self, out: TextIO, k: int, kept: list[str] | None = None, emojis: bool = False, labels: bool = False):
        import json

        self.out, self.rows, self.labels, self.encode = out, 0, labels, json.JSONEncoder(ensure_ascii=False).encode

    def write(self, record: Record, top: list[Prediction] | None) -> None:
        """One line."""
        if record.others:
            check_names(record.others, ("text", "emojis"))
        emojis = top and [fields(p, self.labels) for p in top]
        self.out.write(self.encode({**record.others, "text": record.text, "emojis": emojis}) + "\n")
        self.rows += 1


class Csv:
    """The columns of the original's example script: Text, Top5%, Emoji_1..Emoji_5 (ids), Pct_1..Pct_5.

    Before them the columns that are kept. After them, with ``labels``, the names of the classes: Label_1..Label_5; with
    ``emojis`` a column Emojis with all of them in order.
    """

    delimiter = ","

    def __init__(self, out: TextIO, k: int, kept: list[str] | None = None, emojis: bool = False, labels: bool = False):
        import csv

        self.rows, self.kept, self.emojis, self.labels = 0, kept or [], emojis, labels
        ranks = range(1, k + 1)
        names = ["Text", f"Top{k}%", *(f"Emoji_{i}" for i in ranks), *(f"Pct_{i}" for i in ranks)]
        names += [f"Label_{i}" for i in ranks] if labels else []
        names += ["Emojis"] if emojis else []
        check_names(self.kept, names)
        self._empty = [""] * (len(names) - 1)
        self._write = csv.writer(out, delimiter=self.delimiter, lineterminator="\n").writerow
        self._write([*self.kept, *names])

    def write(self, record: Record, top: list[Prediction] | None) -> None:
        """One row."""
        kept = self._cells(record) if self.kept or record.others else []
        if top is None:
            self._write([*kept, record.text, *self._empty])
        else:
            p = [shortest(prediction.probability) for prediction in top]
            more = [prediction.label for prediction in top] if self.labels else []
            more += [" ".join(prediction.emoji for prediction in top)] if self.emojis else []
            self._write([*kept, record.text, shortest(sum(p)), *(prediction.id for prediction in top), *p, *more])
        self.rows += 1

    def _cells(self, record: Record) -> list[str]:
        """The kept columns as text."""
        check_kept(record, self.kept)
        return [as_cell(record.others.get(name)) for name in self.kept]


class Tsv(Csv):
    """The same with tabs; quoting is the same, too."""

    delimiter = "\t"


class People:
    """The text, then a line per class: emoji, name, percentage, and on a terminal a small bar, at most 80 columns
    wide."""

    BAR = 20  # columns for 100 %
    NAME = 20, 40  # columns for a name: so many, or as many as the longest of a text's takes up to the second number

    def __init__(self, out: TextIO, k: int, kept: list[str] | None = None, emojis: bool = False, labels: bool = False):
        self.out, self.rows, self.labels, self.width = out, 0, labels, 0
        if out.isatty():
            import shutil

            self.width = min(80, shutil.get_terminal_size().columns or 80)  # Python 3.10 may give 0

    def write(self, record: Record, top: list[Prediction] | None) -> None:
        """One paragraph."""
        text = printable(f"({record.place}: no text)" if record.text is None else record.text)
        if self.width:
            text = shorten(text, self.width)
        least, most = self.NAME
        names = [shorten(printable(named(prediction)), most) for prediction in top or ()]
        room = max([least, *map(columns, names)])
        padded = (name + " " * (room - columns(name)) for name in names)
        lines = [text, *(self._line(*line) for line in zip(top or (), padded))]
        self.out.write("\n" if self.rows else "")
        self.out.write("\n".join(lines) + "\n")
        self.rows += 1

    def _line(self, p: Prediction, name: str) -> str:
        emoji = "" if self.labels else f"{p.emoji}{' ' * (4 - columns(p.emoji))}"
        line = f"  {emoji}{name}{100 * p.probability:6.1f} %"
        if self.width:
            line += "  " + "█" * max(1, round(self.BAR * p.probability))
        return line


FORMATS = {"text": People, "csv": Csv, "tsv": Tsv, "jsonl": JsonLines}


def check_names(kept, results) -> None:
    """Raise an InputError if a kept column has the same name as one of the results."""
    clash = next((name for name in kept if name in results), None)
    if clash is not None:
        raise InputError(
            f"column {clash!r} cannot be kept: the results have one of that name; name the columns to keep with --keep "
            "COL,…, or the texts' column with --column"
        )


def check_kept(record: Record, kept) -> None:
    """Raise an InputError if a row has a column that the table has not."""
    name = next((name for name in record.others if name not in kept), None)
    if name is not None:
        raise InputError(
            f"{record.place}: a column {name!r}, which the first row lacks; name the columns to keep: --keep COL,…"
        )


def as_cell(value: Any) -> str:
    """A value as text in a table: as JSON if it is no string, empty if it is missing."""
    if value is None or isinstance(value, str):
        return value or ""
    import json

    return json.dumps(value, ensure_ascii=False)
