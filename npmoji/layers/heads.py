"""Attention with several heads, each with its own view of queries, keys and values."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer
from .queries import VERY_SMALL, no_later

Affine = tuple[np.ndarray, "np.ndarray | None"]  # a kernel and its bias
MASKED = ("uniform", "added", "zero")


class Heads(NamedTuple):
    """Queries, keys or values as matrices: of each text, place along the axes that are not attended along, and head.

    Attributes:
        rows: (B, T, D).
        outer, steps: the sizes that B (without heads) and T are the products of.
    """

    rows: np.ndarray
    outer: tuple[int, ...]
    steps: tuple[int, ...]


class MultiHeadAttention(Layer):
    """Keras' layer of that name, and `GroupQueryAttention`: for each head ``softmax(q · k / sqrt(D)) · v``, where q, k
    and v are affine maps of query, key and value; what the heads give is mapped to the output: (N, T, F) -> (N, T, O).

    Args:
        query, value, key: layers; without a key the value is it.
        attention_mask: a layer that gives true or false (N, T, S), or (N, H, T, S): which steps a step may look at.
        query_dense, key_dense, value_dense: each kernel float32 (F, H, D) and bias (H, D) or None, with as many heads H
            for key and value as for the query, or a divisor of that; output_dense: (H, V, O), (O,). Kernels of the
            output may have several axes in place of O.
        gate_dense: another such map of the query, whose sigmoid what the heads give is multiplied with; or None.
        axes: the axes that are attended along, if not all but first and last.
        causal: no step looks at a later one. window: none looks at one that is as far away as this, or None.
        return_scores: the weights (N, H, T, S) are a second output.
        masked: what becomes of a step that may look at nothing: all steps count alike (``"uniform"``); scores count
            that are less by 1e9 (``"added"``, Keras before 3.10); it gets nothing (``"zero"``).
        dropout: how much of the weights is dropped in training.
        fused: ``"uniform"`` if there is one axis, whatever else is said.

    >>> x, sums = npmoji.Input(), (np.ones((2, 1, 1), np.float32), None)
    >>> maps = {"query_dense": sums, "key_dense": sums, "value_dense": sums}
    >>> one = np.ones((1, 1, 1), np.float32)
    >>> heads = npmoji.MultiHeadAttention(x, x, **maps, output_dense=(one, None), causal=True)
    >>> heads(np.float32([[[1, 2], [3, 4]]])).tolist()
    [[[3.0], [7.0]]]
    """

    def __init__(
        self,
        query: Layer,
        value: Layer,
        key: Layer | None = None,
        attention_mask: Layer | None = None,
        *,
        query_dense: Affine,
        key_dense: Affine,
        value_dense: Affine,
        output_dense: Affine,
        gate_dense: Affine | None = None,
        axes: tuple[int, ...] | None = None,
        causal: bool = False,
        window: int | None = None,
        return_scores: bool = False,
        masked: str = "uniform",
        fused: bool = False,
        dropout: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(*(layer for layer in (query, value, key, attention_mask) if layer is not None), name=name)
        self.has_key, self.has_mask = key is not None, attention_mask is not None
        maps = {
            "query": query_dense,
            "key": key_dense,
            "gate": gate_dense,
            "value": value_dense,
            "output": output_dense,
        }
        self.maps = {part: self._affine(part, *map) for part, map in maps.items() if map is not None}
        (_, H, D), (_, K, _) = self.maps["query"][0].shape, self.maps["key"][0].shape
        V = self.maps["value"][0].shape[2]
        for part, wanted in {"key": (K, D), "value": (K, V), "gate": (H, V)}.items():
            if part in self.maps:
                self.expect(f"{part} kernel", self.maps[part][0], None, *wanted)
        kernel = self.maps["output"][0]
        self.expect("output kernel", kernel, H, V, *(None,) * max(1, kernel.ndim - 2))
        if H % K:
            raise WeightsError(f"layer {self.name!r}: {H} heads of the query, {K} of the key, expected a divisor")
        self.heads, self.repeats, self.scale = H, H // K, np.float32(1 / math.sqrt(D))
        self.axes, self.causal, self.window = axes, causal, window
        self.masked, self.fused, self.dropout = masked, fused, float(dropout)
        self.outputs = 2 if return_scores else 1

    def _affine(self, part: str, kernel: np.ndarray, bias: np.ndarray | None) -> Affine:
        """A map whose bias has the shape of its kernel's last axes."""
        if kernel.ndim < 3:
            self.expect(f"{part} kernel", kernel, None, None, None)
        sizes = kernel.shape[2:] if part == "output" else kernel.shape[1:]
        kernel = self.expect(f"{part} kernel", kernel, *(None,) * (kernel.ndim if part == "output" else 3))
        return kernel, None if bias is None else self.expect(f"{part} bias", bias, *sizes)

    def evaluate(self, ops: Ops, values: list[Any], masks: list[Any]) -> tuple[Any, Any]:
        query, value, *rest = values
        key = rest[0] if self.has_key else value
        axes = self.attended(len(query.shape), len(value.shape), len(key.shape))
        q, k, v = (self._heads(ops, part, x, axes) for part, x in (("query", query), ("key", key), ("value", value)))
        if q.outer != k.outer or k[1:] != v[1:]:
            shapes = ", ".join(str(tuple(x.shape)) for x in (query, key, value))
            raise WeightsError(f"layer {self.name!r}: query, key and value {shapes} do not fit")
        scores = ops.pair_products(q.rows * self.scale, k.rows.swapaxes(1, 2))
        scores = scores.reshape(*q.outer, self.heads, *q.steps, *k.steps)
        explicit = np.asarray(rest[-1]) if self.has_mask else None
        valid, masked = self.looked_at(scores.ndim, query.shape[1], value.shape[1], explicit, masks, len(axes))
        weights = self._weights(ops, scores, valid, masked, len(axes))
        out = ops.pair_products(weights.reshape(len(q.rows), math.prod(q.steps), math.prod(k.steps)), v.rows)
        out = self._output(ops, out.reshape(*q.outer, self.heads, *q.steps, out.shape[-1]), query, axes)
        return (out, weights) if self.outputs > 1 else out, self.propagate(values, masks)

    def forward(self, ops: Ops, *values: Any) -> Any:
        return self.evaluate(ops, list(values), [None] * len(values))[0]

    def attended(self, *ranks: int) -> tuple[int, ...]:
        """The axes that are attended along, counted from the front."""
        rank = ranks[0]
        found = range(1, rank - 1) if self.axes is None else self.axes
        axes = tuple(axis + rank if axis < 0 else axis for axis in found)
        if set(ranks) != {rank} or not axes or not all(1 <= axis < rank - 1 for axis in axes) or rank < 3:
            raise WeightsError(f"layer {self.name!r}: attention along {list(axes)} of inputs with {rank} axes")
        return axes

    def _heads(self, ops: Ops, part: str, x: Array, axes: tuple[int, ...]) -> Heads:
        kernel = self.maps[part][0]
        if x.shape[-1] != len(kernel):
            raise WeightsError(f"layer {self.name!r}: {part} kernel has shape {kernel.shape}, but its input {x.shape}")
        found = np.asarray(ops.multiply(x, self.packed(ops)[part])).reshape(*x.shape[:-1], *kernel.shape[1:])
        others = [axis for axis in range(len(x.shape) - 1) if axis not in axes]
        rows = found.transpose(*others, found.ndim - 2, *axes, found.ndim - 1)
        if part != "query" and self.repeats > 1:
            rows = rows.repeat(self.repeats, axis=len(others))
        outer, steps = tuple(x.shape[axis] for axis in others), tuple(x.shape[axis] for axis in axes)
        size = math.prod(outer) * self.heads
        return Heads(np.ascontiguousarray(rows).reshape(size, math.prod(steps), kernel.shape[2]), outer, steps)

    def looked_at(
        self, rank: int, queries: int, keys: int, explicit: np.ndarray | None, masks: list[Any], axes: int
    ) -> tuple[np.ndarray | None, str]:
        """Which steps each step may look at, with as many axes as the scores have, or None if all; and what becomes of
        those that may look at none."""
        own = masks[:3] if self.has_key else masks[:2]
        if any(mask is not None and mask.ndim > 2 for mask in own):
            raise WeightsError(f"layer {self.name!r}: a mask with more axes than (rows, steps)")
        found = [mask[:, :, None] if i == 0 else mask[:, None] for i, mask in enumerate(own) if mask is not None]
        if self.causal:
            found.append(no_later(queries, keys)[None])
        if self.window is not None:
            found.append((abs(np.arange(queries)[:, None] - np.arange(keys)) < self.window)[None])
        if explicit is not None:
            found.append(explicit.astype(bool))
        valid = functools.reduce(np.logical_and, found) if found else None
        while valid is not None and valid.ndim < rank:
            valid = np.expand_dims(valid, -2 * axes - 1)
        return valid, "uniform" if self.fused and rank == 4 else self.masked

    def _weights(self, ops: Ops, scores: np.ndarray, valid: np.ndarray | None, masked: str, axes: int) -> np.ndarray:
        """The softmax over the keys' axes, the last ones; changes the scores."""
        if valid is not None and valid.all():
            valid = None
        if valid is not None and masked == "added":
            np.add(scores, VERY_SMALL, out=scores, where=~valid)
        elif valid is not None:
            np.copyto(scores, VERY_SMALL, where=~valid)
        flat = scores.reshape(*scores.shape[:-axes], math.prod(scores.shape[-axes:]))
        weights = np.asarray(ops.activate("softmax", flat)).reshape(scores.shape)
        return np.where(valid, weights, np.float32(0)) if valid is not None and masked == "zero" else weights

    def placed(self, out: Any, rank: int, axes: tuple[int, ...], transpose: Callable = np.transpose) -> Any:
        """What the heads give (outer, H, steps, V) with its axes where the query has them: (N, T, H, V)."""
        others = [axis for axis in range(rank - 1) if axis not in axes]
        places = [*others, rank - 1, *axes, rank]  # heads and their features come last
        return transpose(out, [places.index(axis) for axis in range(out.ndim)])

    def _output(self, ops: Ops, out: np.ndarray, query: Array, axes: tuple[int, ...]) -> np.ndarray:
        """What the heads give, mapped to the output."""
        moved = self.placed(out, len(query.shape), axes)
        rows = moved.reshape(*moved.shape[:-2], moved.shape[-2] * moved.shape[-1])
        if "gate" in self.maps:
            rows = rows * np.asarray(ops.activate("sigmoid", ops.multiply(query, self.packed(ops)["gate"])))
        sizes = self.maps["output"][0].shape[2:]
        return np.asarray(ops.multiply(rows, self.packed(ops)["output"])).reshape(*rows.shape[:-1], *sizes)

    def pack(self, ops: Ops) -> Any:
        def matrix(part: str, kernel: np.ndarray, bias: np.ndarray | None) -> Any:
            rows = math.prod(kernel.shape[:2]) if part == "output" else len(kernel)
            return ops.pack_matrix(kernel.reshape(rows, -1), None if bias is None else bias.reshape(-1))

        return {part: matrix(part, *affine) for part, affine in self.maps.items()}

    def propagate(self, values, masks):
        return (masks[0], None) if self.outputs > 1 else masks[0]

    def weights(self) -> dict[str, np.ndarray]:
        return {
            f"{part}_{name}": array
            for part, affine in self.maps.items()
            for name, array in zip(("kernel", "bias"), affine)
            if array is not None
        }
