"""Text on a terminal: what belongs together, how wide it is, and that nothing of it does what it should not."""

import unicodedata

import pytest

from npmoji.text.widths import clusters, columns, isolated, paragraph, printable, shorten

FAMILY, SCOTLAND = "👩‍👩‍👧‍👦", "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
#: what a reader takes for one character, and its columns
ONE = {
    "a": 1, "é": 1, "e\u0301": 1, "e\u0301\u0302\u0323": 1, "日": 2, "ｱ": 1, "Ａ": 2, "가": 2, "\u1100\u1161\u11a8": 2,
    "❤": 1, "❤\ufe0f": 2, "😂": 2, "👍🏽": 2, "✌🏽": 2, "✌\ufe0f": 2, FAMILY: 2, "❤\ufe0f\u200d🔥": 2,
    "🏳\ufe0f\u200d🌈": 2, "⛹🏽\u200d♀\ufe0f": 2, "🙂\u200d\u2194\ufe0f": 2, "🇫🇷": 2, "🇫": 1, SCOTLAND: 2,
    "1\ufe0f\u20e3": 2, "#\ufe0f\u20e3": 2, "™\ufe0f": 2, "™": 1, "\U0001fae8": 2, "🏽": 2, "क्ष": 2, "กำ"[0]: 1,
    "נ\u05b9": 1, "م\u064e": 1, "\u0301": 0, "\u200d": 0, "\ufeff": 0, "\u200b": 0,
}  # fmt: skip

#: but for most of the planes that hold ideographs or nothing
CHARACTERS = list(
    map(chr, [*range(0x3400), *range(0x3400, 0x9FFF, 99), *range(0xA000, 0x20000), *range(0xE0000, 0xE1000)])
)


@pytest.mark.parametrize("text", ONE)
def test_what_belongs_together(text):
    assert list(clusters(text)) == [text] and columns(text) == ONE[text]
    alone = ONE[text] or text in "\ufeff\u200b"
    assert list(clusters(f"x{text}")) == (["x", text] if alone else [f"x{text}"])


def test_clusters_keep_every_character():
    text = "".join(ONE) + "".join(map(chr, range(0x300))) + "\ud83d\r\n"
    assert "".join(clusters(text)) == text and list(clusters("")) == []
    assert list(clusters("🇫🇷🇩🇪🇮")) == ["🇫🇷", "🇩🇪", "🇮"]
    assert list(clusters("a\u200db👍👍")) == ["a\u200d", "b", "👍", "👍"]  # nothing to join
    assert list(clusters("a🏽")) == ["a", "🏽"]  # no skin
    assert list(clusters("\n\u0301")) == ["\n", "\u0301"]


def test_columns_of_every_character_add_up():
    """One after the other they take what they take alone, unless they are joined."""
    assert columns("naïve 日本 😂") == 13 and columns("") == 0
    for character in CHARACTERS:
        if unicodedata.combining(character):
            assert columns(character) == 0 and columns(f"a{character}") == 1, hex(ord(character))
        elif unicodedata.east_asian_width(character) in "WF" and not unicodedata.category(character).startswith("M"):
            assert columns(character) == 2, hex(ord(character))


@pytest.mark.parametrize("text", [key for key in ONE if ONE[key]])
def test_a_cut_takes_nothing_apart(text):
    for width in range(1, 9):
        found = shorten(text * 5, width)
        assert columns(found) <= width and found in {*(f"{text * n}…" for n in range(5)), text * 5} or text in "🇫"
    assert shorten(text, columns(text)) == text
    assert shorten(text + "x" * 20, 10).startswith(text)


def test_what_is_printed_does_nothing_to_a_terminal():
    text = "".join(CHARACTERS)
    found = printable(text)
    assert len(found) == len(text)
    bad = {c for c in found if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} | {
        *"\u202a\u202e\u2066\u2067\u2069"
    }
    assert not {c for c in bad if c in found} and "\x9b" not in found and "\x1b" not in found


def test_what_is_printed_is_the_text():
    for text in ONE.keys() - {"\u200b", "\ufeff"}:
        assert printable(f"a{text} b") == f"a{text} b"
    assert printable("می\u200cخواهم \u200fשלום!\u200f") == "می\u200cخواهم \u200fשלום!\u200f"
    assert printable("\x1b]0;title\x07\x1b[2J\u202eevil\ud800\u2069") == " ]0;title  [2J evil  "
    assert printable("hidden\U000e0041\U000e0042") == "hidden  "  # tags that make no flag


def test_words_keep_their_places():
    for text in ("plain", "naïve 日本 😂", ""):
        assert isolated(text) == text and paragraph(text, [text]) == [text]
    for text in ("שלום", "a مرحبا", "\u200f"):
        assert isolated(text) == f"\u2068{text}\u2069"
    assert paragraph("12 שלום hello", ["12", "שלום hello"]) == ["\u206712\u2069", "\u2067שלום hello\u2069"]
    assert paragraph("hello שלום", ["hello", "שלום"]) == ["\u2066hello\u2069", "\u2066שלום\u2069"]
