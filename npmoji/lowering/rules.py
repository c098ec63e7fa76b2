"""What each kind of layer comes down to for one text: the kernels that the Numba engine's functions call, in their
order, with the arguments that these give them."""

from __future__ import annotations

import numpy as np

from ..backends.numba_ops import compiled
from ..backends.ops import EPSILON
from ..kernels import heads
from ..kernels.elementwise import elementwise_loop
from ..kernels.instructions import ROUNDS_HALVES
from ..kernels.programs import Inside, Instruction
from ..kernels.target import EXP, FLOAT_BYTES, HARD_SIGMOID, HARD_SIGMOID_KERAS3, SIGMOID, TANH
from ..layers import (
    LSTM,
    Activation,
    AttentionWeightedAverage,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Layer,
)
from ..layers.attention import AttentionLogits, AttentionWeights
from .directions import direction
from .writing import CAPACITY, DISTINCT, ONE, STEPS, TIMES, Look, Lowering, Rule, Value, known, late, matrix, vector

DOUBLE_BYTES = 8
#: the activations that are elementwise kernels
ELEMENTWISE = {
    "tanh": TANH,
    "exponential": EXP,
    "sigmoid": SIGMOID,
    "hard_sigmoid": HARD_SIGMOID,
    "hard_sigmoid_keras3": HARD_SIGMOID_KERAS3,
}


def embedding(lowering: Lowering, layer: Embedding, ids: None) -> Value:
    """Looked up before the program runs."""
    table = layer.packed(lowering.ops)
    known(type(table) is np.ndarray and table.dtype.kind == "f" and table.dtype.isnative)
    width = table.shape[1]
    place = lowering.writer.reserve(CAPACITY * width * FLOAT_BYTES)
    to_halves = lowering.ops.precision != "fp32" and table.dtype != np.float16
    lowering.looks.append(Look(table, place, to_halves))
    if to_halves and ROUNDS_HALVES:
        lowering.writer.stage([Instruction("round_halves", None, (place, late("distinct", scale=width)))])
    return Value(place, width, width * FLOAT_BYTES, DISTINCT, layer.mask_zero)


def same(lowering: Lowering, layer: Dropout, x: Value) -> Value:
    """What acts in training only."""
    return x


def activation(lowering: Lowering, layer: Activation | Dense, x: Value) -> Value:
    """Elementwise functions, and a softmax of one row."""
    name, reserve = layer.activation, lowering.writer.reserve
    if name == "linear":
        return x
    known(x.rows in (ONE, DISTINCT) and x.stride == x.width * FLOAT_BYTES)
    if name == "softmax":
        known(x.rows == ONE)
        out = reserve(x.stride)
        every = lowering.writer.keep(np.ones((1, x.width), bool))
        lowering.writer.stage(softmax(lowering, x.place, out, x.width, every, np.float32(0)))
        return x._replace(place=out)
    known(name in ELEMENTWISE)
    count, out = x.count(), reserve((1 if x.rows == ONE else CAPACITY) * x.stride)
    size = x.width if x.rows == ONE else count._replace(scale=x.width)
    sides = vector(x.place, size), vector(out, size)
    arguments = ELEMENTWISE[name], *sides, lowering.vector_scratch()
    lowering.writer.stage([Instruction("elementwise", elementwise_loop, arguments)])
    return x._replace(place=out)


def softmax(lowering: Lowering, source: Inside, out: Inside, size, mask, epsilon: np.float32) -> list[Instruction]:
    """That of `heads.softmax`, or with an epsilon of `heads.attention_weights`."""
    numbers = vector(out, size)
    normalise = matrix(out, 1, size), mask, epsilon
    return [
        Instruction("below_largest", None, (out, source, size)),
        Instruction("elementwise", elementwise_loop, (EXP, numbers, numbers, lowering.vector_scratch())),
        Instruction("normalise", heads.normalise_loop, normalise),
    ]


def bidirectional(lowering: Lowering, layer: Bidirectional, x: Value) -> Value:
    """Two LSTMs that may run at the same time."""
    ahead, behind, ops = layer.ahead, layer.behind, lowering.ops
    known(layer._together and is_compiled(ahead) and fits(ahead, x) and fits(behind, x))
    width = ahead.units + behind.units
    place, stride = lowering.home(layer, width)
    lowering.writer.stage(
        direction(lowering, x, ahead, ahead.packed(ops), place, stride),
        direction(lowering, x, behind, behind.packed(ops), place.plus(ahead.units * FLOAT_BYTES), stride),
    )
    return Value(place, width, stride, STEPS, x.masked)


def lstm(lowering: Lowering, layer: LSTM, x: Value) -> Value:
    """One whose outputs are those of all steps, in their order."""
    known(layer.return_sequences and not layer.return_state and (layer.time_order or not layer.go_backwards))
    known(len(layer.previous) == 1 and is_compiled(layer) and fits(layer, x))
    place, stride = lowering.home(layer, layer.units)
    lowering.writer.stage(direction(lowering, x, layer, layer.packed(lowering.ops), place, stride))
    return Value(place, layer.units, stride, STEPS, x.masked)


def is_compiled(layer: LSTM) -> bool:
    """Whether the kernels support the layer's activations."""
    return compiled(layer.options.get("gate", "hard_sigmoid"), layer.options.get("activation", "tanh"))


def fits(layer: LSTM, x: Value) -> bool:
    """Whether the layer takes this."""
    return x.rows in (STEPS, DISTINCT) and x.width == len(layer.kernel)


def concatenate(lowering: Lowering, layer: Concatenate, *values: Value) -> Value:
    """Copies of what was not made in its place."""
    known(layer.axis in (-1, 2) and all(value.rows in (STEPS, DISTINCT) for value in values))
    masked = {value.masked for value in values}
    known(len(masked) == 1 or not layer.any_valid)
    width = sum(value.width for value in values)
    place, stride = lowering.home(layer, width)
    column, copies = place, []
    for value in values:
        if (value.place, value.stride, value.rows) != (column, stride, STEPS):
            copies.append(lowering.copy(value, column, stride))
        column = column.plus(value.width * FLOAT_BYTES)
    lowering.writer.stage(copies)
    return Value(place, width, stride, STEPS, any(masked))


def attention_logits(lowering: Lowering, layer: AttentionLogits, x: Value) -> Value:
    """Dot products."""
    known(x.rows == STEPS and x.width == len(layer.kernel))
    weights, reserve = lowering.writer.keep(layer.kernel[:, 0]), lowering.writer.reserve
    out = reserve(CAPACITY * FLOAT_BYTES)
    rows, sums = late("steps"), vector(reserve(heads.WIDE * FLOAT_BYTES), heads.WIDE)
    arguments = matrix(x.place, rows, x.width, x.stride), weights, vector(out, rows), sums, 0, rows
    lowering.writer.stage([Instruction("dot_rows", heads.dot_rows_loop, arguments)])
    return Value(out, 1, FLOAT_BYTES, TIMES, x.masked)


def attention_weights(lowering: Lowering, layer: AttentionWeights, logits: Value) -> Value:
    """The softmax over time."""
    known(logits.rows == TIMES)
    out, steps = lowering.writer.reserve(CAPACITY * FLOAT_BYTES), late("steps")
    mask = lowering.mask if logits.masked else lowering.all_valid.place
    instructions = softmax(lowering, logits.place, out, steps, matrix(mask, 1, steps, 0, 1), EPSILON)
    lowering.writer.stage(instructions)
    return logits._replace(place=out)


def average(lowering: Lowering, layer: AttentionWeightedAverage, x: Value, weights: Value) -> Value:
    """The sum over time."""
    known(x.rows == STEPS and weights.rows == TIMES)
    out, steps = lowering.writer.reserve(x.width * FLOAT_BYTES), late("steps")
    values = matrix(x.place, steps, x.width, x.stride)
    values = values._replace(shape=(1, *values.shape), strides=(0, *values.strides))
    arguments = values, matrix(weights.place, 1, steps), matrix(out, 1, x.width), 0, 1
    lowering.writer.stage([Instruction("weighted_sum", heads.weighted_sum_loop, arguments)])
    return Value(out, x.width, x.width * FLOAT_BYTES, ONE, False)


def dense(lowering: Lowering, layer: Dense, x: Value) -> Value:
    """An affine map of one row; or, if the layer is only the activation after that, the activation."""
    if layer.activation != "linear":
        return activation(lowering, layer, x)
    known(x.rows == ONE and x.width == len(layer.kernel))
    kernel, bias = layer.packed(lowering.ops)
    known(kernel.dtype == bias.dtype == np.float32)
    columns, writer = len(bias), lowering.writer
    out, sums = writer.reserve(columns * FLOAT_BYTES), writer.reserve(columns * DOUBLE_BYTES)
    sides = matrix(x.place, 1, x.width), writer.keep(kernel), writer.keep(bias), matrix(out, 1, columns)
    arguments = *sides, vector(sums, columns, DOUBLE_BYTES), 0, 1
    writer.stage([Instruction("dense", heads.dense_loop, arguments)])
    return Value(out, columns, columns * FLOAT_BYTES, ONE, x.masked)


RULES: dict[type[Layer], Rule] = {
    Activation: activation,
    AttentionLogits: attention_logits,
    AttentionWeightedAverage: average,
    AttentionWeights: attention_weights,
    Bidirectional: bidirectional,
    Concatenate: concatenate,
    Dense: dense,
    Dropout: same,
    Embedding: embedding,
    LSTM: lstm,
}
