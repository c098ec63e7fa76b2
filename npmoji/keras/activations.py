"""What a layer's ``activation`` may be besides a name: a layer with settings, which Keras applies to the values."""

from __future__ import annotations

from ..errors import WeightsError
from ..formats.fields import item
from ..layers import Activation, Layer
from .place import KINDS, Place

LAYERS = ("LeakyReLU", "ReLU", "ELU", "ThresholdedReLU")  # those with settings, and without weights


def activation_layer(at: Place) -> Place | None:
    """The layer that is a layer's activation, as a place that lacks what comes before it; None if it is a function.

    Raises:
        WeightsError: a layer of another class.
    """
    found = at.setting("activation", "linear")
    if not isinstance(found, dict) or found.get("class_name") == "function" or isinstance(found.get("config"), str):
        return None
    where = f"layer {at.name!r}: its activation"
    class_name, config = item(found, "class_name", where, str), item(found, "config", where, dict, default={})
    if class_name == "Activation":
        return activation_layer(at._replace(config=config)) or at._replace(config=config | {"class_name": class_name})
    if class_name == "Softmax" and config.get("axis", -1) == -1:  # no mask reaches it
        return at._replace(config={"class_name": "Activation", "activation": "softmax"})
    if class_name not in LAYERS:
        expected = f"expected a name or one of {', '.join(LAYERS)}"
        raise WeightsError(f"{where} is a layer of class {class_name!r:.60}, {expected}")
    return at._replace(config={**config, "class_name": class_name}, arrays={})


def name_before(at: Place) -> str:
    """What the part of a layer before its activation is called."""
    plain = activation_layer(at) is None and at.activation() == "linear"
    return at.name if plain else f"{at.name}/linear"


def activated(at: Place, layer: Layer) -> Layer:
    """The layer with its activation behind it."""
    own = activation_layer(at)
    if own is not None:
        made = KINDS[own.config["class_name"]].make(own._replace(previous=[layer]))
        assert isinstance(made, Layer)
        return made
    return layer if at.activation() == "linear" else Activation(layer, at.activation(), name=at.name)
