"""A graph's arrays as tensors, and its outputs as functions of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...errors import InputError, WeightsError
from ...graph import Graph
from ...layers import BatchNormalization, Bidirectional, Dropout, Embedding, Layer, Recurrent, TimeDistributed
from ...layers.base import ancestors
from ...precision import float32, is_finite, is_whole
from . import attention, elementwise, merging, operations, planes, quantised, queries, recurrent, texts, windows  # noqa: F401  fill RULES
from .table import RULES, Drop, Run, no_gradient, place

Tensor = torch.Tensor
#: the kinds of `Dropout` there are here; others do nothing, or something that is not known
KINDS = ("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise")


def _with_inner(layer: Layer) -> list[Layer]:
    """What a layer is computed from, layers within it too."""
    inner = [layer.ahead, layer.behind] if isinstance(layer, Bidirectional) else []
    return [*layer.previous, *inner, *([layer.layer] if isinstance(layer, TimeDistributed) else [])]


def _unlike(layer: Layer, what: str) -> InputError:
    return InputError(
        f"layer {layer.name!r} of class {layer.class_name!r} {what} in training, which is not supported; "
        "with dropout=False every layer computes what it does in prediction"
    )


class Differentiable:
    """A graph in PyTorch.

    Attributes:
        names: the arrays, ``"layer/array"`` by `Layer.weights`, in graph order; what several layers share is named
            once, after the first.
        owners: the layer of each name.
        weights: the tensors by `place`.
    """

    def __init__(self, graph: Graph, dtype: torch.dtype = torch.float32, device: str = "cpu"):
        self.graph = graph
        self.names: dict[str, Hashable] = {}
        self.owners: dict[str, Layer] = {}
        self.weights: dict[Hashable, Tensor] = {}
        for layer in [*graph.layers, *graph.named.values()]:
            for name, array in layer.weights().items():
                key = place(array)
                if key not in self.weights:
                    if not is_finite(array):
                        raise WeightsError(f"layer {layer.name!r}: its array {name!r} holds NaN or infinite values")
                    self.names[f"{layer.name}/{name}"], self.owners[f"{layer.name}/{name}"] = key, layer
                    self.weights[key] = torch.from_numpy(np.array(float32(array))).to(device, dtype)
        self.like = torch.zeros((), dtype=dtype, device=device)

    def __getitem__(self, name: str) -> Tensor:
        return self.weights[self.names[name]]

    def train(self, names: Iterable[str]) -> None:
        """Let just these arrays have gradients."""
        wanted = {self.names[name] for name in names}
        for key, tensor in self.weights.items():
            tensor.requires_grad_(key in wanted)

    def check(self, outputs: Sequence[Layer]) -> None:
        """Raise an InputError if a layer that gradients have to go through has none, or if an array that is trained is
        not one of the file."""
        held = {place(array) for arrays in self.graph.weights.values() for array in arrays.values()}
        for name, key in self.names.items():
            if self.weights[key].requires_grad and key not in held:
                owner = self.owners[name]
                raise InputError(
                    f"layer {owner.name!r} of class {owner.class_name!r} cannot be trained: its file keeps the arrays "
                    "in another order, as cuDNN has them"
                )
        moved: set[Layer] = set()
        for layer in ancestors(outputs):
            own = any(self.weights[place(array)].requires_grad for array in layer.weights().values())
            if own or any(previous in moved for previous in layer.previous):
                if type(layer) not in RULES:
                    raise no_gradient(layer)
                moved.add(layer)

    def check_training(self, outputs: Sequence[Layer]) -> None:
        """Raise an InputError if a layer acts in training in a way that is not known here."""
        for layer in ancestors(outputs, _with_inner):
            if isinstance(layer, BatchNormalization):
                raise _unlike(layer, "uses the averages of a batch")
            if isinstance(layer, Recurrent) and layer.dropout:
                raise _unlike(layer, f"drops inputs or states at every step (rate {layer.dropout})")
            if isinstance(layer, Dropout) and layer.kind not in KINDS and (layer.rate or "Dropout" in layer.kind):
                raise _unlike(layer, f"is a {layer.kind}")
            if isinstance(layer, Dropout) and layer.kind != "GaussianNoise" and not 0 <= layer.rate < 1:
                raise _unlike(layer, f"has the rate {layer.rate}, not one from 0 to below 1,")

    def copied_graph(self) -> Graph:
        """The graph with the weights as they are now, as arrays of its own."""
        arrays = {key: np.array(tensor.detach().cpu().numpy(), np.float32) for key, tensor in self.weights.items()}

        def other(array: Any) -> np.ndarray | None:
            found = None if is_whole(array) else arrays.get(place(array))
            return None if found is None else found.reshape(array.shape)

        return self.graph.copy(other=other)

    def tables(self) -> list[Hashable]:
        """The embeddings' tables, to which L2 applies."""
        found = [layer.embeddings for layer in self.graph.named.values() if isinstance(layer, Embedding)]
        return list(dict.fromkeys(place(array) for array in found))

    def values(
        self,
        arrays: Mapping[str, Any],
        outputs: Sequence[Layer],
        generator: torch.Generator | None = None,
        drops: Mapping[Layer, Drop] | None = None,
    ) -> list[Any]:
        """The layers' outputs for the inputs by name, as `Network.arrays` gives them.

        Args:
            generator, drops: as `Run` takes them.
        """
        run = Run(self.weights, self.like, generator, drops)
        for layer in ancestors(outputs):
            run.compute(layer, arrays)
        return [run.done[layer][0] for layer in outputs]
