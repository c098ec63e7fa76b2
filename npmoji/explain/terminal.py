"""Explanations as text: words on backgrounds where there are colours, else each with its number, and a bar if wanted.

the text                         its words on a background as strong as they speak for a class, or against it
  what the colours mean
    word   number   bar          without colours only
  emoji   name   %   words       each of the best classes, and the one in question
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TextIO

from ..errors import InputError
from ..text.emojis import Prediction, named
from ..text.widths import clusters, columns, isolated, paragraph, printable, separate, shorten
from . import scales
from .colours import AGAINST, ATTENTION, FOR, Ramp, background, colours_of, width_of
from .spans import Span, cut, painted, wrapped

if TYPE_CHECKING:
    from .explanation import Explanation, Word

BY = ("contribution", "attention")
ROUND = 0.0005  # less would be 0.0 percentage points
PIECE, NAME, BAR = 40, 40, 20  # columns of a word in a list, of a class's name, of the longest bar
REST = 240  # characters shown of what is beyond the limit
MOST = 8  # words beside a class where there is no width to fill
UNKNOWN, UNUSED = "4", "2"  # underlined; dim


class Style(NamedTuple):
    """What can be shown.

    Attributes:
        colours: how many there are: 2 ** 24, 256, 16 or 0.
        width: columns that lines are broken or cut to; 0 if they may be of any length.
        bars: whether numbers have bars beside them.
    """

    colours: int = 0
    width: int = 0
    bars: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """That of a stream: colours or bars on a terminal, numbers elsewhere."""
        colours, terminal = colours_of(stream), stream.isatty()
        bars = terminal and not colours and os.environ.get("TERM") != "dumb"
        return cls(colours, width_of() if colours or terminal else 0, bars)


PLAIN = Style()


def render(explanations: Iterable[Explanation], k: int = 5, style: Style = PLAIN, by: str = BY[0]) -> str:
    """The explanations, with an empty line between them.

    Args:
        k: how many of the best classes have a line.
        by: what the words' colours or numbers are: the ``"contribution"`` to the class, or the ``"attention"``.

    Raises:
        InputError: attention is asked for, but the network has none.

    >>> from npmoji.explain.terminal import render
    >>> print(render(npmoji.load(engine="numpy").explain(["so funny lol"]), k=2))
    so funny lol
      for (+) or against (−) 😂 tears of joy, in percentage points:
        so       +2.6
        funny    +9.0
        lol     +29.8
      😂  tears of joy    60.2 %  +29.8 lol  +9.0 funny  +2.6 so
      😜  winking tongue  12.2 %  +5.4 funny  +0.3 lol  +0.2 so
    """
    return "\n\n".join("\n".join(_lines(explanation, k, style, by)) for explanation in explanations)


def plain(explanation: Explanation) -> str:
    """One without colours, lines of any length: its `str`."""
    return render([explanation])


def _lines(explanation: Explanation, k: int, style: Style, by: str) -> Iterator[str]:
    words, attention = explanation.words, by == "attention"
    if attention and not explanation.has_attention:
        raise InputError("the network has no attention layer, expected words by their contribution")
    numbers = [(word.attention or 0.0) if attention else word.contribution for word in words]
    marks = _attending(numbers) if attention else _contributing(numbers, explanation.target)
    yield from _text(explanation, marks, style)
    if any(word.used for word in words):
        yield painted(cut([Span("  "), *_meaning(explanation, style, attention)], style.width))
        if not style.colours:
            yield from _table(explanation, numbers, marks, style, attention)
    yield from _classes(explanation, k, style)


# Colours --------------------------------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """How strong a word is, from 0 to 1, and in which colours that is shown."""

    strength: float
    ramp: Ramp


def _contributing(numbers: Sequence[float], prediction: Prediction) -> list[Mark]:
    """Of contributions to a class, relative to the strongest."""
    strengths = scales.contributing(numbers, prediction.probability)
    return [Mark(strength, FOR if n > 0 else AGAINST) for n, strength in zip(numbers, strengths)]


def _attending(numbers: Sequence[float]) -> list[Mark]:
    return [Mark(strength, ATTENTION) for strength in scales.attending(numbers)]


def _look(mark: Mark, style: Style, word: Word | None = None) -> str:
    if not style.colours:
        return ""
    if word is not None and not word.used:
        return UNUSED
    unknown = UNKNOWN if word is not None and not word.known else ""
    return ";".join(filter(None, [unknown, background(mark.ramp, mark.strength, style.colours)]))


# The text -------------------------------------------------------------------------------------------------------------


def _text(explanation: Explanation, marks: list[Mark], style: Style) -> list[str]:
    """The text's lines, its words painted."""
    if not explanation.text.strip():
        return ["(empty text)"]
    looks = [_look(mark, style, word) for mark, word in zip(marks, explanation.words)]
    lines = wrapped(_clusters(explanation, marks, looks), style.width)
    return paragraph(explanation.text, list(map(painted, lines)))


def _clusters(explanation: Explanation, marks: list[Mark], looks: list[str]) -> Iterator[Span]:
    """The clusters of the text; one with several words looks as the strongest of them."""
    words, text = explanation.words, explanation.text
    if not all(word.used for word in words):
        text = text[: max([word.end for word in words if word.used]) + REST]
    owners: list[int | None] = [None] * len(text)
    for i, word in enumerate(words):
        if word.start >= len(text):
            break
        for at in range(word.start, min(word.end, len(text))):
            before = owners[at]
            if before is None or marks[i].strength > marks[before].strength:
                owners[at] = i
    start = 0
    for cluster in clusters(text):
        inside = [i for i in owners[start : start + len(cluster)] if i is not None]
        start += len(cluster)
        look = looks[max(inside, key=lambda i: marks[i].strength)] if inside else ""
        if inside and cluster in "\r\n":  # a line break counts as a word
            yield Span("↵", look)
            yield Span(" ")
        else:
            yield Span(printable(cluster), look)
    if len(text) < len(explanation.text):
        yield Span("…")


def _piece(text: str, word: Word) -> str:
    """A word by itself, as it stands in the text, or what it is if nothing can be seen of it."""
    piece = text[word.start : word.end]
    shown = printable(piece).strip()
    if piece in ("\r", "\n"):
        return "↵"
    if not columns(shown):
        return " ".join(f"U+{ord(c):04X}" for c in piece[:3]) or printable(word.text)
    return shorten(separate(shown), PIECE)


# What it means, and the numbers ---------------------------------------------------------------------------------------


def _meaning(explanation: Explanation, style: Style, attention: bool) -> Iterator[Span]:
    """What the colours or numbers stand for."""
    target, words = explanation.target, explanation.words
    name = f"{target.emoji} {named(target)}" if target.emoji else isolated(shorten(printable(named(target)), NAME))
    if not style.colours:
        yield Span("attention, in percent:" if attention else f"for (+) or against (−) {name}, in percentage points:")
        return
    if attention:
        yield Span("attention: ")
        yield Span(" weak ", _look(Mark(0.3, ATTENTION), style))
        yield Span(" strong ", _look(Mark(1, ATTENTION), style))
    else:
        yield Span(" for ", _look(Mark(1, FOR), style))
        yield Span(" against ", _look(Mark(1, AGAINST), style))
        yield Span(f" {name}")
    if any(word.used and not word.known for word in words):
        yield Span(", ")
        yield Span("unknown", UNKNOWN)
    if not all(word.used for word in words):
        yield Span(", ")
        yield Span("beyond the limit", UNUSED)


def _table(
    explanation: Explanation, numbers: list[float], marks: list[Mark], style: Style, attention: bool
) -> Iterator[str]:
    """A line for each word."""
    rows = [row for row in zip(explanation.words, numbers, marks) if row[0].used]
    pieces = [_piece(explanation.text, word) for word, _, _ in rows]
    if style.width:
        pieces = [shorten(piece, max(8, style.width // 2)) for piece in pieces]
    room = max(map(columns, pieces))
    for (word, number, mark), piece in zip(rows, pieces):
        measure = f"{100 * number:.1f}" if attention else _points(number)
        line = f"    {isolated(piece)}{' ' * (room - columns(piece))}{measure:>8}"
        if style.bars and (bar := round(BAR * mark.strength)):
            line += f"  {'█' * bar}"
        if not word.known:
            line += "  unknown"
        yield painted(cut([Span(line)], style.width))
    if unused := len(explanation.words) - len(rows):
        note = f"    and {unused:,} beyond the limit, which count for nothing"
        yield painted(cut([Span(note)], style.width))


def _points(number: float) -> str:
    """A difference of probabilities in percentage points, with its sign."""
    return scales.points(number, 1)


# The classes ----------------------------------------------------------------------------------------------------------


def _classes(explanation: Explanation, k: int, style: Style) -> Iterator[str]:
    """A line for each of the best classes; one for the target after them if it is none of these."""
    best = explanation.top(k)
    if explanation.target.id not in {prediction.id for prediction in best}:
        best = [*best, explanation.target]
    most = min(NAME, max(10, style.width // 3)) if style.width else NAME
    names = [shorten(printable(named(prediction)), most) for prediction in best]
    room = max(map(columns, names))
    for prediction, name in zip(best, names):
        emoji = f"{prediction.emoji}{' ' * (4 - columns(prediction.emoji))}" if prediction.emoji else ""
        pad = " " * (room - columns(name))
        start = f"  {emoji}{isolated(name)}{pad}{100 * prediction.probability:6.1f} %"
        left = style.width - columns(start) if style.width else 0
        yield painted(cut([Span(start), *_speaking(explanation, prediction, left, style)], style.width))


def _speaking(explanation: Explanation, prediction: Prediction, room: int, style: Style) -> Iterator[Span]:
    """The words for the class, then those against it, strongest first: as many of the strongest as there is room."""
    words, numbers = explanation.words, explanation.contributions[:, prediction.id].tolist()
    marks = _contributing(numbers, prediction)
    strongest = [i for i in sorted(range(len(words)), key=lambda i: -abs(numbers[i])) if abs(numbers[i]) >= ROUND]
    pieces = {i: _piece(explanation.text, words[i]) for i in strongest}
    shown = _fitting([len(_points(numbers[i])) + columns(pieces[i]) + 3 for i in strongest], room)
    chosen = sorted(strongest[:shown], key=lambda i: numbers[i] < 0)  # and as before
    for i in chosen:
        yield Span(f"  {_points(numbers[i])} ")
        yield Span(isolated(pieces[i]), _look(marks[i], style, words[i]))
    if shown < len(strongest) and (shown or room > 1):
        yield Span(" …")


def _fitting(sizes: list[int], room: int) -> int:
    """How many of these fit into so many columns, two of which are kept if not all do."""
    if not room:
        return min(MOST, len(sizes))
    if sum(sizes) <= room:
        return len(sizes)
    taken = number = 0
    for size in sizes:
        taken += size
        if taken > room - 2:
            break
        number += 1
    return number
