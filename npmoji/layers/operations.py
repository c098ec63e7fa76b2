"""Single functions in a graph: a row of the table of `functions` between layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer
from .entry import Input
from .functions import FUNCTIONS, Function
from .functions.arguments import filled, leaves

#: whose result is the very tensor that they are given, if it has the type asked for; so it keeps its mask
KEEPING = ("Array", "Cast", "ConvertToTensor")


class Operation(Layer):
    """A function of other layers' outputs and of constants.

    Args:
        class_name: Keras 3's name for it, a key of `FUNCTIONS`.
        arguments: its positional arguments: layers, constants, lists of them.
        settings: its keyword arguments, the same.

    Attributes:
        bound: all its arguments by the names of the function's parameters.
        lengths: the sizes of the axes of the arrays among them, which inputs may have to have too.
    """

    def __init__(self, class_name: str, arguments: Sequence[Any], settings: Mapping[str, Any], name: str | None = None):
        super().__init__(*_layers([*arguments, *settings.values()]), name=name)
        if class_name not in FUNCTIONS:
            raise WeightsError(f"layer {self.name!r}: the operation {class_name!r} is not known")
        self.class_name = class_name
        try:
            self.bound = self.function.bind(arguments, settings)
        except ValueError as error:
            raise self._not_understood(str(error)) from error
        if not self.previous:
            raise self._not_understood("no layer among its arguments")
        constants = [value for value in leaves(list(self.bound.values())) if isinstance(value, np.ndarray)]
        self.lengths = tuple(n for array in constants for n in array.shape)
        # as often as it is an argument, in their order
        self.previous = tuple(value for value in leaves(list(self.bound.values())) if isinstance(value, Layer))

    @property
    def function(self) -> Function:
        """The row of the table."""
        return FUNCTIONS[self.class_name]

    def _not_understood(self, what: str) -> WeightsError:
        return WeightsError(f"layer {self.name!r}: the operation {self.class_name!r} with {what} is not understood")

    def filled(self, values: Sequence[Any]) -> dict[str, Any]:
        """All arguments, those that are layers replaced by values in the order of ``previous``."""
        given = iter(values)
        return {name: filled(value, lambda layer: next(given)) for name, value in self.bound.items()}

    def forward(self, ops: Ops, *values: Array) -> Any:
        arrays = [self.typed(i, np.asarray(value)) for i, value in enumerate(values)]
        with np.errstate(all="ignore"):
            return self.function.compute(ops, *self.filled(arrays).values())

    def typed(self, i: int, value: np.ndarray) -> np.ndarray:
        """A predecessor's value with the type that it has in Keras: an input's integers may come in any here."""
        if isinstance(self.previous[i], Input) and (value.dtype.kind in "iu" or self.previous[i].integers):
            return value.astype(np.int32)
        return value.astype(np.float32) if value.dtype == np.float64 else value

    def propagate(self, values, masks):
        if self.class_name not in KEEPING:
            return None
        dtype, x = self.bound["dtype"], self.typed(0, np.asarray(values[0]))
        return masks[0] if dtype is None or x.dtype == dtype else None


def _layers(value: Any) -> list[Layer]:
    return [one for one in leaves(value) if isinstance(one, Layer)]
