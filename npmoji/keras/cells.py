"""Keras' recurrent layers: LSTM and its like, `RNN` of one or more cells, and `Bidirectional`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import layers
from ..errors import WeightsError
from ..formats.fields import item
from ..layers import DroppedMask, Layer
from .classes import CELLS, Cell, cell_of, recurrent_arrays
from .place import Place, kind

KINDS_OF_CELL = {f"{name}Cell": name for name in ("LSTM", "GRU", "SimpleRNN")}
SHARED = ("time_major", "zero_output_for_mask", "return_sequences")  # settings of the layer that hold for its cells


def _entry(entry: dict[str, Any], where: str) -> dict[str, Any]:
    """A layer in another one's config: its settings, with its ``class_name``."""
    return {**item(entry, "config", where, dict), "class_name": item(entry, "class_name", where, str)}


def _where(config: dict[str, Any]) -> str:
    return f"layer {config.get('name', str(config.get('class_name')).lower())!r}"


def cells_in(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The settings of each cell of a recurrent layer, the first step's first; a layer like LSTM is its own cell."""
    if config.get("class_name", "RNN") != "RNN":
        return [config]
    where = f"{_where(config)}: 'cell'"
    found = list(_unstacked(_entry(item(config, "cell", where, dict), where), where, bool(config.get("trainable", 1))))
    if not found:
        raise WeightsError(f"{where}: no cells, expected one or more")
    shared = {key: config[key] for key in SHARED if key in config}
    return [{**cell, **shared} for cell in found]


def _unstacked(cell: dict[str, Any], where: str, trainable: bool) -> Iterator[dict[str, Any]]:
    """The cells that a cell stands for."""
    class_name, own = cell["class_name"], trainable and bool(cell.get("trainable", True))
    if class_name in KINDS_OF_CELL:
        yield {**cell, "class_name": KINDS_OF_CELL[class_name], "trainable": own}
    elif class_name == "StackedRNNCells":
        for i, one in enumerate(item(cell, "cells", where, list)):
            place = f"{where}: cell {i}"
            yield from _unstacked(_entry(one, place), place, own)
    else:
        known = ", ".join((*KINDS_OF_CELL, "StackedRNNCells"))
        raise WeightsError(
            f"{where}: class {class_name!r:.60} is not one of {known}; npmoji.register_layer can supply the whole layer"
        )


def _names(config: dict[str, Any]) -> list[list[str]]:
    """The names of the arrays of each cell."""
    cells = cells_in(config)
    prefixes = [f"cell{i}_" for i in range(len(cells))] if len(cells) > 1 else [""]
    return [[prefix + name for name in recurrent_arrays(cell)] for prefix, cell in zip(prefixes, cells)]


def _arrays(config: dict[str, Any]) -> list[str]:
    return [name for names in _names(config) for name in names]


def _frozen(config: dict[str, Any]) -> list[str]:
    """The arrays of cells that are not trained, in a layer that is."""
    return [
        name
        for names, cell in zip(_names(config), cells_in(config))
        for name in names
        if not cell.get("trainable", True)
    ]


def _made_of(at: Place, within: bool) -> Cell:
    """What a recurrent layer is made of, alone or ``within`` a Bidirectional."""
    made = []
    for i, (names, config) in enumerate(zip(_names(at.config), cells_in(at.config))):
        own = dict(zip(recurrent_arrays(config), (at.arrays[name] for name in names)))
        place = at._replace(config=config, arrays=own, first=at.first and i == 0)
        made.append(cell_of(config["class_name"], place, within))
    if len(made) == 1:
        return made[0]
    shared = {"hold_masked": made[0].options["hold_masked"]}
    parts = [(cell.cls, cell.arrays, {k: v for k, v in cell.options.items() if k not in shared}) for cell in made]
    return Cell(layers.StackedRNN, tuple(parts), shared)


def _previous(at: Place, stacked: bool) -> Layer:
    """What a layer of cells is computed from.

    Raises:
        WeightsError: several cells of Keras 2.0 to 2.3, with states that go in or come out.
    """
    if not stacked or at.zero_masked:
        return at.previous[0]
    what = f"layer {at.name!r}: several cells of Keras {'.'.join(map(str, at.version))}"
    if at.states or at.flag("return_state"):
        raise WeightsError(f"{what} with states, whose order is not known")
    return DroppedMask(at.previous[0], f"{what} with a mask, which is not supported", name=f"{at.name}/unmasked")


@kind("RNN", arrays=_arrays, frozen=_frozen)
@kind(*CELLS, arrays=recurrent_arrays)
def _recurrent(at: Place) -> Layer:
    cell = _made_of(at, within=False)
    settings = {key: at.flag(key) for key in ("return_sequences", "return_state", "go_backwards")}
    return cell.cls(
        _previous(at, cell.cls is layers.StackedRNN),
        *cell.arrays,
        **cell.options,
        **settings,
        time_order=False,
        initial_state=at.states,
        name=at.name,
    )


def _halves(config: dict[str, Any]) -> list[dict[str, Any]]:
    """What a Bidirectional wraps: the config of the forward layer, and of the backward one."""
    where = f"layer {config.get('name', 'bidirectional')!r}"
    ahead = _entry(item(config, "layer", where, dict), f"{where}: 'layer'")
    behind = item(config, "backward_layer", where, dict, default={})
    turned = {**ahead, "go_backwards": not ahead.get("go_backwards", False)}
    halves = [ahead, _entry(behind, f"{where}: 'backward_layer'") if behind else turned]
    for half in halves:
        if half["class_name"] not in (*CELLS, "RNN"):
            raise WeightsError(
                f"{where}: Bidirectional of {half['class_name']!r:.60}, expected one of {[*CELLS, 'RNN']}"
            )
    return halves


def _of_halves(names: Any, config: dict[str, Any]) -> list[str]:
    sides = zip(("forward", "backward"), _halves(config))
    return [f"{side}_{name}" for side, half in sides for name in names(half)]


@kind(
    "Bidirectional",
    arrays=lambda config: _of_halves(_arrays, config),
    frozen=lambda config: _of_halves(_frozen, config),
)
def _bidirectional(at: Place) -> Layer:
    made = []
    for side, config in zip(("forward", "backward"), _halves(at.config)):
        own = {name.partition("_")[2]: array for name, array in at.arrays.items() if name.startswith(side)}
        made.append((config, _made_of(at._replace(config=config, arrays=own), within=True)))
    (config, ahead), (other, behind) = made
    forward, backward = (at._replace(config=half) for half in (config, other))
    if forward.flag("go_backwards") == backward.flag("go_backwards"):
        raise WeightsError(f"layer {at.name!r}: both of its layers go the same way")
    stacked = layers.StackedRNN in (ahead.cls, behind.cls)
    alike = (ahead.cls, ahead.options, _units(config)) == (behind.cls, behind.options, _units(other))
    if at.config.get("merge_mode", "concat") not in ("concat", "sum", "mul", "ave", None):
        raise WeightsError(f"layer {at.name!r}: merge_mode {at.config['merge_mode']!r}")
    return layers.Bidirectional(
        _previous(forward, stacked),
        ahead.arrays,
        behind.arrays,
        name=at.name,
        cell=ahead.cls,
        merge_mode=at.config.get("merge_mode", "concat"),
        reverse=forward.flag("go_backwards"),
        return_sequences=forward.flag("return_sequences"),
        return_state=forward.flag("return_state"),
        initial_state=at.states,
        backward_cell=None if alike and not stacked else behind.cls,
        backward_options=None if alike and not stacked else behind.options,
        **ahead.options,
    )


def _units(config: dict[str, Any]) -> list[Any]:
    return [cell.get("units") for cell in cells_in(config)]
