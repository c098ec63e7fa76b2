"""Values of a model's config, checked where they are taken out of it: a file's JSON may hold anything.

    item(entry, "class_name", "layer 3", str)                  the value of a key, which must be there
    item(entry, "inbound_nodes", where, list, default=[])      or may be missing, or null
    typed(value, where, dict, list)                            a value by itself

A value of another type is a WeightsError that says where it is, what was found and what was expected. The code that
follows may rely on the type, so that a TypeError or KeyError there is a mistake of the code.
"""

from __future__ import annotations

from typing import Any

from ..errors import WeightsError

NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
DEEPEST = 200  # lists and objects in each other; some functions go down by calling themselves
REQUIRED: Any = object()


def typed(value: Any, where: str, *kinds: type) -> Any:
    """The value, if it is of one of the kinds, keys of `NAMES`; a tuple, of a config that is no JSON, becomes a list.

    Raises:
        WeightsError: it is not.
    """
    if isinstance(value, tuple):
        value = list(value)
    kind = type(value)
    if kind in kinds or (kind is int and float in kinds) or (isinstance(value, dict) and dict in kinds):
        return value
    raise WeightsError(_complaint(where, f"{NAMES.get(kind, kind.__name__)}, {value!r:.60}", kinds))


def item(values: Any, key: str, where: str, *kinds: type, default: Any = REQUIRED) -> Any:
    """The value that an object has for a key, as `typed` gives it; the default, if there is one, for null and where
    there is no such key.

    Raises:
        WeightsError: no object, no such key, or a value that is of none of the kinds.
    """
    found = typed(values, where, dict).get(key)
    if found is None and default is not REQUIRED:
        return default
    if key not in values:
        raise WeightsError(_complaint(f"{where}: {key!r}", "missing", kinds))
    return typed(found, f"{where}: {key!r}", *kinds)


def check_json(value: Any, what: str = "the model_config") -> None:
    """Raise a WeightsError if lists and objects lie deeper in each other than those of any model, or keys are no
    strings: a config may be a dict of the caller's."""
    level, depth = [value], 0
    while level:
        keys = [key for some in level if isinstance(some, dict) for key in some]
        wrong = next((key for key in keys if not isinstance(key, str)), "")
        if wrong != "" or depth > DEEPEST:
            found = f"the key {wrong!r}, expected a string" if wrong != "" else f"more than {DEEPEST} levels"
            raise WeightsError(f"{what} cannot be understood: {found}")
        inner = [list(some.values()) if isinstance(some, dict) else some for some in level]
        level = [one for some in inner if isinstance(some, (list, tuple)) for one in some]
        depth += 1


def _complaint(where: str, found: str, kinds: tuple[type, ...]) -> str:
    wanted = " or ".join(NAMES[kind] for kind in kinds)
    return f"the model_config cannot be understood: {where} is {found}, expected {wanted}"
