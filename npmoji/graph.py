"""Layers and how they hang together."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from .backends.ops import REFERENCE
from .errors import NpmojiError, WeightsError, noted
from .formats.contents import Layers
from .layers import Activation, AttentionWeightedAverage, Input, Layer, Pass, Softmax
from .layers.base import ancestors
from .outputs import packed

FREE_STEPS = 64  # the size of an input's free axes when a network is tried out


# what NumPy raises for arrays that do not fit together, and for sizes and numbers beyond it
UNFIT = (ValueError, IndexError, OverflowError, MemoryError)


class Reached(NamedTuple):
    """How far a network computes.

    Attributes:
        size: of the inputs' free axes.
        done: values and masks of the layers that could be computed.
        failed: the reasons for those that do not take what comes before them; not those that come after these.
    """

    size: int
    done: dict[Layer, tuple[Any, Any]]
    failed: dict[Layer, WeightsError]


class Graph:
    """Layers and how they hang together.

    Attributes:
        layers: in graph order, one for each layer of the file.
        inputs, outputs: where values come in and what comes out, in the order in which a list gives or holds them: in a
            Keras file that of its ``input_layers`` and ``output_layers``, dicts in the order of their sorted keys.
            Keras 3 may list one twice.
        structure: how `Model.predict` gives the outputs: their numbers, in lists and dicts, see `outputs`.
        input_names: the names by which a dict gives the inputs, in their order: those of the layers, unless the model
            was made with a dict that has other keys.
        named: all layers that have a name of their own, `layers` and what comes before them.
        weights: the arrays by layer and name, as the file that the graph was built from holds them; else the layers'
            own.
        plans: what `lowering` made of the graph, for its use; no copy or pickle has it.
        trims_padding: whether one padded step stands for all that follow it, as in DeepMoji.
        size: of the axes that the inputs leave free, if only one was found to fit, see `fit`; else None.
    """

    def __init__(
        self,
        layers: list[Layer],
        outputs: list[Layer],
        trims_padding: bool = False,
        inputs: list[Input] | None = None,
        input_names: list[str] | None = None,
        weights: Layers | None = None,
        structure: Any = None,
    ):
        self.size: int | None = None
        self.structure = list(range(len(outputs))) if structure is None else structure
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
        new = Graph(layers, outputs, self.trims_padding, inputs, self.input_names, weights, self.structure)
        new.size = self.size
        return new

    def packed(self, values: list[Any]) -> Any:
        """The outputs' values as `structure` has them; one in a list comes without it, as in Keras."""
        found = packed(self.structure, values)
        return found[0] if isinstance(found, list) and len(found) == 1 else found

    @property
    def steps(self) -> int | None:
        """How many tokens each text must have; None if any number is allowed."""
        return next(
            (layer.shape[0] or self.size for layer in self.inputs if layer.vocabulary_size is not None and layer.shape),
            None,
        )

    @property
    def takes_texts(self) -> bool:
        """Whether an input is of texts, which a layer of the network itself splits and looks up."""
        return any(layer.dtype == "string" for layer in self.inputs)

    @property
    def classes(self) -> int:
        """The width of the first output, if a Dense layer gives it, itself or through an activation; else 0."""
        last = self.outputs[0]
        while isinstance(last, (Activation, Softmax)):
            last = last.previous[0]
        kernel = None if isinstance(last, AttentionWeightedAverage) else last.weights().get("kernel")
        return kernel.shape[-1] if kernel is not None else 0

    def fit(self) -> None:
        """Find the size of the inputs' free axes if the network does not take any.

        Raises:
            WeightsError: none was found; names the first layer that does not take what comes before it.
        """
        first = self.reached(FREE_STEPS)
        if first.failed:
            layer, error = next(iter(first.failed.items()))
            self.size = next((size for size in self.sizes(first, layer) if not self.reached(size).failed), None)
            if self.size is None:
                raise error

    def sizes(self, first: Reached, layer: Layer) -> list[int]:
        """The sizes of free axes that the network may take, where another one led as far as ``first``: the fixed sizes
        of inputs, then those that may fit a ``layer`` that failed, both largest first."""
        from .fitting import APART, guesses  # seldom needed

        fixed = {n for one in self.inputs for n in one.shape or () if n is not None}
        fixed |= {n for one in self.named.values() for n in one.lengths}
        if all(None not in (one.shape or (None,)) for one in self.inputs):
            return []
        found = guesses(layer, first.done, self.reached(first.size + APART).done, first.size)
        return list(dict.fromkeys([*sorted(fixed, reverse=True), *found]))

    def try_out(self, steps: int = FREE_STEPS) -> dict[Layer, tuple[Any, Any]]:
        """The values and masks of all layers for one row of zeros.

        Args:
            steps: the size of the axes that the inputs' shapes leave free, unless there is but one, see `fit`.

        Raises:
            WeightsError: names the first layer that does not take what comes before it.
        """
        found = self.reached(self.size or steps)
        for error in found.failed.values():
            raise error
        return found.done

    def reached(self, size: int) -> Reached:
        """How far a row of zeros gets, with so many elements along the axes that the inputs leave free."""
        run, X = Pass(REFERENCE), self.row(size)
        failed: dict[Layer, WeightsError] = {}
        out: set[Layer] = set()
        for layer in self.named.values():
            if out.isdisjoint(layer.previous):
                try:
                    try_layer(layer, X, run)
                    continue
                except WeightsError as error:
                    failed[layer] = error
            out.add(layer)
        return Reached(size, run.done, failed)

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
    """An array of so many rows of zeros, as the input takes it; of texts of so many words."""
    free: tuple[int | None, ...] = () if layer.dtype == "string" and layer.shape is None else (None,)
    shape = tuple(steps if n is None else n for n in (free if layer.shape is None else layer.shape))
    if layer.example is not None or layer.dtype is not None:
        value = "a " * steps if layer.dtype == "string" else 0
        kind = object if layer.dtype == "string" else np.int64
        return np.full((rows, *shape), value if layer.example is None else layer.example, kind)
    return np.zeros((rows, *shape), np.float32 if layer.vocabulary_size is None else np.uint16)
