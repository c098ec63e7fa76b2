"""A program being written for some layers, as far as they are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..backends.numba_ops import PROGRAM_STEPS
from ..kernels.instructions import Area
from ..kernels.programs import Inside, Instruction, Late, Writer
from ..kernels.target import FLOAT_BYTES, LANES
from ..layers import LSTM, Activation, Bidirectional, Concatenate, Dropout, Embedding, Input, Layer

if TYPE_CHECKING:
    from ..backends.numba_ops import NumbaOps

CAPACITY = PROGRAM_STEPS
WORD = 8  # bytes of a whole number

#: what a value has a row for: the text; each step; each step, where it is only a number; each distinct token
ONE, STEPS, TIMES, DISTINCT = range(4)


class Numbers(NamedTuple):
    """What is known of a text before its program runs. There are two of them: with masked steps skipped, and without
    any."""

    steps: int
    distinct: int  # tokens
    valid: int  # steps
    step_rows: int  # rows that the valid steps need of a value with one for each step,
    distinct_rows: int  # and of one with one for each distinct token
    to_fill: int  # steps that may be masked: none, or all


class Value(NamedTuple):
    """A layer's output: rows in the text's memory."""

    place: Inside
    width: int
    stride: int  # bytes
    rows: int
    masked: bool  # whether its mask is that of the tokens; else it has none

    def count(self) -> int | Late:
        """How many rows there are."""
        return 1 if self.rows == ONE else late("distinct" if self.rows == DISTINCT else "steps")


class Look(NamedTuple):
    """The rows of an embedding, one for each distinct token, that go to a place before the program runs."""

    table: np.ndarray
    place: Inside
    to_halves: bool  # whether they are rounded


class Unknown(Exception):
    """Nothing is known of a layer that asks for this."""


def known(condition: bool) -> None:
    """Raise `Unknown` unless it is so."""
    if not condition:
        raise Unknown


def late(name: str, masked: bool = True, scale: int = 1) -> Late:
    """One of a text's `Numbers`."""
    return Late(Numbers._fields.index(name) + (0 if masked else len(Numbers._fields)), scale)


def vector(place: Inside, size: int | Late, bytes_each: int = FLOAT_BYTES) -> Area:
    """So many numbers."""
    return Area(place, (size,), (bytes_each,))


def matrix(
    place: Inside, rows: int | Late, columns: int | Late, stride: int = 0, bytes_each: int = FLOAT_BYTES
) -> Area:
    """Rows of numbers."""
    return Area(place, (rows, columns), (stride, bytes_each))


#: writes what a layer does with its predecessors' values, and returns its own; None stands for the network's input
Rule = Callable[..., Value]


class Lowering:
    """Layers written down, in graph order, each by the rule for its kind."""

    def __init__(self, ops: NumbaOps, layers: Sequence[Layer], rules: dict[type[Layer], Rule]):
        self.ops, self.writer, self._rules = ops, Writer(), rules
        self.looks: list[Look] = []
        self.values: dict[Layer, Value] = {}
        self._homes: dict[Layer, tuple[Inside, int]] = {}  # place and stride
        writer, words = self.writer, CAPACITY * WORD
        self.ones, self.every = writer.keep(np.ones(CAPACITY, np.int64)), writer.keep(np.arange(CAPACITY))
        self.numbers = writer.reserve(words)  # each step's number among the distinct tokens
        self.places, self.picked = writer.reserve(words), writer.reserve(words)  # the valid steps, and their numbers
        #: for each step the one whose output it has, forward and backward; CAPACITY: a row of zeros
        self.held = writer.reserve(words), writer.reserve(words)
        self.zeroed = writer.reserve(words)  # the same if outputs are not held
        self.mask, self.all_valid = writer.reserve(CAPACITY), writer.keep(np.ones((1, CAPACITY), bool))
        self._find_homes(layers)
        for layer in layers:
            self._write(layer)

    def _write(self, layer: Layer) -> None:
        rule = self._rules.get(type(layer))
        if rule is None or any(one not in self.values and type(one) is not Input for one in layer.previous):
            return
        try:
            self.values[layer] = rule(self, layer, *map(self.values.get, layer.previous))
        except Unknown:
            return

    def _find_homes(self, layers: Sequence[Layer]) -> None:
        """Let what is to be concatenated be made where it will be needed."""
        widths: dict[Layer, int | None] = {}
        for layer in layers:
            own = [widths.get(one) for one in layer.previous]
            widths[layer] = width_of(layer, own)
            if type(layer) is not Concatenate or None in own:
                continue
            width = sum(own)
            place, stride, column = self.steps_place(width), width * FLOAT_BYTES, 0
            self._homes[layer] = place, stride
            for one, width in zip(layer.previous, own):
                self._homes.setdefault(one, (place.plus(column), stride))
                column += width * FLOAT_BYTES

    def steps_place(self, width: int) -> Inside:
        """A place for a row for each step, and one more, which stays 0."""
        return self.writer.reserve((CAPACITY + 1) * width * FLOAT_BYTES)

    def home(self, layer: Layer, width: int) -> tuple[Inside, int]:
        """Where a layer's value goes that has a row for each step, and the stride."""
        return self._homes.get(layer) or (self.steps_place(width), width * FLOAT_BYTES)

    def vector_scratch(self) -> Area:
        """What an elementwise kernel needs besides its arguments."""
        return vector(self.writer.reserve(LANES * FLOAT_BYTES, scratch=True), LANES)

    def copy(self, value: Value, place: Inside, stride: int) -> Instruction:
        """Of a value's rows, one for each step."""
        known(value.rows in (STEPS, DISTINCT))
        rows = self.numbers if value.rows == DISTINCT else self.every.place
        sizes = late("steps"), value.width * FLOAT_BYTES
        return Instruction("copy_rows", None, (place, stride, value.place, value.stride, rows, *sizes))


def width_of(layer: Layer, previous: list[int | None]) -> int | None:
    """How many features a layer has for each step, given those of its predecessors; None if that is not known."""
    kind = type(layer)
    if kind is Embedding:
        return layer.embeddings.shape[1]
    if kind in (Activation, Dropout):
        return previous[0]
    if kind is LSTM:
        return layer.units
    if kind is Bidirectional:
        return layer.ahead.units + layer.behind.units
    return sum(previous) if kind is Concatenate and None not in previous else None
