"""A job's output: what a part of it is, and how parts become the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Protocol

from ..errors import InputError
from ..files.extras import pyarrow
from ..files.packed import packed


class Output(Protocol):
    """A format. A payload is what becomes of one block; a part is some payloads together."""

    #: of the name of a part's file
    suffix: str

    def size(self, payload: Any) -> int:
        """How large a payload is, by the same measure in every run."""

    def part(self, payloads: Sequence[Any]) -> bytes:
        """The content of a part's file."""

    def opened(self, file: BinaryIO) -> contextlib.AbstractContextManager[Any]:
        """Something with ``add(payloads)`` and ``add_part(path)``, which write a part to the file.

        The same parts give the same bytes, whichever of the two is called for each.
        """


class Text:
    """A text format; a payload is a str."""

    suffix = ".txt"

    def __init__(self, compression: str, name: str):
        self._compression, self._name = compression, name

    def size(self, payload: str) -> int:
        """See `Output.size`."""
        return len(payload)

    def part(self, payloads: Sequence[str]) -> bytes:
        """See `Output.part`."""
        return "".join(payloads).encode("utf-8", "backslashreplace")

    @contextlib.contextmanager
    def opened(self, file: BinaryIO) -> Iterator[_TextFile]:
        """See `Output.opened`."""
        with packed(file, self._compression, self._name) as target:
            yield _TextFile(target, self)


class _TextFile:
    def __init__(self, file: BinaryIO, text: Text):
        self._file, self._text = file, text

    def add(self, payloads: Sequence[str]) -> None:
        self._file.write(self._text.part(payloads))

    def add_part(self, path: str) -> None:
        with open(path, "rb") as part:
            while some := part.read(1 << 20):
                self._file.write(some)


class Columns:
    """Parquet or Arrow; a payload is a record batch, and each part a row group or one record batch."""

    suffix = ".arrow"

    def __init__(self, form: str, schema: Any):
        self._form, self._schema, self._arrow = form, schema, pyarrow(what="Arrow")
        pyarrow("pyarrow.parquet", what="Parquet")

    def size(self, payload: Any) -> int:
        """See `Output.size`."""
        return payload.nbytes

    def part(self, payloads: Sequence[Any]) -> bytes:
        """See `Output.part`."""
        out = self._arrow.BufferOutputStream()
        with self._arrow.ipc.new_file(out, self._schema) as file:
            for batch in self._combined(payloads):
                file.write_batch(batch)
        return out.getvalue()

    @contextlib.contextmanager
    def opened(self, file: BinaryIO) -> Iterator[_ColumnFile]:
        """See `Output.opened`."""
        if self._form == "parquet":
            with self._arrow.parquet.ParquetWriter(file, self._schema) as writer:
                yield _ColumnFile(self._arrow, writer, self)
        else:
            with self._arrow.ipc.new_file(file, self._schema) as writer:
                yield _ColumnFile(self._arrow, writer, self)

    def _combined(self, payloads: Sequence[Any]) -> list[Any]:
        """The payloads as one batch; none for no rows."""
        table = self._arrow.Table.from_batches(payloads, self._schema).combine_chunks()
        batches = table.to_batches()
        if len(batches) > 1:
            raise InputError("a part of the output has more than two gigabytes in one column")
        return batches


class _ColumnFile:
    def __init__(self, arrow: Any, writer: Any, columns: Columns):
        self._arrow, self._writer, self._columns = arrow, writer, columns

    def add(self, payloads: Sequence[Any]) -> None:
        for batch in self._columns._combined(payloads):
            self._writer.write_batch(batch)

    def add_part(self, path: str) -> None:
        with self._arrow.OSFile(os.fspath(path), "rb") as file, self._arrow.ipc.open_file(file) as part:
            for i in range(part.num_record_batches):
                self._writer.write_batch(part.get_batch(i))
