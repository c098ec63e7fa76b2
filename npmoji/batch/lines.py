"""Lines of text from bytes: decoded as they come, and those with bytes that are no text are known."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from ..errors import InputError
from .sources import Source

MARK = "\udcff"  # stands for bytes that could not be decoded; no decoder gives it for others


def _mark(error: UnicodeError) -> tuple[str, int]:
    return MARK, error.end  # type: ignore[attr-defined]


codecs.register_error("npmoji.mark", _mark)

_BOMS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}  # looked for first: the next begin alike
_BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Lines:
    """A source's lines without their ends, to be iterated over once; None stands where the next one has yet to come.

    A line ends at a line feed only. A byte order mark at the start is dropped.

    Attributes:
        number: of the line that was given last, from 1.
    """

    def __init__(self, source: Source, encoding: str = "utf-8"):
        self.source, self.number = source, 0
        self._encoding, self._decoder = encoding, decoder(encoding)
        self._head = self._tail = b""  # the first bytes, and the last of those decoded so far
        self._sample: bytes | None = None  # bytes that are no text, once there are any
        self._started = False
        self._piece = (0, 0, 0, 0)  # of the bytes decoded last: where they begin and end; lines before them and in them

    def __iter__(self) -> Iterator[str | None]:
        rest: list[str] = []  # the pieces of a line whose end has not come
        while True:
            if not self.source.waiting():
                yield None
            before, chunk = self.source.done, self.source.read()
            first, *others = self._decode(chunk).split("\n")
            self._piece = (before, self.source.done, self.number, len(others))
            rest.append(first)
            if others:
                self.number += 1
                yield "".join(rest)
                rest = [others.pop()]
                for line in others:
                    self.number += 1
                    yield line
            if not chunk:
                break
        if line := "".join(rest):
            self.number += 1
            yield line

    @property
    def done(self) -> int:
        """About how many of the source's bytes are in the lines given so far."""
        start, end, before, number = self._piece
        return end - (end - start) * (before + number - self.number) // number if number else end

    def problem(self, line: str) -> str:
        """What is wrong with a line's bytes; "" if nothing is."""
        if self._sample is None or MARK not in line:
            return ""
        guess = likely(self._head, self._sample) if _is_utf8(self._encoding) else ""
        hint = f"; it looks like {guess}: --encoding {guess}" if guess else ""
        return f"not {self._encoding.upper()}{hint}"

    def _decode(self, chunk: bytes) -> str:
        if not self._head:
            self._head = chunk
            if _is_utf8(self._encoding) and (guess := _wide(chunk)):  # it may be valid UTF-8, every other character NUL
                raise InputError(f"{self.source.name}, line 1: not UTF-8; it looks like {guess}: --encoding {guess}")
        text = self._decoder.decode(chunk, final=not chunk)
        if self._sample is None and MARK in text:
            self._sample = self._tail + chunk
        self._tail = chunk[-3:]  # a character may begin here and turn out to be none
        if text and not self._started:
            self._started, text = True, text.removeprefix("\ufeff")
        return text


def decoder(encoding: str) -> codecs.IncrementalDecoder:
    """What decodes bytes piece by piece, with `MARK` for those that it cannot.

    Raises:
        InputError: there is no such encoding of text.
    """
    try:
        b" ".decode(encoding)
    except UnicodeError:
        pass  # half a character of a wide one
    except (LookupError, ValueError) as error:
        known = "utf-8, utf-16, latin-1, cp1252 or another of Python's"
        raise InputError(f"encoding {encoding!r}: {error}; expected {known}") from error
    return codecs.getincrementaldecoder(encoding)("npmoji.mark")


def likely(head: bytes, sample: bytes) -> str:
    """The encoding of a byte a letter that a file probably has; "" if it is UTF-8, but damaged, or not known.

    Args:
        head: the file's first bytes.
        sample: some that are not UTF-8.
    """
    decoded = (head + sample).decode("utf-8", "npmoji.mark")
    if sum(c > "\x7f" and c != MARK for c in decoded) >= decoded.count(MARK):
        return ""  # it is UTF-8 for the most part, and damaged
    high = {byte for byte in sample if byte >= 0x80}
    if not high or high & {0x81, 0x8D, 0x8F, 0x90, 0x9D}:  # where cp1252 has nothing
        return ""
    return "latin-1" if min(high) >= 0xA0 else "cp1252"


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _wide(head: bytes) -> str:
    """UTF-16 or UTF-32 by the byte order mark, or by zero bytes, of which Latin letters have one each; else ""."""
    for bom, name in _BOMS.items():
        if head.startswith(bom):
            return name
    head = head[:1000]
    for name, places in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(places) > 3 and places.count(0) > 0.4 * len(places):
            return name
    return ""
