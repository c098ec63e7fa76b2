"""Which arrays of a file are whose: those of each layer by the names that its class gives them, and back."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import WeightsError, noted
from ..formats.contents import Contents, Layers, numbered
from ..layers import Layer
from ..layers.functions import FUNCTIONS
from ..precision import is_whole
from . import config as description
from . import quantised
from .config import CONTAINERS, Network, Node
from .functions import function_of
from .known import CODE, Known
from .place import ANY, KINDS
from .shares import shares


class Slot(NamedTuple):
    """An array that the config says a file must have: of which layer (nested ones as ``outer/inner``), its name, and
    whether training leaves it alone."""

    layer: str
    name: str
    frozen: bool


def weights_of(network: Network, file: Contents, known: Known) -> Layers:
    """The file's arrays with the names that the layers' classes give them, nested layers as ``outer/inner``.

    Raises:
        WeightsError: a layer has too few or too many arrays, or one that the config does not know.
    """
    found: Layers = {}
    check_stray(network, file)
    for node in network.nodes:
        fill(found, node, file, known)
    return found


def check_stray(network: Network, file: Contents) -> None:
    """Raise a WeightsError if the file holds arrays of layers that the network does not have."""
    names = tuple(node.name for node in network.nodes)
    outer = tuple(f"{name}/" for name in names)
    stray = [
        name for name, arrays in file.layers.items() if arrays and name not in names and not name.startswith(outer)
    ]
    if stray:
        raise WeightsError(f"the file holds weights of layers that its model_config does not have: {stray}")


def fill(found: Layers, node: Node, file: Contents, known: Known) -> None:
    """Add the arrays of a layer, and of all layers in it, to those found. Raises as `weights_of`."""
    if is_operation(node, node.name, known):
        if file.layers.get(node.name):
            raise WeightsError(f"layer {node.name!r} ({node.class_name}) has arrays, expected none of a function")
        return
    slots = list(_slots(node, "", True, known))
    apart = {slot.layer: file.layers.get(slot.layer, {}) for slot in slots if slot.layer != node.name}
    apart = apart if any(name in file.layers for name in apart) else {}
    if apart:  # Keras 3 keeps a nested model's layers apart
        for name, arrays in apart.items():
            _fill(found, [slot for slot in slots if slot.layer == name], arrays, node)
    else:  # Keras 2 keeps them together
        _fill(found, slots, file.layers.get(node.name, {}), node)


def frozen(file: Contents) -> set[str]:
    """The layers that the config says are not to be trained, nested ones as ``outer/inner``."""
    return set(_frozen(description.parse(file.config or {}), "", True))


def _frozen(network: Network, prefix: str, trainable: bool) -> Iterator[str]:
    for node in network.nodes:
        own = trainable and bool(node.config.get("trainable", True))
        if node.class_name in CONTAINERS:
            yield from _frozen(description.parse(node.config["model"]), f"{prefix}{node.name}/", own)
        elif not own:
            yield prefix + node.name


def as_stored(stored: Layers, layers: list[Layer]) -> Layers:
    """The file's arrays, layer by layer as it keeps them, under the names that the layers made of them have for them.

    Where a layer does not hold them as they are, they have numbers: a nested model's, which Keras 2 keeps together, and
    cuDNN's, which are rearranged.
    """
    held = {layer.name: layer.weights() for layer in layers}
    return {
        name: held.get(name, {}) if _are(held.get(name, {}), arrays) else numbered(arrays.values())
        for name, arrays in stored.items()
    }


def _are(held: dict[str, Any], arrays: dict[str, Any]) -> bool:
    """Whether a layer holds these very arrays, and no others."""
    return len(held) == len(arrays) and all(map(operator.is_, held.values(), arrays.values()))


def _fill(found: Layers, slots: list[Slot], arrays: dict[str, np.ndarray], node: Node) -> None:
    if not quantised.in_listed_order(list(arrays.values())):  # those that gradients do not change come last
        slots = sorted(slots, key=lambda slot: slot.frozen)
    counts = shares([slot.name for slot in slots], list(arrays.values()))
    if counts is None:
        raise WeightsError(_unshared(slots, arrays, node))
    slots = [
        slot._replace(name=str(i)) if slot.name == ANY else slot
        for slot, count in zip(slots, counts)
        for i in range(count)
    ]
    by_name = len(slots) == len(arrays.keys() & {slot.name for slot in slots})  # else the order tells
    if not by_name and any("/" in name for name in arrays):
        raise WeightsError(
            f"layer {node.name!r} ({node.class_name}) has the arrays {', '.join(arrays)}, "
            f"expected {', '.join(slot.name for slot in slots)}"
        )
    for slot, array in zip(slots, arrays.values()):
        own = found.setdefault(slot.layer, {})
        if slot.name in own:
            raise WeightsError(
                f"two layers of the model_config are called {slot.layer!r}, one of them in a nested model"
            )
        own[slot.name] = arrays[slot.name] if by_name else array


def _unshared(slots: list[Slot], arrays: dict[str, np.ndarray], node: Node) -> str:
    """The message where a layer's arrays are not those that its slots want."""
    wanted = ", ".join("any number" if slot.name == ANY else slot.name for slot in slots) or "none"
    own = [slot.layer for slot in slots if slot.name == ANY]
    several = f"; the arrays of {', '.join(map(repr, own))} cannot be told apart" if len(own) > 1 else ""
    if node.config.get("lora_rank"):
        several += "; it has LoRA's matrices apart, which a file ending in .keras or .weights.h5 has merged"
    if quantised.mode_of(node.config) is None and any(map(is_whole, arrays.values())):
        several += (
            "; some are int8, which its config does not say: Keras has quantised layers within it, and cannot load "
            "that either"
        )
    return f"layer {node.name!r} ({node.class_name}) has {len(arrays)} arrays, expected {wanted}{several}"


def _slots(node: Node, prefix: str, trainable: bool, known: Known) -> Iterator[Slot]:
    """The arrays of a layer, or of all layers of a nested model, in their order."""
    name = prefix + node.name
    if node.class_name in CONTAINERS:
        for inner in description.parse(node.config["model"]).nodes:
            if not is_operation(inner, f"{name}/{inner.name}", known):
                yield from _slots(inner, f"{name}/", trainable, known)
        return
    if node.class_name == "TimeDistributed":
        yield from _slots(description.wrapped(node), prefix, trainable, known)
        return
    kind = known.kind(node.class_name, name)
    quantised.check_mode(kind, node.config, name, node.class_name)
    trainable = trainable and node.config.get("trainable", True)
    with noted(f"while the arrays of layer {name!r} of class {node.class_name!r} were asked for"):
        arrays, frozen = kind.arrays(node.config), kind.frozen_names(node.config)
    for array in arrays:
        yield Slot(name, array, array in frozen or not trainable)


def is_operation(node: Node, key: str, known: Known) -> bool:
    """Whether a node that may be a function, by its config, is one: some layers' configs look alike."""
    found = known.find(node.class_name, key)
    if node.class_name in CODE:
        return function_of(node) is not None and found is None
    ours = node.class_name in FUNCTIONS and found is KINDS.get(node.class_name)  # and no class of the caller's own
    return node.operation and (found is None or ours)
