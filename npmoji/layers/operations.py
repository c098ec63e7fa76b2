"""Single functions in a Keras 3 graph: its explicit mask arithmetic, and plain arithmetic between layers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer


def _axis(settings: dict[str, Any]) -> Any:
    axis = settings.get("axis")
    return tuple(axis) if isinstance(axis, list) else axis


def _number(function: Callable) -> Callable:
    """Arithmetic in float32 if one side is a Python number."""

    def apply(settings: dict[str, Any], *values: Any) -> np.ndarray:
        return function(*(np.float32(v) if isinstance(v, float) else v for v in values))

    return apply


FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "NotEqual": lambda settings, a, b: np.not_equal(a, b),
    "Equal": lambda settings, a, b: np.equal(a, b),
    "Greater": lambda settings, a, b: np.greater(a, b),
    "Less": lambda settings, a, b: np.less(a, b),
    "LogicalOr": lambda settings, a, b: np.logical_or(a, b),
    "LogicalAnd": lambda settings, a, b: np.logical_and(a, b),
    "LogicalNot": lambda settings, a: np.logical_not(a),
    "ExpandDims": lambda settings, a, *axis: np.expand_dims(a, axis[0] if axis else _axis(settings)),
    "Squeeze": lambda settings, a, *axis: np.squeeze(a, axis[0] if axis else _axis(settings)),
    "ZerosLike": lambda settings, a: np.zeros_like(a, settings.get("dtype") or a.dtype),
    "OnesLike": lambda settings, a: np.ones_like(a, settings.get("dtype") or a.dtype),
    "Any": lambda settings, a: np.any(a, _axis(settings), keepdims=bool(settings.get("keepdims"))),
    "All": lambda settings, a: np.all(a, _axis(settings), keepdims=bool(settings.get("keepdims"))),
    "Cast": lambda settings, a, *dtype: np.asarray(a).astype(dtype[0] if dtype else settings["dtype"]),
    "Concatenate": lambda settings, *a: np.concatenate(a, axis=settings.get("axis", -1)),
    "Add": _number(operator.add),
    "Subtract": _number(operator.sub),
    "Multiply": _number(operator.mul),
    "Divide": _number(operator.truediv),
    "TrueDivide": _number(operator.truediv),
    "Negative": _number(operator.neg),
    "Absolute": _number(operator.abs),
}


class Operation(Layer):
    """A function of other layers' outputs and of constants.

    Args:
        class_name: Keras 3's name for it.
        arguments: its positional arguments, layers or constants.
        settings: its keyword arguments.
    """

    def __init__(self, class_name: str, arguments: list[Any], settings: dict[str, Any], name: str | None = None):
        super().__init__(*(value for value in arguments if isinstance(value, Layer)), name=name)
        if class_name not in FUNCTIONS:
            raise WeightsError(f"layer {self.name!r}: the operation {class_name!r} is not known")
        self.class_name, self.arguments, self.settings = class_name, arguments, settings

    def forward(self, ops: Ops, *values: Array) -> Array:
        return FUNCTIONS[self.class_name](self.settings, *self._filled(map(np.asarray, values)))

    def _filled(self, values: Iterator[np.ndarray]) -> Iterator[Any]:
        for argument in self.arguments:
            yield next(values) if isinstance(argument, Layer) else argument

    def propagate(self, values, masks):
        return None
