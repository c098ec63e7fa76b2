"""`Function`: what a function of tensors takes and how it is computed; `FUNCTIONS` holds all of them by Keras 3's
names.

A function enters itself with `@function`: its own parameters, in the order of Keras' signature, are those of the row,
and their annotations, see `arguments.KINDS`, say what each may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .arguments import KINDS

REQUIRED: Any = object()


class Parameter(NamedTuple):
    """A parameter: its name, the name of its kind, a key of `KINDS`, and its default."""

    name: str
    kind: str
    default: Any

    @property
    def optional(self) -> bool:
        """Whether it may be left out, or be None."""
        return self.default is not REQUIRED


class Function(NamedTuple):
    """A row of the table.

    Attributes:
        compute: a function of an engine and the arguments, in the order of ``parameters``.
        several: whether it gives a tuple of arrays.
    """

    name: str
    compute: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    several: bool

    def bind(self, arguments: Sequence[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by the names of the parameters, all of them.

        Raises:
            ValueError: too many, too few, one that there is not, or one of another kind.
        """
        names = [parameter.name for parameter in self.parameters]
        if len(arguments) > len(names):
            raise ValueError(f"{len(arguments)} arguments, expected {', '.join(names)},")
        given = dict(zip(names, arguments))
        for name, value in settings.items():
            if name not in names or given.get(name) is not None:
                raise ValueError(f"the setting {name!r:.60}")
            given[name] = value
        return {parameter.name: self._checked(parameter, given) for parameter in self.parameters}

    def _checked(self, parameter: Parameter, given: dict[str, Any]) -> Any:
        value, kind = given.get(parameter.name), KINDS[parameter.kind]
        if value is None:
            if not parameter.optional:
                raise ValueError(f"no {parameter.name!r}, expected {kind.words},")
            return parameter.default
        if not kind.fits(value):
            raise ValueError(f"{parameter.name} {_shown(value)}, expected {kind.words},")
        return kind.made(value)


def _shown(value: Any) -> str:
    return f"{value!r:.60}"


FUNCTIONS: dict[str, Function] = {}


def function(*names: str, several: bool = False) -> Callable[[Callable], Callable]:
    """Decorator: the function, of an engine and its parameters, is the row of these names."""

    def enter(compute: Callable) -> Callable:
        code, defaults = compute.__code__, compute.__defaults__ or ()
        parameters = code.co_varnames[1 : code.co_argcount]
        values = [*[REQUIRED] * (len(parameters) - len(defaults)), *defaults]
        row = tuple(Parameter(name, compute.__annotations__[name], value) for name, value in zip(parameters, values))
        for name in names:
            FUNCTIONS[name] = Function(name, compute, row, several)
        return compute

    return enter
