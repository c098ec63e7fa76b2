"""`Tokenizer.spans` gives the words of `Tokenizer.words`, and the place in the text that each of them came from."""

import doctest
import random
import subprocess
import sys
import unicodedata
from itertools import pairwise

import pytest
from conftest import DATA, ROOT, SHARED, needs_shared
from test_tokenizer import SPECIAL, compat_of, read

from npmoji import InputError, Tokenizer
from npmoji.text import alignment

COMPATS = ("deepmoji", "torchmoji")
TOKENIZERS = {compat: Tokenizer(SPECIAL, compat=compat) for compat in COMPATS}


def checked(text, compat):
    """The spans, after checking what is true of all of them."""
    tokenizer = TOKENIZERS[compat]
    found = tokenizer.spans(text)
    assert [token.word for token in found] == tokenizer.words(text), ascii(text)
    assert all(0 <= start < end <= len(text) for _, start, end in found), ascii(text)
    for before, after in pairwise(found):
        assert before.start <= after.start and before.end <= after.end, ascii(text)
    return found


# By hand --------------------------------------------------------------------------------------------------------------

#: text -> words and what was written for each, the same for both
CASES = [
    ("", []),
    (" \t\n", []),
    ("  Hello, World!  ", [("hello", 2, 7), (",", 7, 8), ("world", 9, 14), ("!", 14, 15)]),
    ("\x1c\u3000hi\x85you\xa0", [("hi", 2, 4), ("you", 5, 8)]),
    ("I'm WELL-known :-)", [("i'm", 0, 3), ("well-known", 4, 14), (":-)", 15, 18)]),
    # special words are what was typed
    ("see HTTP://A.b/c?d, ok", [("see", 0, 3), ("CUSTOM_URL", 4, 19), ("ok", 20, 22)]),
    ("Me@Mail.COM @You #Tag", [("CUSTOM_AT", 0, 11), ("CUSTOM_AT", 12, 16), ("#tag", 17, 21)]),
    ("at 12:45", [("at", 0, 2), ("CUSTOM_NUMBER", 3, 5), (":", 5, 6), ("CUSTOM_NUMBER", 6, 8)]),
    # line breaks
    ("a\nb", [("a", 0, 1), ("CUSTOM_BREAK", 1, 2), ("b", 2, 3)]),
    ("a \r\n b", [("a", 0, 1), ("CUSTOM_BREAK", 2, 3), ("CUSTOM_BREAK", 3, 4), ("b", 5, 6)]),
    (r"a\nb\Rc", [("a", 0, 1), ("CUSTOM_BREAK", 1, 3), ("b", 3, 4), ("CUSTOM_BREAK", 4, 6), ("c", 6, 7)]),
    (r"a\\nb", [("a", 0, 1), ("CUSTOM_BREAK", 1, 4), ("b", 4, 5)]),
    (r"a\\\nb", [("a", 0, 1), ("\\", 1, 2), ("CUSTOM_BREAK", 2, 5), ("b", 5, 6)]),
    ("\nHi<BR>you\n", [("hi", 1, 3), ("CUSTOM_BREAK", 3, 7), ("you", 7, 10)]),
    ("custom_break", [("custom_break", 0, 12)]),
    # variation selectors belong to the character before them, and join what they were between
    ("\u2764\ufe0f ok\ufe0f", [("\u2764", 0, 2), ("ok", 3, 6)]),
    ("go\ufe0f\ufe0eod \ufe0fx", [("good", 0, 6), ("x", 8, 9)]),
    ("a\n\ufe0fb", [("a", 0, 1), ("CUSTOM_BREAK", 1, 2), ("b", 3, 4)]),
    ("\ufe0f\ufe0f", []),
    # emojis
    (
        "\U0001f468\u200d\U0001f469\U0001f3fd!",
        [("\U0001f468", 0, 1), ("\u200d", 1, 2), ("\U0001f469", 2, 3), ("\U0001f3fd", 3, 4), ("!", 4, 5)],
    ),
    ("\ud83d\ude00 \ud83d", [("\ud83d\ude00", 0, 2), ("\ud83d", 3, 4)]),
    # composed, also with a selector in between
    ("cafe\u0301!", [("caf", 0, 3), ("\u00e9", 3, 5), ("!", 5, 6)]),
    ("e\ufe0f\u0301", [("\u00e9", 0, 3)]),
    ("E\u0323\u0302x", [("\u1ec7", 0, 3), ("x", 3, 4)]),
    ("\u1112\u1161\u11ab\uae00", [("\ud55c", 0, 3), ("\uae00", 3, 4)]),
    ("\uff76\uff9e\uff71", [("\u30ac", 0, 2), ("\u30a2", 2, 3)]),
    # marks after those that compose; marks that change places around it
    ("e\u0301\u0301\u0301", [("\u00e9", 0, 2), ("\u0301", 2, 3), ("\u0301", 3, 4)]),
    ("xa\u0316\u0301y", [("x", 0, 1), ("\u00e1", 1, 4), ("\u0316", 1, 4), ("y", 4, 5)]),
    ("naq\u0307\u0323ve", [("naq", 0, 3), ("\u0323", 3, 5), ("\u0307", 3, 5), ("ve", 5, 7)]),
    # several out of one
    ("a \u00bd", [("a", 0, 1), ("CUSTOM_NUMBER", 2, 3), ("\u2044", 2, 3), ("CUSTOM_NUMBER", 2, 3)]),
    ("\ufb01ne", [("fine", 0, 3)]),
    ("x\u00b4y", [("x", 0, 1), ("\u0301", 1, 2), ("y", 2, 3)]),
    ("so\u2014no\u203d", [("so", 0, 2), ("--", 2, 3), ("no", 3, 5), ("!", 5, 6), ("?", 5, 6)]),
    ("\u201cHi\u201d", [('"', 0, 1), ("hi", 1, 3), ('"', 3, 4)]),
    ("don\u2019t", [("don't", 0, 5)]),
    ("\u4f60\u597d\uff01\uff01", [("\u4f60", 0, 1), ("\u597d", 1, 2), ("!!", 2, 4)]),
]
#: text -> for deepmoji, for torchmoji
DIFFERENT = [
    ("SOOOO\u2026", [("soo", 0, 5), ("..", 5, 6)], [("soooo", 0, 5), ("...", 5, 6)]),
    ("I\u2026\u2026 ", [("i", 0, 1), ("..", 1, 3)], [("i", 0, 1), ("......", 1, 3)]),
    (":-)))", [(":-))", 0, 5)], [(":-)))", 0, 5)]),
    (
        "\u0130stanbul!",
        [("istanbul", 0, 8), ("!", 8, 9)],
        [("i", 0, 1), ("\u0307", 0, 1), ("stanbul", 1, 8), ("!", 8, 9)],
    ),
    (
        "\u039f\u03a3 \u03a3",
        [("\u03bf", 0, 1), ("\u03c3", 1, 2), ("\u03c3", 3, 4)],
        [("\u03bf", 0, 1), ("\u03c2", 1, 2), ("\u03c3", 3, 4)],
    ),
    ("\u180ea\u180eb", [("a", 1, 2), ("b", 3, 4)], [("\u180e", 0, 1), ("a", 1, 2), ("\u180e", 2, 3), ("b", 3, 4)]),
    ("\u13a0b", [("\u13a0", 0, 1), ("b", 1, 2)], [("\uab70", 0, 1), ("b", 1, 2)]),
    # a sign of Unicode 6.1, now two letters, but only after lower-casing
    ("A\U0001f16a", [("a", 0, 1), ("\U0001f16a", 1, 2)], [("aMC", 0, 2)]),
    # a mark of Unicode 7.0: then no other changed places with it
    (
        "q\u0301\u1ab5",
        [("q", 0, 1), ("\u0301", 1, 2), ("\u1ab5", 2, 3)],
        [("q", 0, 1), ("\u1ab5", 1, 3), ("\u0301", 1, 3)],
    ),
]
EXPECTED = [(compat, text, spans) for text, spans in CASES for compat in COMPATS]
EXPECTED += [(compat, text, spans) for text, *both in DIFFERENT for compat, spans in zip(COMPATS, both)]


@pytest.mark.parametrize(("compat", "text", "spans"), EXPECTED, ids=[f"{c}-{t!a}" for c, t, _ in EXPECTED])
def test_by_hand(compat, text, spans):
    assert checked(text, compat) == spans


def test_named():
    token = TOKENIZERS["deepmoji"].spans("Soooo")[0]
    assert (token.word, token.start, token.end) == ("soo", 0, 5)


# The words of the goldens ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compat", COMPATS)
@pytest.mark.parametrize("name", ["curated", "fuzz", "torchmoji_curated"])
def test_goldens(name, compat):
    for record in read(DATA / "tokenizer" / f"{name}.jsonl.gz"):
        found = checked(record["text"], compat)
        if compat == compat_of(name):
            assert [token.word for token in found] == record.get("words", []), ascii(record["text"])


@needs_shared
@pytest.mark.parametrize("name", ["curated", "torchmoji_curated"])
def test_all_goldens(name):
    for record in read(SHARED / "goldens" / "tokenizer" / f"{name}.jsonl"):
        for compat in COMPATS:
            found = checked(record["text"], compat)
            if compat == compat_of(name):
                assert [token.word for token in found] == record.get("words", []), ascii(record["text"])


# Random texts ---------------------------------------------------------------------------------------------------------

AWKWARD = [
    *["a@b.co", ".x@y.z", "@Me", "#tag", "www.a.b", "HTTP://X", "<3", ":)", ":-(((", "Mr.", "U.S.", "12", "SOOOO"],
    *["!!!!", "_", "-", "'", ".", "a", "E", "x", "\n", "\r\n", r"\n", r"\\n", r"\R", "<BR>", "<b", "r>", "\\", "<"],
    *["\u0301", "\u0316", "\u0323", "\u0307", "\u0344", "\u1ab5", "\u3099", "\u00b4", "\u00a8", "\u0385"],
    *["\u0130", "\u03a3", "\u00df", "\u017f", "\u212a", "\u0149", "\u00e9", "\u1e9b\u0323"],
    *["\u1112", "\u1161", "\u11ab", "\uac00", "\u3131", "\uff76", "\uff9e", "\u09c7", "\u09be", "\u0b47\u0b3e"],
    *["\u00bd", "\u2026", "\u203d", "\u2014", "\ufb01", "\ufdfa", "\u2122", "\u2116", "\uff01", "\u0661", "\u19da"],
    *["\u13a0", "\uab70", "\u13f8", "\u0cf1", "\u1885", "\u3248", "\U0001d400", "\U0001f16a", "\u4f60"],
    *["\U0001f600", "\u2764", "\ufe0f", "\ufe00", "\u200d", "\U0001f3fd", "\ud83d", "\ude00", "\ud83c"],
    *[" ", " ", "\u180e", "\u3000", "\x1c", "\x85", "\xa0", "\0"],
]


def random_texts(pieces, count, longest, seed):
    draw = random.Random(seed)
    return ["".join(draw.choices(pieces, k=draw.randint(1, longest))) for _ in range(count)]


@pytest.mark.parametrize("compat", COMPATS)
def test_random_texts(compat):
    """Nothing that is written is left out, but for whitespace and for selectors with nothing before them."""
    whitespace = {c for piece in AWKWARD for c in piece if c.isspace()} | (
        {"\u180e"} if compat == "deepmoji" else set()
    )
    for text in random_texts(AWKWARD, 2000, 24, seed=13):
        found = checked(text, compat)
        covered = {at: word for word, start, end in found for at in range(start, end)}
        for at in set(range(len(text))) - set(covered) - {at for at, c in enumerate(text) if c in whitespace}:
            assert "\ufe00" <= text[at] <= "\ufe0f", (ascii(text), at)
            assert covered.get(at - 1, "CUSTOM_BREAK") == "CUSTOM_BREAK", (ascii(text), at)


#: those whose tokens do not depend on what is around them
ALONE = [
    piece for piece in AWKWARD if not set(piece) & set("@:/.\\<>_-#'\u03a3\ud83d\ude00\ud83c\n\r") and piece != "r>"
]


@pytest.mark.parametrize("compat", COMPATS)
def test_each_place_holds_its_word(compat):
    tokenizer = TOKENIZERS[compat]
    for text in random_texts(ALONE, 1000, 24, seed=14):
        for word, start, end in checked(text, compat):
            assert word in tokenizer.words(text[start:end]), (ascii(text), ascii(word), start, end)


@pytest.mark.parametrize("compat", COMPATS)
def test_ascii(compat):
    """Without line breaks, each character belongs to one token; a plain word's place alone gives that word."""
    tokenizer = TOKENIZERS[compat]
    pieces = [piece for piece in AWKWARD if piece.isascii() and not set(piece.lower()) & set("\n\r\\<")]
    for text in random_texts([*pieces, "<3", "Good", "nooooo"], 2000, 30, seed=15):
        found = checked(text, compat)
        assert "".join(text[start:end] for _, start, end in found) == "".join(text.split())
        assert all(before.end <= after.start for before, after in pairwise(found))
        plain = [(word, text[start:end]) for word, start, end in found if word.isalpha()]
        assert all(tokenizer.words(piece) == [word] for word, piece in plain)


@pytest.mark.parametrize("compat", COMPATS)
def test_normal_forms_of_random_words(compat):
    """A word cut up is normalised as the whole one is."""
    draw = random.Random(16)
    characters = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")]
    kinds = [
        [c for c in characters if unicodedata.combining(c) or unicodedata.category(c).startswith("M")],
        [c for c in characters if unicodedata.decomposition(c)],
        [c for c in characters if "\u1100" <= c <= "\u11ff" or "\u3130" <= c <= "\u318f"],
        characters,
        list("ae\u0301\u0316\u0344\uac00\uff9e"),
    ]
    for _ in range(2000):
        checked("".join(draw.choice(draw.choice(kinds)) for _ in range(draw.randint(1, 12))), compat)


# Long texts: with anything quadratic these take minutes ---------------------------------------------------------------

MANY = 50_000


@pytest.mark.parametrize(
    "text",
    [
        "a" * 20 * MANY,
        "e\u0301" * MANY,
        "e" + "\u0301" * MANY,
        "\u0301" * MANY + "e\u0301",
        "\u2026" * MANY,
        "\ufb01" * MANY,
        "\ufe0f" * MANY + "a" + "\ufe0f" * MANY,
        "a\ufe0f" * MANY,
        "a" + "\n" * MANY + "b",
        "a" + "<br>" * MANY + "b",
        "\u0130" * MANY,
        "\u1112\u1161\u11ab" * MANY,
        "\u1161" * MANY + "\u2026",
        "\u2026" + "\u09be" * MANY,
        "\uff01a" * MANY,
        "a@b.c," * MANY,
        "ab " * MANY,
    ],
    ids=lambda text: ascii(text[:3]),
)
@pytest.mark.parametrize("compat", COMPATS)
def test_long_texts(text, compat):
    assert checked(text, compat)


# What it costs, what is refused ---------------------------------------------------------------------------------------


def test_it_is_loaded_when_asked_for():
    code = (
        f"import sys; from npmoji import Tokenizer; tokenizer = Tokenizer({SPECIAL})\n"
        "tokenizer.words('\\u00e9'), tokenizer(['hello'])\n"
        "print('npmoji.text.alignment' in sys.modules, end=' ')\n"
        "print(*tokenizer.spans('hello')[0], 'npmoji.text.alignment' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert out.strip() == "False hello 0 5 True"


def test_ascii_text_loads_no_unicode_tables():
    code = (
        f"import sys; from npmoji import Tokenizer; tokenizer = Tokenizer({SPECIAL})\n"
        "tokenizer.spans('Hello,\\nyou@there.com!')\n"
        "assert 'npmoji.text._unicode52' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("text", [b"a", None, 3, ["a"]])
def test_not_a_text(text):
    with pytest.raises(InputError, match=f"expected str, got {type(text).__name__}"):
        TOKENIZERS["deepmoji"].spans(text)


def test_the_example():
    result = doctest.testmod(alignment)
    assert (result.failed, bool(result.attempted)) == (0, True)
