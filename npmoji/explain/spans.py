"""Lines for a terminal, made of pieces that each have their look: broken or cut to its width, then written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from ..text.widths import clusters, columns


class Span(NamedTuple):
    """A piece of a line.

    Attributes:
        text: what is shown.
        look: parameters of the escape sequence for it; empty for none.
    """

    text: str
    look: str = ""


def painted(spans: Iterable[Span]) -> str:
    """The line, with one escape sequence for neighbours that look the same.

    >>> from npmoji.explain.spans import Span, painted
    >>> painted([Span("so "), Span("fun", "4"), Span("ny", "4")])
    'so \\x1b[4mfunny\\x1b[0m'
    """
    line = ""
    for look, same in groupby(spans, lambda span: span.look):
        text = "".join(span.text for span in same)
        line += f"\x1b[{look}m{text}\x1b[0m" if look and text else text
    return line


def cut(spans: Iterable[Span], width: int) -> list[Span]:
    """As much of the line as ``width`` columns hold, with an ellipsis if that is not all; all of it if it is 0."""
    spans = list(spans)
    if not width or sum(columns(span.text) for span in spans) <= width:
        return spans
    kept, taken = [], 0
    for span in spans:
        text = ""
        for cluster in clusters(span.text):
            taken += columns(cluster)
            if taken >= width:
                return [*kept, Span(text, span.look), Span("…")]
            text += cluster
        kept.append(Span(text, span.look))
    return kept


def wrapped(spans: Iterable[Span], width: int) -> Iterator[list[Span]]:
    """Lines of at most ``width`` columns, broken at spaces or beside wide characters, within a word only if it is too
    long for a line; one line if it is 0.

    Args:
        spans: each a cluster.
    """
    line: list[Span] = []
    spaces: list[Span] = []
    taken = 0
    for chunk in _chunks(spans):
        if chunk[0].text == " ":
            spaces += chunk
            continue
        if width and line and taken + len(spaces) + _size(chunk) > width:
            yield line
            line, taken = [], 0
        elif line:
            line, taken = line + spaces, taken + len(spaces)
        spaces = []
        for span in chunk:
            room = columns(span.text)
            if width and line and taken + room > width:
                yield line
                line, taken = [], 0
            line.append(span)
            taken += room
    yield line


def _size(chunk: list[Span]) -> int:
    return sum(columns(span.text) for span in chunk)


def _chunks(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """What no line ends within; a space or a wide character is a chunk of its own."""
    chunk: list[Span] = []
    for span in spans:
        if span.text == " " or columns(span.text) > 1:
            if chunk:
                yield chunk
            yield [span]
            chunk = []
        else:
            chunk.append(span)
    if chunk:
        yield chunk
