"""Rows of text formats with the columns of `Results`: what is kept, then the results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..batch import Record
from ..batch.readers import DELIMITERS
from ..batch.writers import as_cell, check_kept, check_names
from ..classes import numbers
from .results import Column, Lists


class Rows:
    """Text of one format, made block by block.

    Args:
        form: "csv", "tsv" or "jsonl".
        kept: the names of the columns in front of the results.
        fields: names and kinds of the results, see `Results.fields`.

    Raises:
        InputError: a kept column has the name of a result.
    """

    def __init__(self, form: str, kept: Sequence[str] | None, fields: Sequence[tuple[str, str]]):
        self.names, self._delimiter = [name for name, _ in fields], DELIMITERS.get(form)
        self.kept = list(kept or ())
        check_names(self.kept, self.names)
        self._encode = json.JSONEncoder(ensure_ascii=False).encode

    def header(self) -> str:
        """The first line; none in JSON lines."""
        return self._table([[*self.kept, *self.names]]) if self._delimiter else ""

    def text(self, records: Sequence[Record], columns: dict[str, Column]) -> str:
        """A block's lines."""
        nulls = [record.text is None for record in records]
        values = zip(*(_values(columns[name], nulls) for name in self.names))
        if self._delimiter:
            return self._table(self._cells(record, row) for record, row in zip(records, values))
        lines = []
        for record, row in zip(records, values):
            check_names(record.others, self.names)
            lines.append(self._encode({**record.others, **dict(zip(self.names, row))}) + "\n")
        return "".join(lines)

    def _cells(self, record: Record, row: Sequence[Any]) -> list[Any]:
        check_kept(record, self.kept)
        kept = [as_cell(record.others.get(name)) for name in self.kept]
        return [*kept, *(value if isinstance(value, float) else as_cell(value) for value in row)]

    def _table(self, rows: Any) -> str:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self._delimiter or ",", lineterminator="\n").writerows(rows)
        return out.getvalue()


def _values(column: Column, nulls: Sequence[bool]) -> Iterator[Any]:
    """A column's values as JSON has them; each float32 is the shortest decimal that stands for it."""
    if isinstance(column, Lists):
        items = column.values if isinstance(column.values, list) else numbers(column.values)
        ends = column.offsets.tolist()
        return (None if null else items[ends[row] : ends[row + 1]] for row, null in enumerate(nulls))
    return (None if null else value for null, value in zip(nulls, numbers(column)))
