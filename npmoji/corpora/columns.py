"""Columns by name and number: which of a table's are used and kept, and what a kind of table must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from .results import Column

LISTED = 12  # columns named in a message


class Block(NamedTuple):
    """Results of some rows.

    Attributes:
        columns: the values by name, as `Results.compute` gives them.
        nulls: the rows without a text, bool (N,), where every column is null.
    """

    columns: dict[str, Column]
    nulls: np.ndarray


class Kind(ABC):
    """What `Scorer` needs to know of a kind of table."""

    @abstractmethod
    def names(self, table: Any) -> list[Any]:
        """The columns' names, in order; one may be there twice."""

    @abstractmethod
    def rows(self, table: Any) -> int:
        """How many rows there are."""

    @abstractmethod
    def texts(self, table: Any, at: int, start: int, stop: int) -> list[Any]:
        """Some rows of column number ``at``, None where there is no text; whether the others are texts is not looked at
        where the column's type tells nothing of it.

        Raises:
            InputError: the column's type is not one of texts.
        """

    @abstractmethod
    def appended(
        self, table: Any, at: int, kept: list[int], fields: Sequence[tuple[str, str]], blocks: list[Block]
    ) -> Any:
        """A table of the same kind: the columns of the numbers ``kept``, then those of the blocks, one after the other.

        Args:
            at: the texts' column.
            fields: name and kind of each new column.
        """


class Selection(NamedTuple):
    """What is asked of a table.

    Attributes:
        column: the name of the texts' column.
        keep: "all", "none" or the names of the columns to keep.
        fields: name and kind of each column of results.
    """

    column: Any
    keep: str | tuple[Any, ...]
    fields: Sequence[tuple[str, str]]

    def places(self, names: list[Any]) -> tuple[int, list[int]]:
        """The number of the texts' column, and those of the columns to keep.

        Args:
            names: of the table's columns.

        Raises:
            InputError: a column that is not there, or there twice, or has the name of a result.
        """
        at, added = _number(names, self.column, "the texts' column"), {name for name, _ in self.fields}
        if isinstance(self.keep, str):
            kept = list(range(len(names))) if self.keep == "all" else []
        else:
            kept = [_number(names, name, "a column to keep") for name in self.keep]
        for number in kept:
            if names[number] in added:
                raise InputError(
                    f"column {names[number]!r}: the results have one of that name; rename it, or leave it out with "
                    "keep=[...], the columns to keep"
                )
        return at, kept


def _number(names: list[Any], name: Any, what: str) -> int:
    count = names.count(name)
    if count == 1:
        return names.index(name)
    if count:
        raise InputError(f"{what}, {name!r}, is there {count} times, expected once")
    shown = ", ".join(f"{some!r:.60}" for some in names[:LISTED]) or "none"
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    raise InputError(f"no column {name!r:.60}, {what}; there are: {shown}{more}")


def not_texts(column: Any, found: Any) -> InputError:
    """The error for a column whose type is not one of texts."""
    hint = ": decode the bytes first" if "binary" in str(found).lower() else ""
    return InputError(f"column {column!r:.60} holds {found!s:.60}, expected texts{hint}")
