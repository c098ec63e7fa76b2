"""Text to token ids, exactly as in the original DeepMoji under Python 2.7, or as in torchMoji under Python 3.

    text ── `steps` ── tokens ── vocabulary ── cut to maxlen ── pad with 0

No token crosses whitespace, so words are looked up one by one, and caching the words met so far is exact.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import inputs
from ..errors import InputError
from .steps import ORIGINAL, compiled, converted, rules_of, spans, split, tokens, view
from .vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from .alignment import Aligned


def tokenize(text: str, compat: str = ORIGINAL) -> list[str]:
    """The token pattern alone: the text's tokens just as they are written, what both originals call `tokenize`.

    Nothing is lower-cased, shortened or replaced by special words, and line breaks are not handled. For the tokens that
    are looked up in a vocabulary see `Tokenizer.words`.

    Raises:
        InputError: the text is not a str, or compat is not one that `Tokenizer` takes.
    """
    _require_text(text)
    rules = rules_of(compat)
    words = rules.spaced(text).split()
    return [word[start:end] for word in words for start, end in spans(view(word, rules))]


def ascii_words(text: str, compat: str = ORIGINAL) -> list[str]:
    """All tokens of a text as for the vocabulary, if it is ASCII but for what becomes so and single-character emojis,
    which are left out; else none. This is how the original counts words to extend a vocabulary.

    Raises:
        InputError: as `tokenize`.
    """
    _require_text(text)
    rules, found = rules_of(compat), []
    for word in split(text, rules):
        if not word.isascii():
            from ._emoji045 import PATTERN

            word = compiled(PATTERN).sub("", converted(word, rules))
            if not word.isascii():
                return []
        for piece in word.split():
            found += tokens(piece, rules)
    return found


# ---------------------------------------------------------------- tokens to ids


class _WordTable(dict):
    """{word: ids of its tokens}, filled as words are looked up; emptied when full. Long words are not stored."""

    CAPACITY = 65_536  # words; some 10 MB for ordinary text, 70 MB at the very worst
    LONGEST = 64  # characters, and tokens

    def __init__(self, vocabulary: Vocabulary, rules: type):
        super().__init__()
        self.vocabulary, self.rules = vocabulary, rules

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.vocabulary, self.rules)  # empty: a pickle does not need the words

    def __missing__(self, word: str) -> Iterable[int]:
        ids = map(self.vocabulary.id, tokens(word, self.rules))
        if len(word) > self.LONGEST:
            return ids  # an iterator: only as much of a giant word is tokenised as is needed
        ids = tuple(ids)
        if len(self) >= self.CAPACITY:
            self.clear()
        if len(ids) <= self.LONGEST:
            self[word] = ids
        return ids


class Tokenizer:
    """Turns texts into the token ids that DeepMoji's weights were trained with.

    Args:
        vocabulary: path of a JSON file {word: id}, or such a dict. Ids 0 to 9 belong to the special words.
        maxlen: how many tokens of each text are kept.
        compat: "deepmoji" for the original's ids; "torchmoji" for those of the PyTorch port under Python 3, which
            does not shorten stretched words and follows the running Python's Unicode data.

    Raises:
        VocabularyError: the vocabulary is missing or not valid.
        InputError: a text is not a str, maxlen is not a positive integer, or compat is neither of the two.

    Threads may share a tokenizer.

    >>> tokenizer = npmoji.Tokenizer({"CUSTOM_MASK": 0, "CUSTOM_UNKNOWN": 1, "love": 10}, maxlen=3)
    >>> tokenizer(["LOVE it"])
    array([[10,  1,  0]], dtype=uint16)
    """

    def __init__(self, vocabulary: str | os.PathLike[str] | dict[str, int], maxlen: int = 30, compat: str = ORIGINAL):
        self._rules = rules_of(compat)
        check_maxlen(maxlen)
        self._vocabulary = Vocabulary(vocabulary)
        self.maxlen, self.compat = maxlen, compat
        self._table = _WordTable(self._vocabulary, self._rules)

    def largest_id(self) -> tuple[str, int]:
        """The word with the largest id, and the id.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.largest_id()
        ('worstdayever', 8883)
        """
        return self._vocabulary.largest()

    @property
    def vocabulary(self) -> dict[str, int]:
        """The whole vocabulary, {word: id}.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.vocabulary["CUSTOM_UNKNOWN"]
        1
        """
        return self._vocabulary.words

    def tokenize(self, text: str) -> list[str]:
        """The token pattern alone, without any other step: the text's tokens just as they are written.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.tokenize("Soooo good!!! :)")
        ['Soooo', 'good', '!!!', ':)']
        """
        return tokenize(text, self.compat)

    def words(self, text: str, limit: int | None = None) -> list[str]:
        """All tokens of a text, or the first ``limit``, as they are looked up in the vocabulary; none for a text of
        whitespace only.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.words("Soooo good!!! :)")
        ['soo', 'good', '!!', ':)']
        """
        _require_text(text)
        words = split(text, self._rules, -1 if limit is None else limit)
        return list(islice((token for word in words for token in tokens(word, self._rules)), limit))

    def spans(self, text: str) -> list[Aligned]:
        """All tokens of a text as in `words`, and where in the text they came from: a list of (word, start, end), named
        tuples.

        ``text[start:end]``, counted in characters, is what was written there: capitals, all of a stretched word, a web
        address, the line break. It is never empty. The starts never decrease; tokens that came out of one character,
        such as the 1 and the 2 of ½, share it.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.spans("Soooo good")
        [Aligned(word='soo', start=0, end=5), Aligned(word='good', start=6, end=10)]
        """
        _require_text(text)
        from .alignment import aligned

        return aligned(text, self.compat)

    def count(self, text: str) -> int:
        """How many tokens a text has; those beyond `maxlen` are not used.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.count("so " * 31)
        31
        """
        _require_text(text)
        ids = map(self._table.__getitem__, split(text, self._rules))
        return sum(len(some) if isinstance(some, tuple) else sum(1 for _ in some) for some in ids)

    def ids(self, text: str) -> list[int]:
        """The ids of a text's first `maxlen` tokens, 1 for unknown ones.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.ids("I love xyzzyx")
        [12, 47, 1]
        """
        _require_text(text)
        return self._first(text, self.maxlen)

    def is_cut(self, text: str) -> bool:
        """Whether a text has more than `maxlen` tokens.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.is_cut("so " * 31)
        True
        """
        _require_text(text)
        return len(self._first(text, self.maxlen + 1)) > self.maxlen

    def _first(self, text: str, number: int) -> list[int]:
        words = split(text, self._rules, number)
        return list(islice(chain.from_iterable(map(self._table.__getitem__, words)), number))

    def to_sentence(self, ids: Iterable[int]) -> str:
        """The words for one text's ids (a row of the tokenizer's output), separated by spaces, without padding.

        Raises:
            InputError: not a row of integers, or the vocabulary has no word with one of the ids.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.to_sentence(tokenizer(["I LOVE it!"])[0])
        'i love it !'
        """
        try:
            numbers = [operator.index(number) for number in ids]
        except TypeError:
            wanted = "expected the ids of one text, a row of integers; pass tokenizer(texts)[row]"
            raise InputError(wanted) from None
        words = [self._vocabulary.word(number) for number in numbers]
        if None in words:
            at = words.index(None)
            raise InputError(f"position {at}: the vocabulary has no word with id {numbers[at]}")
        return " ".join(word for word, number in zip(words, numbers) if number)

    def coverage(self, x: inputs.Inputs) -> float:
        """The share of tokens that the vocabulary knows, from 0 to 1, over the first `maxlen` tokens of each text.

        Args:
            x: N texts, or token ids (N, T) as returned by the tokenizer; 0 is padding.

        Raises:
            InputError: x is neither, or there are no tokens.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> float(tokenizer.coverage(["I love xyzzyx cooking"]))
        0.75
        """
        ids = x if isinstance(x, np.ndarray) and x.dtype.kind in "iu" else self(x)
        return known_share(ids)

    def __call__(self, texts: Iterable[str]) -> np.ndarray[Any, np.dtype[np.uint16]]:
        """The ids of N texts, uint16 (N, maxlen), padded with zeros at the end.

        ``texts`` is a list or any other iterable of str, or an array or column of strings from NumPy, pandas, polars or
        pyarrow.
        """
        rows = inputs.texts(texts)
        matrix = np.zeros((len(rows), self.maxlen), np.uint16)
        for row, text in enumerate(rows):
            if not isinstance(text, str):
                raise inputs.not_a_text(row, text)
            ids = self._first(text, self.maxlen)
            matrix[row, : len(ids)] = ids
        return matrix

    def __repr__(self) -> str:
        return f"Tokenizer({len(self._vocabulary)} words, maxlen={self.maxlen}, compat={self.compat!r})"


def known_share(ids: np.ndarray) -> float:
    """The share of token ids (N, T), but for padding, that stand for known words; InputError if there are none."""
    if not (total := np.count_nonzero(ids)):
        raise InputError("no tokens: coverage is the share of them that the vocabulary knows")
    return 1.0 - np.count_nonzero(ids == UNKNOWN) / total


def check_maxlen(maxlen: int) -> None:
    """Raise an InputError unless ``maxlen`` can be the width of an array."""
    if isinstance(maxlen, bool) or not isinstance(maxlen, int) or not 1 <= maxlen < 2**31:
        raise InputError(f"maxlen is {maxlen!r}, expected an int of at least 1 (and below 2**31)")


def _require_text(text: str) -> None:
    if not isinstance(text, str):
        raise InputError(f"text: expected str, got {type(text).__name__}")
