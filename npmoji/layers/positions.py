"""What tells a network where in a text a step stands."""

from __future__ import annotations

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer


class PositionEmbedding(Layer):
    """A row of a table for each step, by its place: (N, T, F) -> (N, T, F), the input plus these rows, or only them.

    Args:
        embeddings: float32 (L, F), L at least T.
        added: whether the rows are added to the input.
        masked: whether the mask is passed on.

    >>> x = npmoji.PositionEmbedding(npmoji.Input(), np.float32([[1], [2], [3]]))
    >>> x(np.float32([[[10], [10]]])).tolist()
    [[[11.0], [12.0]]]
    """

    def __init__(
        self,
        previous: Layer,
        embeddings: np.ndarray,
        added: bool = True,
        masked: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.embeddings = self.expect("embeddings", embeddings, None, None)
        self.added, self.masked, self.lengths = added, masked, (len(embeddings),)

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        if x.ndim != 3 or x.shape[2] != self.embeddings.shape[1]:
            raise WeightsError(f"layer {self.name!r}: embeddings {self.embeddings.shape}, but its input {x.shape}")
        if x.shape[1] > len(self.embeddings):
            raise ValueError(
                f"{x.shape[1]} steps, but embeddings for {len(self.embeddings)}"
            )  # an InputError, see base
        rows = self.embeddings[: x.shape[1]]
        return x + rows if self.added else np.ascontiguousarray(np.broadcast_to(rows, x.shape))

    def propagate(self, values, masks):
        return masks[0] if self.masked else None

    def weights(self) -> dict[str, np.ndarray]:
        return {"embeddings": self.embeddings}
