"""Numbers of categories as rows of zeros and ones, or of counts; and the numbers themselves, by hashing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import InputError, WeightsError
from ..text.fingerprint import bucket
from .base import Layer

NOWHERE = np.iinfo(np.int64).max  # in place of the number of what is left out: beyond any width
MODES = ("int", "one_hot", "multi_hot", "count")


def encoded(name: str, ids: np.ndarray, mode: str, width: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Numbers as rows of so many places: float32, with numbers beyond the width left out.

    Args:
        name: of the layer, for messages.
        mode: ``"one_hot"``: (N, T) -> (N, T, width), but (N, 1) and (N,) -> (N, width), each number a row with one 1;
            ``"multi_hot"``: (N, T) -> (N, width), 1 where a number is in the row; ``"count"``: how often it is there.
        weights: for ``"count"``, what each number counts.
    """
    if mode == "one_hot":
        ids = ids[..., 0] if ids.ndim > 1 and ids.shape[-1] == 1 else ids
        return (ids[..., None] == np.arange(width)).astype(np.float32)
    if ids.ndim != 2:
        raise WeightsError(f"layer {name!r}: {mode} of an array of shape {ids.shape}, expected (rows, numbers)")
    if ids.size and ids.min() < 0:
        raise InputError(f"layer {name!r}: row {np.argwhere(ids < 0)[0][0]}: a negative number, expected 0 or more")
    if weights is not None and weights.shape != ids.shape:
        raise InputError(f"layer {name!r}: weights of shape {weights.shape} for numbers of shape {ids.shape}")
    rows, steps = np.nonzero(ids < width)
    places = rows * width + ids[rows, steps]
    if mode == "multi_hot":
        out = np.zeros(len(ids) * width, np.float32)
        out[places] = 1
    else:
        out = np.bincount(places, None if weights is None else weights[rows, steps], len(ids) * width)
    return out.reshape(len(ids), width).astype(np.float32, copy=False)


def integers(x: Any) -> np.ndarray:
    """Numbers as int64, cut where they are not whole, as TensorFlow does it."""
    return np.asarray(x).astype(np.int64, copy=False)


class Categorical(Layer):
    """A layer that gives numbers of categories, or what is made of them: masks end here."""

    def propagate(self, values, masks):
        return None


class CategoryEncoding(Categorical):
    """Whole numbers (N, T) as rows of ``num_tokens`` places.

    Args:
        weights: for ``"count"``, a layer that gives what each number counts, (N, T).
        output_mode: ``"multi_hot"``: (N, num_tokens), 1 for each number that is in the row; ``"count"``: how often it
            is; ``"one_hot"``: (N, T, num_tokens), for (N, 1) too (N, num_tokens).
        strict: numbers from ``num_tokens`` on are refused, as tf_keras does; else left out, as Keras 3 does.

    >>> npmoji.CategoryEncoding(npmoji.Input(), num_tokens=4)(np.array([[0, 2, 2]]))
    array([[1., 0., 1., 0.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        weights: Layer | None = None,
        num_tokens: int = 1,
        output_mode: str = "multi_hot",
        strict: bool = False,
        name: str | None = None,
    ):
        super().__init__(previous, *([] if weights is None else [weights]), name=name)
        if output_mode not in MODES[1:] or (weights is not None and output_mode != "count"):
            raise WeightsError(f"layer {self.name!r}: output_mode {output_mode!r:.60} of {len(self.previous)} inputs")
        self.num_tokens, self.output_mode, self.strict = num_tokens, output_mode, strict

    def forward(self, ops: Ops, x: Array, *weights: Array) -> Array:
        ids = integers(x)
        if self.strict and ids.size and not 0 <= ids.min() <= ids.max() < self.num_tokens:
            row = np.argwhere((ids < 0) | (ids >= self.num_tokens))[0][0]
            raise InputError(f"layer {self.name!r}: row {row}: expected numbers from 0 to {self.num_tokens - 1}")
        some = np.asarray(weights[0], np.float32) if weights else None
        return encoded(self.name, ids, self.output_mode, self.num_tokens, some)


class Hashing(Categorical):
    """Strings or whole numbers to numbers below ``num_bins``, by a hash of the string or of the number's digits.

    Args:
        num_bins: how many numbers there are.
        mask_value: what gets number 0, which nothing else gets then; None: nothing does.
        salt: two numbers, the key of SipHash; without them the hash is FarmHash's fingerprint.
        output_mode: ``"int"``: the numbers, int64, in the shape of the input; else as `CategoryEncoding`.

    >>> npmoji.Hashing(npmoji.Input(dtype="string"), num_bins=10)(["word"])
    array([0])
    """

    def __init__(
        self,
        previous: Layer,
        num_bins: int,
        mask_value: str | int | None = None,
        salt: tuple[int, int] | None = None,
        output_mode: str = "int",
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        if output_mode not in MODES:
            raise WeightsError(
                f"layer {self.name!r}: output_mode {output_mode!r:.60}, expected one of {', '.join(MODES)}"
            )
        self.num_bins, self.mask_value, self.output_mode = num_bins, mask_value, output_mode
        self.salt = None if salt is None else (salt[0], salt[1])

    def forward(self, ops: Ops, x: Array) -> Array:
        x = np.asarray(x)
        texts = x.dtype.kind == "O"
        if self.mask_value is not None and texts != isinstance(self.mask_value, str):
            raise WeightsError(f"layer {self.name!r}: mask_value {self.mask_value!r:.60} among {x.dtype} values")
        values = x.ravel().tolist() if texts else integers(x).ravel().tolist()
        first = int(self.mask_value is not None and self.num_bins > 1)
        bins, salt = self.num_bins - first, self.salt
        ids = np.array([bucket(str(v).encode("utf-8", "surrogatepass"), bins, salt) + first for v in values], np.int64)
        ids = ids.reshape(x.shape)
        if first:
            ids[x == self.mask_value] = 0
        return ids if self.output_mode == "int" else encoded(self.name, ids, self.output_mode, self.num_bins)
