"""What a network returns: arrays in the lists and dicts in which its Keras model gives them.

A structure is such a nesting with the numbers of the network's outputs in place of the arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


def packed(structure: Any, values: Sequence[Any]) -> Any:
    """The values in the places of their numbers.

    >>> packed({"b": 1, "a": [0, 1]}, ["x", "y"])
    {'b': 'y', 'a': ['x', 'y']}
    """
    if isinstance(structure, dict):
        return {key: packed(inner, values) for key, inner in structure.items()}
    return [packed(inner, values) for inner in structure] if isinstance(structure, list) else values[structure]


def each(function: Callable[..., Any], *found: Any) -> Any:
    """The function of the values that have the same place in all of these.

    >>> each(max, {"a": [1, 5]}, {"a": [3, 2]})
    {'a': [3, 5]}
    """
    first = found[0]
    if isinstance(first, dict):
        return {key: each(function, *(one[key] for one in found)) for key in first}
    if isinstance(first, list):
        return [each(function, *some) for some in zip(*found)]
    return function(*found)


def alone(found: Any) -> Any:
    """The value itself where there is only one, in whatever it is; else all as they are.

    >>> alone({"a": [3]}), alone([1, 2])
    (3, [1, 2])
    """
    inner = found
    while isinstance(inner, (dict, list)) and len(inner) == 1:
        inner = next(iter(inner.values() if isinstance(inner, dict) else inner))
    return found if isinstance(inner, (dict, list)) else inner


def paths(structure: Any, before: str = "") -> Iterator[tuple[str, int]]:
    """What the outputs are called in dicts, ``"a/0"`` for the first in a list there, with their numbers; empty without
    any dict.

    >>> list(paths({"b": 1, "a": [0, 2]}))
    [('b', 1), ('a/0', 0), ('a/1', 2)]
    """
    if isinstance(structure, (dict, list)):
        for key, inner in structure.items() if isinstance(structure, dict) else enumerate(structure):
            yield from paths(inner, f"{before}/{key}" if before else str(key))
    else:
        yield before, structure
