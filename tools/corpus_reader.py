"""Reads the training corpus of the bundled model, `tools/corpus/*.txt`, and turns its templates into sentences.

A corpus line is `IDS<TAB>TEMPLATE`: three to five emoji ids, best first, and a template in which `[a|b|]` picks one
alternative (perhaps an empty one) and `{slot}` one entry of that list. The lists are in the files `*slots.txt`: a
header `== name`, then an entry a line. Lines starting with `#` are comments. Standard library only.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus"
CLASSES = 64

# Which emojis speak for a good and which for a bad mood; 12 14 20 25 26 28 38 41 44 49 51 62 go with either or none.
POSITIVE = frozenset(
    (
        0,
        4,
        6,
        7,
        8,
        9,
        10,
        11,
        13,
        15,
        16,
        17,
        18,
        21,
        23,
        24,
        30,
        31,
        33,
        36,
        40,
        47,
        48,
        50,
        53,
        54,
        57,
        58,
        59,
        60,
        61,
        63,
    )
)
NEGATIVE = frozenset((1, 2, 3, 5, 19, 22, 27, 29, 32, 34, 35, 37, 39, 42, 43, 45, 46, 52, 55, 56))
MATTER_OF_FACT = frozenset((25, 26))  # lines led by these state things: no mood, whatever else fits

_PIECE = re.compile(r"\[([^\[\]]*)\]|\{[a-z_]+\}|[^\[\]{}]+")
_SLOT = re.compile(r"\{([a-z_]+)\}")
_SPACES = re.compile(r"\s+")
_SPACE_BEFORE_MARK = re.compile(r" +([,.!?;])(?=\s|$|[,.!?;])")

Slots = dict[str, list[str]]


class CorpusError(ValueError):
    """A corpus or slot file that does not follow the format; the message names the file and the line."""


@dataclass(frozen=True)
class Line:
    """One corpus line: `ids` best first, the template as `pieces` (the alternatives of each place), where it stands."""

    ids: tuple[int, ...]
    pieces: tuple[tuple[str, ...], ...]
    place: str

    @property
    def polarity(self) -> int:
        """+1, -1 or 0: the mood that all of its emojis with a mood share, or that outweighs the other one by two."""
        good, bad = (sum(n in mood for n in self.ids) for mood in (POSITIVE, NEGATIVE))
        if self.ids[0] in MATTER_OF_FACT or (good and bad and abs(good - bad) < 2):
            return 0
        return (good > bad) - (good < bad)

    def slots(self) -> set[str]:
        """The names of the lists that the template uses."""
        return {name for piece in self.pieces for choice in piece for name in _SLOT.findall(choice)}

    def sentences(self, slots: Slots) -> int:
        """How many sentences the template stands for (some may come out equal)."""
        places = (
            sum(math.prod(len(slots[name]) for name in _SLOT.findall(choice)) for choice in piece)
            for piece in self.pieces
        )
        return math.prod(places)


def parse_template(template: str) -> tuple[tuple[str, ...], ...]:
    """Cut a template into places, each a tuple of alternatives (fixed text: one). Raises ValueError on bad brackets."""
    pieces, end = [], 0
    for match in _PIECE.finditer(template):
        if match.start() != end:
            break
        end = match.end()
        piece = tuple(match[1].split("|")) if match[1] is not None else (match.group(),)
        if any("{" in _SLOT.sub("", choice) or "}" in _SLOT.sub("", choice) for choice in piece):
            raise ValueError(f"a brace without its other half in {match.group()!r}")
        pieces.append(piece)
    if end != len(template) or not pieces:
        raise ValueError(f"unbalanced or nested brackets at column {end + 1} of {template!r}")
    return tuple(pieces)


def parse_line(text: str, place: str) -> Line:
    """Parse `IDS<TAB>TEMPLATE`; `place` is for messages. Raises CorpusError."""
    numbers, tab, template = text.partition("\t")
    if not tab or "\t" in template or not template.strip():
        raise CorpusError(f"{place}: expected IDS<TAB>TEMPLATE, found {text!r}")
    try:
        ids = tuple(int(n) for n in numbers.split())
        pieces = parse_template(template.strip())
    except ValueError as error:
        raise CorpusError(f"{place}: {error}") from None
    if not 3 <= len(ids) <= 5 or len(set(ids)) != len(ids) or not all(0 <= n < CLASSES for n in ids):
        raise CorpusError(f"{place}: expected 3 to 5 different emoji ids from 0 to {CLASSES - 1}, found {numbers!r}")
    return Line(ids, pieces, place)


def _content(path: Path) -> list[tuple[str, str]]:
    """(place, text) of the file's lines that are neither empty nor comments."""
    rows = path.read_text(encoding="utf-8").splitlines()
    return [
        (f"{path.name}:{n}", row.rstrip()) for n, row in enumerate(rows, 1) if row.strip() and not row.startswith("#")
    ]


def read_slots(folder: Path = FOLDER) -> Slots:
    """All lists of the folder's `*slots.txt`; a name in two files gets the entries of both. Raises CorpusError."""
    slots: Slots = {}
    for path in sorted(folder.glob("*slots.txt")):
        entries = None
        for place, text in _content(path):
            if text.startswith("== "):
                entries = slots.setdefault(text[3:].strip(), [])
            elif entries is None:
                raise CorpusError(f"{place}: an entry before the first '== name' header")
            elif text.strip() not in entries:
                entries.append(text.strip())
    return slots


def read_lines(folder: Path = FOLDER) -> list[Line]:
    """All corpus lines of the folder, in the order of file names and lines. Raises CorpusError."""
    names = [
        path
        for path in sorted(folder.glob("*.txt"))
        if path.name != "probes.txt" and not path.name.endswith("slots.txt")
    ]
    return [parse_line(text, place) for path in names for place, text in _content(path)]


def read_probes(path: Path = FOLDER / "probes.txt") -> list[tuple[int, str]]:
    """(polarity +1 or -1, text) of each probe sentence: `+<TAB>text` or `-<TAB>text`. Raises CorpusError."""
    probes = []
    for place, row in _content(path):
        sign, tab, text = row.partition("\t")
        if sign not in ("+", "-") or not tab or not text.strip():
            raise CorpusError(f"{place}: expected '+' or '-', a TAB and a sentence, found {row!r}")
        probes.append((1 if sign == "+" else -1, text.strip()))
    return probes


def expand(line: Line, slots: Slots, random_: random.Random) -> str:
    """One random sentence of the template; the same generator state gives the same sentence."""
    text = "".join(piece[0] if len(piece) == 1 else random_.choice(piece) for piece in line.pieces)
    text = _SLOT.sub(lambda match: random_.choice(slots[match.group(1)]), text)
    return tidy(text)


def tidy(text: str) -> str:
    """Remove the gaps that empty alternatives leave: double spaces, and spaces before a closing mark."""
    return _SPACE_BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", text)).strip()


def phrases(lines: list[Line], slots: Slots) -> list[str]:
    """Every alternative and every list entry once, without slots: where all the words of the corpus can be found."""
    own = [_SLOT.sub(" ", choice) for line in lines for piece in line.pieces for choice in piece]
    return own + [entry for name in sorted(slots) for entry in slots[name]]
