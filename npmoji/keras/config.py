"""The `model_config` of a Keras file, in whatever dialect, to one plain description of the graph.

Three dialects: Keras 2.0 to 2.3 (class `Model`, a Sequential's config a list), tf_keras (class `Functional`, dicts), Keras 3
(`batch_shape`, calls as args and kwargs, tensors as `__keras_tensor__`). Nothing here knows what any layer computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import WeightsError

DAMAGE = (
    KeyError,
    TypeError,
    IndexError,
    ValueError,
    AttributeError,
    RecursionError,
    OverflowError,
)  # what it leads to
CONTAINERS = ("Sequential", "Model", "Functional")


class Ref(NamedTuple):
    """An output of a layer: of its call number ``node``, the output number ``tensor``."""

    layer: str
    node: int = 0
    tensor: int = 0


class Call(NamedTuple):
    """One use of a layer: what it is called with, in order, and by keyword. Constants stand for themselves.

    Of the keywords that are None only Keras 3's ``mask`` is kept: it tells that the layer's class takes one.
    """

    args: list[Any]
    kwargs: dict[str, Any]


class Node(NamedTuple):
    """A layer of the config.

    Attributes:
        class_name: Keras' name of the class; ``config`` its settings.
        calls: its uses, in order; an input has none.
        operation: a function of Keras 3 (mask arithmetic, say) and no layer, as far as the config tells.
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
        keys: if the model was made with a dict of inputs, its keys in the order of ``inputs``; a dict goes by them then, and
            not by the layers' names.
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


def parse(model: dict[str, Any]) -> Network:
    """The description of a model, given what Keras stores of it: ``{"class_name": ..., "config": ...}``.

    Raises:
        WeightsError: not a Sequential or Functional model, or a config that cannot be understood.
    """
    try:
        kind, config = model["class_name"], model["config"]
        if kind not in CONTAINERS:
            raise WeightsError(
                f"a model of class {kind!r}: only Sequential and Functional ones can be built from their file"
            )
        return _sequential(config) if kind == "Sequential" else _functional(config)
    except DAMAGE as error:
        raise WeightsError(f"the model_config cannot be understood ({type(error).__name__}: {error})") from error


def _sequential(config: list | dict) -> Network:
    entries = config if isinstance(config, list) else config["layers"]
    name = "sequential" if isinstance(config, list) else config.get("name", "sequential")
    if not entries:
        raise WeightsError("a Sequential model without layers")
    nodes: list[Node] = []
    first = entries[0]
    if first["class_name"] != "InputLayer":
        shape = _first_shape(first) or (None if isinstance(config, list) else config.get("build_input_shape"))
        nodes.append(Node("input", "InputLayer", {"batch_shape": shape}, []))
    for entry in entries:
        calls = [Call([Ref(nodes[-1].name)], {})] if nodes else []
        nodes.append(Node(_name(entry), entry["class_name"], settings(entry), calls))
    return Network(name, nodes, [Ref(nodes[0].name)], [Ref(nodes[-1].name)])


def _first_shape(entry: dict) -> list | None:
    """The input shape that a Sequential's first layer states, at whatever depth."""
    config = entry["config"]
    if isinstance(config, dict) and "layers" not in config:
        return config.get("batch_input_shape") or config.get("batch_shape")
    entries = config if isinstance(config, list) else config["layers"]
    return _first_shape(entries[0]) if entries else None


def _functional(config: dict) -> Network:
    nodes = []
    for entry in config["layers"]:
        calls = [_call(node) for node in entry.get("inbound_nodes") or []]
        operation = ".ops." in (entry.get("module") or "") or _is_operation(entry)
        keras3 = any(isinstance(node, dict) and "args" in node for node in entry.get("inbound_nodes") or [])
        nodes.append(Node(_name(entry), entry["class_name"], settings(entry), calls, operation, keras3=keras3))
    inputs, outputs = (list(_refs(config[key])) for key in ("input_layers", "output_layers"))
    if not outputs or len({node.name for node in nodes}) < len(nodes):
        raise WeightsError("a model without outputs" if not outputs else "two layers of a model have the same name")
    nodes, outputs = _renumbered(nodes, outputs)
    given = config["input_layers"]
    keys = sorted(given) if isinstance(given, dict) and len(given) == len(inputs) else None  # else lists are among them
    return Network(str(config.get("name", "model")), nodes, inputs, outputs, keys)


def _renumbered(nodes: list[Node], outputs: list[Ref]) -> tuple[list[Node], list[Ref]]:
    """Models used as layers with the number of their first call, and the network's outputs numbered alike.

    The making of a Functional model counts as its call 0: in Keras 2 for whatever refers to later ones, in Keras 3 for the
    network's outputs only. No call is in a config without something that refers to it.
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


def _is_operation(entry: dict) -> bool:
    """Whether an entry without a module may be a function of Keras 3: most layers' configs tell whether they are trainable."""
    keras3 = any(isinstance(node, dict) and "args" in node for node in entry.get("inbound_nodes") or [])
    return keras3 and entry["class_name"] not in CONTAINERS and "trainable" not in entry["config"]


def _name(entry: dict) -> str:
    name = entry.get("name") or (entry["config"].get("name") if isinstance(entry["config"], dict) else None)
    return str(name or entry["class_name"].lower())


def settings(entry: dict) -> dict[str, Any]:
    """A layer's settings; a nested model's are kept as they are, under ``model``."""
    if entry["class_name"] in CONTAINERS:
        return {"model": {"class_name": entry["class_name"], "config": entry["config"]}}
    return dict(entry["config"])


def wrapped(node: Node) -> Node:
    """The layer that a TimeDistributed applies to each step."""
    entry = node.config["layer"]
    return Node(node.name, entry["class_name"], settings(entry), [])


def _refs(value: Any) -> Iterator[Ref]:
    """``[["a", 0, 0], ...]``, one of them alone, or a dict of them, which Keras takes in the order of the keys."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _refs(value[key])
    elif value and isinstance(value[0], str):
        yield Ref(value[0], int(value[1]), int(value[2]))
    else:
        for item in value:
            yield from _refs(item)


def _call(node: Any) -> Call:
    if isinstance(node, dict) and "args" in node:  # Keras 3
        kwargs = {name: _tensor(value) for name, value in node.get("kwargs", {}).items() if name != "training"}
        kwargs = {name: value for name, value in kwargs.items() if value is not None or name == "mask"}
        return Call([_tensor(arg) for arg in node["args"]], kwargs)
    tensors = (
        [node] if isinstance(node, list) and node and isinstance(node[0], str) else node
    )  # Keras 2: [[layer, node, tensor, kwargs], ...]
    kwargs = {}
    for tensor in _entries(tensors):
        if len(tensor) > 3 and isinstance(tensor[3], dict):
            kwargs.update({name: _reference(value) for name, value in tensor[3].items() if name != "training"})
    return Call([_reference(tensors)], {name: v for name, v in kwargs.items() if v is not None})


def _entries(value: Any) -> Iterator[list]:
    """Keras 2: the entries ``[layer, node, tensor, kwargs]`` in lists or dicts of them."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        yield value
    else:
        for item in (value[key] for key in sorted(value)) if isinstance(value, dict) else value:
            yield from _entries(item)


def _reference(value: Any) -> Any:
    """Keras 2: a reference if it looks like one, lists and dicts of them too, else the constant."""
    if isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return value[2] if value[0] == "_CONSTANT_VALUE" else Ref(value[0], value[1], int(value[2]))
    if isinstance(value, dict):
        return {key: _reference(item) for key, item in value.items()}
    return [_reference(item) for item in value] if isinstance(value, list) else value


def _tensor(value: Any) -> Any:
    """Keras 3: the same."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        layer, node, tensor = value["config"]["keras_history"]
        return Ref(str(layer), int(node), int(tensor))
    if isinstance(value, dict) and "class_name" in value:
        raise WeightsError(f"a layer is called with a {value['class_name']!r}, which is not understood")
    if isinstance(value, dict):
        return {key: _tensor(item) for key, item in value.items()}
    return [_tensor(item) for item in value] if isinstance(value, list) else value
