"""Single functions in a graph, see `layers.functions`: those with a gradient, those that only move numbers, and those
that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...backends.ops import REFERENCE
from ...layers import TopK
from ...layers.functions.arguments import DTYPES
from ...layers.operations import Operation
from .functions import TORCH
from .table import Run, needs_gradient, no_gradient, plain, rule

Tensor = torch.Tensor

#: what comes out are numbers that went in, in other places, and zeros: the same is done to the numbers of their places
MOVES = (
    "BandPart", "BatchFlatten", "BroadcastTo", "Concatenate", "ExpandDims", "Flip", "Gather", "GetItem", "Hstack",
    "Moveaxis", "Pad", "Ravel", "Repeat", "Reshape", "Roll", "Slice", "Split", "SplitSizes", "Squeeze", "Stack",
    "Swapaxes", "Take", "TakeAlongAxis", "Tile", "Transpose", "Tril", "Triu", "Unstack", "Vstack",
)  # fmt: skip
#: no gradient gets through
FLAT = (
    "All", "Any", "Arange", "Argmax", "Argmin", "Argsort", "Ceil", "CountNonzero", "EmptyLike", "Equal", "Floor",
    "FloorDivide", "Greater", "GreaterEqual", "Isfinite", "Isinf", "Isnan", "Less", "LessEqual", "LogicalAnd",
    "LogicalNot", "LogicalOr", "LogicalXor", "MultiHot", "NotEqual", "OneHot", "OnesLike", "Round", "SequenceMask",
    "Shape", "Sign", "Size", "Trunc", "ZerosLike",
)  # fmt: skip


@rule(Operation)
def _operation(run: Run, layer: Operation, values: list[Any], masks: list[Any]) -> Any:
    name = layer.class_name
    if name in FLAT or not any(map(needs_gradient, values)) or _gives_integers(layer):
        return run.tensor(layer.forward(REFERENCE, *map(plain, values)))
    if name in MOVES:
        return _moved(run, layer, values)
    if name not in TORCH:
        raise no_gradient(layer)
    kinds = {parameter.name: parameter.kind for parameter in layer.function.parameters}
    arguments = {key: _argument(run, kinds[key], value) for key, value in layer.filled(values).items()}
    return TORCH[name](*arguments.values())


def _gives_integers(layer: Operation) -> bool:
    """Whether the numbers of its result are of a type without gradients."""
    dtype = layer.bound.get("dtype")
    return isinstance(dtype, str) and DTYPES[dtype].kind != "f"


def _argument(run: Run, kind: str, value: Any) -> Any:
    """What a function of tensors takes: arrays among its values as tensors, sizes and places as numbers."""
    if kind == "Values":
        return [_argument(run, "Value", one) for one in value]
    if kind == "Value":
        return run.tensor(value) if isinstance(value, np.ndarray) else value
    return plain(value) if isinstance(value, Tensor) else value


def _moved(run: Run, layer: Operation, values: list[Any]) -> Any:
    """The places of the numbers that come out, by way of the function itself; 0 is for what none of them fills."""
    parameter, *rest = layer.function.parameters
    filled = layer.filled(values)
    given = filled[parameter.name]
    several = parameter.kind == "Values"
    data = [run.tensor(_as_array(one)) for one in (given if several else [given])]
    ends = np.cumsum([1, *(one.numel() for one in data)])
    places = [np.arange(at, at + one.numel()).reshape(one.shape) for at, one in zip(ends, data)]
    others = {other.name: _plain(filled[other.name]) for other in rest}
    fill = others.get("constant_values") or 0
    if layer.class_name == "Pad":
        others["constant_values"] = None
    numbers = [run.like.new_full((1,), float(fill)), *(one.to(run.like.dtype).reshape(-1) for one in data)]
    flat = torch.cat(numbers)
    found = layer.function.compute(REFERENCE, places if several else places[0], *others.values())
    parts = [flat[torch.from_numpy(np.array(part)).to(flat.device)] for part in _listed(found)]
    return tuple(parts) if isinstance(found, tuple) else parts[0]


def _as_array(value: Any) -> Any:
    return value if isinstance(value, Tensor) else np.asarray(value)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else plain(value)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


@rule(TopK)
def _top_k(run: Run, layer: TopK, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    order = torch.sort(-x.detach(), dim=-1, stable=True).indices
    return x.scatter(-1, order[..., layer.k :], float(layer.VERY_SMALL))
