"""What a file of npmoji's own says besides its arrays, as JSON, whatever the container; checked when it is read.

classes         [name, ...] of the columns of the last layer; two for one column with a sigmoid
multi_label     true: each class has a probability of its own. Not there where they sum to 1
provenance      how the weights were made: {"method": ..., "seed": ..., ...}, any keys
references      results that the model should give, see `checks.verify`
config          the `model_config` of a full Keras model
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ..errors import InputError, WeightsError
from .fields import DEEPEST, NAMES

KINDS: dict[str, type] = {
    "classes": list,
    "multi_label": bool,
    "provenance": dict,
    "references": dict,
    "config": dict,
}


def parsed(path: str, key: str, text: Any, label: str) -> Any:
    """The value of a key of `KINDS`, given what the file has for it.

    Args:
        label: what errors call it.

    Raises:
        WeightsError: no text, no JSON, or JSON of another kind.
    """
    damaged = f"{path}: {label} is damaged"
    if not isinstance(text, (str, bytes)):
        raise WeightsError(f"{damaged}: {text!r:.60}, expected a text")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{damaged}: not JSON: {error}") from None
    fits = isinstance(value, KINDS[key])
    if not fits:
        raise WeightsError(f"{damaged}: {value!r:.60}, expected {NAMES[KINDS[key]]}")
    return checked_names(value, damaged) if key == "classes" else value


def checked_names(names: list[Any], label: str, error: type[Exception] = WeightsError) -> list[str]:
    """The names of classes, all of them texts and different; else the error."""
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise error(f"{label}: {wrong[0]!r:.60}, expected texts")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise error(f"{label}: the class {twice!r:.60} comes twice")
    return names


def described(contents: Any) -> dict[str, str]:
    """The texts to write for a file's contents, by the keys of `KINDS`; only what there is."""
    values = {key: getattr(contents, key) for key in KINDS}
    return {key: json.dumps(value) for key, value in values.items() if value is not None and value is not False}


def plain(value: Any, label: str, depth: int = 0) -> Any:
    """A copy of the value, as it comes back from JSON: tuples as lists, NumPy's numbers as Python's.

    Raises:
        InputError: something else than objects with texts as keys, lists, texts, finite numbers, true, false and null;
            names the place.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if depth > DEEPEST:
        raise InputError(f"{label}: more than {DEEPEST} levels, expected JSON")
    if isinstance(value, dict):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise InputError(f"{label}: the key {wrong[0]!r:.60}, expected a text")
        return {key: plain(inner, f"{label}[{key!r:.60}]", depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, f"{label}[{i}]", depth + 1) for i, inner in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{label}: {value}, expected a finite number: JSON knows no other")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InputError(f"{label}: {type(value).__name__}, expected what JSON can hold")
