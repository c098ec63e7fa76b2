"""Recurrence over the valid steps alone, with operators that know lengths only.

Keras skips masked steps wherever they stand; ONNX' recurrent operators take the first steps of each row. So the valid
steps are moved to the front, in order, and the outputs back to where they belong:

    k-th valid step of row n      first[n, k] = the place of the k-th True of mask[n]
    output of step t              out[n, t] = y[n, count[n, t] - 1], count the number of valid steps up to and with t

which for masked steps is the output of the last valid step before them (``hold_masked``, Keras 2.0 to 2.3), or is set
to 0 (later versions). Backward in time the same holds for the number of valid steps from t on.
"""

from __future__ import annotations

from typing import NamedTuple

from .graph import BOOL, FLOAT, INT32, INT64, Graph


class Moves(NamedTuple):
    """What a mask (N, T) means for moving steps; names of values.

    Attributes:
        valid: float32 (N, T, 1), 1 at valid steps.
        lengths: int32 (N,), the number of valid steps.
        order: int64 (N, T, 1), which step stands in each place: valid ones first.
        ahead, behind: int64 (N, T, 1), where in the moved rows the output of each step is, forward and backward in
            time; 0 if there is none, see ``begun``.
        begun: float32 (N, T, 1) of either direction, 1 if there is a valid step at or before t.
    """

    valid: str
    lengths: str
    order: str
    ahead: str
    behind: str
    begun: tuple[str, str]


def moves(g: Graph, mask: str) -> Moves:
    """The moves for a mask (N, T) of truth values."""
    time = g.axes(1).reshape(())
    ints = g.cast(mask, INT64)
    count = g.add("CumSum", ints, time)  # valid steps up to and with t
    total = g.add("ReduceSum", ints, g.axes(1), keepdims=1)
    rest = g.add("Sub", g.add("Add", total, ints), count)  # valid steps from t on
    # places: of valid steps their number, of masked ones what is behind all valid ones, in order
    steps = g.add("CumSum", g.add("Sub", g.axes(1), ints), time)  # masked steps up to and with t
    place = g.add("Sub", g.add("Where", mask, count, g.add("Add", total, steps)), g.axes(1))
    zeros = g.add("Mul", ints, g.axes(0))
    numbers = g.add("CumSum", g.add("Add", zeros, g.axes(1)), time, exclusive=1)  # 0, 1, 2, …
    order = g.add("ScatterElements", zeros, place, numbers, axis=1)
    last = g.axes(2)
    ahead = g.add("Max", g.add("Sub", count, g.axes(1)), g.axes(0))
    behind = g.add("Min", g.add("Sub", total, rest), g.add("Max", g.add("Sub", total, g.axes(1)), g.axes(0)))
    begun = tuple(g.add("Unsqueeze", g.cast(g.add("Greater", n, g.axes(0)), FLOAT), last) for n in (count, rest))
    return Moves(
        g.add("Unsqueeze", g.cast(mask, FLOAT), last),
        g.cast(g.add("Squeeze", total, g.axes(1)), INT32),
        g.add("Unsqueeze", order, last),
        g.add("Unsqueeze", ahead, last),
        g.add("Unsqueeze", behind, last),
        (begun[0], begun[1]),
    )


def taken(g: Graph, x: str, steps: str) -> str:
    """x (N, T, F) with these steps of each row, (N, T, 1), in their order."""
    return g.add("GatherND", x, steps, batch_dims=1)


def everything(g: Graph, x: str) -> str:
    """A mask (N, T) for x (N, T, ...) without any masked step."""
    sizes = g.add("Shape", x, start=0, end=2)
    return g.cast(g.add("ConstantOfShape", sizes, value=g.onnx.numpy_helper.from_array(g.axes(1), "one")), BOOL)
