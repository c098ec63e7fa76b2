"""Strings of all kinds, for the golden of `tools/make_text_golden.py` and for the tests that compare with it."""

import hashlib
import random

POINTS = [*range(0x3000), *range(0x3000, 0x110000, 97), 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x1F600, 0x10FFFF]

TEXTS = [
    "",
    " ",
    "?!... --",
    "The cat's on the MAT!",
    "tabs\tand\nnew\r\nlines\vand\fmore",
    "no\u00a0break, em\u2003space, ideographic\u3000space, \u2028 and \x85 and \x1c",
    "İstanbul ısı IŞIK, Straße ẞ, ΣΊΣΥΦΟΣ ς, ǅ Ǆ ǆ, ÀÉÎ àéî",
    "e\u0301 cafe\u0301 café \u0301",
    "日本語 の 文, 한국어 שלום עולם! مرحبا؟",
    "😀😀 👩\u200d👩\u200d👧 👍🏽 🇩🇪",
    "zero\u200bwidth \ufeffmark",
    "word " * 300 + "end",
    "x" * 5000,
    "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~' « » – — “ ” ‘ ’ ¿ ¡ ، ؟ 。 、",
    "1,234.5 a_b c-d #tag @name http://x.y/z?q=1",
]

SETTINGS = [
    {"standardize": standardize, "split": split, "ngrams": ngrams, "output_sequence_length": length}
    for standardize in ("lower_and_strip_punctuation", "lower", "strip_punctuation", None)
    for split in ("whitespace", "character", None)
    for ngrams, length in ((None, None), (2, 9), ((3, 1), None))
    if split is not None or ngrams is None
]

NUMBERS = [0, 1, -1, 7, -7, 42, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)]


def characters() -> list[str]:
    """Strings of single code points, between letters, and at either end."""
    points = [chr(point) for point in POINTS if not 0xD800 <= point < 0xE000]
    return [text for c in points for text in (c, f"X{c}Y", f"a{c}", f"{c}A")]


def data() -> list[bytes]:
    """Strings of every length from 0 to 300, of any bytes."""
    chance = random.Random(15)
    return [chance.randbytes(n % 301) for n in range(10_000)]


def digest(values: object) -> str:
    """What tells lists of strings and numbers from others."""
    return hashlib.sha256(repr(values).encode()).hexdigest()
