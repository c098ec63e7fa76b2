"""Where torchMoji's arithmetic is not that of the original DeepMoji, which npmoji follows elsewhere.

- A text ends at its last token that is not 0: a 0 before that is a token like any other, where DeepMoji masks it.
- The attention is a softmax over the text's own steps: DeepMoji looks for the maximum among the padding too, and adds
  1e-7 to the sum. (torchMoji subtracts the maximum of the whole batch, which is the same but for rounding.)

A text of nothing but padding makes torchMoji fail. Here it gets what DeepMoji gives: features of 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.ops import Ops
from ...graph import Graph
from ...layers.base import Layer, Remask, step_sum
from ...model import Model


class UpToLast(Layer):
    """Token ids (N, T) -> bool (N, T), True up to the last one of the row that is not 0."""

    def forward(self, ops: Ops, ids: np.ndarray) -> np.ndarray:
        return np.logical_or.accumulate(ids[:, ::-1] != 0, axis=1)[:, ::-1]


class AttentionOfSteps(Layer):
    """A softmax over the valid steps: logits (N, T) -> weights (N, T), 0 at the other steps."""

    uses_mask = True

    def forward(self, ops: Ops, logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
        logits = np.where(mask, logits, np.float32(-np.inf))
        highest = logits.max(axis=1, keepdims=True, initial=np.finfo(np.float32).min)
        a = np.exp(logits - highest)
        return a / np.maximum(step_sum(a.T), 1)[:, None]  # a row's sum is 0 or at least 1


def follow_torchmoji(model: Model) -> Model:
    """Let a DeepMoji network compute as torchMoji does; changes the model given, and returns it."""
    graph, activation = model.graph, model["activation"]
    attlayer: Any = model["attlayer"]
    (embedding,) = activation.previous
    activation.previous = (Remask(embedding, UpToLast(*embedding.previous)),)
    attlayer.attention = AttentionOfSteps(attlayer.logits, name="attention")
    attlayer.previous = (attlayer.previous[0], attlayer.attention)
    graph.named = Graph(graph.layers, graph.outputs).named  # with the new ones
    for layer in graph.named.values():
        layer.network = model
    return model
