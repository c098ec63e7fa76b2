"""Lines of text from bytes, decoded as they arrive; lines with undecodable bytes are marked."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from ..errors import InputError
from .sources import Source

MARK = "\udcff"  # stands for bytes that could not be decoded; decoders never produce it otherwise


def _mark(error: UnicodeError) -> tuple[str, int]:
    return MARK, error.end  # type: ignore[attr-defined]


codecs.register_error("npmoji.mark", _mark)

_BOMS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}  # tried first: the next two start alike
_BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Lines:
    """A source's lines without their ends, to be iterated over once; None where the next line has not arrived yet.

    Only a line feed ends a line. A byte order mark at the start is dropped.

    Attributes:
        number: the number of the last line returned, from 1.
    """

    def __init__(self, source: Source, encoding: str = "utf-8"):
        self.source, self.number = source, 0
        self._encoding, self._decoder = encoding, decoder(encoding)
        self._head = self._tail = b""  # the first bytes, and the last of those decoded so far
        self._sample: bytes | None = None  # undecodable bytes, once there are any
        self._started = False
        self._piece = (0, 0, 0, 0)  # of the bytes decoded last: start and end; number of lines before them and in them

    def __iter__(self) -> Iterator[str | None]:
        rest: list[str] = []  # the pieces of a line whose end has not arrived
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
        """Roughly how many of the source's bytes are in the lines returned so far."""
        start, end, before, number = self._piece
        return end - (end - start) * (before + number - self.number) // number if number else end

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def problem(self, line: str) -> str:
        """What is wrong with a line's bytes; "" if nothing."""
        if self._sample is None or MARK not in line:
            return ""
        guess = likely(self._head, self._sample) if _is_utf8(self._encoding) else ""
        hint = f"; it looks like {guess}: --encoding {guess}" if guess else ""
        return f"not {self._encoding.upper()}{hint}"

    def _decode(self, chunk: bytes) -> str:
        if not self._head:
            self._head = chunk
            if _is_utf8(self._encoding) and (
                guess := _wide(chunk)
            ):  # which may be valid UTF-8, with every other character NUL
                raise InputError(f"{self.source.name}, line 1: not UTF-8; it looks like {guess}: --encoding {guess}")
        text = self._decoder.decode(chunk, final=not chunk)
        if self._sample is None and MARK in text:
            self._sample = self._tail + chunk
        self._tail = chunk[-3:]  # an invalid character may begin here
        if text and not self._started:
            self._started, text = True, text.removeprefix("\ufeff")
        return text


def decoder(encoding: str) -> codecs.IncrementalDecoder:
    """A decoder that takes bytes piece by piece, and gives `MARK` for those it cannot decode.

    Raises:
        InputError: there is no such text encoding.
    """
    try:
        b" ".decode(encoding)
    except UnicodeError:
        pass  # half a character of a wide encoding
    except (LookupError, ValueError) as error:
        known = "utf-8, utf-16, latin-1, cp1252 or another that Python knows"
        raise InputError(f"encoding {encoding!r}: {error}; expected {known}") from error
    return codecs.getincrementaldecoder(encoding)("npmoji.mark")


def likely(head: bytes, sample: bytes) -> str:
    """The single-byte encoding that a file probably has; "" if it is damaged UTF-8, or unknown.

    Args:
        head: the file's first bytes.
        sample: some bytes that are not UTF-8.
    """
    decoded = (head + sample).decode("utf-8", "npmoji.mark")
    if sum(c > "\x7f" and c != MARK for c in decoded) >= decoded.count(MARK):
        return ""  # mostly UTF-8, and damaged
    high = {byte for byte in sample if byte >= 0x80}
    if not high or high & {0x81, 0x8D, 0x8F, 0x90, 0x9D}:  # not assigned in cp1252
        return ""
    return "latin-1" if min(high) >= 0xA0 else "cp1252"


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _wide(head: bytes) -> str:
    """UTF-16 or UTF-32 by the byte order mark, or by zero bytes, one for each Latin letter; else ""."""
    for bom, name in _BOMS.items():
        if head.startswith(bom):
            return name
    head = head[:1000]
    for name, places in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(places) > 3 and places.count(0) > 0.4 * len(places):
            return name
    return ""
