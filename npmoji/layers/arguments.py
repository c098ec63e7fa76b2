"""What the layers' classes take, for those made from a file: what comes from there is checked against a table first.

A parameter's name means the same in all classes, so the table is by name; how many there are is what a class says
itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends.activations import ACTIVATIONS
from ..errors import WeightsError
from . import (
    GRU,
    LSTM,
    Bidirectional,
    CategoryEncoding,
    Conv2D,
    Dot,
    Dropout,
    GroupNormalization,
    Hashing,
    IntegerLookup,
    Layer,
    LayerNormalization,
    MultiHeadAttention,
    Named,
    Normalization,
    Part,
    Pooling2D,
    Recurrent,
    Rescaling,
    RMSNormalization,
    SimpleRNN,
    StackedRNN,
    StringLookup,
    TextVectorization,
    UnitNormalization,
)
from .heads import MASKED

#: what a recurrent layer takes besides what `Recurrent` does
OPTIONS: dict[type, tuple[str, ...]] = {
    LSTM: ("gate", "activation", "exact_projection"),
    GRU: ("gate", "activation", "reset_after"),
    SimpleRNN: ("activation",),
    StackedRNN: (),
}
SHARED = ("hold_masked", "time_order", "dropout")  # what a Bidirectional hands on to its layers besides
OF_CELLS = ("dropout",)  # what a cell of a StackedRNN takes besides


class Wanted(NamedTuple):
    """What a value may be, in words, and the function that says whether it is."""

    words: str
    fits: Callable[[Any], bool]


def _plain(value: Any) -> Any:
    """The Python value of an array of rank 0: NumPy's numbers are saved as such."""
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "fiub" else value


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


def _is_number(value: Any) -> bool:
    return type(_plain(value)) in (int, float, bool)


def _integer(least: int) -> Wanted:
    return Wanted(
        f"an integer of at least {least}", lambda value: type(_plain(value)) is int and least <= _plain(value) < 1 << 40
    )


def _optional(wanted: Wanted) -> Wanted:
    return Wanted(f"{wanted.words} or None", lambda value: value is None or wanted.fits(value))


def _several(wanted: Wanted) -> Wanted:
    return Wanted(
        f"a tuple, each {wanted.words}", lambda value: isinstance(value, tuple) and all(map(wanted.fits, value))
    )


def _names(*choices: str) -> Wanted:
    return Wanted(f"one of {', '.join(choices)}", lambda value: isinstance(value, str) and value in choices)


def _are_weights(value: Any) -> bool:
    """Whether it is a kernel, a recurrent kernel, and perhaps a bias."""
    fits = isinstance(value, tuple) and len(value) in (2, 3) and all(map(_is_array, value[:2]))
    return fits and all(bias is None or _is_array(bias) for bias in value[2:])


def _is_cell(value: Any) -> bool:
    """Whether it is a class, two or three arrays, and the options that the class takes."""
    if not isinstance(value, tuple) or len(value) != 3 or not isinstance(value[0], type) or value[0] is StackedRNN:
        return False
    kind, arrays, options = value
    known = isinstance(options, dict) and options.keys() <= {*OPTIONS.get(kind, ()), *OF_CELLS}
    return (
        kind in OPTIONS and _are_weights(arrays) and known and all(TABLE.get(k, FLAG).fits(options[k]) for k in options)
    )


def _are_cells(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(map(_is_cell, value))


LAYER = Wanted("a layer", lambda value: isinstance(value, Layer))
TEXT = Wanted("a string", lambda value: isinstance(value, str))
ARRAY = Wanted("an array of numbers", _is_array)
NUMBER = Wanted("a number", lambda value: _is_number(value) and abs(_plain(value)) < 1e38)
FLAG = Wanted("true or false", lambda value: type(_plain(value)) in (bool, int))
FUNCTION = _names(*ACTIVATIONS)
AXIS = Wanted("the number of an axis", lambda value: type(_plain(value)) is int and abs(_plain(value)) <= 32)
BIAS = _optional(ARRAY)
NUMBERS = Wanted("a number or an array", lambda value: NUMBER.fits(value) or ARRAY.fits(value))
AXES = Wanted("the numbers of axes", lambda value: AXIS.fits(value) or _several(AXIS).fits(value))
SIZES = _several(_optional(_integer(-1)))
WEIGHTS = Wanted("two or three arrays, or cells", lambda value: _are_weights(value) or _are_cells(value))
PAIR = Wanted("two integers of at least 1", lambda value: _several(_integer(1)).fits(value) and len(value) == 2)
WORDS = _several(TEXT)
WHOLE = Wanted("a whole number", lambda value: type(_plain(value)) is int and abs(_plain(value)) < 1 << 63)
SALT = Wanted("two whole numbers", lambda value: _several(WHOLE).fits(value) and len(value) == 2)
LOOKUP = {"output_mode": TEXT, "width": _optional(_integer(1)), "idf_weights": _optional(ARRAY)}
CELL = Wanted("LSTM, GRU, SimpleRNN or StackedRNN", lambda value: isinstance(value, type) and value in OPTIONS)
AFFINE = Wanted(
    "a kernel and its bias or None",
    lambda value: isinstance(value, tuple) and len(value) == 2 and ARRAY.fits(value[0]) and BIAS.fits(value[1]),
)

#: by parameter; all others are flags
TABLE: dict[str, Wanted] = {
    **dict.fromkeys(("previous", "layer", "query", "value"), LAYER),
    **dict.fromkeys(("key", "attention_mask"), _optional(LAYER)),
    "initial_state": _several(LAYER),
    **dict.fromkeys(
        ("kernel", "recurrent_kernel", "embeddings", "mean", "variance", "kernel_scale", "embeddings_scale"), ARRAY
    ),
    **dict.fromkeys(("bias", "gamma", "beta", "context", "scale", "concat_weight"), BIAS),
    **dict.fromkeys(("forward", "backward"), WEIGHTS),
    **dict.fromkeys(("query_dense", "key_dense", "value_dense", "output_dense"), AFFINE),
    "gate_dense": _optional(AFFINE),
    "equation": TEXT,
    **dict.fromkeys(("name", "complaint"), _optional(TEXT)),
    **dict.fromkeys(("logits", "padding", "kind"), TEXT),
    **dict.fromkeys(("activation", "gate"), FUNCTION),
    "merge_mode": _optional(_names("concat", "sum", "mul", "ave")),
    "axis": AXIS,
    **dict.fromkeys(("dilation", "groups", "pool_size"), _integer(1)),
    **dict.fromkeys(("strides", "vocabulary_size", "window"), _optional(_integer(1))),
    "size": _integer(1),
    **dict.fromkeys(("n", "k", "index", "before", "after"), _integer(0)),
    **dict.fromkeys(
        ("epsilon", "alpha", "mask_value", "theta", "threshold", "rate", "dropout", "least", "most"), NUMBER
    ),
    "max_value": _optional(NUMBER),
    "negative_slope": Wanted(
        "a number or an array", lambda v: ARRAY.fits(v) or NUMBER.fits(v) or _several(NUMBER).fits(v)
    ),
    **dict.fromkeys(("shape", "dims"), _optional(SIZES)),
    "cell": CELL,
    "cells": Wanted("a cell: its class, two or three arrays, and options", _is_cell),
    "backward_cell": _optional(CELL),
    "dtype": _optional(_names("string", "int64")),
    "num_oov_indices": _integer(0),
    "salt": _optional(SALT),
    "backward_options": Wanted("a dict or None", lambda value: value is None or isinstance(value, dict)),
}

#: where a class means something else by a name
OWN: dict[type, dict[str, Wanted]] = {
    CategoryEncoding: {"weights": _optional(LAYER), "num_tokens": _integer(1), "output_mode": TEXT},
    Conv2D: {"strides": PAIR, "dilation": PAIR},
    Dot: {"axes": _several(AXIS), "first": LAYER, "second": LAYER},
    GroupNormalization: {"groups": _integer(-1)},
    Hashing: {
        "num_bins": _integer(1),
        "mask_value": Wanted("a string, a whole number or None", lambda v: v is None or TEXT.fits(v) or WHOLE.fits(v)),
        "output_mode": TEXT,
    },
    IntegerLookup: LOOKUP
    | {"vocabulary": _several(WHOLE), "mask_token": _optional(WHOLE), "oov_token": _optional(WHOLE)}
    | {"oov_method": _names("floormod", "farmhash")},
    StringLookup: LOOKUP | {"vocabulary": WORDS, "mask_token": _optional(TEXT), "oov_token": _optional(TEXT)},
    TextVectorization: LOOKUP
    | {"vocabulary": WORDS, "standardize": _optional(TEXT), "split": _optional(TEXT)}
    | {
        "ngrams": _optional(Wanted("numbers of words", lambda v: _integer(1).fits(v) or _several(_integer(1)).fits(v))),
        "output_sequence_length": _optional(_integer(1)),
    },
    Pooling2D: {"strides": _optional(PAIR), "pool_size": PAIR},
    LayerNormalization: {"axis": AXES},
    MultiHeadAttention: {"axes": _optional(_several(AXIS)), "masked": _names(*MASKED)},
    Normalization: {"axes": _several(AXIS)},
    Rescaling: {"scale": NUMBERS, "offset": NUMBERS},
    RMSNormalization: {"axis": AXES},
    UnitNormalization: {"axis": AXES},
}


def made(cls: type[Layer], arguments: list[Any], options: dict[str, Any], where: str) -> Layer:
    """``cls(*arguments, **options)``.

    Raises:
        WeightsError: not what the class takes; names the place and the argument.
    """
    try:
        bound = inspect.signature(cls.__init__).bind(None, *arguments, **options)
        if issubclass(cls, Recurrent) and cls is not StackedRNN:
            bound = inspect.signature(Recurrent.__init__).bind(None, *arguments, **options)
    except TypeError as error:  # `bind` calls nothing
        raise WeightsError(f"{where}: {error}") from error
    given = {name: value for name, value in bound.arguments.items() if name not in ("self", "options")}
    rest = bound.arguments.get("options", {})
    for name, value in {**given, **rest}.items():
        several = name in ("previous", "cells") and isinstance(value, tuple)  # of *previous
        for one in value if several else [value]:
            _check(name, one, where, OWN.get(cls, {}))
    _check_options(cls, given, rest, where)
    layer = cls(*arguments, **options)
    _check_inputs(layer, where)
    return layer


def _check(name: str, value: Any, where: str, own: dict[str, Wanted] | None = None) -> None:
    wanted = (own or {}).get(name) or TABLE.get(name, FLAG)
    if not wanted.fits(value):
        found = type(value).__name__ if isinstance(value, (np.ndarray, Layer)) else f"{value!r:.60}"
        raise WeightsError(f"{where}: {name} is {found}, expected {wanted.words}")


def _check_options(cls: type[Layer], given: dict[str, Any], rest: dict[str, Any], where: str) -> None:
    """What a recurrent layer takes besides the parameters of `Recurrent`, and a Bidirectional for its two."""
    taken = [(cls, rest, ())]
    if cls is Bidirectional:
        cell, behind = given.get("cell", LSTM), given.get("backward_options")
        other = given.get("backward_cell") or cell
        taken = [(cell, rest, SHARED), (other, rest if behind is None else behind, SHARED)]
        for kind, arrays in ((cell, given["forward"]), (other, given["backward"])):
            if _are_cells(arrays) != (kind is StackedRNN):
                raise WeightsError(f"{where}: arrays and cells do not go together in {kind.__name__}")
    for kind, options, shared in taken:
        for name, value in options.items():
            if name not in (*OPTIONS.get(kind, ()), *shared) or (kind is StackedRNN and name in OF_CELLS):
                raise WeightsError(f"{where}: {kind.__name__} takes no option {name!r:.60}")
            _check(name, value, where)


def _check_inputs(layer: Layer, where: str) -> None:
    """Raise a WeightsError unless the layer's arithmetic takes as many values as it has predecessors."""
    _, *parameters = inspect.signature(layer.forward).parameters.values()  # the first is the engine
    least = sum(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)
    least -= layer.uses_mask and "mask" in [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    found = max(1, len(layer.previous))  # without any, the network's input is the value
    any_number = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if any(before.outputs > 1 for before in layer.previous) and not isinstance(layer, (Part, Dropout, Named)):
        raise WeightsError(f"{where}: the layer before it has several outputs, expected a Part of it")
    if found < least or (found > least and not any_number):
        raise WeightsError(f"{where}: {len(layer.previous)} layers before it, expected {least}")
