"""What a layer's function for ONNX gets and gives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .graph import FLOAT, Graph

Names = str | list[str]


class Value(NamedTuple):
    """A layer's output: the name of its value and of its mask, or None; lists of them if there are several outputs."""

    name: Any
    mask: Any = None


class Node(NamedTuple):
    """A layer to be written, and what it is computed from.

    Attributes:
        values: names, one for each predecessor.
        masks: names or None.
        like, like_masks: an array of the shape and type of each value, but for the sizes of the first axes, and of each
            mask.
    """

    g: Graph
    layer: Any
    values: list[Any]
    masks: list[Any]
    like: list[Any]
    like_masks: list[Any]

    @property
    def x(self) -> str:
        """The first value."""
        return self.values[0]

    @property
    def valid(self) -> str | None:
        """The mask that counts for the layer's arithmetic."""
        return None if self.layer.previous[0].hides_mask else self.masks[0]

    @property
    def rank(self) -> int:
        """The number of axes of the first value."""
        return np.ndim(self.like[0])

    def steps(self, mask: str) -> str:
        """A mask as numbers (N, T, 1)."""
        return self.g.add("Unsqueeze", self.g.cast(mask, FLOAT), self.g.axes(-1))
