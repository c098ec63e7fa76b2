"""Parquet and Arrow files, read batch by batch with pyarrow."""

from __future__ import annotations

import base64
import contextlib
import datetime
import decimal
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.extras import pyarrow
from . import Record
from .readers import Columns, check_header

BATCH = 4096  # rows
KINDS = {"parquet": "Parquet", "arrow": "Arrow"}


class Row(Record):
    """A row of a table, which are counted from 0."""

    __slots__ = ()

    @property
    def place(self) -> str:
        """The row's file and number, for messages."""
        return f"{self.source}, row {self.line} (from 0)"


class Table:
    """A file with columns.

    Attributes:
        schema: its pyarrow schema.
        done: roughly how many of its bytes are in the batches given so far.

    Raises (also while reading):
        InputError: there is no pyarrow, the file cannot be read, or is damaged.
    """

    def __init__(self, path: str, form: str):
        self.path, self.kind, self.done = path, KINDS[form], 0
        if path == "-":
            raise InputError(f"standard input: {self.kind} is read from files only")
        self._arrow = pyarrow(what=f"{path}: reading {self.kind} files")
        self.size = os.path.getsize(path) if os.path.isfile(path) else 0
        with self._reading():
            self._file = self._arrow.OSFile(os.fspath(path), "rb")
            self._source = self._parquet() if form == "parquet" else self._ipc()
        self.schema = self._source.schema_arrow if form == "parquet" else self._source.schema

    def _parquet(self) -> Any:
        parquet = pyarrow("pyarrow.parquet", what=self.path)
        # columns are read as they are needed: a row group may be as large as the file
        return parquet.ParquetFile(self._file, pre_buffer=False, buffer_size=1 << 20)

    def _ipc(self) -> Any:
        ipc, head = pyarrow("pyarrow.ipc", what=self.path), self._file.read(6)
        self._file.seek(0)
        if head.startswith(b"FEA1"):
            raise InputError(f"{self.path}: the first version of Feather, expected the second, which is Arrow's format")
        return ipc.open_file(self._file) if head == b"ARROW1" else ipc.open_stream(self._file)

    def batches(self, columns: list[str]) -> Iterator[Any]:
        """Record batches of these columns in this order, each column once; of any size."""
        with self._reading():
            for batch, share in self._read(columns):
                self.done = int(self.size * share)
                yield batch.select(columns)
        self.done = self.size

    def _read(self, columns: list[str]) -> Iterator[tuple[Any, float]]:
        """Batches with the share of the file that has been read then."""
        if self.kind == "Parquet":
            rows = 0
            for batch in self._source.iter_batches(BATCH, columns=columns, use_threads=False):
                rows += len(batch)
                yield batch, rows / self._source.metadata.num_rows
        elif hasattr(self._source, "num_record_batches"):
            number = self._source.num_record_batches
            for i in range(number):
                yield self._source.get_batch(i), (i + 1) / number
        else:
            for batch in self._source:
                yield batch, self._file.tell() / max(1, self.size)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn pyarrow's errors into an InputError in one line."""
        try:
            yield
        except (OSError, EOFError, self._arrow.ArrowException) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.path}: damaged, incomplete, or not {self.kind}: {reason:.300}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def chosen(table: Table, columns: Columns) -> tuple[list[str], list[str]]:
    """The names of the columns to read, each once and the texts' first, and of those to keep.

    Raises:
        InputError: the file lacks one, has it twice, or the texts are none.
    """
    check_header(table.schema.names, columns, table.path)
    kept = columns.of(table.schema.names)
    kind = table.schema.field(columns.text).type
    if not is_text(kind):
        raise InputError(f"{table.path}: column {columns.text!r} holds {kind}, expected strings")
    return list(dict.fromkeys([columns.text, *kept])), kept


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is one of strings, or of nothing but nulls."""
    types = pyarrow("pyarrow.types", what="Arrow")
    if types.is_dictionary(kind):
        kind = kind.value_type
    views = getattr(types, "is_string_view", lambda kind: False)  # not before pyarrow 16
    return types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind) or views(kind)


def texts_of(array: Any, path: str, first: int) -> list[str | None]:
    """The strings of a column; ``first`` is the number of its first row, for messages.

    Raises:
        InputError: a string is not UTF-8.
    """
    try:
        return array.to_pylist()
    except UnicodeDecodeError:
        for row in range(len(array)):
            try:
                array[row].as_py()
            except UnicodeDecodeError as error:
                raise InputError(f"{path}, row {first + row} (from 0): not UTF-8: {error.reason}") from error
        raise


def records(table: Table, columns: Columns) -> Iterator[Record]:
    """The rows of a table, the other columns' values as text and JSON have them."""
    names, kept = chosen(table, columns)
    row = 0
    for batch in table.batches(names):
        texts = texts_of(batch.column(0), table.path, row)
        values = [plain(batch.column(names.index(name))) for name in kept]
        for text, others in zip(texts, zip(*values) if kept else iter(lambda: (), None)):
            problem = "" if text is not None else f"{columns.text!r} is a missing value (null), expected a string"
            yield Row(text, dict(zip(kept, others)), table.path, row, problem)
            row += 1


# Values for text formats ---------------------------------------------------------------------------------------------


def plain(array: Any) -> list[Any]:
    """The values of a column as JSON has them: dates and times in ISO's notation, bytes in base 64, NaN as None."""
    types = pyarrow("pyarrow.types", what="Arrow")
    kind = array.type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) or types.is_boolean(kind):
        return array.to_pylist()
    if types.is_timestamp(kind) and kind.unit == "ns":
        return [_iso(text) for text in array.cast("string").to_pylist()]
    convert = _float32 if types.is_float32(kind) or types.is_float16(kind) else simple
    return [None if value is None else convert(value) for value in array.to_pylist()]


def _iso(text: str | None) -> str | None:
    """Nanoseconds, which Python's own types do not have: ``2024-01-31 10:00:00.000000000``."""
    if text is None:
        return None
    day, _, rest = text.partition(" ")
    digits = len(rest) - len(rest.lstrip("0123456789:."))
    clock, zone = (rest[:digits], rest[digits:]) if digits else (rest, "")
    return f"{day}T{clock.rstrip('0').rstrip('.') if '.' in clock else clock}{zone}"


def _float32(value: float) -> float | str | None:
    """The shortest decimal that stands for a float32."""
    return simple(float(str(np.float32(value))))


_SIMPLE: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: base64.b64encode(value).decode(),
    decimal.Decimal: str,
    list: lambda value: [simple(some) for some in value],
    tuple: lambda value: [simple(some) for some in value],
    dict: lambda value: {str(name): simple(some) for name, some in value.items()},
}


def simple(value: Any) -> Any:
    """One value as JSON has it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (datetime.date, datetime.time)):  # a datetime is a date
        return value.isoformat()
    return _SIMPLE.get(type(value), str)(value)
