"""All that a file has and npmoji lacks: unknown classes, settings and arrays that no layer takes. `build` stops at the
first of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..backends.ops import Ops
from ..errors import WeightsError
from ..formats.contents import Contents, Layers
from ..formats.fields import check_json, item
from ..graph import FREE_STEPS, Graph, Reached
from ..layers import Layer, TimeDistributed
from ..layers.base import ancestors
from . import config as description
from .config import CONTAINERS, Network, Node, Ref, refs_of
from .graph import Builder
from .known import CODE, Known
from .place import Kind, any_number
from .weights import check_stray, fill


class Unknown(Layer):
    """In place of a layer that cannot be made."""

    def forward(self, ops: Ops, *values: Any) -> Any:
        raise WeightsError(f"layer {self.name!r} cannot be made")


class Lenient(Known):
    """What the layers of a file may be, with a kind for those that are not known, too.

    Attributes:
        unknown: the layers by such classes.
    """

    def __init__(self, layers: dict[str, Any] | None = None):
        super().__init__(layers)
        self.unknown: dict[str, dict[str, None]] = {}

    def kind(self, class_name: str, layer: str) -> Kind:
        """The kind of a layer; of an unknown one, one that takes any arrays."""
        found = self.find(class_name, layer)
        if found is None:
            self.unknown.setdefault(class_name, {})[layer] = None
        return found or Kind(lambda at: Unknown(name=at.name), any_number, quantised=True)

    def reasons(self) -> Iterator[str]:
        """What is not known, class by class."""
        for class_name, layers in self.unknown.items():
            names = ", ".join(map(repr, layers))
            reason = "holds code, which is never run" if class_name in CODE else "is not known"
            remedy = f"npmoji.register_layer({class_name!r}, ...) can supply it"
            yield f"layer{'s' * (len(layers) > 1)} {names}: class {class_name!r} {reason}; {remedy}"


class Collector(Builder):
    """Makes what can be made, and keeps the reasons for the rest; ``missing`` are layers whose arrays are not known."""

    def __init__(self, file: Contents, arrays: Layers, known: Known, missing: set[str], reasons: dict[str, str]):
        super().__init__(file, arrays, known)
        self.missing, self.reasons = missing, reasons
        self._outputs = 1

    def apart(self) -> Builder:
        return Collector(self.file, self.arrays, self.known, self.missing, self.reasons)

    def run(self, network: Network, values: dict[Ref, Layer], name: str, key: str) -> list[Layer]:
        before, refs = self._outputs, [ref for node in network.nodes for call in node.calls for ref in refs_of(call)]
        self._outputs = 1 + min(max((ref.tensor for ref in [*refs, *network.outputs]), default=0), 99)
        try:
            return super().run(network, values, name, key)
        finally:
            self._outputs = before

    def _call(self, node: Node, i: int, values: dict[Ref, Layer], name: str, key: str) -> list[Layer]:
        try:
            made = super()._call(node, i, values, name, key)
        except WeightsError as error:
            self.reasons.setdefault(key + node.name, str(error))
            made = [Unknown(name=name + node.name)]
        unknown = [Unknown(name=f"{name}{node.name}/{i}") for i in range(len(made), self._outputs)]
        return [*made, *unknown] if isinstance(made[0], Unknown) else made

    def _make(self, node: Node, previous: list[Layer], states: tuple, name: str, key: str, *more: Any) -> Any:
        if key in self.missing:
            return Unknown(name=name)
        return super()._make(node, previous, states, name, key, *more)


def lacking(file: Contents, layers: dict[str, Any] | None = None) -> list[str]:
    """Why a file with a config cannot be used, one reason each; ``layers`` as `npmoji.load` takes them. Empty if it can
    be."""
    known = Lenient(layers)
    reasons: dict[str, str] = {}  # by layer
    try:
        check_json(file.config)
        network = description.parse(file.config or {})
    except WeightsError as error:
        for class_name, layer in _classes(file.config or {}, ""):
            known.kind(class_name, layer)
        return [str(error), *known.reasons()]
    arrays, missing = _arrays(network, file, known, reasons)
    builder = Collector(file, arrays, known, missing, reasons)
    try:
        made = {ref: builder.input(network, ref) for ref in dict.fromkeys(network.inputs)}
        outputs = builder.run(network, made, "", "")
    except WeightsError as error:
        reasons["/"] = str(error)  # of no layer
    else:
        graph = Graph(builder.made, outputs, inputs=[made[ref] for ref in network.inputs])
        reasons |= _unfit(graph)
    return [*known.reasons(), *reasons.values()]


def _arrays(network: Network, file: Contents, known: Known, reasons: dict[str, str]) -> tuple[Layers, set[str]]:
    """The arrays of the layers, as `weights_of` gives them, and the layers whose are not known."""
    found: Layers = {}
    missing: set[str] = set()
    try:
        check_stray(network, file)
    except WeightsError as error:
        reasons["/arrays"] = str(error)
    for node in network.nodes:
        some: Layers = {}
        try:
            fill(some, node, file, known)
        except WeightsError as error:
            reasons.setdefault(node.name, str(error))
            missing.update(key for key, _ in _keys(node, ""))
        found.update(some)
    return found, missing


def _keys(node: Node, prefix: str) -> Iterator[tuple[str, Node]]:
    """A layer and all that are in it, by their keys, as far as its config can be understood."""
    yield prefix + node.name, node
    try:
        if node.class_name in CONTAINERS:
            inside = [(one, f"{prefix}{node.name}/") for one in description.parse(node.config["model"]).nodes]
        else:
            inside = [(description.wrapped(node), prefix)] if node.class_name == "TimeDistributed" else []
    except WeightsError:
        return
    for one, before in inside:
        yield from _keys(one, before)


def _classes(config: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Class and key of each layer in a config that cannot be understood, as far as it can."""
    try:
        entries = description.entries_of(item(config, "config", "the model", dict, list))
    except WeightsError:
        return
    for entry in entries:
        if ".ops." in entry.module:
            continue
        if entry.class_name in CONTAINERS:
            yield from _classes({"config": entry.config}, f"{prefix}{entry.name}/")
        elif entry.class_name not in ("TimeDistributed", "InputLayer"):
            yield entry.class_name, prefix + entry.name


def _unfit(graph: Graph) -> dict[str, str]:
    """The layers that do not take what comes before them, with the reason, of those that come after nothing unknown:
    where the inputs leave a size free, for the size that the most take."""
    first = graph.reached(FREE_STEPS)
    fewest = _known(first)
    for size in graph.sizes(first, next(iter(fewest))) if fewest else ():
        fewest = min(fewest, _known(graph.reached(size)), key=len)
    return {layer.name: str(error) for layer, error in fewest.items()}


def _known(found: Reached) -> dict[Layer, WeightsError]:
    """The layers that failed, but for those that are unknown."""
    return {layer: error for layer, error in found.failed.items() if not _is_unknown(layer)}


def _is_unknown(layer: Layer) -> bool:
    """Whether it is unknown what a layer computes: itself, or a layer within."""
    within = ancestors([layer.layer]) if isinstance(layer, TimeDistributed) else []
    return isinstance(layer, Unknown) or any(map(_is_unknown, within))
