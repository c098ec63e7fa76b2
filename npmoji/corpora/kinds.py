"""The kinds of tables, recognised by the library that a type is from, which is there then: nothing is imported to look.

arrow_kind.py     pyarrow's Table and RecordBatch
frame_kinds.py    DataFrames of pandas and polars
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..errors import InputError
from ..inputs import is_named
from .columns import Kind


def kind_of(table: Any) -> Kind | None:
    """The kind of a table; None if it is none of them."""
    if (pa := _loaded(table, "pyarrow")) is not None and isinstance(table, (pa.Table, pa.RecordBatch)):
        from .arrow_kind import Arrow

        return Arrow(pa)
    if (pd := _loaded(table, "pandas")) is not None and isinstance(table, pd.DataFrame):
        from .frame_kinds import Pandas

        return Pandas(pd)
    if (pl := _loaded(table, "polars")) is not None and isinstance(table, pl.DataFrame):
        from .frame_kinds import Polars

        return Polars(pl)
    return None


def _loaded(table: Any, library: str) -> Any:
    """The library, if one of the classes of ``table`` is from it."""
    ours = any(cls.__module__.partition(".")[0] == library for cls in type(table).__mro__)
    return sys.modules.get(library) if ours else None


def is_lazy(table: Any) -> bool:
    """Whether it is a LazyFrame of polars."""
    pl = _loaded(table, "polars")
    return pl is not None and isinstance(table, pl.LazyFrame)


def is_reader(table: Any) -> bool:
    """Whether it is a RecordBatchReader of pyarrow."""
    pa = _loaded(table, "pyarrow")
    return pa is not None and isinstance(table, pa.RecordBatchReader)


def not_a_table(x: Any) -> InputError:
    """The error for what is no table; says what to do instead."""
    library = type(x).__module__.partition(".")[0]
    name = f"{library} {type(x).__name__}"
    hints = {
        ("pyspark", "DataFrame"): "df.mapInArrow(scorer, scorer.spark_schema(df.schema))",
        ("dask", "DataFrame"): "df.map_partitions(scorer, meta=scorer.schema(df))",
        ("ray", "Dataset"): 'dataset.map_batches(scorer, batch_format="pyarrow")',
        ("duckdb", "DuckDBPyRelation"): "scorer(relation.to_arrow_table())",
    }
    for (module, title), call in hints.items():
        if library == module and title in {cls.__name__ for cls in type(x).__mro__}:
            return InputError(f"expected a table, got a {name}: call {call}")
    expected = "expected a table: a pyarrow Table or RecordBatch, or a DataFrame of pandas or polars"
    if is_named(x):
        found = "a dict of columns: make a table of it, pyarrow.table(columns)"
        if x and all(isinstance(values, np.ndarray) for values in x.values()):
            found += '; of Ray, call map_batches(scorer, batch_format="pyarrow")'
        return InputError(f"{expected}; got {found}")
    if isinstance(x, (str, list, tuple)) or hasattr(x, "to_list") or hasattr(x, "to_pylist"):
        what = type(x).__name__ if isinstance(x, (str, list, tuple)) else f"a {name}, one column"
        return InputError(f"{expected}; got {what}: texts alone are for model.top or model.predict")
    return InputError(f"{expected}; got {name}")
