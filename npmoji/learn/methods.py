"""What each method trains, and how fast: `Plan`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ..errors import InputError

METHODS = ("last", "full", "new", "chain-thaw")
RATES = {"last": 1e-3, "full": 1e-4, "new": 1e-3}  # chain-thaw: that of `last` in its first stage, then `full`'s
ALL = "all"  # the last stage of chain-thaw
AVERAGES = ("moving_mean", "moving_variance", "mean", "variance")  # arrays that no gradient changes


class Plan:
    """What a method trains of a network.

    Args:
        arrays: the name of the layer of each array, ``"layer/array"``, in graph order.
        frozen: layers that are never trained.

    Attributes:
        arrays: those that can be trained. layers: those that have one, in graph order.
        stages: of chain-thaw: the last layer, each of the others, then all.

    Raises:
        InputError: no such method, or nothing to train.
    """

    def __init__(self, method: str, arrays: Mapping[str, str], frozen: Collection[str] = ()):
        if method not in METHODS:
            raise InputError(f"method {method!r:.60}: expected one of {', '.join(METHODS)}")
        self.method = method
        self.arrays = {
            name: layer
            for name, layer in arrays.items()
            if layer not in frozen and name.rpartition("/")[2] not in AVERAGES
        }
        self.layers = list(dict.fromkeys(self.arrays.values()))
        if not self.layers:
            raise InputError("no layer of this network can be trained: it has no weights, or all are frozen")
        self.stages = [self.layers[-1], *self.layers[:-1], ALL]

    def stage(self, stage: int | str | None) -> int | None:
        """A stage's number; None for a method that has none."""
        if self.method != "chain-thaw":
            if stage is not None:
                raise InputError(f"stage {stage!r:.60}: method {self.method!r} has no stages")
            return None
        stage = 0 if stage is None else stage
        if isinstance(stage, str) and stage in self.stages:
            return self.stages.index(stage)
        if isinstance(stage, (str, bool)) or not isinstance(stage, (int, np.integer)):
            raise InputError(f"stage {stage!r:.60}: expected one of {', '.join(self.stages)}, or its number")
        if not 0 <= stage < len(self.stages):
            raise InputError(f"stage {stage}: expected 0 to {len(self.stages) - 1}")
        return int(stage)

    def trained(self, stage: int | None) -> list[str]:
        """The arrays that are trained: `last` has the layers with `softmax` in their names, else the last one."""
        layers = set(self.layers)
        if self.method == "last":
            layers = {name for name in self.layers if "softmax" in name} or {self.layers[-1]}
        elif stage is not None and stage < len(self.stages) - 1:
            layers = {self.stages[stage]}
        return [name for name, layer in self.arrays.items() if layer in layers]

    def rate(self, stage: int | None) -> float:
        """The method's learning rate, in this stage."""
        return RATES.get(self.method, RATES["last"] if stage == 0 else RATES["full"])
