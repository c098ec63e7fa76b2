"""A job's input in blocks: texts, and the other columns as records or as Arrow's arrays."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from ..batch import Record
from ..batch.readers import DELIMITERS
from ..batch.records import Inputs
from ..batch.tables import Row, Table, chosen, texts_of
from ..errors import InputError
from ..files.extras import pyarrow
from .arrow_arrays import strings

LARGE = 2**53  # whole numbers beyond it are not all float64s


class Block(NamedTuple):
    """Some rows.

    Attributes:
        texts: None where there is none.
        kept: the rows as records; or the columns to keep, as pyarrow's arrays.
        done: how many bytes of the input have been read with them.
    """

    texts: list[str | None]
    kept: Any
    done: int


def of_records(inputs: Inputs, size: int, patient: bool = True, skip: int = 0) -> Iterator[Block]:
    """Blocks of ``size`` records, see `Inputs.blocks`."""
    for records in inputs.blocks(size, patient, skip):
        yield Block([record.text for record in records], records, inputs.done)


def of_columns(inputs: Inputs, schema: Any, size: int, skip: int = 0) -> Iterator[Block]:
    """Blocks of exactly ``size`` rows but for the last, with columns of this schema; the first ``skip`` rows are left
    out."""
    texts: list[str | None] = []
    pieces: list[list[Any]] = []
    for some, arrays in chain.from_iterable(_pieces(inputs, schema, path, form, size) for path, form in inputs.files):
        if skip >= (number := len(some)):
            skip -= number
            continue
        texts += some[skip:]
        pieces.append([array.slice(skip) for array in arrays])
        skip = 0
        while len(texts) >= size:
            yield Block(texts[:size], _first(pieces, size), inputs.done)
            texts = texts[size:]
    if texts:
        yield Block(texts, _first(pieces, len(texts)), inputs.done)


def of_stream(inputs: Inputs, size: int) -> tuple[Any, Iterator[Block]]:
    """The schema and the blocks of standard input, which can be read only once: the first block says what columns there
    are."""
    blocks = inputs.blocks(size, patient=True)
    first = next(blocks, [])
    ((_, form),) = inputs.files
    names = inputs.kept or []
    kinds = _of_rows(first) if form == "jsonl" else {name: {"string"} for name in names}
    schema = pyarrow(what="Arrow").schema(
        [_settled(name, kinds.get(name, set())) for name in {**kinds, **dict.fromkeys(names)}]
    )
    return schema, (
        Block([record.text for record in records], columns_of(records, schema), inputs.done)
        for records in chain([first] if first else [], blocks)
    )


def _first(pieces: list[list[Any]], size: int) -> list[Any]:
    """Take so many rows from the front of the pieces."""
    taken, missing = [], size
    while missing and pieces and pieces[0]:
        piece = pieces.pop(0)
        rows = min(missing, len(piece[0]))
        taken.append([array.slice(0, rows) for array in piece])
        if rows < len(piece[0]):
            pieces.insert(0, [array.slice(rows) for array in piece])
        missing -= rows
    arrow = pyarrow(what="Arrow")
    return [arrow.concat_arrays(parts) if len(parts) > 1 else parts[0] for parts in zip(*taken)]


def _pieces(
    inputs: Inputs, schema: Any, path: str, form: str, size: int
) -> Iterator[tuple[Sequence[str | None], list[Any]]]:
    """The texts and columns of one file, some rows at a time."""
    if form in ("parquet", "arrow"):
        with inputs.table(path, form) as table:
            yield from _of_table(inputs, schema, table)
        return
    records: list[Record] = []
    for record in chain(inputs.of_file(path, form), [None]):
        if record is not None:
            records.append(record)
            if len(records) < size:
                continue
        elif not records or path == "-":
            continue
        yield [record.text for record in records], columns_of(records, schema)
        records = []
    if records:
        yield [record.text for record in records], columns_of(records, schema)


def _of_table(inputs: Inputs, schema: Any, table: Table) -> Iterator[tuple[list[str | None], list[Any]]]:
    names, kept = chosen(table, inputs.columns)
    row = 0
    for batch in table.batches(names):
        texts = texts_of(batch.column(0), table.path, row)
        good = None
        if batch.column(0).null_count:
            problem = f"{inputs.columns.text!r} is a missing value (null), expected a string"
            faulty = [Row(None, None, table.path, row + i, problem) for i, text in enumerate(texts) if text is None]
            if not [inputs.passes(record) for record in faulty][-1]:
                good = [text is not None for text in texts]
        row += len(texts)
        if good is not None:
            batch = batch.filter(pyarrow(what="Arrow").array(good, "bool"))
            texts = [text for text in texts if text is not None]
        arrays = [batch.column(names.index(name)) for name in kept]
        yield texts, [_plainly(array, schema.field(i).type) for i, array in enumerate(arrays)]


def _plainly(array: Any, kind: Any) -> Any:
    """The values of a dictionary, where the output has none."""
    return array if array.type == kind else array.cast(kind)


def check_columns(inputs: Inputs) -> None:
    """Raise an InputError if one of the tables lacks a column: now, not after hours of work."""
    for path, form in inputs.files:
        if form in ("parquet", "arrow"):
            with inputs.table(path, form) as table:
                chosen(table, inputs.columns)
        elif form in DELIMITERS and path != "-":
            with contextlib.closing(inputs.alone(path, form)) as probe:
                next(iter(probe), None)


# Which columns -------------------------------------------------------------------------------------------------------


def schema_of(inputs: Inputs, dictionaries: bool) -> Any:
    """The schema of the columns to keep, which all files must agree on.

    Columns of CSV are strings; those of JSON lines what their values are, for which such files are read once more.

    Args:
        dictionaries: whether the output can have columns of dictionary type.

    Raises:
        InputError: two files do not agree; names them and the column.
    """
    arrow = pyarrow(what="Arrow")
    first, known, metadata = "", {}, None
    for path, form in inputs.files:
        if path == "-" and len(inputs.files) > 1:
            continue  # it has to be like the others
        if form in ("parquet", "arrow"):
            with inputs.table(path, form) as table:
                _, kept = chosen(table, inputs.columns)
                found = {name: _field(table.schema.field(name), dictionaries) for name in kept}
                metadata = metadata or (table.schema.metadata if inputs.columns.keep is None else None)
        else:
            found = _of_text(inputs, path, form)
        if not first:
            first, known = path, found
        else:
            known = {name: _both(name, known, found, first, path) for name in [*known, *(found.keys() - known.keys())]}
    fields = [_settled(name, field) for name, field in known.items()]
    return arrow.schema(fields, metadata=metadata)


def _field(field: Any, dictionaries: bool) -> Any:
    types = pyarrow("pyarrow.types", what="Arrow")
    return field.with_type(field.type.value_type) if types.is_dictionary(field.type) and not dictionaries else field


def _of_text(inputs: Inputs, path: str, form: str) -> dict[str, Any]:
    """The kinds of each column's values, a set."""
    columns = inputs.columns
    if form == "txt":
        return {columns.text: {"string"}} if columns.with_text else {}
    with contextlib.closing(inputs.alone(path, form)) as probe:
        found = _of_rows(probe if form == "jsonl" else islice(probe, 1))
        return found if form == "jsonl" else {name: {"string"} for name in probe.kept or ()}


def _of_rows(records: Iterable[Record]) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.others.items():
            kinds.setdefault(name, set()).add(_kind(value))
    return kinds


def _kind(value: Any) -> str:
    if isinstance(value, (bool, float, str)) or value is None:
        return "null" if value is None else "string" if isinstance(value, str) else type(value).__name__
    if isinstance(value, int):
        return "int" if abs(value) <= LARGE else "long" if -(2**63) <= value < 2**63 else "json"
    return "json"


def _settled(name: str, found: Any) -> Any:
    """A column's field; of kinds of JSON values that no other type has, it holds their JSON."""
    arrow = pyarrow(what="Arrow")
    if not isinstance(found, set):
        return found
    kinds = found - {"null"}
    types = {
        frozenset({"bool"}): arrow.bool_(),
        frozenset({"int"}): arrow.int64(),
        frozenset({"long"}): arrow.int64(),
        frozenset({"int", "long"}): arrow.int64(),
        frozenset({"float"}): arrow.float64(),
        frozenset({"int", "float"}): arrow.float64(),
    }
    return arrow.field(name, types.get(frozenset(kinds), arrow.string()))


def _both(name: str, one: dict[str, Any], other: dict[str, Any], first: str, second: str) -> Any:
    """What a column of two files is."""
    for columns, path, there in ((one, first, second), (other, second, first)):
        if name not in columns:
            raise InputError(f"{path}: no column {name!r}, which {there} has; name the columns to keep: --keep COL,…")
    if isinstance(one[name], set) and isinstance(other[name], set):
        return one[name] | other[name]
    kinds = _settled(name, one[name]).type, _settled(name, other[name]).type
    if kinds[0] != kinds[1]:
        raise InputError(f"{second}: column {name!r} holds {kinds[1]}, but {kinds[0]} in {first}")
    return one[name]


def columns_of(records: Sequence[Record], schema: Any) -> list[Any]:
    """The records' other columns as arrays.

    Raises:
        InputError: a record has a column that the schema lacks, or a value that does not fit.
    """
    arrow = pyarrow(what="Arrow")
    names = set(schema.names)
    for record in records:
        if not names.issuperset(record.others):
            name = next(name for name in record.others if name not in names)
            raise InputError(f"{record.place}: a column {name!r}, which others lack; name those to keep: --keep COL,…")
    arrays = []
    for field in schema:
        values = [record.others.get(field.name) for record in records]
        if field.type == arrow.string():
            values = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
            arrays.append(strings(values))
            continue
        try:
            arrays.append(arrow.array(values, field.type))
        except (arrow.ArrowException, OverflowError) as error:
            where = f"{records[0].place} to {records[-1].line}"
            raise InputError(f"{where}: column {field.name!r}: expected {field.type}: {error}") from error
    return arrays
