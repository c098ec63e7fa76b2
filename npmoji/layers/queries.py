"""Attention as Keras has it: each step of a query looks at the steps of a value, by how well its key fits.

Both are sequences of the same text, often the same one. A mask of the value says which steps count, and ``causal`` that
later ones do not. Where that leaves a step nothing to look at, the versions of Keras differ, see ``masked``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Ops
from ..errors import WeightsError
from .base import Layer, given

VERY_SMALL = np.float32(-1e9)  # what a score that does not count becomes, or is lowered by
BLOCK = 1 << 20  # numbers that are held at a time where each step meets each other with all its features


def no_later(queries: int, keys: int) -> np.ndarray:
    """Which steps a step may look at if none may be later: (queries, keys)."""
    return np.tri(queries, keys, dtype=bool)


class StepAttention(Layer):
    """What `DotAttention` and `AdditiveAttention` share: ``softmax(scores) · value``, (N, T, F) -> (N, T, V).

    Steps of the value that its mask leaves out have a score less by 1e9; where the query is masked, the output is 0.

    Args:
        query, value, key: layers that give (N, T, F), (N, S, V) and (N, S, F); without a key the value is it.
        causal: step t of the query looks at the steps up to t only.
        return_scores: the weights (N, T, S), after the softmax, are a second output.
        dropout: how much of the weights is dropped in training.
    """

    def __init__(
        self,
        query: Layer,
        value: Layer,
        key: Layer | None = None,
        causal: bool = False,
        return_scores: bool = False,
        dropout: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(query, value, *(() if key is None else (key,)), name=name)
        self.causal, self.outputs, self.dropout = causal, 2 if return_scores else 1, float(dropout)

    def evaluate(self, ops: Ops, values: list[Any], masks: list[Any]) -> tuple[Any, Any]:
        query, value, *key = (np.asarray(one, np.float32) for one in values)
        key = key[0] if key else value
        if [query.ndim, value.ndim, key.ndim] != [3, 3, 3] or query.shape[2] != key.shape[2]:
            raise WeightsError(f"layer {self.name!r}: query {query.shape}, key {key.shape} do not fit")
        scores, valid = self.scores(ops, query, key), self.valid(query.shape[1], key.shape[1], masks[1])
        scores = scores if valid is None else np.where(valid, scores, scores + VERY_SMALL)
        weights = np.asarray(ops.activate("softmax", scores))
        out = ops.pair_products(weights, value)
        out = out if masks[0] is None else np.where(masks[0][..., None], out, np.float32(0))
        return (out, weights) if self.outputs > 1 else out, self.propagate(values, masks)

    def forward(self, ops: Ops, *values: Any) -> Any:
        return self.evaluate(ops, list(values), [None] * len(values))[0]

    def valid(self, queries: int, keys: int, mask: np.ndarray | None) -> np.ndarray | None:
        """Which steps count, for each step of the query; None if all do."""
        steps = None if mask is None else mask[:, None]
        if not self.causal:
            return steps
        return no_later(queries, keys) if steps is None else steps & no_later(queries, keys)

    def scores(self, ops: Ops, query: np.ndarray, key: np.ndarray) -> np.ndarray:
        """How well each step of the key fits each of the query: (N, T, F), (N, S, F) -> (N, T, S)."""
        raise NotImplementedError

    def sums(self, ops: Ops, query: np.ndarray, key: np.ndarray, factor: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The sum of ``after · tanh(factor (query + key))`` over the features."""
        N, T, F = query.shape
        out = np.empty((N, T, key.shape[1]), np.float32)
        block = max(1, BLOCK // max(1, key.shape[1] * F))
        for row in range(N):
            for start in range(0, T, block):
                both = factor * (query[row, start : start + block, None] + key[row])
                bent = np.asarray(ops.activate("tanh", both))
                out[row, start : start + block] = ops.attention_logits(bent, after)
        return out

    def propagate(self, values, masks):
        return (masks[0], None) if self.outputs > 1 else masks[0]


class DotAttention(StepAttention):
    """Keras' `Attention`: scores are the products ``query · key``, or with a ``concat_weight`` the sums of
    ``tanh(query + key)`` times it.

    Args:
        scale: float32 (), a factor of the products, or of what tanh is taken of; or None.
        concat_weight: float32 (), or None.

    >>> x = npmoji.Input()
    >>> npmoji.DotAttention(x, x)(np.float32([[[1, 0], [0, 3]]])).round(2)
    array([[[0.73, 0.81],
            [0.  , 3.  ]]], dtype=float32)
    """

    def __init__(
        self,
        query: Layer,
        value: Layer,
        key: Layer | None = None,
        scale: np.ndarray | None = None,
        concat_weight: np.ndarray | None = None,
        causal: bool = False,
        return_scores: bool = False,
        dropout: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(query, value, key, causal, return_scores, dropout, name)
        self.scale = None if scale is None else self.expect("scale", scale)
        self.concat_weight = None if concat_weight is None else self.expect("concat_score_weight", concat_weight)

    def scores(self, ops: Ops, query: np.ndarray, key: np.ndarray) -> np.ndarray:
        factor = np.float32(1) if self.scale is None else self.scale
        if self.concat_weight is not None:
            return self.concat_weight * self.sums(ops, query, key, factor, np.ones((query.shape[2], 1), np.float32))
        products = ops.pair_products(query, key.swapaxes(1, 2))
        return products if self.scale is None else products * factor

    def weights(self) -> dict[str, np.ndarray]:
        return given(scale=self.scale, concat_score_weight=self.concat_weight)


class AdditiveAttention(StepAttention):
    """Keras' layer of that name, Bahdanau's attention: scores are the sums of ``scale · tanh(query + key)``.

    Args:
        scale: float32 (F,), or None for ones.

    >>> x = npmoji.Input()
    >>> npmoji.AdditiveAttention(x, x)(np.float32([[[1, 0], [0, 3]]])).round(2)
    array([[[0.31, 2.07],
            [0.68, 0.96]]], dtype=float32)
    """

    def __init__(
        self,
        query: Layer,
        value: Layer,
        key: Layer | None = None,
        scale: np.ndarray | None = None,
        causal: bool = False,
        return_scores: bool = False,
        dropout: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(query, value, key, causal, return_scores, dropout, name)
        self.scale = None if scale is None else self.expect("scale", scale, None)

    def scores(self, ops: Ops, query: np.ndarray, key: np.ndarray) -> np.ndarray:
        F = query.shape[2]
        after = np.ones(F, np.float32) if self.scale is None else self.expect("scale", self.scale, F)
        return self.sums(ops, query, key, np.float32(1), np.ascontiguousarray(after[:, None]))

    def weights(self) -> dict[str, np.ndarray]:
        return given(scale=self.scale)
