"""What the parameters of functions may be, as checks of values that come from a file.

Anything that a function computes with, `Value`, is another layer's output or a constant; sizes and places may be
outputs too, arrays of rank 0 that are known when the function is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..base import Layer

MOST_AXES = 32
LARGEST = 1 << 16  # a size beyond this is damage, and might exhaust the memory
MOST_NUMBERS = 1 << 24  # that a function may give for one row
MOST_VALUES = 1000  # arrays that are brought together

#: numbers as NumPy has them here: there is no float64, and Keras' own default is float32
DTYPES = {
    "bool": np.dtype(bool),
    **{f"{kind}{bits}": np.dtype(f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float32),
    "float": np.dtype(np.float32),
    "int": np.dtype(np.int32),
}

# The annotations of functions' parameters: see `KINDS`.
Value: TypeAlias = Any
Values: TypeAlias = Any
Key: TypeAlias = Any
Axis: TypeAlias = int
Axes: TypeAlias = Any
AxisPairs: TypeAlias = Any
Flag: TypeAlias = bool
Dtype: TypeAlias = Any
Size: TypeAlias = Any
Sizes: TypeAlias = Any
Whole: TypeAlias = Any
Number: TypeAlias = float
Text: TypeAlias = str
Order: TypeAlias = Any


class Kind(NamedTuple):
    """What a value may be, in words, the function that says whether it is, and what it becomes."""

    words: str
    fits: Callable[[Any], bool]
    made: Callable[[Any], Any] = lambda value: value


def leaves(value: Any) -> Iterator[Any]:
    """What lists in lists, and dicts, hold."""
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    else:
        yield value


def filled(value: Any, fill: Callable[[Layer], Any]) -> Any:
    """The same with what ``fill`` gives in place of each layer."""
    if isinstance(value, Layer):
        return fill(value)
    if isinstance(value, (list, tuple)):
        return type(value)(filled(inner, fill) for inner in value)
    return {key: filled(inner, fill) for key, inner in value.items()} if isinstance(value, dict) else value


def constant(value: Any, dtype: Any = None) -> np.ndarray:
    """Numbers in lists as an array; those without a type of their own are float32, int32 or bool.

    Raises:
        ValueError: no numbers, or lists of different lengths.
    """
    wanted = None if dtype is None else DTYPES.get(dtype)
    if dtype is not None and wanted is None:
        raise ValueError(f"numbers of type {dtype!r:.40}")
    try:
        array = np.array(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value!r:.60}, which is no array") from error
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{value!r:.60}, which is no array of numbers")
    return array.astype(wanted or {"f": np.float32, "b": bool}.get(array.dtype.kind, np.int32))


def _is_integer(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    return type(value) is bool or (type(value) in (int, float) and abs(value) <= 1e38) or value in INFINITE


INFINITE = (math.inf, -math.inf)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


def _is_value(value: Any) -> bool:
    if isinstance(value, Layer) or _is_array(value) or _is_number(value):
        return True
    try:
        return isinstance(value, (list, tuple)) and constant(value).size > 0
    except ValueError:
        return False


def _made_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return constant(value)
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value


def _is_axis(value: Any) -> bool:
    return _is_integer(value, -MOST_AXES, MOST_AXES)


def _are_axes(value: Any) -> bool:
    return _is_axis(value) or (
        isinstance(value, (list, tuple)) and 0 < len(value) <= MOST_AXES and all(map(_is_axis, value))
    )


def _each(fits: Callable[[Any], bool], most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and 0 < len(value) <= most and all(map(fits, value))


def _is_size(value: Any) -> bool:
    return value is None or isinstance(value, Layer) or _is_integer(value, -1, LARGEST)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Layer) or _is_integer(value, -LARGEST, LARGEST)


def _are_places(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return 0 < len(value) <= LARGEST and all(map(_are_places, value))
    return _is_whole(value)


def _is_part_of_key(value: Any) -> bool:
    if isinstance(value, dict):
        ends = [value.get(key) for key in ("start", "stop", "step")]
        return set(value) == {"start", "stop", "step"} and ends[2] != 0 and all(e is None or _is_end(e) for e in ends)
    return value is None or value == "..." or _is_end(value)


def _is_end(value: Any) -> bool:
    """Whether it is a place along an axis: TensorFlow has ends up to the largest integer for what is open."""
    return isinstance(value, Layer) or _is_integer(value, -(1 << 63), 1 << 63)


def _is_key(value: Any) -> bool:
    return _is_part_of_key(value) or _each(_is_part_of_key, MOST_AXES)(value)


def _are_axis_pairs(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) == 2 and all(map(_are_axes, value))
    return _is_integer(value, 0, MOST_AXES)


def listed(value: Any) -> list[Any]:
    """A list of one for a value by itself."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


KINDS: dict[str, Kind] = {
    "Value": Kind("an output of a layer or numbers", _is_value, _made_value),
    "Values": Kind(
        "a list of outputs of layers or numbers", _each(_is_value, MOST_VALUES), lambda v: [_made_value(x) for x in v]
    ),
    "Key": Kind("places and slices", _is_key),
    "Axis": Kind("the number of an axis", _is_axis),
    "Axes": Kind("the numbers of axes", _are_axes, lambda value: tuple(listed(value))),
    "AxisPairs": Kind("a number of axes, or two lists of them", _are_axis_pairs),
    "Flag": Kind("true or false", lambda value: type(value) in (bool, int), bool),
    "Dtype": Kind(f"one of {', '.join(DTYPES)}", lambda value: isinstance(value, str) and value in DTYPES),
    "Size": Kind(f"an integer from 0 to {LARGEST}", lambda value: _is_size(value) and value not in (None, -1)),
    "Sizes": Kind(
        f"sizes up to {LARGEST}",
        lambda value: _is_size(value) or value == [] or _each(_is_size, MOST_AXES)(value),
    ),
    "Whole": Kind(f"integers up to {LARGEST}", _are_places),
    "Number": Kind("a number", _is_number),
    "Order": Kind(
        "a number, fro or euclidean",
        lambda value: value in ("fro", "euclidean") if isinstance(value, str) else _is_number(value),
        lambda value: None if isinstance(value, str) else value,
    ),
    "Text": Kind("a string", lambda value: isinstance(value, str) and len(value) < 1000),
}


# When a function is computed ----------------------------------------------------------------------------------------


def whole(value: Any) -> Any:
    """A size or place as a Python integer, that of an array of rank 0 too."""
    if isinstance(value, (list, tuple)):
        return [whole(inner) for inner in value]
    array = np.asarray(value)
    if value is None:
        return None
    return [size(one) for one in array.reshape(-1)] if array.ndim else size(array)


def size(value: Any) -> int:
    """One size or place as a Python integer.

    Raises:
        ValueError: several, or no number.
    """
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "fiub" or not np.isfinite(array):
        raise ValueError(f"an array of shape {array.shape} and type {array.dtype}, expected a number")
    return int(array)


def sizes(value: Any) -> list[int]:
    """Sizes, -1 for what is open."""
    return [-1 if one is None else size(one) for one in listed(whole(value))]


def check_size(shape: Sequence[int], rows: Any = 1) -> None:
    """Raise a ValueError if an array of this shape would be larger than that of any network.

    Args:
        rows: an array whose first axis is that of the texts, or how many there are.
    """
    count = rows if isinstance(rows, int) else np.shape(rows)[0] if np.ndim(rows) else 1
    if math.prod(shape) > MOST_NUMBERS * max(1, count):
        raise ValueError(f"an array of shape {tuple(shape)} is larger than {MOST_NUMBERS} numbers a row")


def at_axis(axis: int, rank: int) -> int:
    """The number of an axis counted from the front.

    Raises:
        ValueError: there is none.
    """
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of an array with {rank} axes")
    return axis % rank


def at_axes(axes: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """The same for several; of None, all there are."""
    found = tuple(range(rank)) if axes is None else tuple(at_axis(axis, rank) for axis in axes)
    if len(set(found)) < len(found):
        raise ValueError(f"axes {axes} of an array with {rank} axes")
    return found
