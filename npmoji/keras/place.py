"""`Kind`: how layers of a Keras class are made; `Place`: what one is made from, with checked access to its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..backends.activations import ACTIVATIONS
from ..errors import WeightsError
from ..formats.fields import item
from ..layers import Layer
from ..layers.functions.arguments import LARGEST, MOST_AXES


class Place(NamedTuple):
    """What a layer is made from.

    Attributes:
        config: its settings, and its ``class_name``.
        previous: the layers whose outputs it is called with.
        arrays: its weights by name, as `Kind.arrays` names them.
        version: major and minor number of the Keras that wrote the file.
        states: the layers that give a recurrent layer's initial states.
        first: whether no other recurrent layer comes before it.
        zero_masked: whether a recurrent layer within a Bidirectional gives 0 at masked steps, see
            `Contents.holds_masked_outputs`.
        called: what it is called with by the names of its call's parameters, of a kind that names them: layers, lists
            of them, and constants; else only the constants.
        takes_mask: whether its class's ``call`` takes a mask, as Keras 3's Functional models say; None where none does.
    """

    name: str
    config: dict[str, Any]
    previous: list[Layer]
    arrays: dict[str, np.ndarray]
    version: tuple[int, int]
    zero_masked: bool
    states: tuple[Layer, ...] = ()
    first: bool = False
    takes_mask: bool | None = None
    called: dict[str, Any] = {}  # noqa: RUF012  never changed

    @property
    def keras3(self) -> bool:
        """Whether Keras 3 wrote the file."""
        return self.version >= (3, 0)

    def setting(self, name: str, default: Any = None) -> Any:
        """A value of the config, of whatever type; the default for null too."""
        value = self.config.get(name, default)
        return default if value is None else value

    def flag(self, name: str, default: bool = False) -> bool:
        """A setting that is true or false."""
        return bool(item(self.config, name, f"layer {self.name!r}", bool, int, default=default))

    def activation(self, key: str = "activation", default: str = "linear") -> str:
        """A setting that names an activation, as its name in `ACTIVATIONS`: Keras 3's hard_sigmoid is another
        function."""
        found = self.setting(key, default)
        if isinstance(found, dict):  # {"class_name": "function", "config": "relu"}
            found = found.get("config") if isinstance(found.get("config"), str) else found.get("class_name")
        if found == "hard_sigmoid" and self.keras3:
            return "hard_sigmoid_keras3"
        if not isinstance(found, str) or found not in ACTIVATIONS or found == "hard_sigmoid_keras3":
            raise WeightsError(f"layer {self.name!r}: unknown activation {found!r}")
        return found


Names: TypeAlias = Sequence[str] | Callable[[dict[str, Any]], Sequence[str]]


class Kind(NamedTuple):
    """How layers of a class are made.

    Attributes:
        make: a function of a `Place` that returns the layer, or a list of layers, one for each output.
        arrays: a function of the config that returns the names of the layer's arrays, in the order of the file.
        frozen: the names of those that are not trained by gradients: Keras stores them last; or a function of the
            config that returns them.
        quantised: whether it makes the layers that Keras has quantised to int8, too.
        parameters: the names of what its call takes, in order, if it takes more than its inputs: then `Place.called`
            tells which is which. None for any: those passed by keyword come after the others.
        tables: the names of arrays of which what it is called with chooses rows: then these are token ids.
        takes_masks_off: whether Keras, from 3.8 on, takes the masks off what the layer is called with, for all layers
            that are called later.
    """

    make: Callable[[Place], Layer | list[Layer]]
    arrays: Callable[[dict[str, Any]], list[str]] = lambda config: []
    frozen: Names = ()
    quantised: bool = False
    parameters: tuple[str, ...] | None = ()
    takes_masks_off: bool = False
    tables: tuple[str, ...] = ()

    def frozen_names(self, config: dict[str, Any]) -> Sequence[str]:
        """The names in ``frozen`` for a layer of this config."""
        return self.frozen(config) if callable(self.frozen) else self.frozen


KINDS: dict[str, Kind] = {}  # by class


ANY = "*"  # in place of the names of a kind that takes any number of arrays


def any_number(config: dict[str, Any]) -> list[str]:
    """For a kind that takes any number of arrays: they are called ``"0"``, ``"1"``, ..."""
    return [ANY]


def kind(
    *class_names: str,
    arrays: Callable[[dict], list[str]] | None = None,
    frozen: Names = (),
    parameters: tuple[str, ...] = (),
    takes_masks_off: bool = False,
    tables: tuple[str, ...] = (),
):
    """Decorator: the function makes the layers of these classes; for the options see `Kind`."""

    def enter(make: Callable[[Place], Layer | list[Layer]]):
        for class_name in class_names:
            KINDS[class_name] = Kind(
                make,
                arrays or (lambda config: []),
                frozen,
                parameters=parameters,
                takes_masks_off=takes_masks_off,
                tables=tables,
            )
        return make

    return enter


def affine(config: dict[str, Any]) -> list[str]:
    """The arrays of a layer with a kernel and, unless ``use_bias`` is off, a bias."""
    return ["kernel", "bias"] if config.get("use_bias", True) else ["kernel"]


def whole(place: Place, key: str, default: Any = None) -> int:
    """A setting that Keras stores as a number or a list of one."""
    value = place.setting(key, default)
    value = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    if type(value) is not int or not 1 <= value <= LARGEST:
        raise WeightsError(f"layer {place.name!r}: {key} {value!r}, expected an integer from 1 to {LARGEST}")
    return value


def pair(place: Place, key: str, default: Any = None) -> tuple[int, int]:
    """A setting of two sizes, which Keras stores as a list of them or as one number."""
    return _two(place, key, default, 1)


def two(place: Place, key: str, default: Any = None) -> tuple[int, int]:
    """The same for two numbers that may be 0."""
    return _two(place, key, default, 0)


def _two(place: Place, key: str, default: Any, least: int) -> tuple[int, int]:
    value = place.setting(key, default)
    found = (value, value) if type(value) is int else tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(found) != 2 or not all(type(n) is int and least <= n <= LARGEST for n in found):
        raise WeightsError(
            f"layer {place.name!r}: {key} {value!r:.60}, expected two integers from {least} to {LARGEST}"
        )
    return found[0], found[1]


def number(place: Place, key: str, default: float) -> float:
    """A setting that is a finite number; Keras writes NumPy's as ``{"class_name": "__numpy__", ...}`` or plain."""
    value = place.setting(key, default)
    if isinstance(value, dict):
        where = f"layer {place.name!r}: {key!r}"
        value = item(item(value, "config", where, dict), "value", where, int, float)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e38:
        raise WeightsError(f"layer {place.name!r}: {key} {value!r}, expected a number")
    return value


def axis(place: Place) -> int:
    """The axis that a layer works along."""
    found = place.setting("axis", -1)
    found = found[0] if isinstance(found, (list, tuple)) and len(found) == 1 else found
    if type(found) is not int or abs(found) > MOST_AXES:
        raise WeightsError(f"layer {place.name!r}: axis {found!r}, expected an integer, the number of an axis")
    return found


def are_axes(found: Sequence[Any], least: int = 0) -> bool:
    """Whether these are numbers of axes, no smaller than ``least`` but for their sign."""
    return len(found) <= MOST_AXES and all(type(n) is int and least <= abs(n) <= MOST_AXES for n in found)


def axes(place: Place) -> int | tuple[int, ...]:
    """The axes that a layer works along: one, or several."""
    found = place.setting("axis", -1)
    if not isinstance(found, (list, tuple)) or len(found) == 1:
        return axis(place)
    if not found or not are_axes(found):
        raise WeightsError(f"layer {place.name!r}: axis {found!r:.60}, expected the numbers of axes")
    return tuple(found)


def sizes(place: Place, key: str) -> tuple[int, ...]:
    """A list of positive integers, or -1."""
    found = item(place.config, key, f"layer {place.name!r}", list)
    if not all(type(n) is int and (n == -1 or 0 < n < 1 << 40) for n in found) or len(found) > MOST_AXES:
        raise WeightsError(f"layer {place.name!r}: {key} {found!r:.60}, expected a list of sizes")
    return tuple(found)


def channels_last(place: Place) -> None:
    """Refuse the other order of axes."""
    if place.setting("data_format", "channels_last") != "channels_last":
        raise WeightsError(
            f"layer {place.name!r}: data_format {place.setting('data_format')!r}, expected 'channels_last'"
        )
