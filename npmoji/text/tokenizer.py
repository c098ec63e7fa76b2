"""Text to token ids, exactly as in the original DeepMoji under Python 2.7, or as in torchMoji under Python 3.

    text ── strip ── lower ── line breaks ── variation selectors ── split ── per word: NFKC, punctuation
         ── token pattern ── per token: shorten, special word ── vocabulary ── cut to maxlen ── pad with 0

The steps follow below in this order; `Tokenizer` is at the end. No token crosses whitespace, and every look-around
treats a space like the edge of the text, so words can be tokenised one by one, and caching the words met so far is
exact. Everything takes time proportional to the text's length.
"""

from __future__ import annotations

import operator
import os
import re
import string
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain, islice
from types import ModuleType
from typing import Any

import numpy as np

from .. import inputs
from ..errors import InputError
from .vocabulary import UNKNOWN, Vocabulary

_compiled = cache(re.compile)  # each pattern takes some milliseconds, so it is compiled when first needed


# ---------------------------------------------------------------- steps that depend on what the original ran on


class _DeepMojiRules:
    """Python 2.7, Unicode 5.2: newer characters have no case and no normal form, and are neither letters nor digits.

    `strip`, `lower`, `normalize` and `boundary_view` are for text that is not pure ASCII.
    """

    @staticmethod
    def strip(text: str) -> str:
        return _DeepMojiRules.spaced(text).strip()

    @staticmethod
    def spaced(text: str) -> str:
        """The text with spaces in place of characters that are whitespace only in Unicode 5.2."""
        return text.replace("\u180e", " ")  # whitespace then, not now

    @staticmethod
    def lower(text: str) -> str:
        """Lower-case character by character, where `str.lower` turns İ into two and some Σ into a final ς."""
        return _between_inert(str.lower, text.replace("\u0130", "i").replace("\u03a3", "\u03c3"))

    @staticmethod
    def normalize(word: str) -> str:
        return _between_inert(_nfkc, word)

    @staticmethod
    def boundary_view(word: str) -> str:
        r"""A string of the same length and with the same tokens, in which `\b` matches now where it matched then in
        `word`."""
        word = _replace(word, _tables().STAND_INS)
        return _compiled(_tables().INERT).sub(lambda found: "£" * len(found[0]), word)

    @staticmethod
    def is_number(token: str) -> bool:
        if token.isdecimal():
            return token.isascii() or not _compiled(_tables().INERT).match(token)
        return token == "\u19da"  # a digit then, not now

    @staticmethod
    def shorten(token: str) -> str:
        """Take each run of three or more of a character, in order, and replace all its occurrences by two characters.

        An occurrence may be part of a longer run, so this is not "every run becomes two": `aaabaaaaaa` turns into
        `aabaaaa`. Different characters do not affect each other.
        """
        if _compiled(_STRETCHED).search(token) and token.isascii():
            for character in set(token):
                if character * 3 in token:
                    token = _shorten_runs(token, character)
        return token


class _TorchMojiRules:
    """The PyTorch port under Python 3: the running Python's Unicode data, and no shortening."""

    strip = staticmethod(str.strip)
    lower = staticmethod(str.lower)
    is_number = staticmethod(str.isdecimal)

    @staticmethod
    def spaced(text: str) -> str:
        return text

    @staticmethod
    def normalize(word: str) -> str:
        return _nfkc(word)

    @staticmethod
    def boundary_view(word: str) -> str:
        return word

    @staticmethod
    def shorten(token: str) -> str:
        return token


_RULES = {"deepmoji": _DeepMojiRules, "torchmoji": _TorchMojiRules}
COMPATS = tuple(_RULES)
ORIGINAL = "deepmoji"  # the one the weights were trained with, torchMoji's included


def _shorten_runs(token: str, character: str) -> str:
    """The rule of `shorten` for one character.

    Replacing k characters by two, wherever they occur, leaves 2 (n // k) + n % k of a run of n. This is computed, not
    done in the token itself, because replacing once per run is quadratic in long tokens.
    """
    run = re.compile(re.escape(character) + "{3,}")
    lengths = [len(found) for found in run.findall(token)]
    shortened, longest = {n: n for n in lengths}, max(lengths)
    for k in lengths:
        if k <= longest:
            shortened = {before: n // k * 2 + n % k for before, n in shortened.items()}
            longest = max(shortened.values())
    return run.sub(lambda found: character * shortened[len(found[0])], token)


@cache
def _tables() -> ModuleType:
    """How Unicode 5.2 differs from the running Python's; loaded for the first text that is not pure ASCII."""
    from . import _unicode52

    return _unicode52


def _between_inert(change: Callable[[str], str], text: str) -> str:
    """Apply `change` between the characters that lower-casing and normalisation leave alone."""
    pieces = _compiled(_tables().INERT).split(text)  # with those characters at the odd places
    pieces[::2] = map(change, pieces[::2])
    return "".join(pieces)


def _nfkc(text: str) -> str:
    from unicodedata import normalize

    return normalize("NFKC", text)


# ---------------------------------------------------------------- text to words

_BREAKS = (r"\\n", r"\n", "\n", r"\\r", r"\r", "\r", "<br>")  # those with a backslash are typed out in the text


def _split(text: str, rules: type, limit: int = -1) -> list[str]:
    """Prepare a text and split it into its words.

    With a `limit`, everything after the first `limit` words is left in one last item, which is never used: every word
    gives at least one token.
    """
    plain = text.isascii()
    text = text.strip().lower() if plain else rules.lower(rules.strip(text))
    if "\n" in text or "\r" in text or "\\" in text or "<br>" in text:
        for literal in _BREAKS:
            text = text.replace(literal, " CUSTOM_BREAK ", limit)
    if not plain:
        text = _compiled("[\ufe00-\ufe0f]+").sub("", text)  # variation selectors
    return text.split(None, limit)


def _replace(word: str, outputs: dict[str, str]) -> str:
    """`word.translate(outputs)`, for outputs that are not keys themselves; faster if few characters are."""
    for character in set(word):
        if character in outputs:
            word = word.replace(character, outputs[character])
    return word


# ---------------------------------------------------------------- words to tokens

# The original's pattern ignores case throughout, which adds four characters to the ASCII letters: İ ı ſ K.
_L = "A-Za-z\u0130\u0131\u017f\u212a"
_LOCAL_PART = f"{string.ascii_letters}{_L[-4:]}{string.digits}_.+-"  # characters before the @ of an e-mail address
_SYMBOLS = "!\"$%&'()*+,-./:;<=>?[\\]^_`{|}~§´ˇ°€"  # not # @ £
_REPEATS = 1000  # of a group per match, as the matcher needs memory for each; `_spans` continues from there

_URL = rf"(?i:https?://|www\.)[$-_!{_L}]+"  # `$-_` is a range
_DOMAIN = rf"@[{_L}0-9-]+\.[{_L}0-9.-]+\b"
_EMAIL = rf"\b(?!{_URL})[{_L}0-9_.+-]+{_DOMAIN}"
_HEART = r"(?:<+/?3+)"
_INITIAL = rf"(?:[{_L}]\.)"
_EMOTICON = (
    r"-_-|[xX]_[xX]|\^_\^|[oO][._][oO]|[()][:;]"
    r"|(?:>:|[:=;])[-,^'\"]?(?:[dD]+|[pP]+|[vV]+|[oO]+|\)+|\(+|3+|/+|\|+|\\+)"
)
_TOKEN = "|".join(
    (
        _URL,  # e-mail addresses come next, see `_spans`
        rf"[{_L}]+[-_][{_L}]+",  # combined words
        rf"[#@][{_L}0-9_]+",  # hashtags, mentions
        rf"(?P<hearts>{_HEART}{{1,{_REPEATS}}})",
        _EMOTICON,
        rf"[{_L}]+'[{_L}]+",  # contractions
        r"(?i:mrs?|ms|dr|prof)\.",
        rf"\b(?<!\.)(?P<initials>{_INITIAL}{{2,{_REPEATS}}})",
        r"[0-9]+",
        rf"[{_L}]+",
        *(re.escape(symbol) + "+" for symbol in _SYMBOLS),
        rf"#+(?![{_L}0-9_])|@+(?![{_L}0-9_])",  # leave the last one to a hashtag or mention
        "\ud83c[\udf00-\udfff]|\ud83d[\udc00-\ude4f\ude80-\udeff]",  # surrogate pairs, never found in real text
        ".",
    )
)
_CONTINUED = {"hearts": rf"{_HEART}{{1,{_REPEATS}}}", "initials": rf"{_INITIAL}{{1,{_REPEATS}}}"}
_STRETCHED = r"(.)\1\1"
_SPECIAL_AT = "@[A-Za-z0-9_]"
_SPECIAL_URL = r"(?:https?://|www\.)[$-_a-z!]"


def _tokens(word: str, rules: type) -> Iterator[str]:
    """The tokens of a word, shortened or replaced by special words."""
    if word.isascii():
        if word.isalpha():
            yield rules.shorten(word)
            return
        pieces = [word]
    else:
        pieces = _converted(word, rules).split()  # NFKC turns some accents into a space and a combining mark
    for piece in pieces:
        for start, end in _spans(_view(piece, rules)):
            yield _special(rules.shorten(piece[start:end]), rules)


def _converted(word: str, rules: type) -> str:
    """A word that is not pure ASCII, normalised and with its punctuation in ASCII."""
    return _replace(rules.normalize(word), _tables().TRANSLITERATION)


def _view(word: str, rules: type) -> str:
    """The string in which the token pattern is searched instead of the word."""
    return word if word.isascii() else rules.boundary_view(word)


def _spans(word: str) -> Iterator[tuple[int, int]]:
    """Start and end of each token of a word without whitespace."""
    token = _compiled(_TOKEN)
    start = 0
    for local_part, at in _local_parts(word):
        while start < at:
            found = _compiled(_EMAIL).match(word, start) if start >= local_part else None
            found = found or token.match(word, start)
            end = found.end()
            if end - start > _REPEATS and found.lastgroup:
                while more := _compiled(_CONTINUED[found.lastgroup]).match(word, end):
                    end = more.end()
            yield start, end
            start = end


def _local_parts(word: str) -> Iterator[tuple[int, int]]:
    """Where an e-mail address may start: from, to (exclusive), for each `@` with a domain; finally the end of the word.

    Trying to match one at every token would look ahead through the same characters again and again.
    """
    after = 0
    for domain in _compiled(_DOMAIN).finditer(word) if "@" in word else ():
        at = domain.start()
        yield after + len(word[after:at].rstrip(_LOCAL_PART)), at
        after = at + 1
    yield len(word), len(word)


def _special(token: str, rules: type) -> str:
    """The special word that the token is replaced by, if any, else the token."""
    if rules.is_number(token):
        return "CUSTOM_NUMBER"
    if "@" in token and _compiled(_SPECIAL_AT).search(token):
        return "CUSTOM_AT"
    if _compiled(_SPECIAL_URL).search(token):
        return "CUSTOM_URL"
    return token


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
    return [word[start:end] for word in words for start, end in _spans(_view(word, rules))]


def ascii_words(text: str, compat: str = ORIGINAL) -> list[str]:
    """All tokens of a text as for the vocabulary, if it is ASCII but for what becomes so and single-character emojis,
    which are left out; else none. This is how the original counts words to extend a vocabulary.

    Raises:
        InputError: as `tokenize`.
    """
    _require_text(text)
    rules, found = rules_of(compat), []
    for word in _split(text, rules):
        if not word.isascii():
            from ._emoji045 import PATTERN

            word = _compiled(PATTERN).sub("", _converted(word, rules))
            if not word.isascii():
                return []
        for piece in word.split():
            found += _tokens(piece, rules)
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
        ids = map(self.vocabulary.id, _tokens(word, self.rules))
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
        words = _split(text, self._rules, -1 if limit is None else limit)
        return list(islice((token for word in words for token in _tokens(word, self._rules)), limit))

    def count(self, text: str) -> int:
        """How many tokens a text has; those beyond `maxlen` are not used.

        >>> tokenizer = npmoji.load(engine="numpy").tokenizer
        >>> tokenizer.count("so " * 31)
        31
        """
        _require_text(text)
        ids = map(self._table.__getitem__, _split(text, self._rules))
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
        words = _split(text, self._rules, number)
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
        if not (total := np.count_nonzero(ids)):
            raise InputError("no tokens: coverage is the share of them that the vocabulary knows")
        return 1.0 - np.count_nonzero(ids == UNKNOWN) / total

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


def rules_of(compat: str) -> type:
    """The steps of this name; InputError if there are none."""
    if compat not in COMPATS:
        raise InputError(f"compat is {compat!r:.60}, expected one of {', '.join(map(repr, COMPATS))}")
    return _RULES[compat]


def check_maxlen(maxlen: int) -> None:
    """Raise an InputError unless ``maxlen`` can be the width of an array."""
    if isinstance(maxlen, bool) or not isinstance(maxlen, int) or not 1 <= maxlen < 2**31:
        raise InputError(f"maxlen is {maxlen!r}, expected an int of at least 1 (and below 2**31)")


def _require_text(text: str) -> None:
    if not isinstance(text, str):
        raise InputError(f"text: expected str, got {type(text).__name__}")
