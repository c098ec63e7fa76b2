"""What the layers of a file may be: npmoji's own, those of `register_layer`, and those given for one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InputError, WeightsError
from ..layers import Layer
from . import cells, classes, quantised, queries, scaling, text, transformer, windows  # noqa: F401  fill KINDS
from .choices import CHOICES
from .place import KINDS, Kind, Names, any_number

CODE = ("Lambda", "TFOpLambda", "SlicingOpLambda")
REGISTERED: dict[str, Kind] = {}  # by class or by the name of a layer


def register_layer(class_name: str, make: Callable[..., Layer] | str, arrays: Names = ()) -> None:
    """Let files with layers of a class of your own be loaded; for one load only: ``load(path, layers={...})``.

    Args:
        class_name: as Keras stores it; or the name of a layer (in a nested model ``outer/inner``), which comes before
            its class, for Lambdas say. The name of a class that npmoji knows is always meant as the class.
        make: called as ``make(*previous, config=..., name=..., **arrays)`` with the layers before it, the config as
            stored and the weights by name; returns an `npmoji.Layer`. Or one of the formulas of `choices.CHOICES` by
            its name, such as ``"tanh-unmasked"``, for an attention layer.
        arrays: the names of the layer's weights in Keras' order (``layer.weights``); or a function of the config.

    What your functions raise when a file is loaded comes out as it is, a TypeError as a TypeError, with a note that
    names the layer; a WeightsError gets the name of the file.

    Raises:
        InputError: not a name, or neither a function nor the name of a choice.

    >>> def swish(previous, config, name):
    ...     return npmoji.Activation(previous, "swish", name=name)
    >>> npmoji.register_layer("MySwish", swish)
    """
    if not isinstance(class_name, str) or not class_name:
        raise InputError("register_layer: expected the name of a class and a function that makes the layer")
    REGISTERED[class_name] = _own("register_layer", make, arrays)


def _own(where: str, make: Any, arrays: Any = ()) -> Kind:
    """A kind of the caller's own: a function with the names of its arrays, or a choice."""
    if isinstance(make, str):
        if make not in CHOICES:
            raise InputError(f"{where}: {make!r} is not one of the choices {', '.join(CHOICES)}")
        return Kind(CHOICES[make], any_number)
    if not callable(make) or not (callable(arrays) or _are_names(arrays)):
        raise InputError(
            f"{where}: expected a function that makes the layer, with the names of its weights, or the name of a choice"
        )

    def names(config: dict[str, Any]) -> list[str]:
        found = arrays(config) if callable(arrays) else arrays
        if not _are_names(found):
            raise InputError(f"{where}: expected the names of the weights as a list, its function gave {found!r:.60}")
        return list(found)

    return Kind(lambda at: make(*at.previous, config=at.config, name=at.name, **at.arrays), names, parameters=None)


def _are_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


class Known:
    """What the layers of one file may be: npmoji's kinds, those registered, and those given for this file.

    What is given comes before what is registered, and that before npmoji's own; in each a layer's name before its
    class.

    Args:
        layers: by class or layer name what `register_layer` takes: a function, one with the names of its arrays as a
            pair, or the name of a choice.

    Raises:
        InputError: not such a dict.
    """

    def __init__(self, layers: dict[str, Any] | None = None):
        if not isinstance(layers, (dict, type(None))) or not all(isinstance(key, str) and key for key in layers or {}):
            raise InputError("layers: expected a dict of functions or choices by the names of classes or layers")
        self.given = {
            key: _own(f"layers[{key!r}]", *(value if isinstance(value, tuple) and len(value) == 2 else (value,)))
            for key, value in (layers or {}).items()
        }
        self._unused = set(self.given)

    def find(self, class_name: str, layer: str) -> Kind | None:
        """The kind of a layer, if there is one; custom classes may be stored as ``package>Class``."""
        names = (class_name, str(class_name).rpartition(">")[2])
        for table in (self.given, REGISTERED):
            for key in (layer, *names):
                if key in table and (key in names or key not in (*KINDS, *CODE)):
                    self._unused.discard(key)
                    return table[key]
        return next((KINDS[key] for key in names if key in KINDS), None)

    def kind(self, class_name: str, layer: str) -> Kind:
        """The kind of a layer.

        Raises:
            WeightsError: there is none.
        """
        found = self.find(class_name, layer)
        if found is None:
            reason = "holds code, which is never run" if class_name in CODE else "is not known"
            raise WeightsError(
                f"layer {layer!r}: class {class_name!r} {reason}; "
                f"npmoji.register_layer({class_name!r}, ...) can supply it, "
                f"or for this layer alone register_layer({layer!r}, ...)"
            )
        return found

    def check_all_used(self, path: str) -> None:
        """Raise an InputError if something given is neither a layer of the file nor the class of one."""
        if self._unused:
            raise InputError(f"layers: {path} has no layer and no class {', '.join(map(repr, sorted(self._unused)))}")
