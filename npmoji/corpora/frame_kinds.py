"""DataFrames of pandas and polars, neither of which needs pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from .columns import Block, Kind, not_texts
from .results import Column, Lists, joined


class Pandas(Kind):
    """`pandas.DataFrame`, with whatever index.

    The types of the new columns do not depend on what the rows hold: strings are what the texts are, or pandas' own
    choice where these are objects or categories; whole numbers and truth values are those that can be missing; lists
    are objects.
    """

    def __init__(self, pd: Any):
        self.pd = pd

    def names(self, table: Any) -> list[Any]:
        """See `Kind.names`."""
        if table.columns.nlevels > 1:
            raise InputError(f"the columns have names of {table.columns.nlevels} levels, expected one")
        return table.columns.tolist()

    def rows(self, table: Any) -> int:
        """See `Kind.rows`."""
        return len(table)

    def texts(self, table: Any, at: int, start: int, stop: int) -> list[Any]:
        """See `Kind.texts`."""
        column = table.iloc[start:stop, at]
        texts, missing = column.tolist(), column.isna().to_numpy(bool)
        for row in np.flatnonzero(missing).tolist():
            texts[row] = None
        return texts

    def appended(
        self, table: Any, at: int, kept: list[int], fields: Sequence[tuple[str, str]], blocks: list[Block]
    ) -> Any:
        """See `Kind.appended`."""
        nulls, dtype = np.concatenate([block.nulls for block in blocks]), self._strings(table.dtypes.iloc[at])
        columns = [
            self._values(kind, joined([block.columns[name] for block in blocks]), nulls, dtype) for name, kind in fields
        ]
        new = self.pd.DataFrame(dict(enumerate(columns)), index=table.index)
        new.columns = [name for name, _ in fields]
        out = self.pd.concat([table.iloc[:, kept], new], axis=1)
        out.attrs, out.columns.name = dict(table.attrs), table.columns.name
        return out

    def _strings(self, dtype: Any) -> Any:
        """The type of new strings beside texts of this type."""
        name = str(dtype)
        if name.startswith(("str", "large_string")):  # pandas' own three, and those of ArrowDtype
            return dtype
        return self.pd.Series(["text"]).dtype

    def _values(self, kind: str, column: Column, nulls: np.ndarray, strings: Any) -> Any:
        if isinstance(column, Lists):
            return self.pd.Series(objects(column), dtype=object).array
        if kind == "string":
            return self.pd.array(column, dtype=strings) if strings != np.dtype(object) else column
        if kind == "int32":
            return self.pd.arrays.IntegerArray(column, nulls)
        return self.pd.arrays.BooleanArray(column, nulls) if kind == "bool" else column


def objects(lists: Lists) -> np.ndarray:
    """The lists in an array of objects."""
    out = np.empty(len(lists), object)
    for row, some in enumerate(lists):
        out[row] = some
    return out


class Polars(Kind):
    """`polars.DataFrame`. Texts may be strings, categories, enums."""

    def __init__(self, pl: Any):
        self.pl = pl

    def names(self, table: Any) -> list[str]:
        """See `Kind.names`."""
        return list(table.columns)

    def rows(self, table: Any) -> int:
        """See `Kind.rows`."""
        return table.height

    def texts(self, table: Any, at: int, start: int, stop: int) -> list[Any]:
        """See `Kind.texts`."""
        column = table.to_series(at)
        check_type(self.pl, column.name, column.dtype)
        return column.slice(start, stop - start).to_list()

    def appended(
        self, table: Any, at: int, kept: list[int], fields: Sequence[tuple[str, str]], blocks: list[Block]
    ) -> Any:
        """See `Kind.appended`."""
        nulls = np.concatenate([block.nulls for block in blocks])
        new = [self._series(*field, joined([block.columns[field[0]] for block in blocks]), nulls) for field in fields]
        return self.pl.DataFrame([table.to_series(number) for number in kept] + new)

    def _series(self, name: str, kind: str, column: Column, nulls: np.ndarray) -> Any:
        dtype = polars_type(self.pl, kind)
        if isinstance(column, Lists):
            return self._lists(column, dtype).alias(name)
        if kind == "string":
            return self.pl.Series(name, column.tolist(), dtype)
        series = self.pl.Series(name, column, dtype)
        return series.set(self.pl.Series(nulls), None) if nulls.any() else series

    def _lists(self, lists: Lists, dtype: Any) -> Any:
        """Lists, without a Python object for each of their items."""
        filled = np.flatnonzero(lists.lengths > 0)
        lengths = lists.lengths[filled]
        if not len(filled):
            found = self.pl.Series([], dtype=dtype)
        elif isinstance(lists.values, np.ndarray) and (lengths == lengths[0]).all():
            found = self.pl.Series(lists.values.reshape(len(filled), -1)).arr.to_list()
        else:
            items = self.pl.Series(lists.values, dtype=dtype.inner)
            table = self.pl.DataFrame({"row": np.repeat(np.arange(len(filled)), lengths), "item": items})
            found = table.group_by("row", maintain_order=True).agg("item")["item"]
        if len(filled) == len(lists):
            return found
        empty = self.pl.Series([[]], dtype=dtype)
        which = np.full(len(lists), len(filled))  # the empty one
        which[filled] = np.arange(len(filled))
        numbers = self.pl.Series(which).set(self.pl.Series(lists.lengths < 0), None)
        return self.pl.concat([found.alias(""), empty]).gather(numbers)


def check_type(pl: Any, name: str, dtype: Any) -> None:
    """Raise an InputError unless a polars type is one of texts."""
    if dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise not_texts(name, dtype)


def polars_type(pl: Any, kind: str) -> Any:
    """polars' type for a kind of column."""
    if kind.startswith("list<"):
        return pl.List(polars_type(pl, kind[5:-1]))
    return {"string": pl.String, "float32": pl.Float32, "int32": pl.Int32, "bool": pl.Boolean}[kind]
