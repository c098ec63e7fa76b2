"""Which colours a terminal shows, and the backgrounds of words: how strong, for a class or against it.

The terminal's own background is not known, so that every colour is as far from white as from black, black letters can
be read on it, and it goes from grey to full. Blue and orange can be told apart by those who see few colours.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

TRUE = 1 << 24  # the number of colours of a terminal that takes red, green and blue
LEAST = 0.1  # weaker words have no background
GREY = 138, 138, 138


class Ramp(NamedTuple):
    """The backgrounds of words, from weak to strong.

    Attributes:
        full: red, green and blue of the strongest; the weakest is `GREY`.
        indexed: numbers in the palette of 256 colours.
        basic: pairs of a letter's and a background's code, for 16 colours, whose shades are people's own.
    """

    full: tuple[int, int, int]
    indexed: tuple[int, ...]
    basic: tuple[tuple[int, int], ...]


FOR = Ramp((30, 155, 255), (245, 109, 74, 75, 39), ((30, 46), (97, 44)))
AGAINST = Ramp((255, 140, 26), (245, 137, 173, 172, 208), ((97, 45), (97, 41)))
ATTENTION = Ramp((181, 123, 255), (245, 139, 140, 141, 135), ((30, 47), (97, 45)))


def shade(ramp: Ramp, strength: float) -> tuple[int, int, int]:
    """Red, green and blue, from 0 to 255, for a strength from 0 to 1."""
    red, green, blue = (round(low + strength * (high - low)) for low, high in zip(GREY, ramp.full))
    return red, green, blue


def background(ramp: Ramp, strength: float, colours: int) -> str:
    """The parameters of the escape sequence that sets letters and background; empty if there is nothing to set.

    >>> from npmoji.explain.colours import FOR, background
    >>> [background(FOR, 0.8, colours) for colours in (1 << 24, 256, 16, 0)]
    ['38;2;0;0;0;48;2;52;152;232', '38;5;16;48;5;75', '97;44', '']
    """
    if strength < LEAST or not colours:
        return ""
    strength = min(strength, 1.0)
    if colours == TRUE:
        return "38;2;0;0;0;48;2;{};{};{}".format(*shade(ramp, strength))
    if colours == 256:
        return f"38;5;16;48;5;{_of(ramp.indexed, strength)}"
    return "{};{}".format(*_of(ramp.basic, strength))


def _of(levels: tuple, strength: float):
    place = (strength - LEAST) / (1 - LEAST)
    return levels[min(int(place * len(levels)), len(levels) - 1)]


def colours_of(stream: TextIO, environment: Mapping[str, str] = os.environ) -> int:
    """How many colours what is written to the stream can have: `TRUE`, 256, 16, or 0 for none.

    ``NO_COLOR`` means none. ``FORCE_COLOR`` and ``CLICOLOR_FORCE`` mean colours even where the stream is no terminal,
    as for ``less -R``.
    """
    if environment.get("NO_COLOR"):
        return 0
    forced = any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    if not forced and not (stream.isatty() and (os.name != "nt" or _understands(stream))):
        return 0
    terminal = environment.get("TERM", "")
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or terminal.endswith("-direct"):
        return 0 if terminal == "dumb" and not forced else TRUE
    if os.name == "nt" and not terminal:
        return TRUE  # as every console of Windows that understands escape sequences
    if "256color" in terminal:
        return 256
    return 16 if forced or not _is_plain(terminal) else 0


def _is_plain(terminal: str) -> bool:
    return terminal in ("", "dumb", "unknown") or terminal.startswith("vt") or terminal.endswith(("-m", "-mono"))


def _understands(stream: TextIO) -> bool:
    """Whether a console of Windows understands escape sequences; it is told to, if it can."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import ctypes
        import msvcrt

        kernel, handle = ctypes.windll.kernel32, msvcrt.get_osfhandle(stream.fileno())  # type: ignore[attr-defined]
        mode = ctypes.c_uint32()
        if kernel.GetConsoleMode(handle, ctypes.byref(mode)):
            return bool(mode.value & 4 or kernel.SetConsoleMode(handle, mode.value | 4))
        return True  # no console of Windows but a terminal: that of Cygwin, of an editor
    return False


def width_of() -> int:
    """Columns of the terminal; 80 if there is none that could tell."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns or 80  # Python 3.10 may give 0
