"""`npmoji inspect`: what layers a file has and how they hang together, like Keras' `summary()`, without Keras."""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple

import numpy as np

from . import formats, networks
from .errors import WeightsError
from .layers import Layer, Part, Remask
from .network import FREE_STEPS
from .paths import local


class Row(NamedTuple):
    """A layer.

    Attributes:
        class_name: as the file has it.
        shape: of its output, None for what is free; a list of them if it has several.
        weights: shapes by name; ``parameters`` the number of their elements.
        previous: the names of the layers it is called with.
    """

    name: str
    class_name: str
    shape: Any
    weights: dict[str, tuple[int, ...]]
    parameters: int
    previous: list[str]


def rows(
    path: str | os.PathLike,
    config: str | os.PathLike | dict[str, Any] | None = None,
    layers: dict[str, Any] | None = None,
) -> list[Row]:
    """The layers of a file in graph order; ``config`` and ``layers`` as `npmoji.load` takes them.

    Raises:
        WeightsError, InputError: as `npmoji.load`.
    """
    path = local(path)
    file = formats.read(path)
    try:
        graph = networks.build(networks.with_config(file, config), layers=layers)
        shown = set(graph.layers)
        values, longer = graph.try_out(), graph.try_out(FREE_STEPS + 16)  # what differs between them is free
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    counted: set[int] = set()
    return [_row(layer, shown, (values[layer], longer[layer]), counted) for layer in graph.layers]


def _row(layer: Layer, shown: set[Layer], values: tuple[Any, Any], counted: set[int]) -> Row:
    weights = layer.weights()
    new = {name: array for name, array in weights.items() if id(array) not in counted}  # a shared layer's count once
    counted.update(map(id, weights.values()))
    shapes = {name: tuple(array.shape) for name, array in weights.items()}
    return Row(
        layer.name,
        layer.class_name,
        [_shape(*parts) for parts in zip(*values)] if isinstance(values[0], tuple) else _shape(*values),
        shapes,
        sum(math.prod(array.shape) for array in new.values()),
        list(dict.fromkeys(name for before in layer.previous for name in _names(before, shown))),
    )


def _shape(value: Any, longer: Any) -> tuple[int | None, ...]:
    return (None, *(n if n == m else None for n, m in zip(np.shape(value)[1:], np.shape(longer)[1:])))


def _names(layer: Layer, shown: set[Layer]) -> list[str]:
    """The shown layers that a predecessor stands for."""
    if layer in shown:
        return [layer.name]
    before = layer.previous[:1] if isinstance(layer, (Part, Remask)) else layer.previous
    return [name for previous in before for name in _names(previous, shown)]


def table(found: list[Row]) -> str:
    """The rows for a person to read, with the total number of parameters."""
    lines = [("layer", "class", "output", "parameters", "from", "weights")]
    for row in found:
        several = isinstance(row.shape, list)
        output = " ".join(map(_text, row.shape)) if several else _text(row.shape)
        weights = " ".join(f"{name} {_text(shape)}" for name, shape in row.weights.items())
        lines.append((row.name, row.class_name, output, f"{row.parameters:,}", ", ".join(row.previous), weights))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = "".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() + "\n" for line in lines)
    return f"{text}{sum(row.parameters for row in found):,} parameters\n"


def _text(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join(("T" if i else "N") if n is None else str(n) for i, n in enumerate(shape)) + ")"
