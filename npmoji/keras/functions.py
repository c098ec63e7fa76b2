"""What files call functions of tensors, in terms of the table `layers.functions`: Keras 3's operations, tf_keras'
TFOpLambda and SlicingOpLambda, and Lambda layers of a function that Keras itself knows by its name. Code is never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..backends.activations import ACTIVATIONS
from ..errors import WeightsError
from ..formats.fields import item
from ..layers import Activation, DroppedMask, Layer, Part
from ..layers.functions import FUNCTIONS
from ..layers.functions.arguments import constant
from ..layers.operations import Operation
from . import config as description
from .config import Call, Constant, Node, Ref, flat
from .tensorflow_names import DEFAULTS, IGNORED, TENSORFLOW

TENSORFLOW_LAYERS = ("TFOpLambda", "SlicingOpLambda")
#: not settings of the function
OWN_SETTINGS = ("name", "trainable")


def function_of(node: Node) -> str | None:
    """The name of a function that a layer of a class that may hold code calls, if it is a name."""
    found = node.config.get("function")
    if node.class_name == "Lambda" and isinstance(found, dict) and found.get("class_name") == "function":
        found = found.get("config")
    by_name = node.class_name in TENSORFLOW_LAYERS or (
        node.class_name == "Lambda" and node.config.get("function_type", "function") == "function"
    )
    return found if by_name and isinstance(found, str) else None


def operation(node: Node, call: Call, values: Mapping[Ref, Layer], name: str, version: tuple[int, int]) -> list[Layer]:
    """The outputs of a function of tensors, one layer for each.

    Args:
        values: the layers that give what it is called with.
        version: of the Keras that wrote the file.

    Raises:
        WeightsError: a function that is not known, or arguments that it does not take.
    """
    try:
        args, kwargs = (_filled(given, values) for given in (call.args, call.kwargs))
    except ValueError as error:
        raise WeightsError(f"layer {name!r}: {node.class_name!r} is called with {error}") from error
    if node.class_name == "Lambda":
        return [_named_function(node, args, name, version)]
    if node.class_name in TENSORFLOW_LAYERS:
        class_name, kwargs = _from_tensorflow(node, call, kwargs, name)
    else:
        where = f"layer {name!r}: its settings"
        own = {key: value for key, value in node.config.items() if key not in OWN_SETTINGS}
        own = _filled(description.constants(own, where), values)
        class_name, kwargs = node.class_name, {**own, **kwargs}
        if class_name == "Einsum":
            args = [args]
    made = Operation(class_name, args, kwargs, name=name)
    if not made.function.several:
        return [made]
    made.outputs = node.used
    return [Part(made, i) for i in range(node.used)]


def _filled(value: Any, values: Mapping[Ref, Layer]) -> Any:
    """What a function is called with: layers in place of references, arrays in place of constants."""
    if isinstance(value, Ref):
        return values[value]
    if isinstance(value, Constant):
        return constant(value.value, value.dtype)
    if isinstance(value, dict):
        if value.get("class_name") == "__ellipsis__":
            return "..."
        return {key: _filled(inner, values) for key, inner in value.items()}
    return [_filled(inner, values) for inner in value] if isinstance(value, list) else value


def _from_tensorflow(node: Node, call: Call, kwargs: dict[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """The function of the table that TensorFlow's is, and its settings by the names that they have there."""
    function = str(function_of(node)).removeprefix("compat.v1.")
    if function not in TENSORFLOW:
        raise WeightsError(
            f"layer {name!r}: TensorFlow's function {function!r:.60} is not known; "
            f"npmoji.register_layer({name!r}, ...) can supply it"
        )
    if function == "einsum" and not any(isinstance(one, Ref) for one in flat(call.args)):
        raise WeightsError(
            f"layer {name!r}: tf_keras stores einsum without what it multiplies, so it cannot be computed"
        )
    class_name, *words = TENSORFLOW[function].split()
    names = dict(word.split("=") if "=" in word else (word, word) for word in words)
    given = {key: value for key, value in kwargs.items() if key not in IGNORED}
    unknown = sorted(given.keys() - names.keys())
    if unknown:
        raise WeightsError(f"layer {name!r}: TensorFlow's {function!r} with {unknown[0]!r} is not understood")
    return class_name, {**DEFAULTS.get(function, {}), **{names[key]: value for key, value in given.items()}}


def _named_function(node: Node, args: list[Any], name: str, version: tuple[int, int]) -> Layer:
    """A Lambda layer of an activation, which Keras finds by its name; it passes no mask on."""
    found, where = function_of(node), f"layer {name!r}"
    settings = item(node.config, "arguments", where, dict, default={})
    previous = [value for value in flat(args) if isinstance(value, Layer)]
    if found not in ACTIVATIONS or len(previous) != 1 or node.config.get("mask") is not None:
        raise WeightsError(
            f"{where}: the function {str(found)!r:.60} of a Lambda layer, of which the file holds the name alone, is "
            f"not known; npmoji.register_layer({name!r}, ...) can supply it"
        )
    if not settings:
        activation = "hard_sigmoid_keras3" if found == "hard_sigmoid" and version >= (3, 0) else str(found)
        return Activation(DroppedMask(previous[0], name=f"{name}/input"), activation, name=name)
    row = {"relu": "ReLU"}.get(str(found), str(found).title().replace("_", ""))
    if row not in FUNCTIONS:
        raise WeightsError(f"{where}: the function {found!r} with {sorted(settings)} is not understood")
    defaults = {"approximate": False} if row == "Gelu" else {}
    slope = row in ("ReLU", "LeakyRelu")  # which Keras 2 calls alpha
    settings = {"negative_slope" if slope and key == "alpha" else key: value for key, value in settings.items()}
    return Operation(row, previous, {**defaults, **settings}, name=name)
