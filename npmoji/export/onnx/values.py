"""What a function of tensors is computed from, as values of an ONNX graph: `Arg`, or constants as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...layers.functions.arguments import DTYPES, at_axes, whole
from .graph import BOOL, FLOAT, INT64, Graph

NUMPY = {FLOAT: np.float32, INT64: np.int64, BOOL: np.bool_}


def kind_of(value: Any) -> int:
    """ONNX' element type for numbers like these."""
    return {"b": BOOL, "i": INT64, "u": INT64}.get(np.asarray(value).dtype.kind, FLOAT)


@dataclass(frozen=True)
class Arg:
    """Another layer's output: its name, and an array of its type and rank."""

    name: str
    like: Any

    @property
    def kind(self) -> int:
        return kind_of(self.like)

    @property
    def ndim(self) -> int:
        return np.ndim(self.like)


def kind(value: Any) -> int:
    """The element type of an argument."""
    return value.kind if isinstance(value, Arg) else kind_of(value)


def rank(value: Any) -> int:
    """How many axes an argument has."""
    return value.ndim if isinstance(value, Arg) else np.ndim(value)


def shape(value: Any) -> tuple[int, ...]:
    """Its shape, as far as it does not depend on how many texts and steps there are."""
    return np.shape(value.like if isinstance(value, Arg) else value)


def of_kind(g: Graph, value: Any, wanted: int) -> Any:
    """The argument as numbers of a type: a name, or a constant."""
    if isinstance(value, Arg):
        return value.name if value.kind == wanted else g.cast(value.name, wanted)
    return np.asarray(value).astype(NUMPY[wanted])


def floats(g: Graph, value: Any) -> Any:
    """The same as float32."""
    return of_kind(g, value, FLOAT)


def name_of(g: Graph, value: Any) -> str:
    """The argument as a value, whatever its type."""
    return value.name if isinstance(value, Arg) else g.constant(np.asarray(value).astype(NUMPY[kind_of(value)]))


def common_kind(*values: Any) -> int:
    """The type that arguments have together: Python's numbers have none of their own but for their kind."""
    kinds = {kind(value) for value in values}
    return FLOAT if FLOAT in kinds else INT64 if INT64 in kinds else BOOL


def common(g: Graph, *values: Any) -> list[Any]:
    """The arguments as one type."""
    wanted = common_kind(*values)
    return [of_kind(g, value, wanted) for value in values]


def counted(g: Graph, *values: Any) -> list[Any]:
    """The same, truth values as integers."""
    wanted = common_kind(*values)
    return [of_kind(g, value, INT64 if wanted == BOOL else wanted) for value in values]


def dtype_kind(dtype: str) -> int:
    """The element type for a dtype of a file."""
    return kind_of(np.zeros(0, DTYPES[dtype]))


def axes_of(g: Graph, value: Any, axis: Any) -> Any:
    """The numbers of axes as operators take them; of None, all."""
    return g.axes(*at_axes(axis, rank(value)))


def sizes_of(g: Graph, value: Any) -> Any:
    """Sizes as operators take them: constants, or a value if some are known only when the network runs."""
    if isinstance(value, Arg):
        vector = of_kind(g, value, INT64)
        return vector if value.ndim else g.add("Unsqueeze", vector, g.axes(0))
    parts = list(value) if isinstance(value, (list, tuple)) else [value]
    if not any(isinstance(part, Arg) for part in parts):
        return g.axes(*(-1 if part is None else whole(part) for part in parts))
    pieces = [sizes_of(g, part) if isinstance(part, Arg) else g.axes(-1 if part is None else part) for part in parts]
    return g.add("Concat", *pieces, axis=0)
