"""Modules of npmoji under another package's name, for scripts that are not changed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType

from ..errors import InputError


def install(name: str, places: Mapping[str, str]) -> ModuleType:
    """Let ``import name`` give one of npmoji's modules, for the rest of the process; returns it.

    Args:
        places: below the name -> the module of npmoji; "" is the name itself.

    Raises:
        InputError: another package of that name is imported already, and what has been taken from it would stay.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"name {name!r:.60}: expected the name of a package, such as 'torchmoji'")
    modules = {f"{name}.{key}".rstrip("."): importlib.import_module(place) for key, place in places.items()}
    for key, module in modules.items():
        if sys.modules.get(key, module) is not module:
            place = getattr(sys.modules[key], "__file__", None) or "no file"
            raise InputError(f"{key} is imported already, from {place}: call install() before anything imports it")
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(_package(parent), last, modules[name])
    sys.modules.update(modules)
    return modules[name]


def _package(name: str) -> ModuleType:
    """The package of that name; an empty one, if there is none."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not error.name or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that it imports is missing
    parent, _, last = name.rpartition(".")
    made = ModuleType(name, "An empty package, made by npmoji.compat.")
    made.__path__ = []
    if parent:
        setattr(_package(parent), last, made)
    sys.modules[name] = made
    return made
