"""The steps from a text to its tokens, exactly as in the original DeepMoji under Python 2.7, or as in torchMoji under
Python 3.

    text ── strip ── lower ── line breaks ── variation selectors ── split ── per word: NFKC, punctuation
         ── token pattern ── per token: shorten, special word

The steps follow below in this order. No token crosses whitespace, and every look-around treats a space like the edge of
the text, so words can be tokenised one by one. Everything takes time proportional to the text's length.

`alignment` takes the same steps again where it must know what came from where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType

from ..errors import InputError

compiled = cache(re.compile)  # each pattern takes some milliseconds, so it is compiled when first needed


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
    def around_inert(text: str) -> list[str]:
        """The text in pieces: at the odd places, the characters that lower-casing and normalisation leave alone."""
        return compiled(tables().INERT).split(text)

    @staticmethod
    def boundary_view(word: str) -> str:
        r"""A string of the same length and with the same tokens, in which `\b` matches now where it matched then in
        `word`."""
        word = _replace(word, tables().STAND_INS)
        return compiled(tables().INERT).sub(lambda found: "£" * len(found[0]), word)

    @staticmethod
    def is_number(token: str) -> bool:
        if token.isdecimal():
            return token.isascii() or not compiled(tables().INERT).match(token)
        return token == "\u19da"  # a digit then, not now

    @staticmethod
    def shorten(token: str) -> str:
        """Take each run of three or more of a character, in order, and replace all its occurrences by two characters.

        An occurrence may be part of a longer run, so this is not "every run becomes two": `aaabaaaaaa` turns into
        `aabaaaa`. Different characters do not affect each other.
        """
        if compiled(_STRETCHED).search(token) and token.isascii():
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
    def around_inert(text: str) -> list[str]:
        return [text]

    @staticmethod
    def boundary_view(word: str) -> str:
        return word

    @staticmethod
    def shorten(token: str) -> str:
        return token


_RULES = {"deepmoji": _DeepMojiRules, "torchmoji": _TorchMojiRules}
COMPATS = tuple(_RULES)
ORIGINAL = "deepmoji"  # the one the weights were trained with, torchMoji's included


def rules_of(compat: str) -> type:
    """The steps of this name; InputError if there are none."""
    if compat not in COMPATS:
        raise InputError(f"compat is {compat!r:.60}, expected one of {', '.join(map(repr, COMPATS))}")
    return _RULES[compat]


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
def tables() -> ModuleType:
    """How Unicode 5.2 differs from the running Python's; loaded for the first text that is not pure ASCII."""
    from . import _unicode52

    return _unicode52


def _between_inert(change: Callable[[str], str], text: str) -> str:
    """Apply `change` between the characters that lower-casing and normalisation leave alone."""
    pieces = _DeepMojiRules.around_inert(text)
    pieces[::2] = map(change, pieces[::2])
    return "".join(pieces)


def _nfkc(text: str) -> str:
    from unicodedata import normalize

    return normalize("NFKC", text)


# ---------------------------------------------------------------- text to words

BREAKS = (r"\\n", r"\n", "\n", r"\\r", r"\r", "\r", "<br>")  # those with a backslash are typed out in the text
SELECTORS = "[\ufe00-\ufe0f]+"  # variation selectors


def split(text: str, rules: type, limit: int = -1) -> list[str]:
    """Prepare a text and split it into its words.

    With a `limit`, everything after the first `limit` words is left in one last item, which is never used: every word
    gives at least one token.
    """
    plain = text.isascii()
    text = text.strip().lower() if plain else rules.lower(rules.strip(text))
    if "\n" in text or "\r" in text or "\\" in text or "<br>" in text:
        for literal in BREAKS:
            text = text.replace(literal, " CUSTOM_BREAK ", limit)
    if not plain:
        text = compiled(SELECTORS).sub("", text)
    return text.split(None, limit)


def _replace(word: str, outputs: dict[str, str]) -> str:
    """`word.translate(outputs)`, for outputs that are not keys themselves; faster if few characters are."""
    for character in set(word):
        if character in outputs:
            word = word.replace(character, outputs[character])
    return word


# ---------------------------------------------------------------- words to tokens

# The original's pattern ignores case throughout, which adds four characters to the ASCII letters: İ ı ſ K.
_OTHERS = "\u0130\u0131\u017f\u212a"
_L = f"A-Za-z{_OTHERS}"
# characters before the @ of an e-mail address; the module `string` would take a while to import
_LOCAL_PART = f"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz{_OTHERS}0123456789_.+-"
_SYMBOLS = "!\"$%&'()*+,-./:;<=>?[\\]^_`{|}~§´ˇ°€"  # not # @ £
_REPEATS = 1000  # of a group per match, as the matcher needs memory for each; `spans` continues from there

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
        _URL,  # e-mail addresses come next, see `spans`
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
_ASCII_TOKEN = _TOKEN.replace(_OTHERS, "")  # the same for ASCII, compiled in half the time
_CONTINUED = {"hearts": rf"{_HEART}{{1,{_REPEATS}}}", "initials": rf"{_INITIAL}{{1,{_REPEATS}}}"}
_STRETCHED = r"(.)\1\1"
_SPECIAL_AT = "@[A-Za-z0-9_]"
_SPECIAL_URL = r"(?:https?://|www\.)[$-_a-z!]"


def tokens(word: str, rules: type) -> Iterator[str]:
    """The tokens of a word, shortened or replaced by special words."""
    if word.isascii():
        if word.isalpha():
            yield rules.shorten(word)
            return
        pieces = [word]
    else:
        pieces = converted(word, rules).split()  # NFKC turns some accents into a space and a combining mark
    for piece in pieces:
        for start, end in spans(view(piece, rules)):
            yield special(rules.shorten(piece[start:end]), rules)


def converted(word: str, rules: type) -> str:
    """A word that is not pure ASCII, normalised and with its punctuation in ASCII."""
    return _replace(rules.normalize(word), tables().TRANSLITERATION)


def view(word: str, rules: type) -> str:
    """The string in which the token pattern is searched instead of the word."""
    return word if word.isascii() else rules.boundary_view(word)


def spans(word: str) -> Iterator[tuple[int, int]]:
    """Start and end of each token of a word without whitespace."""
    token = compiled(_ASCII_TOKEN if word.isascii() else _TOKEN)
    start = 0
    for local_part, at in _local_parts(word):
        while start < at:
            found = compiled(_EMAIL).match(word, start) if start >= local_part else None
            found = found or token.match(word, start)
            end = found.end()
            if end - start > _REPEATS and found.lastgroup:
                while more := compiled(_CONTINUED[found.lastgroup]).match(word, end):
                    end = more.end()
            yield start, end
            start = end


def _local_parts(word: str) -> Iterator[tuple[int, int]]:
    """Where an e-mail address may start: from, to (exclusive), for each `@` with a domain; finally the end of the word.

    Trying to match one at every token would look ahead through the same characters again and again.
    """
    after = 0
    for domain in compiled(_DOMAIN).finditer(word) if "@" in word else ():
        at = domain.start()
        yield after + len(word[after:at].rstrip(_LOCAL_PART)), at
        after = at + 1
    yield len(word), len(word)


def special(token: str, rules: type) -> str:
    """The special word that the token is replaced by, if any, else the token."""
    if rules.is_number(token):
        return "CUSTOM_NUMBER"
    if "@" in token and compiled(_SPECIAL_AT).search(token):
        return "CUSTOM_AT"
    if compiled(_SPECIAL_URL).search(token):
        return "CUSTOM_URL"
    return token
