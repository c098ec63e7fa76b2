"""Any Sequential or Functional Keras model, from its config and weights to a graph of our layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..errors import WeightsError, noted
from ..formats.contents import Contents, Layers
from ..formats.fields import check_json, typed
from ..graph import Graph
from ..layers import Dropout, DroppedMask, Input, Layer, Named, Part, Remask, TimeDistributed
from ..layers.base import HiddenMask
from . import config as description
from . import quantised, text
from .classes import CELLS
from .config import CONTAINERS, Call, Network, Node, Ref, flat, refs_of
from .functions import operation
from .known import Known
from .order import all_calls, execution_order
from .place import LARGEST, Kind, Place
from .weights import as_stored, is_operation, weights_of

MOST_NUMBERS = 1 << 22  # in one row of an input: a shape of more is damage
RECURRENT = (*CELLS, "RNN", "Bidirectional")
MASKS_OFF = (3, 8)  # the version of Keras from which some layers take masks off
INPUTS = ("query", "value", "key", "inputs", "count_weights")  # the parameters that are `Place.previous`


def build(file: Contents, known: Known | None = None) -> Graph:
    """The network of a full-model file: its layers in the config's order, its inputs and outputs as Keras lists them.

    Raises:
        WeightsError: a class that is not known, arrays that do not fit, or a config that cannot be understood.
    """
    known = known or Known()
    check_json(file.config)
    network = description.parse(file.config)
    builder = Builder(file, weights_of(network, file, known), known)
    made = {ref: builder.input(network, ref) for ref in dict.fromkeys(network.inputs)}
    outputs = builder.run(network, made, "", "")
    inputs = [made[ref] for ref in network.inputs]
    weights = as_stored(file.layers, builder.made)
    ends = {"inputs": inputs, "input_names": network.input_names, "structure": description.structure(network)}
    return Graph(builder.made, outputs, weights=weights, **ends)


class Builder:
    """Makes the layers of a network one call after the other.

    What a layer is called, ``name``, has its call in it too (``outer:1/inner``); its arrays are found by ``key``
    (``outer/inner``).
    """

    def __init__(self, file: Contents, arrays: Layers, known: Known):
        self.file, self.arrays, self.known = file, arrays, known
        self.made: list[Layer] = []
        self._recurrent_yet = False
        self._unmasked: set[Layer] = set()  # whose masks Keras has taken off, see `Kind.takes_masks_off`

    def apart(self) -> Builder:
        """A builder of what is in a layer."""
        return Builder(self.file, self.arrays, self.known)

    def input(self, network: Network, ref: Ref) -> Layer:
        """The layer where an input of the network comes in: token ids if an embedding takes it, else numbers."""
        node = next((node for node in network.nodes if node.name == ref.layer), None)
        if node is None:
            raise WeightsError(f"the input {ref.layer!r} is not among the layers")
        shape = node.config.get("batch_shape") or node.config.get("batch_input_shape")
        shape = None if shape is None else _axes(node.name, shape)
        takers = list(_takers(network, ref, ""))
        kinds = ((key, self.known.find(taker.class_name, key)) for key, taker in takers)
        tables = (  # a class of the caller's own has arrays of other names
            self.arrays[key][name]
            for key, kind in kinds
            for name in (kind.tables if kind else ())
            if name in self.arrays.get(key, {})
        )
        table = next(tables, None)
        if table is not None and (shape is None or len(shape) == 1):
            rows = table.shape[:1] or (1,)
            return self._enter(Input(vocabulary_size=rows[0], shape=shape or (None,), name=ref.layer))
        dtype = text.dtype_of(node, (taker for _, taker in takers))
        layer = Input(shape=shape, name=ref.layer, dtype=dtype)
        layer.integers = "int" in str(node.config.get("dtype"))
        return self._enter(layer)

    def run(self, network: Network, values: dict[Ref, Layer], name: str, key: str) -> list[Layer]:
        """Make the layers of a network, given the layers that are its inputs; returns its outputs.

        ``name`` and ``key`` come before those of the layers: ``"outer/"`` for a nested model.
        """
        values = dict(values)
        calls = execution_order(network) if self._takes_masks_off(network, key) else all_calls(network)
        waiting = [(node, i) for node, i in calls if Ref(node.name) not in values]
        while waiting:  # configs are in topological order but for layers that are shared
            later = []
            for node, i in waiting:
                if all(ref in values for ref in refs_of(node.calls[i])):
                    for tensor, layer in enumerate(self._call(node, i, values, name, key)):
                        values[Ref(node.name, node.first + i, tensor)] = layer
                else:
                    later.append((node, i))
            if len(later) == len(waiting):
                node, i = waiting[0]
                missing = next(ref for ref in refs_of(node.calls[i]) if ref not in values)
                raise WeightsError(f"layer {name + node.name!r} is called with {tuple(missing)}, which nothing gives")
            waiting = later
        missing = [ref for ref in network.outputs if ref not in values]
        if missing:
            raise WeightsError(f"the output {tuple(missing[0])} is given by no layer")
        sequential = network.structure is None
        return [values[ref] for ref in (_all_of(network.nodes[-1], values) if sequential else network.outputs)]

    def _call(self, node: Node, i: int, values: dict[Ref, Layer], name: str, key: str) -> list[Layer]:
        """Make a layer for one of its calls; returns its outputs, one layer for each."""
        name, key, call = name + node.name + (f":{i}" if i else ""), key + node.name, node.calls[i]
        if is_operation(node, key, self.known):
            return operation(node, call, values, name, self.file.version)
        values = {ref: self._seen(values[ref], name) for ref in refs_of(call)}
        kind = None if node.class_name in (*CONTAINERS, "TimeDistributed") else self.known.kind(node.class_name, key)
        previous, states, called = self._arguments(node, call, values, name, kind)
        if node.class_name in CONTAINERS:
            return self._nested(node, previous, name, key)
        if node.class_name == "TimeDistributed":
            return [self._enter(self._time_distributed(node, previous, name, key), node)]
        layer = self._make(node, previous, states, name, key, "mask" in call.kwargs if node.keras3 else None, called)
        if kind is not None and kind.takes_masks_off and self.file.version >= MASKS_OFF:
            self._unmasked.update(same_tensor(values[ref]) for ref in refs_of(call))
        several = layer if isinstance(layer, list) else [layer]
        self._enter(several[0], node)
        return [Part(several[0], i) for i in range(several[0].outputs)] if several[0].outputs > 1 else several

    def _make(
        self,
        node: Node,
        previous: list[Layer],
        states: tuple[Layer, ...],
        name: str,
        key: str,
        takes_mask: bool | None = None,
        called: dict[str, Any] | None = None,
    ) -> Any:
        config = {**node.config, "class_name": node.class_name.rpartition(">")[2]}
        recurrent = node.class_name in RECURRENT
        first = recurrent and not self._recurrent_yet
        self._recurrent_yet |= recurrent
        place = Place(
            name=name,
            config=config,
            previous=previous,
            arrays=self.arrays.get(key, {}),
            version=self.file.version,
            zero_masked=not self.file.holds_masked_outputs,
            states=states,
            first=first,
            takes_mask=takes_mask,
            called=called or {},
        )
        kind = self.known.kind(node.class_name, key)
        try:
            quantised.check_types(place)
            with noted(f"while layer {name!r} of class {node.class_name!r} was made"):
                made = kind.make(place)
        except WeightsError as error:
            raise WeightsError(f"{error} (a layer of class {node.class_name})") from error
        if not all(isinstance(layer, Layer) for layer in (made if isinstance(made, list) else [made])) or made == []:
            raise WeightsError(
                f"layer {name!r} ({node.class_name}): made as {type(made).__name__}, expected an npmoji.Layer"
            )
        return made

    def _arguments(
        self, node: Node, call: Call, values: dict[Ref, Layer], name: str, kind: Kind | None
    ) -> tuple[list[Layer], tuple[Layer, ...], dict[str, Any]]:
        """What a layer is called with, the initial states among it, and what `Place.called` holds; an explicit mask
        goes with the input that it is given for."""
        parameters = kind.parameters if kind else ()
        kwargs = {
            key: value for key, value in call.kwargs.items() if any(isinstance(ref, Ref) for ref in flat([value]))
        }
        args, masks, states = call.args, kwargs.pop("mask", None), list(flat([kwargs.pop("initial_state", [])]))
        called = {
            key: _layers(value, values) for key, value in {**dict(zip(parameters or (), args)), **call.kwargs}.items()
        }
        if parameters:
            masks = dict(zip(parameters, args)).get("mask", masks)
            named = {**dict(zip(parameters, args)), **kwargs}
            args = [named[key] for key in parameters if key in INPUTS and named.get(key) is not None]
            kwargs = {key: value for key, value in kwargs.items() if key not in parameters}
        elif parameters is None:  # of a class of the caller's own
            args, kwargs = [*args, *kwargs.values()], {}
        elif not args and len(kwargs) == 1:  # the input by its name, whatever that is
            args = [kwargs.popitem()[1]]
        positional = list(flat(_in_order(node, args)))
        if not positional or not all(isinstance(ref, Ref) for ref in positional + states):
            raise WeightsError(
                f"layer {name!r} ({node.class_name}) is called with a constant, expected outputs of layers"
            )
        if kwargs:
            raise WeightsError(
                f"layer {name!r} ({node.class_name}) is called with {sorted(kwargs)}, which is not supported"
            )
        if node.class_name in RECURRENT:
            positional, states = positional[:1], positional[1:] + states
        previous = [values[ref] for ref in positional]
        given = [ref if isinstance(ref, Ref) else None for ref in flat(_in_order(node, [masks]))]
        if states and self.file.version >= (3, 0) and not any(given):
            previous[0] = HiddenMask(previous[0], name=f"{name}/mask")
        for i, mask in enumerate(given[: len(previous)]):
            if mask is not None:
                previous[i] = Remask(previous[i], values[mask], name=f"{name}/mask{i or ''}")
            elif any(given):  # said to have none
                previous[i] = DroppedMask(previous[i], name=f"{name}/mask{i or ''}")
        return previous, tuple(values[ref] for ref in states), called

    def _seen(self, layer: Layer, name: str) -> Layer:
        """A layer as one that is called now sees it: without its mask, if Keras has taken that off."""
        return DroppedMask(layer, name=f"{name}/unmasked") if same_tensor(layer) in self._unmasked else layer

    def _takes_masks_off(self, network: Network, key: str) -> bool:
        """Whether any layer of the network takes masks off, so that it matters which is called first."""
        if self.file.version < MASKS_OFF:
            return False
        for node in network.nodes:
            if node.class_name in CONTAINERS:
                if self._takes_masks_off(description.parse(node.config["model"]), f"{key}{node.name}/"):
                    return True
            elif (found := self.known.find(node.class_name, key + node.name)) and found.takes_masks_off:
                return True
        return False

    def _nested(self, node: Node, previous: list[Layer], name: str, key: str) -> list[Layer]:
        """The outputs of a model used as a layer; its own layers are called ``outer/inner``."""
        inner = description.parse(node.config["model"])
        if len(inner.inputs) != len(previous):
            raise WeightsError(f"layer {name!r} is a model of {len(inner.inputs)} inputs, called with {len(previous)}")
        outputs = self.run(inner, dict(zip(inner.inputs, previous)), f"{name}/", f"{key}/")
        names = [name] if len(outputs) == 1 else [f"{name}/{i}" for i in range(len(outputs))]
        return [self._enter(Named(output, name=own), node) for own, output in zip(names, outputs)]

    def _time_distributed(self, node: Node, previous: list[Layer], name: str, key: str) -> Layer:
        """A layer applied to each step: it is made over an input of its own."""
        inner, start = description.wrapped(node), Input(name=f"{name}/step")
        quantised.check_wrapped(inner.config, name)
        apart = self.apart()
        if inner.class_name in CONTAINERS:
            made = apart._nested(inner, [start], name, key)
        else:
            made = apart._make(inner, [start], (), f"{name}/layer", key)
            made = made if isinstance(made, list) else [made]
        if len(made) != 1 or len(previous) != 1 or made[0].outputs > 1:
            raise WeightsError(f"layer {name!r}: TimeDistributed of a layer with several inputs or outputs")
        return TimeDistributed(previous[0], made[0], inner_mask=self.file.version < (3, 0), name=name)

    def _enter(self, layer: Layer, node: Node | None = None) -> Layer:
        if node is not None:
            layer.class_name = node.class_name
        self.made.append(layer)
        return layer


def _all_of(node: Node, values: dict[Ref, Layer]) -> list[Ref]:
    """All outputs of a layer's last call; of an input that is called by nothing the one there is."""
    call = node.first + max(len(node.calls) - 1, 0)
    return [ref for ref in values if (ref.layer, ref.node) == (node.name, call)]


def _layers(value: Any, values: dict[Ref, Layer]) -> Any:
    """What a call takes with layers in place of references; a list of a single one is that one."""
    if isinstance(value, Ref):
        return values[value]
    if isinstance(value, list):
        found = [_layers(one, values) for one in value]
        return found[0] if len(found) == 1 and isinstance(found[0], Layer) else found
    return value


def same_tensor(layer: Layer) -> Layer:
    """The layer whose output another one returns, the same object in Keras."""
    while isinstance(layer, (Dropout, Named, DroppedMask)):
        layer = layer.previous[0]
    return layer


def _in_order(node: Node, args: list[Any]) -> list[Any]:
    """What a layer is called with; a dict by the names of a model's inputs becomes a list in the model's order.

    The dict may hold other keys too: Keras ignores them.
    """
    if node.class_name in CONTAINERS and len(args) == 1 and isinstance(args[0], dict):
        names = description.parse(node.config["model"]).input_names
        if set(names) <= set(args[0]):
            return [args[0][name] for name in names]
    return args


def _axes(name: str, shape: Any) -> tuple[int | None, ...]:
    """The sizes of an input's axes after the first, None for any."""
    sizes = tuple(typed(shape, f"input {name!r}: its shape", list)[1:])
    known = [size for size in sizes if size is not None]
    if not all(type(size) is int and 0 < size <= LARGEST for size in known) or math.prod(known) > MOST_NUMBERS:
        raise WeightsError(f"input {name!r}: a shape {tuple(shape)} is not one of an input")
    return sizes


def _takers(network: Network, ref: Ref, key: str) -> Iterator[tuple[str, Node]]:
    """The layers that take an output, directly or through nested models, with their keys."""
    for node in network.nodes:
        for call in node.calls:
            if ref not in refs_of(call):
                continue
            if node.class_name not in CONTAINERS:
                yield key + node.name, node
            else:
                inner = description.parse(node.config["model"])
                given = flat(_in_order(node, call.args or list(call.kwargs.values())))
                for taker in (own for own, value in zip(inner.inputs, given) if value == ref):
                    yield from _takers(inner, taker, f"{key}{node.name}/")
