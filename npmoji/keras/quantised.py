"""Layers that `model.quantize("int8")` has changed: those whose ``dtype`` is a quantised policy.

Their arrays are those of the plain layer, one of them int8, and its scale behind. Policies that only say in which
floats a layer computes are passed over: here that is float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import layers
from ..errors import WeightsError
from ..formats.fields import item
from ..layers import Layer
from ..layers.quantised import EPSILON, LEAST, MOST
from ..precision import is_whole
from . import classes  # noqa: F401  fills KINDS
from .place import KINDS, Kind, Place
from .queries import equation

MODES = ("int8", "int4", "float8", "gptq", "awq")  # Keras'; the first is here


def mode_of(config: dict[str, Any]) -> str | None:
    """How a layer is quantised, ``"int8"`` for example; None if it is not."""
    policy = config.get("dtype")
    inner = policy.get("config") if isinstance(policy, dict) else None
    found = inner.get("mode") if isinstance(inner, dict) else None
    if isinstance(policy, str) and "_from_" in policy:  # "int8_from_float32"
        found = policy.partition("_from_")[0]
    found = found.partition("/")[0] if isinstance(found, str) else None  # "int4/128"
    return found if found in MODES else None


def quantised(class_name: str, whole: str) -> Callable[[Callable[[Place], Layer]], Callable[[Place], Layer]]:
    """Decorator: the function makes the layers of this class, which is there already, that are quantised to int8.

    Args:
        whole: the name of the array that is int8 then; its scale is called the same with ``_scale`` behind.
    """

    def enter(make: Callable[[Place], Layer]) -> Callable[[Place], Layer]:
        plain, own = KINDS[class_name], (whole, f"{whole}_scale")

        def either(at: Place) -> Layer | list[Layer]:
            return make(at) if mode_of(at.config) else plain.make(at)

        def arrays(config: dict[str, Any]) -> list[str]:
            return [*plain.arrays(config), *own[1:]] if mode_of(config) else plain.arrays(config)

        def frozen(config: dict[str, Any]) -> tuple[str, ...]:
            return (*plain.frozen_names(config), *(own if mode_of(config) else ()))

        KINDS[class_name] = plain._replace(make=either, arrays=arrays, frozen=frozen, quantised=True)
        return make

    return enter


def check_mode(kind: Kind, config: dict[str, Any], name: str, class_name: str) -> None:
    """Raise a WeightsError if a layer is quantised in a way that is not here."""
    mode = mode_of(config)
    if mode is not None and not (mode == MODES[0] and kind.quantised):
        known = ", ".join(name for name, one in KINDS.items() if one.quantised)
        raise WeightsError(
            f"layer {name!r} of class {class_name!r} is quantised as {mode!r}, expected {MODES[0]!r} in one of "
            f"{known}; a file saved before model.quantize can be used"
        )


def check_types(at: Place) -> None:
    """Raise a WeightsError if a layer that is not quantised has whole numbers."""
    for label, array in at.arrays.items():
        if is_whole(array) and mode_of(at.config) is None:
            raise WeightsError(f"layer {at.name!r}: {label} is of type int8, expected float32")


def check_wrapped(config: dict[str, Any], name: str) -> None:
    """Raise a WeightsError if the layer that a TimeDistributed is around is quantised: Keras calls it as if it were
    not, and passes over the scales."""
    if mode_of(config) is not None:
        raise WeightsError(f"layer {name!r}: TimeDistributed of a quantised layer, whose scales Keras passes over")


def in_listed_order(arrays: list[Any]) -> bool:
    """Whether a quantised layer's arrays come in the layer's own order, as Keras 3's files have them; its `.h5` files
    have those that gradients change first."""
    return bool(arrays) and is_whole(arrays[0])


@quantised("Dense", "kernel")
def _dense(at: Place) -> Layer:
    return layers.Int8Dense(
        at.previous[0],
        at.arrays["kernel"],
        at.arrays["kernel_scale"],
        at.arrays.get("bias"),
        activation=at.activation(),
        name=at.name,
        logits=f"{at.name}/logits",
        **rounding(at),
    )


@quantised("EinsumDense", "kernel")
def _einsum_dense(at: Place) -> Layer:
    return layers.Int8EinsumDense(
        at.previous[0], equation(at), **at.arrays, activation=at.activation(), name=at.name, **rounding(at)
    )


@quantised("Embedding", "embeddings")
def _embedding(at: Place) -> Layer:
    arrays = at.arrays["embeddings"], at.arrays["embeddings_scale"]
    return layers.Int8Embedding(at.previous[0], *arrays, at.flag("mask_zero"), name=at.name)


def rounding(at: Place) -> dict[str, Any]:
    """How what comes in is rounded, as options of `Int8Dense`: Keras' default, or by the layer's own quantizer."""
    where, key = f"layer {at.name!r}", "quantization_config"
    given = item(at.config, key, where, dict, default={})
    if not given:
        return {}
    quantizer = item(item(given, "config", f"{where}: {key!r}", dict), "activation_quantizer", where, dict, default={})
    if not quantizer:
        return {"whole_inputs": False}
    where = f"{where}: 'activation_quantizer'"
    settings = item(quantizer, "config", where, dict)
    bounds = item(settings, "value_range", where, list, default=[LEAST, MOST])
    epsilon = item(settings, "epsilon", where, int, float, default=EPSILON)
    known = quantizer.get("class_name") == "AbsMaxQuantizer" and settings.get("output_dtype", "int8") == "int8"
    whole = len(bounds) == 2 and all(type(n) is int for n in bounds) and -128 <= bounds[0] <= 0 < bounds[1] <= 127
    if not (known and whole and 0 < epsilon < 1):
        raise WeightsError(f"{where}: {quantizer!r:.100}, expected an AbsMaxQuantizer to numbers from -128 to 127")
    return {"least": bounds[0], "most": bounds[1], "epsilon": epsilon}
