"""What a job is: its inputs, its settings and its weights, so that it goes on only as what it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .. import __version__
from ..errors import InputError
from ..files.digest import sha256
from ..model import Model

FORMAT = 1  # of the manifest


def facts(path: str) -> dict[str, Any]:
    """A file's size, time of last change and digest."""
    try:
        found = os.stat(path)
        return {
            "path": os.path.abspath(path),
            "size": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "sha256": sha256(path),
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def unchanged(inputs: Sequence[dict[str, Any]]) -> None:
    """Raise an InputError if one of the inputs is not as it was."""
    for then in inputs:
        try:
            now = os.stat(then["path"])
        except OSError as error:
            raise InputError(f"{then['path']}: cannot be read any more: {error.strerror or error}") from error
        if (now.st_size, now.st_mtime_ns) != (then["size"], then["mtime_ns"]):
            raise InputError(f"{then['path']}: was written to while it was read; start anew")


def described(paths: Sequence[str], model: Model, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The job: everything that its output depends on.

    Args:
        settings: the options by name, as JSON has them.
    """
    words = model.vocabulary_file
    return {
        "format": FORMAT,
        "npmoji": __version__,
        "inputs": [facts(path) for path in paths],
        "weights": {"path": os.path.abspath(model.path), "sha256": model.weights_file.sha256},
        "vocabulary": {"path": words and os.path.abspath(words.path), "sha256": words and words.sha256},
        "settings": json.loads(json.dumps(dict(settings))),  # as it will be read again
    }


def check_same(then: dict[str, Any], now: dict[str, Any], folder: str) -> None:
    """Raise an InputError that says what has changed, unless the two jobs have the same output."""
    found = _change(then, now)
    if found:
        raise InputError(f"cannot go on with {folder}: {found}; undo that, or remove the folder to start anew")


def same(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the two jobs have the same output."""
    return not _change(then, now)


def _change(then: dict[str, Any], now: dict[str, Any]) -> str:
    for name in ("format", "npmoji"):
        if then.get(name) != now[name]:
            return f"it was begun with npmoji {then.get('npmoji')}, and this is {now['npmoji']}"
    if found := _changed_input(then["inputs"], now["inputs"]):
        return found
    for name in ("weights", "vocabulary"):
        if then[name]["sha256"] != now[name]["sha256"]:
            return f"the {name} have changed: {now[name]['path']}, then {then[name]['path']} with other content"
    before, after = then["settings"], now["settings"]
    for name in {**before, **after}:
        if before.get(name) != after.get(name) and not _harmless(name, before.get(name)):
            return f"{name} was {_shown(before.get(name))} and is {_shown(after.get(name))}"
    return ""


def _harmless(name: str, before: Any) -> bool:
    """Where "fail" was given, no finished row is without a text, whatever is to be done with those to come."""
    return name == "--on-error" and before == "fail"


def _changed_input(then: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]]) -> str:
    paths = [[one["path"] for one in inputs] for inputs in (then, now)]
    if paths[0] != paths[1]:
        gone, new = (next((p for p in paths[i] if p not in paths[1 - i]), "") for i in (0, 1))
        what = f"{new} is new" if new else f"{gone} is missing" if gone else "they are in another order"
        return f"the inputs have changed: {what}"
    for old, new in zip(then, now):
        if old["sha256"] != new["sha256"]:
            sizes = f"{old['size']:,} bytes then, {new['size']:,} now" if old["size"] != new["size"] else "same size"
            return f"the input {new['path']} has changed ({sizes})"
    return ""


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)
