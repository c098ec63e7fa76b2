"""One direction of an LSTM layer, as `NumbaOps` computes it: input projections, the walk over time, masked steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.numba_ops import PackedLstm
from ..kernels import GATES
from ..kernels.float32 import lstm_loop, matmul_loop
from ..kernels.programs import Inside, Instruction
from ..kernels.recurrence import scratch_floats
from ..kernels.target import FLOAT_BYTES, GROUP, ROW_CHUNK
from ..layers import LSTM
from .writing import CAPACITY, DISTINCT, WORD, Lowering, Value, late, matrix, vector


def direction(
    lowering: Lowering, x: Value, layer: LSTM, weights: PackedLstm, place: Inside, stride: int
) -> list[Instruction]:
    """The instructions of an LSTM from x to the rows at a place."""
    columns, kind = len(weights.bias), "distinct_rows" if x.rows == DISTINCT else "step_rows"
    projected = scratch(lowering, CAPACITY * columns)
    rows = late(kind, x.masked)
    project = _project(lowering, matrix(x.place, rows, x.width, x.stride), weights, projected, rows)
    recur = _recur(lowering, x, layer, weights, matrix(projected, rows, columns, columns * FLOAT_BYTES), place, stride)
    if not x.masked:
        return [project, recur]
    as_rows = lowering.held[layer.go_backwards] if layer.options["hold_masked"] else lowering.zeroed
    fill = place, stride, place, stride, as_rows, late("to_fill"), weights.units * FLOAT_BYTES
    return [project, recur, Instruction("copy_rows", None, fill)]


def scratch(lowering: Lowering, floats: int) -> Inside:
    """Room for so many floats until the stage ends."""
    return lowering.writer.reserve(floats * FLOAT_BYTES, scratch=True)


def _project(lowering: Lowering, x: Any, weights: PackedLstm, projected: Inside, rows: Any) -> Instruction:
    keep, columns = lowering.writer.keep, len(weights.bias)
    out = matrix(projected, rows, columns, columns * FLOAT_BYTES)
    z = vector(scratch(lowering, ROW_CHUNK * GROUP), ROW_CHUNK * GROUP)
    if isinstance(weights.kernel, np.ndarray):
        arguments = x, keep(weights.kernel), keep(weights.bias), out, 0, rows, z
        return Instruction("matmul", matmul_loop(weights.kernel.dtype), arguments)
    from ..kernels import int8

    arrays = *map(keep, weights.kernel[:3]), keep(weights.bias)
    sizes = int8.matmul_scratch(weights.kernel.inputs)
    more = (vector(scratch(lowering, size), size) for size in sizes)
    return Instruction("int8_matmul", int8.matmul_loop, (x, *arrays, out, 0, rows, z, *more))


def _recur(
    lowering: Lowering, x: Value, layer: LSTM, weights: PackedLstm, projected: Any, place: Inside, stride: int
) -> Instruction:
    units, groups, keep = weights.units, len(weights.bias) // GROUP, lowering.writer.keep
    valid = late("valid", x.masked)
    places = lowering.places if x.masked else lowering.every.place
    picked = lowering.picked if x.masked else lowering.numbers
    index = vector(picked if x.rows == DISTINCT else places, valid, WORD)
    sizes, none = vector(lowering.ones.place, valid, WORD), matrix(place, 0, units)
    out = matrix(place, late("steps"), units, stride)
    floats = scratch_floats(1, groups)
    gate = GATES[layer.options.get("gate", "hard_sigmoid")]
    walk = (
        *(layer.go_backwards, gate, none, none, out, vector(places, valid, WORD), 0, 1),
        vector(scratch(lowering, floats), floats),
    )
    if isinstance(weights.recurrent_kernel, np.ndarray):
        arguments = projected, index, keep(weights.recurrent_kernel), sizes, *walk
        return Instruction("lstm", lstm_loop(weights.recurrent_kernel.dtype), arguments)
    from ..kernels import int8

    more = (vector(scratch(lowering, size), size) for size in int8.lstm_scratch(1, groups))
    arrays = map(keep, weights.recurrent_kernel[:3])
    return Instruction("int8_lstm", int8.lstm_loop, (projected, index, *arrays, sizes, *walk, *more))
