"""What comes out of a scorer, as the libraries of tables say it."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import InputError
from .columns import Selection, not_texts


def schema_of(selection: Selection, schema: Any) -> Any:
    """What `Scorer.schema` gives for a schema of pyarrow or polars, or a table of theirs.

    Raises:
        InputError: it is none, or its columns are not what is asked for.
    """
    if type(schema).__module__.partition(".")[0] in ("pyarrow", "polars"):
        schema = schema.collect_schema() if hasattr(schema, "collect_schema") else getattr(schema, "schema", schema)
    pa, pl = sys.modules.get("pyarrow"), sys.modules.get("polars")
    if pa is not None and isinstance(schema, pa.Schema):
        return _of_arrow(selection, pa, schema)
    if pl is not None and isinstance(schema, dict):  # as polars' own are
        return _of_polars(selection, pl, schema)
    raise InputError(f"expected a schema of pyarrow or polars, or a DataFrame, got {type(schema).__name__}")


def _of_arrow(selection: Selection, pa: Any, schema: Any) -> Any:
    from .arrow_kind import Arrow, holds_texts

    at, kept = selection.places(schema.names)
    if not holds_texts(pa, schema.field(at).type):
        raise not_texts(selection.column, schema.field(at).type)
    return Arrow(pa).schema(schema, kept, selection.fields)


def _of_polars(selection: Selection, pl: Any, schema: Any) -> Any:
    from .frame_kinds import check_type, polars_type

    names = list(schema)
    at, kept = selection.places(names)
    check_type(pl, names[at], schema[names[at]])
    new = {name: polars_type(pl, kind) for name, kind in selection.fields}
    return pl.Schema({names[number]: schema[names[number]] for number in kept} | new)


def spark_schema_of(selection: Selection, schema: Any) -> Any:
    """What `Scorer.spark_schema` gives.

    Raises:
        InputError: as `schema_of`, or pyspark is not there.
    """
    try:
        from pyspark.sql import types
    except ImportError as error:
        raise InputError(f"a schema of Spark needs pyspark: {error}; pip install 'npmoji[spark]'") from error
    schema = getattr(schema, "schema", schema)
    if not isinstance(schema, types.StructType):
        raise InputError(f"expected the schema of a DataFrame of Spark, df.schema, got {type(schema).__name__}")
    at, kept = selection.places(schema.names)
    texts = types.StringType, types.CharType, types.VarcharType, types.NullType
    if not isinstance(found := schema[at].dataType, texts):
        raise not_texts(selection.column, found.simpleString())
    new = [types.StructField(name, _spark_type(types, kind)) for name, kind in selection.fields]
    return types.StructType([*(schema[number] for number in kept), *new])


def _spark_type(types: Any, kind: str) -> Any:
    """Spark's type for a kind of column."""
    if kind.startswith("list<"):
        return types.ArrayType(_spark_type(types, kind[5:-1]))
    named = {"string": "StringType", "float32": "FloatType", "int32": "IntegerType", "bool": "BooleanType"}
    return getattr(types, named[kind])()
