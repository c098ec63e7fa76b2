"""Layers of whole numbers, which are not trained, nor is anything before them."""

from __future__ import annotations

from typing import Any

from ...backends.ops import REFERENCE
from ...layers import Int8Dense, Int8EinsumDense, Int8Embedding
from .table import Run, needs_gradient, no_gradient, plain, rule


@rule(Int8Dense, Int8EinsumDense, Int8Embedding)
def _quantised(run: Run, layer: Any, values: list[Any], masks: list[Any]) -> Any:
    own = [run.weight(array) for array in layer.weights().values()]
    if any(map(needs_gradient, [*values, *own])):
        raise no_gradient(layer)
    return run.tensor(layer.forward(REFERENCE, *map(plain, values)))
