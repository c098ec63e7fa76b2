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


def _are_axes(value: Any, several: bool = True) -> bool:
    """Whether it is the number of an axis, or a list of them if there may be several."""
    numbers = value if several and isinstance(value, list) else [value]
    return all(type(n) is int and abs(n) <= MOST_AXES for n in numbers)


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
    "ConvertToTensor": lambda settings, a: a,
    "Concatenate": lambda settings, *a: np.concatenate(a, axis=settings.get("axis", -1)),
    "Add": _number(operator.add),
    "Subtract": _number(operator.sub),
    "Multiply": _number(operator.mul),
    "Divide": _number(operator.truediv),
    "TrueDivide": _number(operator.truediv),
    "Negative": _number(operator.neg),
    "Absolute": _number(operator.abs),
}


#: how many arguments a function takes, if not two
COUNTS = {
    **dict.fromkeys(
        ("ConvertToTensor", "LogicalNot", "ZerosLike", "OnesLike", "Any", "All", "Negative", "Absolute"), (1, 1)
    ),
    **dict.fromkeys(("ExpandDims", "Squeeze", "Cast"), (1, 2)),
    "Concatenate": (1, 1000),
}
#: which setting it looks at, and whether it must be there
SETTINGS = {
    **dict.fromkeys(("Squeeze", "Any", "All", "Concatenate"), ("axis", False)),
    **dict.fromkeys(("ZerosLike", "OnesLike"), ("dtype", False)),
    "ExpandDims": ("axis", True),
    "Cast": ("dtype", True),
}
DTYPES = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
)
MOST_AXES = 32


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
        self.lengths = tuple(n for one in arguments if isinstance(one, np.ndarray) for n in one.shape)
        self._check_arguments()

    def _check_arguments(self) -> None:
        """Raise a WeightsError unless the function takes these arguments and settings, which come from a file."""
        least, most = COUNTS.get(self.class_name, (2, 2))
        if not least <= len(self.arguments) <= most or not self.previous:
            raise self._not_understood(f"{len(self.arguments)} arguments, {len(self.previous)} of them layers,")
        values, (key, needed) = list(self.arguments), SETTINGS.get(self.class_name, ("", False))
        setting = values.pop() if most == 2 and least < len(values) else self.settings.get(key)
        plain = (Layer, np.ndarray, int, float)
        wrong = [value for value in values if not isinstance(value, plain)]
        if wrong:
            raise self._not_understood(f"the argument {wrong[0]!r:.60}")
        fits = (
            isinstance(setting, str) and setting in DTYPES
            if key == "dtype"
            else _are_axes(setting, self.class_name != "Concatenate")
        )
        if key and not (fits or (setting is None and not needed)):
            raise self._not_understood(f"{key} {setting!r:.60}")

    def _not_understood(self, what: str) -> WeightsError:
        return WeightsError(f"layer {self.name!r}: the operation {self.class_name!r} with {what} is not understood")

    def forward(self, ops: Ops, *values: Array) -> Array:
        return FUNCTIONS[self.class_name](self.settings, *self._filled(map(np.asarray, values)))

    def _filled(self, values: Iterator[np.ndarray]) -> Iterator[Any]:
        for argument in self.arguments:
            yield next(values) if isinstance(argument, Layer) else argument

    def propagate(self, values, masks):
        return None
