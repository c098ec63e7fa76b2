"""Where in a text each of its tokens came from.

The text takes the steps of `steps` once more, as a string that remembers for each of its characters the place in the
original text. Everything takes time proportional to the text's length.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple
from unicodedata import combining, normalize

from .steps import BREAKS, SELECTORS, compiled, rules_of, spans, special, tables, view


class Aligned(NamedTuple):
    """A token, and where it came from: ``text[start:end]``, in characters of the text as it was passed.

    Attributes:
        word: the token as it is looked up in the vocabulary.
    """

    word: str
    start: int
    end: int


class _Traced(NamedTuple):
    """A string; its i-th character came from ``starts[i]`` up to ``ends[i]`` in the original text."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def edited(self, edits: Iterable[tuple[int, int, str]]) -> _Traced:
        """With other text in place of some: (start, end, text), in order. The new text came from all of the old."""
        pieces, starts, ends, at = [], array("q"), array("q"), 0
        for start, end, new in edits:
            pieces += self.text[at:start], new
            if at < start:
                starts.extend(self.starts[at:start])
                ends.extend(self.ends[at:start])
            starts.extend([self.starts[start]] * len(new))
            ends.extend([self.ends[end - 1]] * len(new))
            at = end
        if not pieces:
            return self
        starts.extend(self.starts[at:])
        ends.extend(self.ends[at:])
        return _Traced("".join([*pieces, self.text[at:]]), starts, ends)

    def split(self) -> Iterator[_Traced]:
        """The words between whitespace."""
        for found in compiled(r"\S+").finditer(self.text):
            start, end = found.span()
            yield _Traced(found[0], self.starts[start:end], self.ends[start:end])


def aligned(text: str, compat: str) -> list[Aligned]:
    """All tokens of a text, as `Tokenizer.words` gives them, and where they came from; see `Tokenizer.spans`.

    Raises:
        InputError: compat is not one that `Tokenizer` takes.

    >>> from npmoji.text.alignment import aligned
    >>> aligned("½ cup…", "deepmoji")[-2:]
    [Aligned(word='cup', start=2, end=5), Aligned(word='..', start=5, end=6)]
    """
    rules, found = rules_of(compat), []
    for word in _prepared(text, rules).split():
        for piece in [word] if word.text.isascii() else _converted(word, rules).split():
            for start, end in spans(view(piece.text, rules)):
                token = special(rules.shorten(piece.text[start:end]), rules)
                found.append(Aligned(token, piece.starts[start], piece.ends[end - 1]))
    return found


def _prepared(text: str, rules: type) -> _Traced:
    """What `steps.split` splits."""
    text = rules.spaced(text)
    start, kept = len(text) - len(text.lstrip()), text.strip()
    traced = _Traced(kept, range(start, start + len(kept)), range(start + 1, start + len(kept) + 1))
    traced = _lower(traced, rules)
    for literal in BREAKS:
        at = re.finditer(re.escape(literal), traced.text)
        traced = traced.edited((*found.span(), " CUSTOM_BREAK ") for found in at)
    return traced.edited(_without_selectors(traced.text))


def _lower(traced: _Traced, rules: type) -> _Traced:
    """In lower case, for which a character may depend on others but its length does not."""
    text = traced.text
    if text.isascii():
        return traced._replace(text=text.lower())
    lower = rules.lower(text)
    if len(lower) != len(text):
        each = [rules.lower(character) for character in text]
        traced = traced.edited((i, i + 1, new) for i, new in enumerate(each) if len(new) != 1)
    return traced._replace(text=lower)


def _without_selectors(text: str) -> Iterator[tuple[int, int, str]]:
    """The edits that remove variation selectors. They count as part of the character before them, if there is one."""
    for found in compiled(SELECTORS).finditer(text):
        start, end = found.span()
        before = text[max(start - 1, 0) : start].strip()
        yield start - len(before), end, before


# ---------------------------------------------------------------- normal forms


def _converted(word: _Traced, rules: type) -> _Traced:
    """As `steps.converted`."""
    if rules.normalize(word.text) != word.text:
        word = word.edited(_normal_forms(word.text, rules))
    outputs = tables().TRANSLITERATION
    return word.edited((i, i + 1, outputs[c]) for i, c in enumerate(word.text) if c in outputs)


def _normal_forms(word: str, rules: type) -> Iterator[tuple[int, int, str]]:
    """The edits that normalise a word."""
    changed, at = cache(_changed), 0  # kept for one word: a giant one repeats itself
    for number, piece in enumerate(rules.around_inert(word)):
        if number % 2:
            at += len(piece)
            continue
        for chunk in _chunks(piece):
            start, end, new = changed(chunk)
            if start < end:
                yield at + start, at + end, new
            at += len(chunk)


def _chunks(text: str) -> Iterator[str]:
    """The shortest pieces that can be normalised one by one."""
    attaches, apart, start = cache(_attaches), cache(_apart), 0
    for at in range(1, len(text)):
        if text[at].isascii() or not attaches(text[at]) and apart(text[start:at], text[at]):
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


def _attaches(character: str) -> bool:
    """Whether it is, or begins with, a mark that may change places with others."""
    return combining(normalize("NFKD", character)[0]) != 0


def _apart(before: str, character: str) -> bool:
    """Whether a character, one that does not attach, is not composed with what comes before it. As it does not change
    places either, what comes after it makes no difference to that."""
    both = normalize("NFKC", before + character)
    return both == normalize("NFKC", before) + normalize("NFKC", character)


def _changed(chunk: str) -> tuple[int, int, str]:
    """Which part of a chunk its normal form changes, and into what. Left out are a letter before marks that only change
    places, and marks after those that compose."""
    normal = normalize("NFKC", chunk)
    shorter = min(len(chunk), len(normal))
    first = next((i for i in range(shorter) if chunk[i] != normal[i]), shorter)
    last = next((i for i in range(shorter - first) if chunk[-1 - i] != normal[-1 - i]), shorter - first)
    end, new = len(chunk) - last, normal[first : len(normal) - last]
    if normal == chunk or first < end and normalize("NFKC", chunk[first:end]) == new:
        return first, end, new
    return 0, len(chunk), normal
