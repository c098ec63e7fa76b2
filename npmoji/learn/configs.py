"""A Keras `model_config` with another last layer, or other sizes. The arrays that go with it are for `heads` to change.

All functions return a new config of the same dialect: Keras 2's, tf_keras' or Keras 3's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from ..errors import InputError
from ..formats.contents import Layers
from ..keras import config as description
from ..keras.config import Ref, refs_of

Config = dict[str, Any]
ENDS = ("Activation", "Softmax")  # classes of layers that may come after the last Dense


def output_dense(config: Config) -> tuple[str, list[str]] | None:
    """The Dense layer that gives the network's one output, and the layers of `ENDS` after it; None if there is none."""
    network = description.parse(config)
    nodes, ref = {node.name: node for node in network.nodes}, network.outputs[0]
    after: list[str] = []
    while len(network.outputs) == 1 and len(nodes[ref.layer].calls) == 1:  # not one that is used more than once
        node = nodes[ref.layer]
        if node.class_name == "Dense":
            return node.name, after
        taken = list(refs_of(node.calls[0]))
        if node.class_name not in ENDS or len(taken) != 1:
            return None
        after.insert(0, node.name)
        ref = taken[0]
    return None


def with_units(config: Config, dense: str, after: list[str], units: int, activation: str) -> Config:
    """With so many units in a Dense layer, which together with the layers after it computes the activation."""
    config = copy.deepcopy(config)
    entries = _raw(config)
    entries[dense]["config"].update(units=units, use_bias=True, activation="linear" if after else activation)
    for name in after:
        entry = entries[name]
        settings = {key: entry["config"][key] for key in ("name", "trainable", "dtype") if key in entry["config"]}
        entry["class_name"] = "Activation"
        entry["config"] = {**settings, "activation": activation if name == after[-1] else "linear"}
        for call in entry.get("inbound_nodes", []):
            if isinstance(call, dict):  # Keras 3's Softmax takes a mask, an Activation takes none
                call.get("kwargs", {}).pop("mask", None)
    return config


class Cut(NamedTuple):
    """A config that was cut: the names of the layers that were kept, and of the new one."""

    config: Config
    kept: set[str]
    new: str


def cut(config: Config, layer: str, name: str, features: int, units: int, activation: str) -> Cut:
    """Only what a layer is computed from, and a new Dense layer after it.

    Args:
        name: what to call the new layer, if none of those kept is called so.
        features: the width of what it takes.

    Raises:
        InputError: a layer that is kept is used again by what is cut off, in a way that cannot be cut.
    """
    config = copy.deepcopy(config)
    if config["class_name"] == "Sequential":
        plain = config["config"] if isinstance(config["config"], list) else config["config"]["layers"]
        names = [found.name for found in description.entries_of(config["config"])]
        kept_names = names[: names.index(layer) + 1]
        entry = _dense(_free(name, kept_names), units, activation)
        plain[len(kept_names) :] = [entry if "module" not in plain[0] else {"module": "keras.layers", **entry}]
        return Cut(config, set(kept_names), entry["config"]["name"])
    network = description.parse(config)
    end = next(Ref(layer, node.first) for node in network.nodes if node.name == layer)
    calls = _needed(network, end)
    kept = {name: found for name, found in _raw(config).items() if name in calls}
    for own, found in kept.items():
        if calls[own] != set(range(len(calls[own]))):
            raise InputError(f"layer {own!r} is used before and after {layer!r} in an order that cannot be cut")
        found["inbound_nodes"] = found.get("inbound_nodes", [])[: len(calls[own])]
    keras3 = any(isinstance(call, dict) for found in kept.values() for call in found["inbound_nodes"])
    name = _free(name, kept)
    entry = {**_dense(name, units, activation), "name": name, "inbound_nodes": [[[*end, {}]]]}
    if keras3:
        tensor = {"shape": [None, features], "dtype": "float32", "keras_history": [*end]}
        call = {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}
        entry |= {"module": "keras.layers", "registered_name": None, "inbound_nodes": [call]}
    inner = config["config"]
    inner["layers"] = [*kept.values(), entry]
    inner["input_layers"] = _filtered(inner["input_layers"], lambda ref: ref[0] in kept)
    inner["output_layers"] = _renamed(inner["output_layers"], name)
    return Cut(config, set(kept), name)


def _dense(name: str, units: int, activation: str) -> dict[str, Any]:
    """A new Dense layer, as all dialects have it; what is not said is Keras' default."""
    settings = {"name": name, "trainable": True, "units": units, "activation": activation, "use_bias": True}
    return {"class_name": "Dense", "config": settings}


def _free(name: str, taken: Collection[str]) -> str:
    return next(own for i in range(len(taken) + 1) if (own := f"{name}_{i}" if i else name) not in taken)


def with_rows(config: Config, layers: Layers) -> Config:
    """With the vocabulary's size of each embedding as its array has it."""
    config = copy.deepcopy(config)
    for name, entry in _raw(config).items():
        rows = layers.get(name, {}).get("embeddings")
        if entry["class_name"] == "Embedding" and rows is not None:
            entry["config"]["input_dim"] = len(rows)
    return config


def _raw(config: Config) -> dict[str, dict[str, Any]]:
    """The layers of the model by name, as the config has them."""
    inner = config["config"]
    plain = inner if isinstance(inner, list) else inner["layers"]
    return dict(zip((entry.name for entry in description.entries_of(inner)), plain))


def _needed(network: description.Network, end: Ref) -> dict[str, set[int]]:
    """The layers that an output is computed from, and the numbers of the calls of each that this takes."""
    nodes = {node.name: node for node in network.nodes}
    found: dict[str, set[int]] = {}
    stack = [end]
    while stack:
        ref = stack.pop()
        node = nodes[ref.layer]
        number = ref.node - node.first
        done = found.setdefault(node.name, set())
        if number not in done and number < len(node.calls):
            done.add(number)
            stack += refs_of(node.calls[number])
    return found


def _filtered(ends: Any, keep: Callable[[Any], bool]) -> Any:
    """A model's `input_layers`, less those that are cut off: one, a list, or a dict of them."""
    if isinstance(ends, dict):
        return {key: ref for key, ref in ends.items() if keep(ref)}
    return ends if isinstance(ends[0], str) else [ref for ref in ends if keep(ref)]


def _renamed(ends: Any, name: str) -> Any:
    """A model's one output in the shape that its `output_layers` have."""
    if isinstance(ends, dict):
        return {key: [name, 0, 0] for key in list(ends)[:1]}
    return [name, 0, 0] if isinstance(ends[0], str) else [[name, 0, 0]]
