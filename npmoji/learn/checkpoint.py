"""A training run in a file, written after every epoch, to go on from as if it had never stopped.

A safetensors file. Its tensors: the trainer's state (``trainer/...``), the best weights so far (``best/...``), and what
finished parts of the run left (``done/...``). Its metadata: ``format``, and as JSON the ``settings`` that the run was
made with, the ``state`` and the ``results`` of finished parts.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, WeightsError
from ..files.paths import local
from ..files.whole import whole_file
from ..formats import safetensors
from .loop import Arrays, Best, Patience
from .run import State

FORMAT = "npmoji checkpoint 1"


class Checkpoint(NamedTuple):
    """What such a file holds.

    Attributes:
        settings: what the run was made with: it goes on with the same only.
        state: of the part of the run that is under way.
        results, done: what the finished parts left: anything that JSON holds, and arrays.
    """

    settings: dict[str, Any]
    state: State
    results: list[dict[str, Any]]
    done: Arrays


def write(path: str | os.PathLike[str], found: Checkpoint) -> None:
    """Write such a file, in place of an earlier one.

    Raises:
        InputError: the file cannot be written.
    """
    state = found.state
    parts = {"trainer": state.trainer or {}, "best": state.best.weights or {}, "done": found.done}
    tensors = {f"{part}/{name}": np.asarray(array) for part, arrays in parts.items() for name, array in arrays.items()}
    numbers = {
        "stage": state.stage,
        "epoch": state.epoch,
        "drawn": state.drawn,
        "best": [state.best.loss, state.best.stage, state.best.epoch],
        "patience": [state.patience.epochs, state.patience.low, state.patience.wait, state.patience.stopped],
        "history": state.history,
    }
    values = {"settings": found.settings, "state": numbers, "results": found.results}
    with whole_file(path) as file:
        safetensors.write(file, tensors, {"format": FORMAT, **{key: json.dumps(values[key]) for key in values}})


def read(path: str | os.PathLike[str], settings: dict[str, Any]) -> Checkpoint:
    """Read such a file.

    Args:
        settings: those of the run that is to go on.

    Raises:
        InputError: the file is of a run with other settings or data; says which.
        WeightsError: the file is missing, damaged or no checkpoint.
    """
    path = local(path)
    tensors, metadata = safetensors.read(path, mmap=False)
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path}: not a checkpoint of a training run: expected the format {FORMAT!r}")
    values = {key: _json(path, metadata, key, kind) for key, kind in KINDS.items()}
    _check_same(path, values["settings"], settings)
    parts: dict[str, Arrays] = {"trainer": {}, "best": {}, "done": {}}
    for name, array in tensors.items():
        part, _, rest = name.partition("/")
        if part not in parts:
            raise WeightsError(f"{path}: damaged: the tensor {name!r:.80} belongs to no part of a run")
        parts[part][rest] = array.copy()
    state = _state(path, values["state"])
    state.best.weights, state.trainer = parts["best"] or None, parts["trainer"] or None
    return Checkpoint(values["settings"], state, values["results"], parts["done"])


KINDS = {"settings": dict, "state": dict, "results": list}


def _json(path: str, metadata: dict[str, str], key: str, kind: type) -> Any:
    """What a text of the metadata holds."""
    try:
        value = json.loads(metadata.get(key, ""))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: damaged: {key!r} in the metadata is not JSON: {error}") from None
    if not isinstance(value, kind):
        raise WeightsError(f"{path}: damaged: {key!r} in the metadata is {value!r:.60}, expected a {kind.__name__}")
    return value


#: the numbers of a state, by what they are, with their types
NUMBERS: dict[str, Any] = {
    "stage": int, "epoch": int, "drawn": int, "best": [(int, float), int, int],
    "patience": [int, (int, float), int, bool], "history": list,
}  # fmt: skip


def _state(path: str, found: dict[str, Any]) -> State:
    """The state's numbers, its arrays left out."""
    for key, kind in NUMBERS.items():
        value = found.get(key)
        sound = (
            isinstance(value, list) and len(value) == len(kind) and all(map(isinstance, value, kind))
            if isinstance(kind, list)
            else isinstance(value, kind) and (kind is list or value >= 0)
        )
        if not sound:
            raise WeightsError(f"{path}: damaged: the state's {key} is {value!r:.60}")
    best = Best(*found["best"])
    return State(found["stage"], found["epoch"], found["drawn"], best, Patience(*found["patience"]), found["history"])


def _check_same(path: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """A run goes on as it began, or not at all."""
    for key in [*ours, *theirs]:
        there, here = theirs.get(key), json.loads(json.dumps(ours.get(key)))
        if there != here:
            raise InputError(
                f"{path}: this checkpoint is of another run: {key} is {there!r:.80} there, {here!r:.80} here; "
                "give the same data and settings, or start anew without resuming"
            )
