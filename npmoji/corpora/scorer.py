"""`Scorer`: a table in, the same table with columns of results out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..inputs import not_a_text
from ..loading import absolute
from ..sources import SOURCES
from . import grants
from .columns import Block, Selection
from .kinds import is_lazy, is_reader, kind_of, not_a_table
from .models import model_for
from .results import Results, asked, check_top
from .schemas import schema_of, spark_schema_of

BLOCK = 8192  # rows that are computed together
#: what `npmoji.load` takes besides the path
OPTIONS = (
    *("vocabulary", "maxlen", "engine", "precision", "threads", "device", "config", "compat", "layers", "mmap"),
    "embed",
)


class Scorer:
    """Scores the texts of a table's column: the same kind of table comes out, with columns of results.

    It holds settings only, so it can be sent to other processes and machines. The model is loaded on first use, once a
    process; paths are made absolute, and each machine needs the weights' file in the same place. A scorer that has been
    used before it was sent, as by `schema`, raises a WeightsError where the file is another one.

    Calling it, with a

    - `Table` or `RecordBatch` of pyarrow, or `DataFrame` of pandas or polars, gives the same kind: rows and index as
      they were, the columns that are kept, then those of the results;
    - `LazyFrame` of polars or `RecordBatchReader` of pyarrow gives such a one, computed as it is read;
    - iterator of tables, as Spark's `mapInArrow` passes it, gives an iterator of tables.

    A row without a text (null, None, NaN) has null in all columns of results. Equal texts are computed once.

    Args:
        weights: what `npmoji.load` takes as its path.
        column: the name of the texts' column.
        what: ``"top"``: columns ``emoji_1`` to ``emoji_k``, the most likely emojis or names of one's own classes, and
            ``p_1`` to ``p_k``, float32; ``"probabilities"`` and ``"features"``: a column of that name, lists of
            float32, as `Model.predict` and `Model.encode` give them; ``"attention"``: ``tokens``, lists of strings, and
            ``attention``, lists of float32; ``"tokens"``: ``n_tokens``, int32, how many the text has, and ``cut``,
            bool, whether that is more than the model takes. Or a list of these.
        top: k; less if there are fewer classes.
        keep: the columns to keep: ``"all"``, ``"none"``, or a list of names.
        options: as `npmoji.load` takes them. ``engine="auto"``, the default, is "numba" here, whose results are the
            same bits however the texts are divided into tables, tasks and threads. ``threads`` are by default what the
            engine grants a task: Spark ``spark.task.cpus``, Ray its CPUs, Dask one; else all cores.

    Raises:
        InputError: a setting cannot be used; on calling: no table, no such column, a column that has the name of a
            result, a row that is not text.
        WeightsError, VocabularyError: on calling, as `npmoji.load`.

    >>> import pyarrow
    >>> scorer = npmoji.Scorer(top=1)
    >>> scorer(pyarrow.table({"id": [7, 8], "text": ["I love mom's cooking", None]}))["emoji_1"].to_pylist()
    ['😋', None]
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        column: str = "text",
        what: str | Sequence[str] = "top",
        top: int = 5,
        keep: str | Sequence[str] = "all",
        **options: Any,
    ):
        for name in options:
            if name not in OPTIONS:
                raise TypeError(f"Scorer() got an unexpected keyword argument {name!r}")
        if weights is not None and not isinstance(weights, (str, bytes, os.PathLike)):
            raise InputError(f"weights: expected a path or a name, as load takes it, got {type(weights).__name__}")
        if isinstance(weights, (str, bytes)) and not weights:
            raise InputError("weights: expected a path or a name, got an empty string")
        self.weights: Any = weights if weights is None or weights in SOURCES else absolute(weights)
        self.column, self.what, self.top = _name(column, "column"), asked(what), top
        check_top(top)
        self.keep: str | tuple[str, ...] = _kept(keep)
        self.options = dict(options)
        for name in {"vocabulary", "config"}.intersection(options):
            self.options[name] = absolute(options[name])
        if options.get("engine", "auto") == "auto":
            self.options["engine"] = "numba"
        self._fingerprint: str | None = None
        self._results: dict[int | None, Results] = {}

    def __call__(self, table: Any) -> Any:
        """The table with the results.

        >>> import pyarrow
        >>> batch = pyarrow.record_batch({"text": ["I love mom's cooking"]})
        >>> [scored.num_columns for scored in npmoji.Scorer(what="features")(iter([batch]))]
        [2]
        """
        if (kind := kind_of(table)) is not None:
            return self._scored(kind, table)
        if is_lazy(table):
            options = {
                "predicate_pushdown": False,
                "projection_pushdown": False,
            }  # what comes after may use the results
            return table.map_batches(self, schema=self.schema(table.collect_schema()), **options)
        if is_reader(table):
            return type(table).from_batches(self.schema(table.schema), (self(batch) for batch in table))
        if isinstance(table, Iterator):
            return (self(some) for some in table)
        raise not_a_table(table)

    def _scored(self, kind: Any, table: Any) -> Any:
        results = self.results()
        at, kept = self._selection(results).places(kind.names(table))
        rows, blocks = kind.rows(table), []
        for start in range(0, max(1, rows), BLOCK):
            texts = kind.texts(table, at, start, min(rows, start + BLOCK))
            for row, text in enumerate(texts, start):
                if text is not None and not isinstance(text, str):
                    raise InputError(f"column {self.column!r:.60}: {not_a_text(row, text)}")
            nulls = np.fromiter((text is None for text in texts), bool, len(texts))
            blocks.append(Block(results.compute(texts), nulls))
        return kind.appended(table, at, kept, results.fields, blocks)

    def schema(self, schema: Any) -> Any:
        """What comes out for a table of this schema, with the model's number of classes: it is loaded.

        Args:
            schema: of pyarrow or polars, or a table that has one. A DataFrame of pandas or Dask gives an empty one of
                pandas, which is what Dask calls ``meta``.

        Raises:
            InputError: as the call.

        >>> import pyarrow
        >>> npmoji.Scorer(top=1, keep="none").schema(pyarrow.schema({"text": pyarrow.string()})).names
        ['emoji_1', 'p_1']
        """
        if type(schema).__module__.partition(".")[0] == "dask":
            schema = getattr(schema, "_meta", schema)
        if (kind := kind_of(schema)) is not None and hasattr(schema, "iloc"):
            return self._scored(kind, schema.iloc[:0])
        return schema_of(self._selection(self.results()), schema)

    def spark_schema(self, schema: Any) -> Any:
        """The same for the schema of a DataFrame of Spark, as `mapInArrow` takes it.

        Args:
            schema: a `StructType`, or the DataFrame.

        >>> scorer = npmoji.Scorer()
        >>> scored = lambda df: df.mapInArrow(scorer, scorer.spark_schema(df.schema))
        """
        return spark_schema_of(self._selection(self.results()), schema)

    def _selection(self, results: Results) -> Selection:
        return Selection(self.column, self.keep, results.fields)

    def results(self) -> Results:
        """What computes the results: with the model, which is loaded now unless this process has it.

        >>> npmoji.Scorer(top=1).results().fields
        [('emoji_1', 'string'), ('p_1', 'float32')]
        """
        threads = grants.threads()
        if threads not in self._results:
            model, self._fingerprint = model_for(self.weights, self.options, threads, self._fingerprint)
            self._results[threads] = Results(model, self.what, self.top)
        return self._results[threads]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_results": {}}

    def __repr__(self) -> str:
        settings = {"column": self.column, "what": list(self.what), "top": self.top, "keep": self.keep} | self.options
        shown = ", ".join(f"{name}={value!r:.60}" for name, value in settings.items())
        return f"Scorer({self.weights!r}, {shown})"


def _name(value: Any, what: str) -> Any:
    """The name of a column: a string, or a number as those of pandas may be."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InputError(f"{what} {value!r:.60}: expected the name of a column")
    return value


def _kept(keep: Any) -> str | tuple[str, ...]:
    """The columns to keep, checked."""
    if isinstance(keep, str) and keep in ("all", "none"):
        return keep
    if not isinstance(keep, (list, tuple)):
        raise InputError(f"keep {keep!r:.60}: expected 'all', 'none' or a list of columns")
    for place, name in enumerate(keep):
        if _name(name, "keep") in keep[:place]:
            raise InputError(f"keep: {name!r:.60} is there twice")
    return tuple(keep)
