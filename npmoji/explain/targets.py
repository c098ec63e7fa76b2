"""Which class a caller means: its number, its emoji, its name, the emoji's shortcode, or a `Prediction`."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import numpy as np

from ..classes import Classes
from ..errors import InputError
from ..text.emojis import EMOJIS, Prediction
from ..text.shortcodes import SHORTCODES
from ..text.widths import printable

#: what stands for a class; None for each text's own best
Target: TypeAlias = int | str | Prediction | None

_LISTED = 6  # classes in a message
_LOOKS = "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]"  # variation selectors and skin tones, which no emoji's class tells apart


def find(target: Any, classes: Classes, count: int | None = None) -> int:
    """The number of the class that is meant.

    A str is looked for in this order: a class' name or emoji just as it is written; the emoji whatever its variant or
    skin tone; the name or shortcode (``joy``, ``:joy:``) in any case; a number; the one class with these words in its
    name or shortcode.

    Args:
        count: how many classes there are; by default as many as have names.

    Raises:
        InputError: no class is meant, or several; names the nearest.
    """
    C = len(classes.names) if count is None else count
    if isinstance(target, Prediction):
        return _of_prediction(target, classes, C)
    if isinstance(target, (int, np.integer)) and not isinstance(target, bool):
        return _of_number(int(target), C)
    if not isinstance(target, str):
        raise InputError(
            f"target: expected one class, by its number, emoji or name, or a Prediction; got {type(target).__name__}"
        )
    word = target.strip()
    for matches in (_exact, _bare, _named):
        if found := matches(word, classes):
            return _only(word, found, classes)
    if word.isascii() and word.isdecimal() and len(word) < 10:
        return _of_number(int(word), C)
    if found := _worded(word, classes):
        return _only(word, found, classes)
    raise InputError(f"target {target!r:.60}: no class is called so; expected {_expected(word, classes, C)}")


def _of_number(i: int, C: int) -> int:
    if not 0 <= i < C:
        raise InputError(f"target {i!r:.60}: expected the number of a class, from 0 to {C - 1}")
    return i


def _of_prediction(p: Prediction, classes: Classes, C: int) -> int:
    """Its number, if the class of this number is still called so: it may be another model's."""
    label = p.label or p.emoji
    i = _of_number(p.id, C)
    if label and (i >= len(classes.labels) or classes.labels[i] != label):
        raise InputError(f"target {label!r:.60}: the prediction is of another model, whose class {i} this one has not")
    return i


def _exact(target: str, classes: Classes) -> list[int]:
    return _all(classes, lambda name, label: target in (name, label))


def _bare(target: str, classes: Classes) -> list[int]:
    wanted = _plain(target)
    return _all(classes, lambda name, label: _plain(label) == wanted) if wanted else []


def _named(target: str, classes: Classes) -> list[int]:
    wanted, code = target.casefold(), target.strip(":").casefold()
    return _all(classes, lambda name, label: name.casefold() == wanted or code in _codes(label))


def _worded(target: str, classes: Classes) -> list[int]:
    wanted = _words(target)
    return _all(classes, lambda name, label: wanted <= _words(" ".join([name, *_codes(label)]))) if wanted else []


def _all(classes: Classes, matches: Any) -> list[int]:
    return [i for i, (name, label) in enumerate(zip(classes.names, classes.labels)) if matches(name, label)]


def _plain(label: str) -> str:
    """An emoji without what makes it look this way or that."""
    return re.sub(_LOOKS, "", label.strip())


def _codes(label: str) -> tuple[str, ...]:
    """The shortcodes, if the label is one of the 64 emojis."""
    plain = _plain(label)
    return SHORTCODES[EMOJIS.index(plain)] if plain in EMOJIS else ()


def _words(name: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", name.casefold()))


def _only(target: str, found: list[int], classes: Classes) -> int:
    if len(found) > 1:
        raise InputError(f"target {target!r:.60}: several classes are called so: {_listed(found, classes)}")
    return found[0]


def _expected(word: str, classes: Classes, C: int) -> str:
    """What could have been given, the nearest names first."""
    if not classes.names:
        return f"a number from 0 to {C - 1}, as this network's classes have no names"
    from difflib import get_close_matches

    names = {name.casefold(): i for i, name in reversed(list(enumerate(classes.names)))}
    codes = {code: i for i, label in enumerate(classes.labels) for code in _codes(label)}
    ids = {**codes, **names}
    near = list(dict.fromkeys(ids[name] for name in get_close_matches(word.strip(":").casefold()[:60], ids, _LISTED)))
    what = "a name" if classes.own else "an emoji, its name or shortcode"
    found = near or list(range(C))
    return f"{what}, or a number from 0 to {C - 1}{', such as' if near else ':'} {_listed(found, classes)}"


def _listed(found: list[int], classes: Classes) -> str:
    """These classes, for a message: their numbers, and what they are called."""
    shown = []
    for i in found[:_LISTED]:
        name, label = classes.names[i], classes.labels[i]
        shown.append(f"{i} {label if label == name else f'{label} {name}'}"[:60])
    more = len(found) - len(shown)
    return printable(", ".join(shown)) + (f" and {more:,} more" if more else "")
