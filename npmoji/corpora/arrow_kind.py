"""pyarrow's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..files.extras import pyarrow
from .arrow_arrays import array, type_of
from .columns import Block, Kind, not_texts


class Arrow(Kind):
    """`pyarrow.Table` and `pyarrow.RecordBatch`. Texts may be of any type of strings: large, views, dictionaries."""

    def __init__(self, pa: Any):
        self.pa = pa

    def names(self, table: Any) -> list[str]:
        """See `Kind.names`."""
        return list(table.schema.names)

    def rows(self, table: Any) -> int:
        """See `Kind.rows`."""
        return table.num_rows

    def texts(self, table: Any, at: int, start: int, stop: int) -> list[Any]:
        """See `Kind.texts`."""
        column, name = table.column(at).slice(start, stop - start), table.schema.names[at]
        if not holds_texts(self.pa, column.type):
            raise not_texts(name, column.type)
        try:  # whatever the type, bytes are not looked at before
            chunks = column.chunks if isinstance(column, self.pa.ChunkedArray) else [column]
            return [text for chunk in chunks for text in plain(self.pa, chunk).to_numpy(zero_copy_only=False).tolist()]
        except (self.pa.lib.ArrowException, ValueError) as error:
            raise InputError(f"column {name!r:.60}, rows {start} to {stop - 1}: no valid UTF-8: {error}") from error

    def appended(
        self, table: Any, at: int, kept: list[int], fields: Sequence[tuple[str, str]], blocks: list[Block]
    ) -> Any:
        """See `Kind.appended`."""
        schema = self.schema(table.schema, kept, fields)
        columns = [table.column(number) for number in kept]
        for name, kind in fields:
            chunks = [array(kind, block.columns[name], block.nulls) for block in blocks]
            one = chunks[0] if len(chunks) == 1 else self.pa.chunked_array(chunks)
            columns.append(one if isinstance(table, self.pa.Table) else self._combined(one))
        return type(table).from_arrays(columns, schema=schema)

    def _combined(self, column: Any) -> Any:
        """The chunks as one array, as a RecordBatch needs them."""
        if not isinstance(column, self.pa.ChunkedArray):
            return column
        try:
            return self.pa.concat_arrays(column.chunks)
        except self.pa.lib.ArrowException as error:
            raise InputError(f"the results of {len(column):,} rows do not fit into one batch: {error}") from error

    def schema(self, schema: Any, kept: list[int], fields: Sequence[tuple[str, str]]) -> Any:
        """The schema of what `appended` gives."""
        new = [self.pa.field(name, type_of(kind)) for name, kind in fields]
        return self.pa.schema([*(schema.field(number) for number in kept), *new], metadata=schema.metadata)


def holds_texts(pa: Any, kind: Any) -> bool:
    """Whether a pyarrow type is one of texts; that of a column of nothing but nulls is taken for one."""
    if isinstance(kind, pa.BaseExtensionType):
        return holds_texts(pa, kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return holds_texts(pa, kind.value_type)
    views = getattr(pa.types, "is_string_view", None)  # not in older versions
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_null(kind)
        or (views is not None and views(kind))
    )


def plain(pa: Any, column: Any) -> Any:
    """An array of texts of whatever type as one of strings."""
    if isinstance(column.type, pa.BaseExtensionType):
        return plain(pa, column.storage)
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_run_end_encoded(column.type):
        compute = pyarrow("pyarrow.compute", what=f"a column of {column.type}")
        return plain(pa, compute.run_end_decode(column))
    return column
