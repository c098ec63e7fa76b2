"""A text as HTML in which each word shows its contribution to a class, or the attention on it.

Colour is never the only sign: a line below says how strong (its thickness) and which way (dashed: against), the words
that count most have their number behind them, and all have it in their tooltip.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..pages.escaping import balanced, escape
from ..text.widths import is_right_to_left, separate, shorten
from . import scales
from .scales import percent, points

if TYPE_CHECKING:
    from .explanation import Explanation, Word

NUMBERED = 0.2  # the strength from which a word has its number behind it
LONGEST, REST = 80, 240  # columns shown of one word, and characters of what is between or beyond them
_UNSEEN = ("Cc", "Cf", "Cn", "Co", "Me", "Mn", "Zl", "Zp", "Zs")  # categories of what shows nothing by itself
_RIGHT_TO_LEFT = ("R", "AL")


class Mark(NamedTuple):
    """How a word is shown: its class, its strength from 0 to 1, the number behind it, and what the tooltip says."""

    kind: str
    strength: float
    number: str
    told: str


def contributing(e: Explanation) -> str:
    """The words by what they contribute to ``e.target``: HTML that goes into one paragraph of class ``words``.

    The strongest has the full colour, unless it counts for less than a tenth of the probability.
    """
    marks = []
    values = [word.contribution for word in e.words]
    for value, strength in zip(values, scales.contributing(values, e.target.probability)):
        kind = "for" if value > 0 else "against" if value < 0 else ""
        marks.append(Mark(kind, strength, points(value), f"{points(value)} points"))
    return _marked(e, marks)


def attending(e: Explanation) -> str:
    """The words by the attention on them; the same for each class."""
    marks = []
    shares = [word.attention or 0.0 for word in e.words]
    for share, strength in zip(shares, scales.attending(shares)):
        number = f"{100 * share:.0f}" if math.isfinite(share) else "?"
        marks.append(Mark("attention", strength, number, f"attention {percent(share)}"))
    return _marked(e, marks)


def seen(text: str) -> str:
    """A word as it is shown: the end of a very long one is left out, and what nobody would see is spelled out.

    >>> seen("\\u200d"), seen("\\n"), seen("cooking")
    ('U+200D', '↵', 'cooking')
    """
    if _is_break(text):
        return "↵"
    if all(unicodedata.category(character) in _UNSEEN for character in text[:LONGEST]):
        return " ".join(f"U+{ord(character):04X}" for character in text[:3]) + "…" * (len(text) > 3)
    return shorten(separate(text), LONGEST)


def _is_break(text: str) -> bool:
    """Whether it is a line break, which is a word too."""
    return text in ("\n", "\r", "\r\n")


def notes(word: Word, piece: str) -> list[str]:
    """What else there is to say of a word that stands in the text as ``piece``."""
    read = word.text not in (piece, piece.lower())
    return [f"read as {balanced(seen(word.text))}"] * read + ["unknown"] * (not word.known)


def pieces(e: Explanation) -> list[tuple[str, Word, str]]:
    """For each used word what stands before it in the text, the word, and how it is written there. No character comes
    twice, even if it became several words."""
    found, position = [], 0
    for word in e.words:
        if word.used:
            start, end = max(word.start, position), max(word.end, position)
            found.append((e.text[position:start], word, e.text[start:end] or word.text))
            position = end
    return found


def _marked(e: Explanation, marks: Sequence[Mark]) -> str:
    """The words as their marks say, and what stands between and after them."""
    found = pieces(e)
    touching = [i > 0 and not before for i, (before, _, _) in enumerate(found)] + [False]
    mixed = is_right_to_left(e.text)
    shown = [
        f"{escape(before[:REST])}{_word(word, piece, marks[i], touching[i] or touching[i + 1], mixed)}"
        + "\n" * _is_break(piece)
        for i, (before, word, piece) in enumerate(found)
    ]
    return "".join(shown) + _rest(e)


def _word(word: Word, piece: str, mark: Mark, tight: bool, mixed: bool) -> str:
    """One word. Its direction is not isolated: words of one text are ordered as the text is, but a number stays at its
    word. Nor is there room around one that touches another, so that joined letters stay joined."""
    strength = mark.strength if mark.strength >= 0.005 else 0
    kinds = ["word", mark.kind * bool(strength), "unknown" * (not word.known), "tight" * tight]
    style = f' style="--a:{strength:.2f}"' if strength else ""
    title = "; ".join([mark.told, *notes(word, piece)])
    number = (
        f"<small>\N{NO-BREAK SPACE}{mark.number}</small>{_direction(piece) * mixed}" if strength >= NUMBERED else ""
    )
    unknown = "" if word.known else '<bdi class="hidden"> (unknown)</bdi>'
    content = f"{escape(seen(piece))}{number}{unknown}"
    return f'<span class="{" ".join(filter(None, kinds))}"{style} title="{escape(title)}">{content}</span>'


def _direction(piece: str) -> str:
    """An invisible character with the direction that the piece ends in: what stands between them goes the same way."""
    for character in reversed(piece):
        kind = unicodedata.bidirectional(character)
        if kind == "L" or kind in _RIGHT_TO_LEFT:
            return "\u200e" if kind == "L" else "\u200f"
    return ""


def _rest(e: Explanation) -> str:
    """What stands after the last used word: the words beyond the limit, the first of them at least."""
    used = [word for word in e.words if word.used]
    rest = e.text[max([0, *(word.end for word in used)]) :]
    if not (left := len(e.words) - len(used)):
        return escape(rest[:REST])
    shown = escape(rest[:REST]) + "…" * (len(rest) > REST)
    words = f"{left:,} word{'s' * (left > 1)} beyond the limit of {len(used):,}: not read"
    return f' <bdi class="limit">{words}</bdi> <s class="unused">{shown}</s>'
