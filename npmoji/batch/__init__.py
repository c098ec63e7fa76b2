"""Many texts: records from files and streams, and what is written for each.

names.py     what a file's name says: its format and compression
sources.py   bytes as they come, decompressed
lines.py     lines of text, and which encoding a file has that is not UTF-8
readers.py   the records of one file: plain lines, tables, JSON lines
inputs.py    several files as one sequence of records, in blocks
writers.py   the formats of results
"""

from __future__ import annotations

from typing import Any


class Record:
    """One row.

    Attributes:
        text: the text, or None where there is none that can be used: then ``problem`` says why.
        others: the row's other columns that are kept, by name and in order.
        source, line: the name of the file, and the number of the row's first line.
    """

    __slots__ = ("line", "others", "problem", "source", "text")

    def __init__(
        self, text: str | None, others: dict[str, Any] | None = None, source: str = "", line: int = 0, problem: str = ""
    ):
        self.text, self.others, self.source, self.line, self.problem = text, others or {}, source, line, problem

    @property
    def place(self) -> str:
        """The row's file and line, as messages name it."""
        return f"{self.source}, line {self.line}"
