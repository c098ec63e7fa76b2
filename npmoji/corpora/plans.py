"""How one kind of output is made of an input's blocks, step by step."""

from __future__ import annotations

import io
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import batch
from ..batch import Record
from ..batch.cuts import cut_texts
from ..batch.records import Inputs
from ..batch.writers import FORMATS, check_names
from ..files.extras import pyarrow
from ..layers import Checked
from ..model import Model, Prediction
from . import blocks
from .blocks import Block
from .outputs import Columns, Output, Text
from .pipeline import Stopped
from .results import Column, Prepared, Results
from .rows import Rows

BLOCK = 4096  # rows computed together,
WIDE = 16 << 20  # or fewer, so that their results take no more than so many bytes
LEAST = 512  # but not less


class Made(NamedTuple):
    """What becomes of a block.

    Attributes:
        payload: see `Output`.
        rows: how many there are.
        cut: how many of their texts were cut at maxlen.
        done: how many bytes of the input have been read with them.
    """

    payload: Any
    rows: int
    cut: int
    done: int


class Plan(ABC):
    """The steps from a block to its payload. Each is called by a thread of its own.

    Attributes:
        output: the format.
        size: how many rows a block has.
        stop: set when the results are not wanted any more.
    """

    output: Output
    size: int

    def __init__(self, inputs: Inputs, model: Model):
        self.inputs, self.model, self.stop = inputs, model, threading.Event()
        self._headed = False

    def blocks(self, skip: int, patient: bool) -> Iterator[Block]:
        """The input's blocks, without its first rows."""
        self._headed = skip > 0
        return blocks.of_records(self.inputs, self.size, patient, skip)

    @abstractmethod
    def prepare(self, block: Block) -> tuple[Block, Any, int]:
        """The token ids, and how many texts are cut."""

    @abstractmethod
    def compute(self, given: tuple[Block, Any, int]) -> tuple[Block, Any, int]:
        """The results."""

    @abstractmethod
    def form(self, given: tuple[Block, Any, int]) -> Made:
        """The payload."""

    def head(self) -> Any:
        """The payload of an input without rows."""
        return ""


class _WithResults(Plan):
    """The columns of `Results`."""

    def __init__(self, inputs: Inputs, model: Model, results: Results):
        super().__init__(inputs, model)
        self.results = results
        width = sum(_width(name, kind, model) for name, kind in results.fields)
        self.size = BLOCK
        while self.size > LEAST and self.size * width > WIDE:
            self.size //= 2

    def prepare(self, block: Block) -> tuple[Block, Any, int]:
        """See `Plan.prepare`."""
        prepared = self.results.prepare(block.texts)
        return block, prepared, self._cut(prepared)

    def _cut(self, prepared: Prepared) -> int:
        if self.model.tokenizer is None:
            return 0
        cut = cut_texts(prepared.texts, prepared.ids, self.model.tokenizer)
        return int(np.isin(prepared.which, cut).sum()) if cut else 0

    def compute(self, given: tuple[Block, Any, int]) -> tuple[Block, Any, int]:
        """See `Plan.compute`."""
        block, prepared, cut = given
        return block, self.results.finish(prepared, self._go_on), cut

    def _go_on(self, done: int, total: int) -> None:
        """Called after each batch: a block may take long."""
        if self.stop.is_set():
            raise Stopped


def _width(name: str, kind: str, model: Model) -> int:
    """About how many bytes a value of a column takes."""
    if not kind.startswith("list"):
        return 8
    items = {"probabilities": model.classes, "features": model.features}.get(name, 30)
    return items * (4 if kind.endswith("float32>") else 60)


class AsColumns(_WithResults):
    """A table of Arrow."""

    def __init__(self, inputs: Inputs, model: Model, results: Results, form: str):
        super().__init__(inputs, model, results)
        self._arrow = pyarrow(what=f"writing {form} files")
        self._stream: Iterator[Block] | None = None
        if [path for path, _ in inputs.files] == ["-"]:
            self._kept, self._stream = blocks.of_stream(inputs, self.size)
        else:
            self._kept = blocks.schema_of(inputs, dictionaries=form == "parquet")
        check_names(self._kept.names, [name for name, _ in results.fields])
        from .arrow_arrays import type_of

        schema = self._kept
        for name, kind in results.fields:
            schema = schema.append(self._arrow.field(name, type_of(kind)))
        self._schema = schema
        self.output = Columns(form, schema)

    def blocks(self, skip: int, patient: bool) -> Iterator[Block]:
        """See `Plan.blocks`."""
        if self._stream is not None:
            return self._stream
        return blocks.of_columns(self.inputs, self._kept, self.size, skip)

    def form(self, given: tuple[Block, dict[str, Column], int]) -> Made:
        """See `Plan.form`."""
        from .arrow_arrays import array

        block, columns, cut = given
        nulls = np.array([text is None for text in block.texts], bool)
        arrays = [array(kind, columns[name], nulls) for name, kind in self.results.fields]
        batch = self._arrow.RecordBatch.from_arrays([*block.kept, *arrays], schema=self._schema)
        return Made(batch, len(block.texts), cut, block.done)

    def head(self) -> Any:
        """See `Plan.head`."""
        return None


class AsRows(_WithResults):
    """A text format with the same columns."""

    def __init__(self, inputs: Inputs, model: Model, results: Results, form: str, output: Text):
        super().__init__(inputs, model, results)
        self._form, self.output = form, output
        self._rows: Rows | None = None

    def form(self, given: tuple[Block, dict[str, Column], int]) -> Made:
        """See `Plan.form`."""
        block, columns, cut = given
        text = self.head() + self._known().text(block.kept, columns)
        return Made(text, len(block.texts), cut, block.done)

    def head(self) -> str:
        """See `Plan.head`."""
        headed, self._headed = self._headed, True
        return "" if headed else self._known().header()

    def _known(self) -> Rows:
        if self._rows is None:  # the columns are known when there is a block
            self._rows = Rows(self._form, self.inputs.kept, self.results.fields)
        return self._rows


class AsBefore(Plan):
    """The columns of the original's script, as for standard output; see `writers.FORMATS`."""

    def __init__(self, inputs: Inputs, model: Model, form: str, output: Text, top: int, emojis: bool):
        super().__init__(inputs, model)
        self.output, self.size = output, batch.BLOCK  # as for standard input
        self._text, self._settings = io.StringIO(newline=""), (FORMATS[form], top, emojis)
        self._before = 0
        self._writer: Any = None

    def blocks(self, skip: int, patient: bool) -> Iterator[Block]:
        """See `Plan.blocks`."""
        self._before = skip
        return super().blocks(skip, patient)

    def prepare(self, block: Block) -> tuple[Block, Checked, int]:
        """See `Plan.prepare`."""
        texts = [text for text in block.texts if text is not None]
        arrays = self.model.arrays(texts)
        tokenizer = self.model.tokenizer
        return block, arrays, len(cut_texts(texts, next(iter(arrays.values())), tokenizer)) if tokenizer else 0

    def compute(self, given: tuple[Block, Any, int]) -> tuple[Block, list[list[Prediction]], int]:
        """See `Plan.compute`."""
        block, arrays, cut = given
        return block, self.model.top(arrays, self._settings[1]), cut

    def form(self, given: tuple[Block, Any, int]) -> Made:
        """See `Plan.form`."""
        block, tops, cut = given
        writer, results = self._known(), iter(tops)
        records: Sequence[Record] = block.kept
        for record in records:
            writer.write(record, None if record.text is None else next(results))
        return Made(self._taken(), len(records), cut, block.done)

    def head(self) -> str:
        """See `Plan.head`."""
        self._known()
        return self._taken()

    def _known(self) -> Any:
        if self._writer is None:  # the columns are known when there is a block
            kind, top, emojis = self._settings
            self._writer = kind(self._text, top, self.inputs.kept, emojis, self.model.own_classes)
            if self._before:
                self._taken()  # the header, which is there already
                self._writer.rows = self._before
        return self._writer

    def _taken(self) -> str:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text
