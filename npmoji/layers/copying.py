"""Copies of layers that are connected like the originals."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..precision import Int8Array
from .base import Layer


def copies(
    layers: Iterable[Layer],
    deep: bool = False,
    arrays: Any = None,
    other: Callable[[Any], Any] | None = None,
) -> tuple[dict[Layer, Layer], Any]:
    """A copy of each layer and of everything it is made from, which belong to no network; and a copy of ``arrays``.

    Args:
        layers: in graph order, so that long chains of layers are not followed recursively.
        deep: the copies share only read-only arrays, such as those of a mapped file.
        arrays: in dicts or lists; where layers hold them too, their copies hold the copies.
        other: gives the array that the copies hold instead of one, or None: that one.
    """
    copier = _Copier(deep, other)
    for layer in layers:
        copier.copied(layer)
    return copier.made, copier.copied(arrays)


class _Copier:
    """Makes one copy of each layer."""

    def __init__(self, deep: bool, other: Callable[[Any], Any] | None):
        self.deep, self.other = deep, other
        self.made: dict[Layer, Layer] = {}
        self._memo: dict[int, Any] = {}  # for `copy.deepcopy`

    def copied(self, value: Any) -> Any:
        """A layer's attribute, with copies of the layers in it, and with ``deep`` of the rest."""
        if isinstance(value, Layer):
            return self.made.get(value) or self._layer(value)
        if type(value) in (tuple, list):
            return type(value)(map(self.copied, value))
        if type(value) is dict:
            return {key: self.copied(item) for key, item in value.items()}
        if self.other is not None and isinstance(value, (np.ndarray, Int8Array)):
            found = self.other(value)
            return value if found is None else found
        return copy.deepcopy(value, self._memo) if self.deep and not _is_read_only(value) else value

    def _layer(self, layer: Layer) -> Layer:
        self.made[layer] = new = object.__new__(type(layer))
        new.__setstate__({name: self.copied(value) for name, value in layer.__getstate__().items()})
        if self.other is not None:
            new.refresh()
        if all(map(operator.is_, layer.weights().values(), new.weights().values())):
            new._packed = layer._packed  # the same weights need to be packed only once
        return new


def _is_read_only(value: Any) -> bool:
    """Whether it is a read-only array or `Int8Array`."""
    array = value.values if isinstance(value, Int8Array) else value
    return isinstance(array, np.ndarray) and not array.flags.writeable
