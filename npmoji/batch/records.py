"""Several files, or standard input, as one sequence of records, each yielded as soon as it has arrived."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files.paths import local
from . import Record, names
from .lines import Lines, decoder
from .readers import READERS, Columns
from .sources import Source, name_of, size_of

if TYPE_CHECKING:
    from .tables import Table

ON_ERROR = ("fail", "skip", "null")
_GO_ON = "; with --on-error skip or null such a row does not end the run"


class Inputs:
    """The records of files, to be iterated over once; one file is open at a time.

    Args:
        paths: the files in order, ``"-"`` is standard input.
        form: txt, csv, tsv, jsonl, parquet or arrow; by default from each name, and txt for standard input.
        column: the texts' column, by default "text"; only for files with columns.
        encoding, delimiter: of the files; by default UTF-8, and a comma or tab unless the header suggests another.
        keep: other columns to keep in the records, None for all.
        whole: the texts' column is kept like the others, if it is named or all are.
        on_error: what to do with a row without a text: "fail" raises its problem, "skip" leaves it out, "null" gives a
            record without text. None is "fail" for callers without this option, which the message then does not
            mention.
        columns: which columns are wanted, instead of ``column`` and ``keep``.

    Attributes:
        files: path and format of each.
        done, size: bytes read so far, and in all; the latter is 0 if unknown.
        typed: whether they are typed in at a terminal.

    Raises (also while iterating):
        InputError: a file or setting cannot be used; the message names it and the line.
    """

    def __init__(
        self,
        paths: list[str],
        *,
        form: str | None = None,
        column: str | None = None,
        encoding: str = "utf-8",
        delimiter: str | None = None,
        keep: Sequence[str] | None = (),
        on_error: str | None = None,
        whole: bool = False,
        columns: Columns | None = None,
    ):
        if paths.count("-") > 1:
            raise InputError("standard input can be read only once: -i - is given twice")
        paths = [path if path == "-" else local(path) for path in paths]
        sizes = [size_of(path) for path in paths]
        self.files = [(path, form or ("txt" if path == "-" else names.input_format(path))) for path in paths]
        self._encoding, self._delimiter, self.on_error = encoding, delimiter, on_error
        self._check_use(column, [name for name in keep or () if not whole or name != (column or "text")])
        decoder(encoding)
        kept = None if keep is None else list(keep)
        self.columns = columns or Columns("text" if column is None else column, kept, whole)
        self.size = sum(sizes) if all(sizes) else 0
        self.typed = "-" in paths and sys.stdin.isatty()
        self._faulty, self._first = 0, ""
        self._before = 0
        self._reader: Lines | Table | None = None

    @property
    def done(self) -> int:
        """Bytes of the records returned so far."""
        return self._before + (self._reader.done if self._reader else 0)

    @property
    def kept(self) -> list[str] | None:
        """The names of the other columns."""
        return self.columns.kept

    def warnings(self) -> list[str]:
        """What the user should know once everything is read."""
        found = [f"no row has a column {name!r} (--keep)" for name in sorted(self.columns.unseen)]
        if self._faulty:
            fate = "skipped" if self.on_error == "skip" else "left empty"
            found.append(f"rows without a text, {fate}: {self._faulty:,}; the first: {self._first}")
        return found

    def __iter__(self) -> Iterator[Record]:
        return (record for record in self._arriving() if record is not None)

    def blocks(self, size: int, patient: bool = False, skip: int = 0) -> Iterator[list[Record]]:
        """Lists of up to ``size`` records, shorter if the next record has not arrived yet, and before an error.

        Args:
            patient: wait until a block is full.
            skip: leave out so many records at the beginning.
        """
        block: list[Record] = []
        try:
            for record in self._arriving():
                if record is not None:
                    if skip:
                        skip -= 1
                        continue
                    block.append(record)
                if len(block) == size or (record is None and block and not patient):
                    yield block
                    block = []
        except InputError:
            if block:
                yield block
            raise
        if block:
            yield block

    def close(self) -> None:
        """Close the open file, if any."""
        if self._reader is not None:
            self._before, reader, self._reader = self.done, self._reader, None
            reader.close()

    def _arriving(self) -> Iterator[Record | None]:
        """All records; None where the next one has not arrived yet."""
        for path, form in self.files:
            yield from self.of_file(path, form)

    def of_file(self, path: str, form: str) -> Iterator[Record | None]:
        """The records of one of the files; None where the next one has not arrived yet."""
        try:
            for record in self._records(path, form):
                if record is None or record.text is not None or self.passes(record):
                    yield record
        finally:
            self.close()  # the output may take the file's place

    @contextlib.contextmanager
    def table(self, path: str, form: str) -> Iterator[Table]:
        """One of the files that are tables, to be read batch by batch."""
        from .tables import Table

        self._reader = table = Table(path, form)
        try:
            yield table
        finally:
            self.close()

    def alone(self, path: str, form: str) -> Inputs:
        """One of the files on its own, read the same way; rows without a text do not end the run."""
        found = Inputs([path], form=form, on_error="null")
        found._encoding, found._delimiter, text = self._encoding, self._delimiter, self.columns
        found.columns = Columns(text.text, text.keep, whole=text.whole)
        return found

    def _records(self, path: str, form: str) -> Iterator[Record | None]:
        """The records of one file."""
        if form in READERS:
            self._reader = lines = Lines(Source(path), self._encoding)
            return READERS[form](lines, self.columns, self._delimiter)
        from .tables import Table, records

        self._reader = table = Table(path, form)
        return records(table, self.columns)

    def passes(self, record: Record) -> bool:
        """Whether to keep a record without a text; raises its problem if that ends the run."""
        problem = f"{record.place}: {record.problem}"
        if self.on_error not in ("skip", "null"):
            raise InputError(problem + (_GO_ON if self.on_error else ""))
        self._faulty, self._first = self._faulty + 1, self._first or problem
        return self.on_error == "null"

    def _check_use(self, column: str | None, keep: Sequence[str]) -> None:
        where, forms = ", ".join(name_of(path) for path, _ in self.files), {form for _, form in self.files}
        hint = "one text per line has no columns; if it has some: --input-format csv, tsv or jsonl"
        if forms == {"txt"}:
            given = {"--column": column is not None, "--keep": bool(keep), "--delimiter": bool(self._delimiter)}
            for option in (name for name, there in given.items() if there):
                raise InputError(f"{where}: {option} does not apply, {hint}")
        elif self._delimiter and not {"csv", "tsv"} & forms:
            raise InputError(f"{where}: --delimiter does not apply, {' and '.join(sorted(forms))} has none")
