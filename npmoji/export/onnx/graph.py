"""An ONNX graph as it is built: nodes, constants and the names of values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...files.extras import need

OPSET, IR_VERSION = 18, 9  # the oldest that will do: any runtime since 2023 reads them

#: of ONNX' element types, those used here
FLOAT, INT8, INT32, INT64, BOOL = 1, 3, 6, 7, 9


class Graph:
    """Nodes and constants as they are added; every method returns the name of a value.

    Attributes:
        opset: of operators.
        nodes, constants: of ONNX' own kinds, in order.
        taken: names that are those of the network's inputs and outputs.
    """

    opset = OPSET

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = frozenset(taken)
        self.onnx = need("onnx", "onnx", "writing an ONNX file")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names: dict[Any, tuple[str, np.ndarray]] = {}  # with the arrays, whose ids are not given again then

    def constant(self, array: Any, name: str = "") -> str:
        """A weight or another fixed array; one that was given before, or small and equal to one, is not stored
        twice."""
        array = np.asarray(array, order="C")
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 else id(array)
        if key not in self._names:
            label = name or f"constant_{len(self.constants)}"
            while label in self.taken:
                label += "_"
            self.constants.append(self.onnx.numpy_helper.from_array(array, label))
            self._names[key] = label, array
        return self._names[key][0]

    def add(self, operator: str, *inputs: Any, called: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """A node; arrays and numbers among its inputs become constants, None is an input left out.

        Args:
            called: the name of its value.
            outputs: how many values it gives; of several a list of their names is returned.
        """
        names = ["" if x is None else x if isinstance(x, str) else self.constant(x) for x in inputs]
        label = called or f"{operator.lower()}_{len(self.nodes)}"
        while label in self.taken and not called:
            label += "_"
        results = [label] if outputs == 1 else [f"{label}/{i}" for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(operator, names, results, **attributes))
        return results[0] if outputs == 1 else results

    def cast(self, x: str, kind: int) -> str:
        """The value as another type."""
        return self.add("Cast", x, to=kind)

    def number(self, value: float) -> np.ndarray:
        """A float32 constant without axes."""
        return np.float32(value).reshape(())

    def axes(self, *numbers: int) -> np.ndarray:
        """The numbers of axes, or sizes, as operators take them."""
        return np.array(numbers, np.int64)
