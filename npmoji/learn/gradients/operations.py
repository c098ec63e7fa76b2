"""Single functions of Keras 3's graphs, see `layers.operations`; those that compare, or look at shapes only, have no
gradient."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...backends.ops import REFERENCE
from ...layers import TopK
from ...layers.operations import Operation
from .table import Run, needs_gradient, no_gradient, plain, rule

Tensor = torch.Tensor

ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply": operator.mul,
    "Divide": operator.truediv,
    "TrueDivide": operator.truediv,
    "Negative": operator.neg,
    "Absolute": abs,
}
SHAPES = ("ExpandDims", "Squeeze", "Concatenate")
#: no gradient gets through
FLAT = ("NotEqual", "Equal", "Greater", "Less", "LogicalOr", "LogicalAnd", "LogicalNot", "Any", "All",
        "ZerosLike", "OnesLike", "ConvertToTensor")  # fmt: skip


@rule(Operation)
def _operation(run: Run, layer: Operation, values: list[Any], masks: list[Any]) -> Any:
    name, axis = layer.class_name, layer.settings.get("axis")
    if name in FLAT or not any(map(needs_gradient, values)):
        return run.tensor(layer.forward(REFERENCE, *map(plain, values)))
    arguments = [run.tensor(one) if isinstance(one, np.ndarray) else one for one in layer._filled(iter(values))]
    if name in ARITHMETIC:
        return ARITHMETIC[name](*arguments)
    if name == "Cast" and str(layer.settings.get("dtype") or arguments[-1]) == "float32":
        return values[0].to(run.like.dtype)
    axis = arguments[1] if name != "Concatenate" and len(arguments) > 1 else axis
    if name in SHAPES and isinstance(axis, (int, type(None))):
        if name == "Concatenate":
            return torch.cat(arguments, -1 if axis is None else axis)
        if name == "ExpandDims":
            return arguments[0].unsqueeze(axis)
        return arguments[0].squeeze() if axis is None else arguments[0].squeeze(axis)
    raise no_gradient(layer)


@rule(TopK)
def _top_k(run: Run, layer: TopK, values: list[Any], masks: list[Any]) -> Any:
    x = values[0]
    order = torch.sort(-x.detach(), dim=-1, stable=True).indices
    return x.scatter(-1, order[..., layer.k :], float(layer.VERY_SMALL))
