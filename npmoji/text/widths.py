"""How text stands on a terminal: which characters belong together, how many columns they take, what is safe to print.

A cluster is what a reader takes for one character: a letter with its accents, an emoji with its skin tone, a family
joined of four emojis, a flag of two letters. Colours, cuts and line ends belong between clusters. The rules are those
of Unicode's UAX 29, as far as terminals follow them; no table of Unicode is needed beyond Python's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from .steps import compiled

ZWJ, EMOJI_STYLE = "\u200d", "\ufe0f"
FIRST_STRONG, LEFT, RIGHT, END = "\u2068", "\u2066", "\u2067", "\u2069"  # isolates of the bidirectional algorithm

#: Unicode's Extended_Pictographic, but for symbols that no emoji starts with
_PICTURE = (
    "[©®‼⁉™ℹ\u2194-\u21aa\u231a-\u23ffⓂ▪-▫▶◀◻-◾\u2600-\u27bf⤴⤵\u2b05-\u2b55〰〽㊗㊙"
    "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]"
)
_FLAG_OF_TAGS = "(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)"  # Scotland's, Texas'
#: not `str.isprintable`, but invisible and harmless: joiners, marks of direction; and emojis newer than this Python
_HARMLESS = "[\u061c\u200c-\u200f\U0001f000-\U0001faff]"
_RIGHT_TO_LEFT = "[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"


def _is(kind: str, character: str) -> bool:
    return compiled(kind).match(character) is not None


def _is_letter_of_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_skin(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def _is_jamo_within(character: str) -> bool:
    """Vowels and finals of Hangul, which join the consonant before them."""
    return "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7c6" or "\ud7cb" <= character <= "\ud7fb"


def clusters(text: str) -> Iterator[str]:
    """The text in pieces that must not be taken apart.

    >>> from npmoji.text.widths import clusters
    >>> [len(cluster) for cluster in clusters("né👍🏽👩‍👧🇫🇷!")]
    [1, 1, 2, 3, 2, 1]
    """
    start = 0
    for end in range(1, len(text)):
        if not _joined(text, start, end):
            yield text[start:end]
            start = end
    if text:
        yield text[start:]


def _joined(text: str, start: int, at: int) -> bool:
    """Whether the character belongs to the cluster that starts before it."""
    before, character = text[at - 1], text[at]
    if character < "\x80":
        return False
    if before == ZWJ and at - 1 > start and _is(_PICTURE, character):
        return _is(_PICTURE, text[start])
    if _is_letter_of_flag(character):
        return at == start + 1 and _is_letter_of_flag(before)
    if _is_skin(character):
        return before == EMOJI_STYLE or _is(_PICTURE, before)
    if _extends(character):
        return before not in "\r\n"
    # letters of Indian scripts are joined by the mark that takes away the vowel between them
    joiner = text[at - 2] if before == ZWJ and at - 2 > start else before
    return at - 1 > start and unicodedata.combining(joiner) == 9 and character.isalpha()


def _extends(character: str) -> bool:
    """Whether it belongs to whatever stands before it: an accent, a joiner."""
    joins = character in (ZWJ, "\u200c") or "\U000e0020" <= character <= "\U000e007f"
    return joins or unicodedata.category(character)[0] == "M" or _is_jamo_within(character)


def separate(text: str) -> str:
    """The text, with a dotted circle before it if its first character would end up on what stands before.

    >>> from npmoji.text.widths import separate
    >>> len(separate("\\u0301")), separate("e\\u0301") == "e\\u0301"
    (2, True)
    """
    return f"◌{text}" if text and _extends(text[0]) else text


def columns(text: str) -> int:
    """How many columns of a terminal the text takes.

    >>> from npmoji.text.widths import columns
    >>> [columns(text) for text in ("né", "日本", "❤", "❤️", "👍🏽", "👩‍👧", "🇫🇷")]
    [2, 4, 1, 2, 2, 2, 2]
    """
    return len(text) if text.isascii() else sum(map(_columns, clusters(text)))


def _columns(cluster: str) -> int:
    first = cluster[0]
    if len(cluster) == 1:
        return _width(first)
    if _is_letter_of_flag(first):
        return 2
    if EMOJI_STYLE in cluster and (_is(_PICTURE, first) or first in "0123456789#*"):
        return 2
    if _is(_PICTURE, first):  # all that is joined to it is one picture
        drawn = any(_is(_PICTURE, c) or _is_skin(c) for c in cluster[1:])
        return 2 if drawn else _width(first)
    return sum(map(_width, cluster))


def _width(character: str) -> int:
    """Columns of a character by itself."""
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf") or unicodedata.combining(character) or _is_jamo_within(character):
        return 0
    if category == "Cn" and _is(_PICTURE, character):  # an emoji newer than this Python
        return 2
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def printable(text: str) -> str:
    """The text with spaces for what does not fit into a line or would change the order of what stands around it; no
    escape sequence is left in it."""
    if text.isprintable():
        return text
    parts = compiled(_FLAG_OF_TAGS).split(text)  # with the flags at the odd places
    parts[::2] = ["".join(c if c.isprintable() or _is(_HARMLESS, c) else " " for c in part) for part in parts[::2]]
    return "".join(parts)


def shorten(text: str, width: int) -> str:
    """The text, cut to ``width`` columns with an ellipsis if it is longer."""
    taken, end, fitting = 0, 0, 0  # columns; characters so far, and those that leave room for the ellipsis
    for cluster in clusters(text):
        taken += columns(cluster)
        end += len(cluster)
        if taken > width:
            return text[:fitting] + "…"
        if taken < width:
            fitting = end
    return text


def is_right_to_left(text: str) -> bool:
    """Whether the text has characters that are written from right to left."""
    return not text.isascii() and compiled(_RIGHT_TO_LEFT).search(text) is not None


def isolated(text: str) -> str:
    """The text, so that what stands beside it keeps its place: unchanged without characters written from right to left,
    as not all terminals hide the two that are put around it."""
    return f"{FIRST_STRONG}{text}{END}" if is_right_to_left(text) else text


def paragraph(text: str, lines: list[str]) -> list[str]:
    """The lines that a text was broken into, all in the direction of the text's first letter; unchanged as above."""
    if not is_right_to_left(text):
        return lines
    first = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    return [f"{LEFT if first == 'L' else RIGHT}{line}{END}" for line in lines]
