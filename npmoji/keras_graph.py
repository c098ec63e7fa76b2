"""Any Sequential or Functional Keras model, from its config and weights to a graph of our layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import keras_config
from .errors import WeightsError
from .formats import Contents
from .keras_config import CONTAINERS, Call, Network, Node, Ref
from .keras_layers import Kind, Place, kind_of
from .layers import Input, Layer, Named, Part, Remask, TimeDistributed
from .layers.operations import Operation


class Slot(NamedTuple):
    """An array that the config says a file must have: of which layer (nested ones as ``outer/inner``), its name, and whether
    training leaves it alone."""

    layer: str
    name: str
    frozen: bool


def build(file: Contents) -> tuple[list[Layer], list[Layer]]:
    """The network of a full-model file: its layers in the config's order, and those that give its outputs.

    Raises:
        WeightsError: a class that is not known, arrays that do not fit, or a config that cannot be understood.
    """
    network = keras_config.parse(file.config)
    builder = Builder(file, weights_of(network, file))
    inputs = {ref: builder.input(network, ref) for ref in network.inputs}
    outputs = builder.run(network, inputs, "")
    return builder.made, outputs


class Builder:
    """Makes the layers of a network one call after the other."""

    def __init__(self, file: Contents, arrays: dict[str, dict[str, np.ndarray]]):
        self.file, self.arrays = file, arrays
        self.made: list[Layer] = []
        self._recurrent_yet = False

    def input(self, network: Network, ref: Ref) -> Layer:
        """The layer where an input of the network comes in: token ids if an embedding takes it, else numbers."""
        node = next(node for node in network.nodes if node.name == ref.layer)
        shape = node.config.get("batch_shape") or node.config.get("batch_input_shape")
        shape = None if shape is None else tuple(shape[1:])
        taker = next(_takers(network, ref), None)
        if taker is not None and (shape is None or len(shape) == 1):
            rows = self.arrays[taker.name]["embeddings"].shape[0] if taker.name in self.arrays else taker.config["input_dim"]
            return self._enter(Input(vocabulary_size=rows, shape=shape or (None,), name=ref.layer))
        return self._enter(Input(shape=shape, name=ref.layer))

    def run(self, network: Network, values: dict[Ref, Layer], prefix: str) -> list[Layer]:
        """Make the layers of a network given what its inputs are; returns its outputs."""
        values = dict(values)
        waiting = [
            (node, i, call) for node in network.nodes for i, call in enumerate(node.calls) if Ref(node.name) not in values
        ]
        while waiting:  # configs are in topological order but for layers that are shared
            ready = [item for item in waiting if all(ref in values for ref in _refs_of(item[2]))]
            if not ready:
                node, _, call = waiting[0]
                missing = next(ref for ref in _refs_of(call) if ref not in values)
                raise WeightsError(f"layer {prefix + node.name!r} is called with {tuple(missing)}, which nothing gives")
            for node, i, call in ready:
                for tensor, layer in enumerate(self._call(node, i, call, values, prefix)):
                    values[Ref(node.name, i, tensor)] = layer
            waiting = [item for item in waiting if item not in ready]
        missing = [ref for ref in network.outputs if ref not in values]
        if missing:
            raise WeightsError(f"the output {tuple(missing[0])} is given by no layer")
        return [values[ref] for ref in network.outputs]

    def _call(self, node: Node, i: int, call: Call, values: dict[Ref, Layer], prefix: str) -> list[Layer]:
        """The outputs of one call of a layer."""
        name = prefix + node.name + (f":{i}" if i else "")
        previous, states = self._arguments(node, call, values, name)
        if node.operation:
            arguments = [values[value] if isinstance(value, Ref) else value for value in _flat(call.args)]
            return [Operation(node.class_name, arguments, {**node.config, **call.kwargs}, name=name)]
        if node.class_name in CONTAINERS:
            return self._nested(node, previous, name)
        if node.class_name == "TimeDistributed":
            return [self._enter(self._time_distributed(node, previous, name))]
        kind = kind_of(node.class_name, name)
        layer = self._make(kind, node, previous, states, prefix + node.name, name)
        several = layer if isinstance(layer, list) else [layer]
        self._enter(several[0]).class_name = node.class_name
        return [Part(several[0], i) for i in range(several[0].outputs)] if several[0].outputs > 1 else several

    def _make(self, kind: Kind, node: Node, previous: list[Layer], states: tuple, key: str, name: str) -> Any:
        config = {**node.config, "class_name": node.class_name.rpartition(">")[2]}
        recurrent = node.class_name in ("Bidirectional", "LSTM", "CuDNNLSTM", "GRU", "CuDNNGRU", "SimpleRNN")
        first = recurrent and not self._recurrent_yet
        self._recurrent_yet |= recurrent
        zero_masked = not self.file.holds_masked_outputs
        place = Place(name, config, previous, self.arrays.get(key, {}), self.file.version, zero_masked, states, first)
        try:
            return kind.make(place)
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise WeightsError(
                f"layer {name!r} ({node.class_name}) cannot be made from its config: {type(error).__name__} {error}"
            ) from error

    def _arguments(
        self, node: Node, call: Call, values: dict[Ref, Layer], name: str
    ) -> tuple[list[Layer], tuple[Layer, ...]]:
        """What a layer is called with, and the initial states among it; an explicit mask goes with the first."""
        if node.operation:
            return [], ()
        positional = list(_flat(call.args)) + [
            ref for key, value in call.kwargs.items() if key in ("inputs", "sequence", "sequences") for ref in _flat([value])
        ]
        if not positional or not all(isinstance(ref, Ref) for ref in positional):
            raise WeightsError(f"layer {name!r} ({node.class_name}) is called with a constant, expected outputs of layers")
        previous = [values[ref] for ref in positional]
        unknown = set(call.kwargs) - {"mask", "initial_state", "inputs", "sequence", "sequences"}
        unknown = {key for key in unknown if any(isinstance(ref, Ref) for ref in _flat([call.kwargs[key]]))}
        if unknown:
            raise WeightsError(f"layer {name!r} ({node.class_name}) is called with {sorted(unknown)}, which is not supported")
        masks = [ref for ref in _flat([call.kwargs.get("mask")]) if ref is not None]
        for i, mask in enumerate(masks[: len(previous)]):
            if isinstance(mask, Ref):
                previous[i] = Remask(previous[i], values[mask], name=f"{name}/mask")
        states = tuple(values[ref] for ref in _flat([call.kwargs.get("initial_state")]) if isinstance(ref, Ref))
        if node.class_name in ("Bidirectional", "LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU"):
            previous, states = previous[:1], tuple(previous[1:]) + states
        return previous, states

    def _nested(self, node: Node, previous: list[Layer], name: str) -> list[Layer]:
        """The outputs of a model used as a layer; its own layers are called ``outer/inner``."""
        inner = keras_config.parse(node.config["model"])
        if len(inner.inputs) != len(previous):
            raise WeightsError(f"layer {name!r} is a model of {len(inner.inputs)} inputs, called with {len(previous)}")
        outputs = self.run(inner, dict(zip(inner.inputs, previous)), f"{name}/")
        named = [Named(output, name=name if i == 0 else f"{name}/{i}") for i, output in enumerate(outputs)]
        return [self._enter(layer) for layer in named]

    def _time_distributed(self, node: Node, previous: list[Layer], name: str) -> Layer:
        """A layer applied to each step: it is made over an input of its own."""
        entry = node.config["layer"]
        inner = Node(node.name, entry["class_name"], keras_config.settings(entry), [])
        start = Input(name=f"{name}/step")
        apart = Builder(self.file, self.arrays)
        if inner.class_name in CONTAINERS:
            made = apart._nested(inner, [start], name)
        else:
            made = [apart._make(kind_of(inner.class_name, name), inner, [start], (), name.partition(":")[0], f"{name}/layer")]
        if len(made) != 1 or isinstance(made[0], list):
            raise WeightsError(f"layer {name!r}: TimeDistributed of a layer with several outputs")
        return TimeDistributed(previous[0], made[0], name=name)

    def _enter(self, layer: Layer) -> Layer:
        self.made.append(layer)
        return layer


def _takers(network: Network, ref: Ref) -> Iterator[Node]:
    """The embeddings that take an output directly or through nested models."""
    for node in network.nodes:
        for call in node.calls:
            refs = list(_flat(call.args))
            if ref in refs and node.class_name == "Embedding":
                yield node
            elif ref in refs and node.class_name in CONTAINERS:
                inner = keras_config.parse(node.config["model"])
                for taker in _takers(inner, inner.inputs[refs.index(ref)]):
                    yield taker._replace(name=f"{node.name}/{taker.name}")


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _refs_of(call: Call) -> Iterator[Ref]:
    for value in _flat([*call.args, *call.kwargs.values()]):
        if isinstance(value, Ref):
            yield value


# Weights -----------------------------------------------------------------------------------------------------------


def weights_of(network: Network, file: Contents) -> dict[str, dict[str, np.ndarray]]:
    """The file's arrays as {layer: {name: array}}, nested layers as ``outer/inner``.

    Raises:
        WeightsError: a layer has too few or too many arrays, or one that the config does not know.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    known = {node.name for node in network.nodes}
    stray = [name for name, arrays in file.layers.items() if arrays and name.partition("/")[0] not in known]
    if stray:
        raise WeightsError(f"the file holds weights of layers that its model_config does not have: {stray}")
    for node in network.nodes:
        if node.operation:
            continue
        slots = list(_slots(node, "", True))
        apart = {slot.layer: file.layers[slot.layer] for slot in slots if slot.layer in file.layers and "/" in slot.layer}
        if apart:  # Keras 3 keeps a nested model's layers apart
            for name, arrays in apart.items():
                _fill(found, [slot for slot in slots if slot.layer == name], arrays, node)
        else:  # Keras 2 keeps them together, those that gradients do not change last
            _fill(found, sorted(slots, key=lambda slot: slot.frozen), file.layers.get(node.name, []), node)
    return found


def _fill(found: dict, slots: list[Slot], arrays: list[np.ndarray], node: Node) -> None:
    if [slot.name for slot in slots] == ["*"]:
        slots = [slots[0]._replace(name=str(i)) for i in range(len(arrays))]
    if len(slots) != len(arrays):
        wanted = ", ".join(slot.name for slot in slots) or "none"
        raise WeightsError(f"layer {node.name!r} ({node.class_name}) has {len(arrays)} arrays, expected {wanted}")
    for slot, array in zip(slots, arrays):
        found.setdefault(slot.layer, {})[slot.name] = array


def _slots(node: Node, prefix: str, trainable: bool) -> Iterator[Slot]:
    """The arrays of a layer, or of all layers of a nested model, in their order."""
    name = prefix + node.name
    if node.class_name in CONTAINERS:
        for inner in keras_config.parse(node.config["model"]).nodes:
            if not inner.operation:
                yield from _slots(inner, f"{name}/", trainable)
        return
    if node.class_name == "TimeDistributed":
        entry = node.config["layer"]
        wrapped = Node(node.name, entry["class_name"], keras_config.settings(entry), [])
        yield from _slots(wrapped, prefix, trainable)
        return
    kind = kind_of(node.class_name, name)
    trainable = trainable and node.config.get("trainable", True)
    for array in kind.arrays(node.config):
        yield Slot(name, array, array in kind.frozen or not trainable)

