"""Layers and how they hang together."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from .backends.ops import REFERENCE
from .errors import NpmojiError, WeightsError, noted
from .formats.contents import Layers
from .layers import Activation, AttentionWeightedAverage, Input, Layer, Pass, Softmax
from .layers.base import ancestors

FREE_STEPS = 64  # the size of an input's free axes when a network is tried out


# what NumPy raises for arrays that do not fit together, and for sizes and numbers beyond it
UNFIT = (ValueError, IndexError, OverflowError, MemoryError)


class Graph:
    """Layers and how they hang together.

    Attributes:
        layers: in graph order, one for each layer of the file.
        inputs, outputs: where values come in and what comes out, in the order in which a list gives or holds them: in a
            Keras file that of its ``input_layers`` and ``output_layers``. Keras 3 may list one twice.
        input_names: the names by which a dict gives the inputs, in their order: those of the layers, unless the model
            was made with a dict that has other keys.
        named: all layers that have a name of their own, `layers` and what comes before them.
        weights: the arrays by layer and name, as the file that the graph was built from holds them; else the layers'
            own.
        plans: what `lowering` made of the graph, for its use; no copy or pickle has it.
        trims_padding: whether one padded step stands for all that follow it, as in DeepMoji.
    """

    def __init__(
        self,
        layers: list[Layer],
        outputs: list[Layer],
        trims_padding: bool = False,
        inputs: list[Input] | None = None,
        input_names: list[str] | None = None,
        weights: Layers | None = None,
    ):
        self.layers, self.outputs, self.trims_padding = layers, outputs, trims_padding
        everything = ancestors([*outputs, *layers])
        self.named = {layer.name: layer for layer in everything}
        self.named.update({layer.name: layer for layer in layers})
        self.inputs = inputs or [layer for layer in everything if isinstance(layer, Input)]
        self.input_names = input_names or [layer.name for layer in self.inputs]
        self.plans: dict[Hashable, Any] = {}
        self.weights = {layer.name: layer.weights() for layer in layers} if weights is None else weights

    def belonging_to(self, network: Any) -> Graph:
        """This graph, its layers now belonging to the network; a copy of it if any of them belongs to a network
        already."""
        graph = self.copy() if any(layer.network is not None for layer in self.named.values()) else self
        for layer in graph.named.values():
            layer.network = network
        return graph

    def copy(self, deep: bool = False, other: Callable[[Any], Any] | None = None) -> Graph:
        """A graph of copies of the layers, which belong to no network; for ``deep`` and ``other`` see
        `layers.copying`."""
        from .layers.copying import copies

        found, weights = copies(ancestors([*self.outputs, *self.layers, *self.inputs]), deep, self.weights, other)
        layers, outputs, inputs = (
            [found[layer] for layer in some] for some in (self.layers, self.outputs, self.inputs)
        )
        return Graph(layers, outputs, self.trims_padding, inputs, self.input_names, weights)

    @property
    def steps(self) -> int | None:
        """How many tokens each text must have; None if any number is allowed."""
        return next(
            (layer.shape[0] for layer in self.inputs if layer.vocabulary_size is not None and layer.shape), None
        )

    @property
    def classes(self) -> int:
        """The width of the first output, if a Dense layer gives it, itself or through an activation; else 0."""
        last = self.outputs[0]
        while isinstance(last, (Activation, Softmax)):
            last = last.previous[0]
        kernel = None if isinstance(last, AttentionWeightedAverage) else last.weights().get("kernel")
        return kernel.shape[-1] if kernel is not None else 0

    def try_out(self, steps: int = FREE_STEPS) -> dict[Layer, tuple[Any, Any]]:
        """Compute every layer for one row of zeros, which shows whether they fit together; returns their values and
        masks.

        Args:
            steps: the size of the axes that the inputs' shapes leave free; if the network cannot take it, the fixed
                sizes are tried, largest first.

        Raises:
            WeightsError: names the first layer that does not take what comes before it.
        """
        failed: WeightsError | None = None
        for size in self.sizes(steps):
            try:
                return self._try_out(size)
            except WeightsError as error:
                failed = failed or error
        raise failed

    def _try_out(self, steps: int) -> dict[Layer, tuple[Any, Any]]:
        run, X = Pass(REFERENCE), self.row(steps)
        for layer in self.named.values():
            try_layer(layer, X, run)
        return run.done

    def sizes(self, steps: int = FREE_STEPS) -> list[int]:
        """The sizes of free axes that the network may take: so many, or one of the fixed ones, largest first."""
        fixed = {n for layer in self.inputs for n in layer.shape or () if n is not None}
        return [steps, *sorted(fixed, reverse=True)]

    def row(self, steps: int) -> dict[str, np.ndarray]:
        """A row of zeros for each input, by name."""
        return {layer.name: zeros(layer, 1, steps) for layer in self.inputs}


def try_layer(layer: Layer, X: dict[str, np.ndarray], run: Pass) -> None:
    """Compute a layer, or raise a WeightsError that names it if it does not take what comes before it."""
    try:
        with np.errstate(all="ignore"), noted(f"while layer {layer.name!r} was tried out"):
            layer.pull(X, run)
    except WeightsError:
        raise
    except (NpmojiError, *UNFIT) as error:
        raise WeightsError(f"layer {layer.name!r} does not take what comes before it: {error}") from error


def free_shape(value: Any, longer: Any) -> tuple[int | None, ...]:
    """The shape of a layer's output, None for the axes that differ between two sizes of a network's free axes, and for
    the first."""
    return (None, *(n if n == m else None for n, m in zip(np.shape(value)[1:], np.shape(longer)[1:])))


def zeros(layer: Input, rows: int, steps: int = FREE_STEPS) -> np.ndarray:
    """An array of so many rows of zeros, as the input takes it."""
    shape = tuple(steps if n is None else n for n in layer.shape or (None,))
    return np.zeros((rows, *shape), np.float32 if layer.vocabulary_size is None else np.uint16)
