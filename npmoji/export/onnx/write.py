"""A network as an ONNX file: its inputs, the outputs asked for, and what is said besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import __version__
from ...errors import InputError
from ...graph import FREE_STEPS, free_shape
from ...layers import Input, Layer
from ...layers.base import ancestors
from ...model import Model
from ...outputs import paths
from .graph import FLOAT, INT32, INT64, IR_VERSION, Graph
from .layers import Value, written
from .values import kind_of

TOKENS = "tokens"  # the one input of token ids
IDS = {"int64": INT64, "int32": INT32}


def network(model: Model, outputs: Sequence[str] | None = None, ids: str = "int64") -> Any:
    """The network of a model as an ONNX model.

    Its inputs are ``tokens``, integers (N, T) with 0 for padding, if there is one input of token ids; else those of the
    network by their names. N and T are free. Outputs are float32.

    Args:
        outputs: names of layers, such as ``["softmax", "attlayer", "attention"]``; by default the network's own, by
            their keys where `Model.predict` gives a dict.
        ids: the type of token ids, ``"int64"`` or ``"int32"``.

    Raises:
        InputError: a layer that ONNX cannot say, or that is not there; or onnx is not installed.
    """
    if ids not in IDS:
        raise InputError(f"ids {ids!r:.60}: expected one of {', '.join(IDS)}")
    model.check_ready()
    wanted = _layers(model, outputs)
    layers = ancestors(list(wanted.values()))
    like, longer = model.graph.try_out(), model.graph.try_out(FREE_STEPS + 16)  # what differs between them is free
    names = input_names(model)
    g = Graph([*wanted, *names.values()])
    helper = g.onnx.helper
    sources = [layer for layer in model.graph.inputs if layer in layers]
    kinds = {layer: FLOAT if layer.vocabulary_size is None else IDS[ids] for layer in sources}
    done = {layer: Value(names[layer] if kinds[layer] != INT32 else g.cast(names[layer], INT64)) for layer in sources}
    written(g, layers, done, like)
    for name, layer in wanted.items():
        kind = kind_of(like[layer][0])  # outputs are float32, those of functions too
        g.add("Identity", done[layer].name if kind == FLOAT else g.cast(done[layer].name, FLOAT), called=name)
    info = helper.make_tensor_value_info
    given = [info(names[layer], kinds[layer], _shape(like[layer][0], longer[layer][0])) for layer in sources]
    results = [info(name, FLOAT, _shape(like[layer][0], longer[layer][0])) for name, layer in wanted.items()]
    graph = helper.make_graph(g.nodes, "npmoji", given, results, g.constants)
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", g.opset)],
        ir_version=IR_VERSION,
        producer_name="npmoji",
        producer_version=__version__,
    )


def input_names(model: Model) -> dict[Layer, str]:
    """What the inputs are called: tokens, if they are token ids alone."""
    graph = model.graph
    if len(graph.inputs) == 1 and graph.inputs[0].vocabulary_size is not None:
        return {graph.inputs[0]: TOKENS}
    return dict(zip(graph.inputs, graph.input_names))


def _shape(value: Any, longer: Any) -> list[Any]:
    """The sizes of a value's axes, names for those that are free."""
    free = ["N", "T"] + [f"T{axis}" for axis in range(2, np.ndim(value))]
    return [name if size is None else size for size, name in zip(free_shape(value, longer), free)]


def _layers(model: Model, outputs: Sequence[str] | None) -> dict[str, Layer]:
    """The layers whose outputs are wanted, by their names; the network's own by their keys where it gives a dict."""
    found: dict[str, Layer] = {}
    if outputs is None:
        graph, taken = model.graph, set(input_names(model).values())
        ends = [(layer.name, i) for i, layer in enumerate(graph.outputs)]
        for name, i in paths(graph.structure) if isinstance(graph.structure, dict) else ends:
            # Keras 3 may list a layer twice, ONNX no name
            found[f"{name}/{i}" if name in found or name in taken else name] = graph.outputs[i]
        return found
    for name in outputs:
        try:
            found[name] = model[name]
        except KeyError as error:
            raise InputError(f"{model.path}: {error.args[0]}") from None
        if found[name].outputs > 1 or isinstance(found[name], Input):
            raise InputError(f"{model.path}: {name!r} is an input or has several outputs, expected a layer with one")
    if not found:
        raise InputError("outputs: expected at least one layer's name")
    return found
