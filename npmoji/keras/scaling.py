"""Keras' layers that bring numbers to another scale, and the one that does nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import layers
from ..errors import WeightsError
from ..formats.fields import item
from ..layers import Layer
from .place import Place, are_axes, kind


def _masked(at: Place) -> Layer:
    """What comes before the layer: Keras 2 drops its mask there, Keras 3 does not."""
    if len(at.previous) != 1:
        raise WeightsError(f"layer {at.name!r}: {at.config['class_name']} of {len(at.previous)} inputs, expected one")
    return at.previous[0] if at.keras3 else layers.DroppedMask(at.previous[0], name=f"{at.name}/unmasked")


def _numbers(at: Place, key: str, default: float | None = None) -> np.ndarray:
    """A setting of one number or lists of them; Keras writes NumPy's as ``{"class_name": ..., "config": ...}``."""
    value, where = at.setting(key, default), f"layer {at.name!r}: {key!r}"
    if isinstance(value, dict):
        value = item(item(value, "config", where, dict), "value", where, int, float, list)
    try:
        found = np.asarray(value)
    except ValueError:  # lists of different lengths
        found = np.array(None)
    if found.dtype.kind not in "iuf" or not found.size or not (np.abs(found) < 1e38).all():
        raise WeightsError(f"layer {at.name!r}: {key} {value!r:.60}, expected a number or lists of them")
    return found.astype(np.float32)


@kind("Identity")
def _identity(at: Place) -> Layer:
    return layers.Named(_masked(at), name=at.name)


@kind("Rescaling")
def _rescaling(at: Place) -> Layer:
    return layers.Rescaling(_masked(at), _numbers(at, "scale"), _numbers(at, "offset", 0.0), name=at.name)


def _adapted(config: dict[str, Any]) -> list[str]:
    return ["mean", "variance", "count"] if config.get("mean") is None else []


@kind("Normalization", arrays=_adapted, frozen=("mean", "variance", "count"))
def _normalization(at: Place) -> Layer:
    found = at.config.get("axis", -1)
    axes = () if found is None else tuple(found) if isinstance(found, (list, tuple)) else (found,)
    if not are_axes(axes):
        raise WeightsError(f"layer {at.name!r}: axis {found!r:.60}, expected the numbers of axes")
    mean, variance = (at.arrays[key] if key in at.arrays else _numbers(at, key) for key in ("mean", "variance"))
    while mean.ndim > len(axes) and len(mean) == 1 and mean.shape == variance.shape:
        mean, variance = mean[0], variance[0]
    return layers.Normalization(_masked(at), mean, variance, axes, at.flag("invert"), name=at.name)
