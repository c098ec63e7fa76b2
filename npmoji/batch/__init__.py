"""Many texts: reading records from files and streams, and writing their results.

places.py    folders and patterns to files
names.py     format and compression from a file's name
sources.py   bytes as they arrive, decompressed
lines.py     lines of text, and a guess at the encoding of a file that is not UTF-8
readers.py   the records of one file: plain lines, tables, JSON lines
tables.py    Parquet and Arrow files
records.py   several files as one sequence of records, in blocks
labelled.py  texts with their labels, from one file
writers.py   the formats of results
cuts.py      which texts the model does not take whole
"""

from __future__ import annotations

from typing import Any

BLOCK = 512  # texts read, computed and written together


class Record:
    """One row.

    Attributes:
        text: the text, or None if the row has none that can be used; ``problem`` then says why.
        others: the other columns to be kept, by name and in order.
        source, line: the name of the file, and the number of the row's first line.
    """

    __slots__ = ("line", "others", "problem", "source", "text")

    def __init__(
        self, text: str | None, others: dict[str, Any] | None = None, source: str = "", line: int = 0, problem: str = ""
    ):
        self.text, self.others, self.source, self.line, self.problem = text, others or {}, source, line, problem

    @property
    def place(self) -> str:
        """The row's file and line, for messages."""
        return f"{self.source}, line {self.line}"
