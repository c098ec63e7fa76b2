"""Recurrent layers as ONNX' fused operators, which ONNX Runtime computes fastest.

ONNX wants (T, N, F), matrices transposed, and other orders of the gates than Keras: i o f c for i f c o; for the GRU
update, reset, candidate, as Keras has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...backends.ops import two_biases
from ...layers import GRU, LSTM, Bidirectional, Recurrent, SimpleRNN, StackedRNN
from ...precision import float32
from .graph import Graph
from .masks import Moves, moves, taken
from .refused import Refused

#: activations of a recurrent operator: its name and its numbers alpha, beta
ACTIVATIONS: dict[str, tuple[Any, ...]] = {
    "hard_sigmoid": ("HardSigmoid", 0.2, 0.5),
    "hard_sigmoid_keras3": ("HardSigmoid", 1 / 6, 0.5),
    "sigmoid": ("Sigmoid",),
    "tanh": ("Tanh",),
    "relu": ("Relu",),
    "elu": ("Elu", 1.0),
    "linear": ("Affine", 1.0, 0.0),
    "softsign": ("Softsign",),
    "softplus": ("Softplus",),
    "leaky_relu": ("LeakyRelu", 0.2),
}


class Cell(NamedTuple):
    """How one kind of layer is said in ONNX.

    Attributes:
        blocks: of ONNX' order of the gates, where each stands in Keras'.
        activations: the options that name its activations, in ONNX' order, with Keras' defaults.
        settings: further attributes of the operator, from the layer's options.
    """

    operator: str
    blocks: tuple[int, ...]
    activations: tuple[tuple[str, str], ...]
    settings: Callable[[dict[str, Any]], dict[str, Any]] = lambda options: {}


TANH = ("activation", "tanh")
CELLS: dict[type[Recurrent], Cell] = {
    LSTM: Cell("LSTM", (0, 3, 1, 2), (("gate", "hard_sigmoid"), TANH, TANH)),
    GRU: Cell(
        "GRU",
        (0, 1, 2),
        (("gate", "sigmoid"), TANH),
        lambda options: {"linear_before_reset": int(options["reset_after"])},
    ),
    SimpleRNN: Cell("RNN", (0,), (TANH,)),
}


class Outcome(NamedTuple):
    """Names of values: the outputs of all steps (N, T, H) in time order, and the states (N, H) after the last step."""

    sequence: str
    states: list[str]


def recurrent(g: Graph, layer: Recurrent, values: list[str], mask: str | None) -> list[str]:
    """What the layer gives, one name for each output."""
    outcome = _run(g, [layer], values[0], [values[1:]], mask)[0]
    return _results(g, layer, outcome)


def bidirectional(g: Graph, layer: Bidirectional, values: list[str], mask: str | None) -> list[str]:
    """The same for both directions: one operator, if they can share it."""
    ahead, behind = layer.ahead, layer.behind
    own = ahead.STATES if len(values) > 1 else 0
    states = [values[1 : 1 + own], values[1 + own :]]
    outcomes = _run(g, [ahead, behind], values[0], states, mask)
    (y, *after), (z, *others) = (_results(g, one, found) for one, found in zip((ahead, behind), outcomes))
    if layer.reverse and layer.return_sequences:
        y, z = (_reversed(g, x) for x in (y, z))
    return [*_merged(g, layer.merge_mode, y, z), *after, *others]


def _merged(g: Graph, mode: str | None, y: str, z: str) -> list[str]:
    if mode is None:
        return [y, z]
    if mode == "concat":
        return [g.add("Concat", y, z, axis=-1)]
    if mode == "mul":
        return [g.add("Mul", y, z)]
    total = g.add("Add", y, z)
    return [g.add("Div", total, g.number(2)) if mode == "ave" else total]


def _results(g: Graph, layer: Recurrent, outcome: Outcome) -> list[str]:
    """Of all that was computed, what the layer returns."""
    y = outcome.sequence
    if not layer.return_sequences:
        y = g.add("Gather", y, g.axes(0 if layer.go_backwards else -1).reshape(()), axis=1)
    elif layer.go_backwards and not layer.time_order:
        y = _reversed(g, y)
    return [y, *outcome.states] if layer.return_state else [y]


def _reversed(g: Graph, x: str) -> str:
    """x (N, T, F) from the last step to the first."""
    return g.add("Slice", x, g.axes(-1), g.axes(np.iinfo(np.int64).min), g.axes(1), g.axes(-1))


def _run(g: Graph, layers: list[Recurrent], x: str, initial: list[list[str]], mask: str | None) -> list[Outcome]:
    """Each layer over x (N, T, F), one forward and one backward in time in one operator."""
    if any(isinstance(layer, StackedRNN) for layer in layers):
        return [_in_turn(g, layer, x, states, mask) for layer, states in zip(layers, initial)]
    together = len(layers) == 2 and _alike(*layers)
    some = moves(g, mask) if mask is not None else None
    moved = taken(g, x, some.order) if some else x
    rows = g.add("Transpose", moved, perm=[1, 0, 2])
    groups = [(layers, initial)] if together else [([layer], [states]) for layer, states in zip(layers, initial)]
    found: list[Outcome] = []
    for group, states in groups:
        found += _operator(g, group, rows, states, some)
    return found


def _in_turn(g: Graph, layer: Recurrent, x: str, initial: list[str], mask: str | None) -> Outcome:
    """One layer over x, each of its cells after the one before."""
    if not isinstance(layer, StackedRNN):
        return _run(g, [layer], x, [initial], mask)[0]
    after: list[str] = []
    for cell, states in layer.with_states(initial):
        x, own = _run(g, [cell], x, [states], mask)[0]
        after += own
    return Outcome(x, after)


def _alike(one: Recurrent, other: Recurrent) -> bool:
    """Whether both directions fit into one operator: of one kind, forward and backward in time."""
    same = type(one) is type(other) and one.options == other.options and one.units == other.units
    return same and not one.go_backwards and other.go_backwards


def _operator(
    g: Graph, layers: list[Recurrent], rows: str, initial: list[list[str]], some: Moves | None
) -> list[Outcome]:
    first = layers[0]
    cell = CELLS.get(type(first))
    if cell is None:
        raise Refused(first, "its kind of recurrence")
    direction = "bidirectional" if len(layers) == 2 else "reverse" if first.go_backwards else "forward"
    weights = [np.stack(arrays) for arrays in zip(*(_arrays(layer, cell) for layer in layers))]
    starts = [_stacked(g, [states[i] for states in initial]) for i in range(len(initial[0]))]
    y, *after = g.add(
        cell.operator,
        rows,
        *weights,
        some.lengths if some else None,
        *starts,
        outputs=1 + first.STATES,
        hidden_size=first.units,
        direction=direction,
        **_activations(first, cell, len(layers)),
        **cell.settings(first.options),
    )
    y = g.add("Transpose", y, perm=[1, 2, 0, 3])  # (T, D, N, H) -> (D, N, T, H)
    return [
        Outcome(
            _returned(g, _part(g, y, i, len(layers)), layer, some),
            [_last(g, _part(g, state, i, len(layers)), initial[i], j, some) for j, state in enumerate(after)],
        )
        for i, layer in enumerate(layers)
    ]


def _part(g: Graph, x: str, index: int, of: int) -> str:
    """One direction's part of a value whose first axis is that of directions."""
    return g.add("Gather", x, g.axes(index).reshape(()), axis=0) if of > 1 else g.add("Squeeze", x, g.axes(0))


def _stacked(g: Graph, states: list[str]) -> str:
    parts = [g.add("Unsqueeze", state, g.axes(0)) for state in states]
    return parts[0] if len(parts) == 1 else g.add("Concat", *parts, axis=0)


def _returned(g: Graph, y: str, layer: Recurrent, some: Moves | None) -> str:
    """The outputs where they belong."""
    if some is None:
        return y
    back = taken(g, y, some.behind if layer.go_backwards else some.ahead)
    held = some.begun[layer.go_backwards] if layer.options["hold_masked"] else some.valid
    return g.add("Mul", back, held)


def _last(g: Graph, state: str, initial: list[str], index: int, some: Moves | None) -> str:
    """The state after the last step: of a row without valid steps, the one before the first."""
    if some is None or not initial:
        return state
    empty = g.add("Unsqueeze", g.add("Equal", some.lengths, np.int32([0])), g.axes(1))
    return g.add("Where", empty, initial[index], state)


def _arrays(layer: Recurrent, cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kernel (G H, F), recurrent kernel (G H, H) and both biases (2 G H) of one direction."""
    kernel, recurrent_kernel = float32(layer.kernel), float32(layer.recurrent_kernel)
    bias = two_biases(layer.bias, kernel.shape[1])
    ordered = lambda array: np.concatenate([np.split(array, len(cell.blocks), -1)[i] for i in cell.blocks], -1)
    return ordered(kernel).T, ordered(recurrent_kernel).T, ordered(bias).reshape(-1)


def _activations(layer: Recurrent, cell: Cell, directions: int) -> dict[str, Any]:
    names, alphas, betas = [], [], []
    for option, default in cell.activations:
        name = layer.options.get(option, default)
        if name not in ACTIVATIONS:
            raise Refused(layer, f"{option} {name!r}")
        operator, *numbers = ACTIVATIONS[name]
        names.append(operator)
        alphas += numbers[:1]
        betas += numbers[1:]
    numbers = {"activation_alpha": alphas * directions, "activation_beta": betas * directions}
    return {"activations": names * directions} | {name: some for name, some in numbers.items() if some}
