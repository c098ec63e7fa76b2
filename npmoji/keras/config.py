"""The `model_config` of a Keras file, in whatever dialect, to one plain description of the graph.

Three dialects: Keras 2.0 to 2.3 (class `Model`, a Sequential's config a list), tf_keras (class `Functional`, dicts),
Keras 3 (`batch_shape`, calls as args and kwargs, tensors as `__keras_tensor__`). Nothing here knows what any layer
computes.

All values that the description is made of are checked here, by `formats.fields`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import WeightsError
from ..formats.fields import item, typed

CONTAINERS = ("Sequential", "Model", "Functional")


class Ref(NamedTuple):
    """An output of a layer: of its call number ``node``, the output number ``tensor``."""

    layer: str
    node: int = 0
    tensor: int = 0


class Call(NamedTuple):
    """One use of a layer: what it is called with, in order, and by keyword. Constants stand for themselves.

    Of the keywords that are None only Keras 3's ``mask`` is kept: it says that the layer's class takes one.
    """

    args: list[Any]
    kwargs: dict[str, Any]


class Node(NamedTuple):
    """A layer of the config.

    Attributes:
        class_name: Keras' name of the class; ``config`` its settings.
        calls: its uses, in order; an input has none.
        operation: a function of Keras 3 (mask arithmetic, say) and no layer, as far as the config says.
        first: the number of its first call: 1 for a model used as a layer, whose own making counts as a call, else 0.
        keras3: its calls are stored as Keras 3 does.
    """

    name: str
    class_name: str
    config: dict[str, Any]
    calls: list[Call]
    operation: bool = False
    first: int = 0
    keras3: bool = False


class Network(NamedTuple):
    """A Sequential or Functional model: its layers in the config's order, and which are inputs and outputs.

    Attributes:
        inputs, outputs: in the order in which Keras takes and gives them as lists.
        keys: if the model was made with a dict of inputs, its keys in the order of ``inputs``; a dict goes by them
            then, and not by the layers' names.
    """

    name: str
    nodes: list[Node]
    inputs: list[Ref]
    outputs: list[Ref]
    keys: list[str] | None = None

    @property
    def input_names(self) -> list[str]:
        """The names by which a dict gives the inputs, in their order."""
        return self.keys or [ref.layer for ref in self.inputs]


class Entry(NamedTuple):
    """A layer as a config has it, its values of the right types.

    Attributes:
        config: its settings; a list for a Sequential model of Keras 2.0 to 2.3.
        inbound: its calls; ``module`` where its class is from, empty if the config does not say.
    """

    name: str
    class_name: str
    config: dict[str, Any] | list[Any]
    inbound: list[Any]
    module: str

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"layer {self.name!r}"

    @property
    def settings(self) -> dict[str, Any]:
        """A layer's settings; a nested model's are kept as they are, under ``model``."""
        if self.class_name in CONTAINERS:
            return {"model": {"class_name": self.class_name, "config": self.config}}
        return dict(typed(self.config, f"{self.where}: 'config'", dict))


def parse(model: dict[str, Any]) -> Network:
    """The description of a model, given what Keras stores of it: ``{"class_name": ..., "config": ...}``.

    Raises:
        WeightsError: not a Sequential or Functional model, or a config that cannot be understood.
    """
    kind, config = item(model, "class_name", "the model", str), item(model, "config", "the model", dict, list)
    if kind not in CONTAINERS:
        raise WeightsError(
            f"a model of class {kind!r}: only Sequential and Functional ones can be built from their file"
        )
    return _sequential(config) if kind == "Sequential" else _functional(typed(config, "the model: 'config'", dict))


def _sequential(config: list | dict) -> Network:
    plain = isinstance(config, list)
    name = "sequential" if plain else item(config, "name", "the model", str, default="sequential")
    entries = entries_of(config)
    if not entries:
        raise WeightsError("a Sequential model without layers")
    _check_names([entry.name for entry in entries])
    nodes: list[Node] = []
    if entries[0].class_name != "InputLayer":
        shape = _first_shape(entries[0]) or (None if plain else config.get("build_input_shape"))
        nodes.append(Node(_input_name(entries), "InputLayer", {"batch_shape": shape}, []))
    for entry in entries:
        calls = [Call([Ref(nodes[-1].name)], {})] if nodes else []
        nodes.append(Node(entry.name, entry.class_name, entry.settings, calls))
    return Network(name, nodes, [Ref(nodes[0].name)], [Ref(nodes[-1].name)])


def _input_name(entries: list[Entry]) -> str:
    """What the input of a Sequential model is called that does not name it: another name than its layers have."""
    name, taken = "input", {entry.name for entry in entries}
    while name in taken:
        name = f"{name}_"
    return name


def _first_shape(entry: Entry) -> Any:
    """The input shape that a Sequential's first layer states, at whatever depth."""
    config = entry.config
    if isinstance(config, dict) and "layers" not in config:
        return config.get("batch_input_shape") or config.get("batch_shape")
    entries = entries_of(config)
    return _first_shape(entries[0]) if entries else None


def _functional(config: dict) -> Network:
    name, entries = item(config, "name", "the model", str, default="model"), entries_of(config)
    _check_names([entry.name for entry in entries])
    nodes = [_node(entry) for entry in entries]
    ends = [item(config, key, "the model", list, dict) for key in ("input_layers", "output_layers")]
    inputs, outputs = (list(_refs(end, "the model's inputs and outputs")) for end in ends)
    if not outputs:
        raise WeightsError("a model without outputs")
    nodes, outputs = _renumbered(nodes, outputs)
    given = ends[0]
    keys = sorted(given) if isinstance(given, dict) and len(given) == len(inputs) else None  # else lists are among them
    return Network(name, nodes, inputs, outputs, keys)


def _node(entry: Entry) -> Node:
    """A Functional model's layer with its calls."""
    calls = [_call(call, entry.where) for call in entry.inbound]
    keras3 = any(isinstance(call, dict) and "args" in call for call in entry.inbound)
    # most layers' configs say whether they are trainable
    unlike = keras3 and entry.class_name not in CONTAINERS and "trainable" not in entry.config
    return Node(entry.name, entry.class_name, entry.settings, calls, ".ops." in entry.module or unlike, keras3=keras3)


def entries_of(config: list | dict) -> list[Entry]:
    """The layers of a model's config."""
    found = config if isinstance(config, list) else item(config, "layers", "the model", list)
    return [_entry(value, f"layer {i} of the model") for i, value in enumerate(found)]


def _entry(value: Any, where: str) -> Entry:
    class_name, config = item(value, "class_name", where, str), item(value, "config", where, dict, list)
    name = item(value, "name", where, str, default="")
    if not name and isinstance(config, dict):
        name = item(config, "name", where, str, default="")
    where = f"layer {name!r}" if name else where
    inbound = item(value, "inbound_nodes", where, list, default=[])
    return Entry(name or class_name.lower(), class_name, config, inbound, item(value, "module", where, str, default=""))


def _check_names(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise WeightsError("two layers of a model have the same name")


def _renumbered(nodes: list[Node], outputs: list[Ref]) -> tuple[list[Node], list[Ref]]:
    """Models used as layers with the number of their first call, and the network's outputs numbered alike.

    The making of a Functional model counts as its call 0: in Keras 2 for whatever refers to later ones, in Keras 3 for
    the network's outputs only. No call is in a config without something that refers to it.
    """
    called = [ref for node in nodes for call in node.calls for ref in refs_of(call)]
    count = {node.name: len(node.calls) for node in nodes if node.class_name in CONTAINERS and node.calls}
    functional = {node.name for node in nodes if node.class_name == "Functional" and node.keras3}
    first, outer = {}, {}
    for name, calls in count.items():
        own = [ref.node for ref in called if ref.layer == name]
        given = [ref.node for ref in outputs if ref.layer == name]
        if name in functional:
            first[name] = int(max(own, default=0) >= calls)
            outer[name] = int(min(given, default=0) > 0)
        else:
            first[name] = outer[name] = int(max(own + given, default=0) >= calls)
    outputs = [ref._replace(node=ref.node - outer.get(ref.layer, 0) + first.get(ref.layer, 0)) for ref in outputs]
    return [node._replace(first=first.get(node.name, 0)) for node in nodes], outputs


def flat(values: Iterable[Any]) -> Iterator[Any]:
    """What lists in lists hold, and dicts: those in the order of their keys, as Keras flattens them."""
    for value in values:
        if isinstance(value, list):
            yield from flat(value)
        elif isinstance(value, dict):
            yield from flat(value[key] for key in sorted(value))
        else:
            yield value


def refs_of(call: Call) -> Iterator[Ref]:
    """Every layer's output that a call takes."""
    return (value for value in flat([*call.args, *call.kwargs.values()]) if isinstance(value, Ref))


def wrapped(node: Node) -> Node:
    """The layer that a TimeDistributed applies to each step."""
    where = f"layer {node.name!r}"
    entry = _entry(item(node.config, "layer", where, dict), f"{where}: 'layer'")
    return Node(node.name, entry.class_name, entry.settings, [])


def _refs(value: Any, where: str) -> Iterator[Ref]:
    """``[["a", 0, 0], ...]``, one of them alone, or a dict of them, which Keras takes in the order of the keys."""
    value = typed(value, where, list, dict)
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _refs(value[key], where)
    elif value and isinstance(value[0], str):
        yield _ref(value, where)
    else:
        for inner in value:
            yield from _refs(inner, where)


def _ref(value: list[Any], where: str) -> Ref:
    """``["a", 0, 0]``, what comes after it passed over."""
    layer, node, tensor = value[:3] if len(value) >= 3 else (None, None, None)
    if not isinstance(layer, str) or type(node) is not int or type(tensor) is not int:
        expected = "expected the name of a layer and the numbers of a call and of an output"
        raise WeightsError(f"the model_config cannot be understood: {where}: got {value!r:.60}, {expected}")
    return Ref(layer, node, tensor)


def _call(node: Any, where: str = "a layer") -> Call:
    where = f"{where}: its call"
    if isinstance(node, dict) and "args" in node:  # Keras 3
        args, kwargs = item(node, "args", where, list), item(node, "kwargs", where, dict, default={})
        kwargs = {name: _tensor(value, where) for name, value in kwargs.items() if name != "training"}
        kwargs = {name: value for name, value in kwargs.items() if value is not None or name == "mask"}
        return Call([_tensor(arg, where) for arg in args], kwargs)
    # Keras 2: [[layer, node, tensor, kwargs], ...]
    tensors = [node] if isinstance(node, list) and node and isinstance(node[0], str) else node
    kwargs = {}
    for tensor in _references(tensors, where):
        if len(tensor) > 3 and isinstance(tensor[3], dict):
            kwargs.update({name: _reference(value, where) for name, value in tensor[3].items() if name != "training"})
    return Call([_reference(tensors, where)], {name: v for name, v in kwargs.items() if v is not None})


def _references(value: Any, where: str) -> Iterator[list]:
    """Keras 2: the entries ``[layer, node, tensor, kwargs]`` in lists or dicts of them."""
    value = typed(value, where, list, dict)
    if isinstance(value, list) and value and isinstance(value[0], str):
        yield value
    else:
        for inner in (value[key] for key in sorted(value)) if isinstance(value, dict) else value:
            yield from _references(inner, where)


def _reference(value: Any, where: str) -> Any:
    """Keras 2: a reference if it looks like one, lists and dicts of them too, else the constant."""
    if isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return value[2] if value[0] == "_CONSTANT_VALUE" else _ref(value, where)
    if isinstance(value, dict):
        return {key: _reference(inner, where) for key, inner in value.items()}
    return [_reference(inner, where) for inner in value] if isinstance(value, list) else value


def constant(value: dict[str, Any], where: str) -> np.ndarray:
    """Keras 3: an array among what a layer is called with, as ``{"class_name": "__tensor__", ...}``."""
    config = item(value, "config", where, dict)
    dtype = item(config, "dtype", where, str, default="float32")
    try:
        found = np.asarray(config.get("value"))
        if found.dtype.kind not in "biuf" or np.dtype(dtype).kind not in "biuf":
            raise ValueError(f"{found.dtype} as {dtype}")
        with np.errstate(all="ignore"):
            return found.astype(np.float32 if np.dtype(dtype).kind == "f" else dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise WeightsError(f"{where}: an array that cannot be understood ({error})") from error


def _tensor(value: Any, where: str) -> Any:
    """Keras 3: the same."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return _ref(item(item(value, "config", where, dict), "keras_history", where, list), where)
    if isinstance(value, dict) and value.get("class_name") in ("__tensor__", "__numpy__"):
        return constant(value, where)
    if isinstance(value, dict) and "class_name" in value:
        raise WeightsError(f"a layer is called with a {value['class_name']!r}, which is not understood")
    if isinstance(value, dict):
        return {key: _tensor(inner, where) for key, inner in value.items()}
    return [_tensor(inner, where) for inner in value] if isinstance(value, list) else value
