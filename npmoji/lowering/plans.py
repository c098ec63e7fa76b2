"""A program at work: the token ids of one text in, the outputs of layers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.helpers import helpers
from ..kernels.instructions import ROUNDS_HALVES
from ..kernels.programs import Program, Text
from ..layers import LSTM, Bidirectional, Input, Layer
from ..layers.base import ancestors
from ..precision import LARGEST_HALF
from .rules import RULES
from .writing import CAPACITY, DISTINCT, ONE, TIMES, WORD, Lowering, Numbers, Value

if TYPE_CHECKING:
    from ..backends.numba_ops import NumbaOps

KEPT = 8  # memories of texts that wait for the next one; more texts at a time make their own


def ahead(
    ops: NumbaOps, layers: tuple[Layer, ...], ids: np.ndarray, plans: dict[Any, Plan | None]
) -> dict[Layer, tuple[Any, Any]]:
    """Values and masks of these layers, or of some that they are computed from, for the ids of one text (1, T); nothing
    if too little is known of the layers.

    Args:
        plans: those made before, for the same graph.
    """
    key = ops.packing, *layers
    if key not in plans:
        plans[key] = plan_for(ops, layers)
    plan = plans[key]
    return {} if plan is None else plan.run(ops, ids)


def plan_for(ops: NumbaOps, layers: Sequence[Layer]) -> Plan | None:
    """The plan for one text with these layers as outputs; None if too little is known of what they are made of."""
    order = ancestors(layers)
    inputs = [layer for layer in order if type(layer) is Input]
    if len(inputs) != 1 or inputs[0].vocabulary_size is None:
        return None
    lowering = Lowering(ops, order, RULES)
    program = lowering.writer.finish()
    if program is None or not any(type(layer) in (LSTM, Bidirectional) for layer in lowering.values):
        return None
    ends = {one for layer in order if layer not in lowering.values for one in layer.previous} | set(layers)
    return Plan(lowering, program, [layer for layer in ends if layer in lowering.values])


class Plan:
    """Computes some layers for one text; Python threads may share it."""

    def __init__(self, lowering: Lowering, program: Program, outputs: list[Layer]):
        self.lowering, self.program = lowering, program
        self.outputs = {layer: lowering.values[layer] for layer in outputs}
        self._idle: list[Room] = []

    def run(self, ops: NumbaOps, ids: np.ndarray) -> dict[Layer, tuple[Any, Any]]:
        """Values and masks of the layers for ids (1, T), at most CAPACITY steps; nothing if a row of an embedding is
        not finite or very large, which its layer looks into."""
        try:
            room = self._idle.pop()
        except IndexError:
            room = Room(self)
        if not room.fill(ids):
            return {}
        helpers(ops.threads - 1).run(room.text.words, self.program.shared)
        steps = ids.shape[1]
        found = {
            layer: (room.output(value, steps), ids != 0 if value.masked else None)
            for layer, value in self.outputs.items()
        }
        if len(self._idle) < KEPT:
            self._idle.append(room)
        return found


class Room:
    """The memory of one text, and what is written into it before the program runs."""

    def __init__(self, plan: Plan):
        lowering, self.text = plan.lowering, Text(plan.program)
        size = (CAPACITY,), (WORD,), np.int64
        self._numbers, self._places, self._picked, *held = (
            self.text.view(place, *size)
            for place in (lowering.numbers, lowering.places, lowering.picked, *lowering.held, lowering.zeroed)
        )
        self._ahead, self._behind, self._zeroed = held
        self._mask = self.text.view(lowering.mask, (CAPACITY,), (1,), bool)
        self._looks = [(look, self._view(look.place, look.table.shape[1], CAPACITY)) for look in lowering.looks]
        self._outputs = {value: self._output(value) for value in plan.outputs.values()}

    def _view(self, place: Any, width: int, rows: int) -> np.ndarray:
        return self.text.view(place, (rows, width), (4 * width, 4), np.float32)

    def _output(self, value: Value) -> np.ndarray:
        rows = 1 if value.rows == ONE else CAPACITY
        return self.text.view(value.place, (rows, value.width), (value.stride, 4), np.float32)

    def fill(self, ids: np.ndarray) -> bool:
        """Write down a text, and say whether its rows of the embeddings are finite, and no larger than they may be."""
        tokens = ids[0].tolist()
        number: dict[int, int] = {}
        numbers = [number.setdefault(token, len(number)) for token in tokens]
        distinct, steps = list(number), len(tokens)
        for (table, _, to_halves), rows in self._looks:
            found = np.asarray(table[distinct], np.float32)
            flat = found.reshape(-1)
            if not np.dot(flat, flat) < (LARGEST_HALF**2 if to_halves else math.inf):  # nor if one is NaN
                return False
            rows[: len(distinct)] = found.astype(np.float16) if to_halves and not ROUNDS_HALVES else found
        valid = [step for step, token in enumerate(tokens) if token]
        picked = [numbers[step] for step in valid]
        self._numbers[:steps] = numbers
        self._places[: len(valid)], self._picked[: len(valid)] = valid, picked
        self._mask[:steps] = True
        if len(valid) < steps:
            self._note_masked(tokens, valid)
        masked = Numbers(
            steps,
            len(distinct),
            len(valid),
            valid[-1] + 1 if valid else 0,
            max(picked, default=-1) + 1,
            steps if len(valid) < steps else 0,
        )
        self.text.set_out([*masked, steps, len(distinct), steps, steps, len(distinct), 0])
        return True

    def _note_masked(self, tokens: list[int], valid: list[int]) -> None:
        """For each step, the one whose output it has."""
        steps = len(tokens)
        if valid and valid[-1] == len(valid) - 1:  # padding at the end alone
            self._mask[len(valid) : steps] = False
            for held, other in ((self._ahead, valid[-1]), (self._behind, CAPACITY), (self._zeroed, CAPACITY)):
                held[: len(valid)] = valid
                held[len(valid) : steps] = other
            return
        self._mask[:steps] = list(map(bool, tokens))
        self._zeroed[:steps] = [step if token else CAPACITY for step, token in enumerate(tokens)]
        for held, way in ((self._ahead, range(steps)), (self._behind, range(steps - 1, -1, -1))):
            before = CAPACITY
            for step in way:
                before = step if tokens[step] else before
                held[step] = before

    def output(self, value: Value, steps: int) -> np.ndarray:
        """A copy of a layer's output for one text."""
        rows = self._outputs[value]
        if value.rows == ONE:
            return rows.copy()
        if value.rows == TIMES:
            return rows[:steps, 0].copy()[None]
        return (rows[self._numbers[:steps]] if value.rows == DISTINCT else rows[:steps].copy())[None]
