"""Explanations as text: colours that can be read, words that are not taken apart, and nothing that a text could do to a
terminal."""

import itertools
import os
import re
import sys
import types

import numpy as np
import pytest

from npmoji import InputError, Tokenizer
from npmoji.classes import Classes
from npmoji.explain import colours, terminal
from npmoji.explain.colours import AGAINST, ATTENTION, FOR, TRUE, background
from npmoji.explain.explanation import Explanation
from npmoji.explain.spans import Span, cut, painted, wrapped
from npmoji.explain.terminal import Style, render
from npmoji.text.emojis import EMOJIS, NAMES
from npmoji.text.widths import clusters, columns

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
RAMPS = FOR, AGAINST, ATTENTION
WORDS = ["CUSTOM_MASK", "CUSTOM_UNKNOWN", "so", "funny", "lol", "that", "was", "not", "good", "!", ",", "my", "friend"]
VOCABULARY = {word: i for i, word in enumerate(WORDS)}
TEXT = "That was SO funny , zzyzx lol !"
NUMBERS = [0.02, -0.01, 0.05, 0.12, -0.03, 0.0004, 0.25, 0]
#: the 16 colours as terminals have them, in the order of their codes: xterm, Linux' console, Windows'
PALETTES = {
    "xterm": "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 ffffff",
    "console": "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa ffffff",
    "windows": "0c0c0c c50f1f 13a10e c19c00 0037da 881798 3a96dd cccccc f2f2f2",
}


def explained(text=TEXT, numbers=NUMBERS, maxlen=30, attention=True, target=None, classes=None, p=None):
    """An explanation as if it had been computed: the numbers are the contributions to the best class, those to the
    second one are their opposite."""
    tokenizer = Tokenizer(VOCABULARY, maxlen)
    spans = tokenizer.spans(text)
    known = [span.word in VOCABULARY for span in spans]
    classes = classes or Classes(list(NAMES), list(EMOJIS))
    C = len(classes.names)
    probabilities = np.full(C, 0.001, np.float32)
    probabilities[:2] = p or (0.5, 0.25)
    K = min(len(spans), maxlen)
    contributions = np.zeros((K, C), np.float32)
    contributions[:, 0] = list(itertools.islice(itertools.cycle(numbers), K))
    contributions[:, 1] = -contributions[:, 0]
    weights = np.float32(range(1, K + 1)) if attention else None
    return Explanation.of(text, spans, known, probabilities, contributions, weights, target, classes)


def shown(e, k=2, style=terminal.PLAIN, by="contribution"):
    return render([e], k, style, by).split("\n")


# Colours --------------------------------------------------------------------------------------------------------------


def luminance(rgb):
    """As WCAG 2 defines it."""
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in rgb))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def of_256(number):
    """Red, green and blue of xterm's colours from 16 on."""
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    levels = 0, 95, 135, 175, 215, 255
    return levels[(number - 16) // 36], levels[(number - 16) // 6 % 6], levels[(number - 16) % 6]


def pair(parameters, palette="xterm"):
    """The colours of letters and background that these parameters of an escape sequence set."""
    basic = [tuple(bytes.fromhex(code)) for code in PALETTES[palette].split()]
    found, values = {}, [int(value) for value in parameters.split(";")]
    while values:
        code = values.pop(0)
        if code in (38, 48) and values[0] == 2:
            found[code] = tuple(values[1:4])
            del values[:4]
        elif code in (38, 48):
            found[code] = of_256(values[1])
            del values[:2]
        else:
            found[48 if 40 <= code <= 47 else 38] = basic[8 if code == 97 else code % 10]
    return found[38], found[48]


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("number", [TRUE, 256, 16])
def test_words_can_be_read_on_every_background(number, palette):
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    for ramp, strength in itertools.product(RAMPS, np.linspace(colours.LEAST, 1, 200)):
        assert contrast(*pair(background(ramp, strength, number), palette)) >= 4.5, (ramp, strength)


@pytest.mark.parametrize("number", [TRUE, 256])
def test_words_stand_out_on_light_and_dark(number):
    """As all backgrounds should, by WCAG's measure for what is not text, at 3; on white somewhat less will do, as grey
    letters without a background would be easier to overlook than any of them."""
    for ramp, strength in itertools.product(RAMPS, np.linspace(colours.LEAST, 1, 200)):
        _, found = pair(background(ramp, strength, number))
        assert contrast(found, (0, 0, 0)) >= 4.5 and contrast(found, (255, 255, 255)) >= 2


@pytest.mark.parametrize("number, least", [(TRUE, 50), (256, 5), (16, 2)])
def test_the_stronger_the_fuller(number, least):
    for ramp in RAMPS:
        found = [background(ramp, strength, number) for strength in np.linspace(0, 1, 1001)]
        assert found[0] == found[99] == "" and "" not in found[100:]
        steps = [look for look, _ in itertools.groupby(found[100:])]
        assert len(steps) == len(set(steps)) >= least
        if number > 16:
            fulls = [max(rgb) - min(rgb) for rgb in (pair(look)[1] for look in steps)]
            assert fulls == sorted(fulls) and fulls[-1] >= 120 and fulls[0] <= 30
    strongest = [background(ramp, 1, number) for ramp in RAMPS]
    assert len(set(strongest)) == 3
    assert background(FOR, 7.0, number) == strongest[0] and background(FOR, 1, 0) == ""


class Stream:
    def __init__(self, terminal=True):
        self.isatty = lambda: terminal


@pytest.mark.parametrize(
    "terminal, environment, wanted",
    [
        (True, "TERM=xterm-256color COLORTERM=truecolor", TRUE),
        (True, "TERM=screen COLORTERM=24bit", TRUE),
        (True, "TERM=xterm-direct", TRUE),
        (True, "TERM=screen-256color COLORTERM=yes", 256),
        (True, "TERM=xterm", 16),
        (True, "TERM=linux", 16),
        (True, "TERM=dumb", 0),
        (True, "TERM=dumb COLORTERM=truecolor", 0),
        (True, "", 0),
        (True, "TERM=vt100", 0),
        (True, "TERM=xterm-mono", 0),
        (True, "TERM=xterm-256color NO_COLOR=1", 0),
        (True, "TERM=xterm-256color NO_COLOR=", 256),
        (True, "TERM=xterm NO_COLOR=1 FORCE_COLOR=1", 0),
        (False, "TERM=xterm-256color COLORTERM=truecolor", 0),
        (False, "TERM=xterm-256color FORCE_COLOR=1", 256),
        (False, "CLICOLOR_FORCE=1", 16),
        (False, "TERM=xterm-256color FORCE_COLOR=0 CLICOLOR_FORCE=0", 0),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="consoles of Windows say for themselves what they can")
def test_as_many_colours_as_there_are(terminal, environment, wanted):
    found = dict(setting.split("=") for setting in environment.split())
    assert colours.colours_of(Stream(terminal), found) == wanted


@pytest.mark.parametrize(
    "before, accepts, wanted", [(None, False, TRUE), (3, True, TRUE), (7, False, TRUE), (3, False, 0)]
)
def test_a_console_of_windows_is_asked(monkeypatch, before, accepts, wanted):
    """It has escape sequences switched on, or off and lets them be switched on, or knows none; or it is none."""
    import ctypes

    set_to = []

    def get(handle, pointer):
        pointer._obj.value = before or 0
        return before is not None

    kernel = types.SimpleNamespace(
        GetConsoleMode=get, SetConsoleMode=lambda handle, mode: set_to.append((handle, mode)) or accepts
    )
    monkeypatch.setattr(ctypes, "windll", types.SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(get_osfhandle=lambda number: number + 100))
    monkeypatch.setattr(colours, "os", types.SimpleNamespace(name="nt"))
    stream = Stream()
    stream.fileno = lambda: 1
    assert colours.colours_of(stream, {}) == wanted
    assert set_to == ([(101, 7)] if before == 3 else [])


# What is shown --------------------------------------------------------------------------------------------------------


def test_without_colours_each_word_has_a_line():
    assert shown(explained()) == [
        TEXT,
        "  for (+) or against (−) 😂 tears of joy, in percentage points:",
        "    That     +2.0",
        "    was      −1.0",
        "    SO       +5.0",
        "    funny   +12.0",
        "    ,        −3.0",
        "    zzyzx     0.0  unknown",
        "    lol     +25.0",
        "    !         0.0",
        "  😂  tears of joy  50.0 %  +25.0 lol  +12.0 funny  +5.0 SO  +2.0 That  −3.0 ,  −1.0 was",
        "  😒  unamused      25.0 %  +3.0 ,  +1.0 was  −25.0 lol  −12.0 funny  −5.0 SO  −2.0 That",
    ]
    assert str(explained()) == "\n".join(shown(explained(), 5))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("style", [terminal.PLAIN, Style(0, 80, True), *(Style(n, 80) for n in (TRUE, 256, 16))])
def test_numbers_that_are_none(number, style):
    lines = shown(explained(numbers=[0.25, number], p=(0.5, number), target=0), style=style)
    assert any("+25.0" in line for line in lines) and len(lines) >= 4
    if not style.colours:
        assert [line.split()[1] for line in lines[2:6]] == ["+25.0", "?", "+25.0", "?"]


def test_a_bar_is_as_long_as_its_word_is_strong():
    bars = [line.count("█") for line in shown(explained(), style=Style(0, 80, True))[2:10]]
    assert bars == [2, 1, 4, 10, 2, 0, 20, 0]
    faint = explained(numbers=[0.001, 0.005])  # of a probability of a half
    assert [line.count("█") for line in shown(faint, style=Style(0, 80, True))[2:4]] == [0, 2]


@pytest.mark.parametrize("number", [TRUE, 256, 16])
def test_words_on_backgrounds(number):
    text, meaning, *classes = shown(explained(), style=Style(number, 80))
    look = {n: f"\x1b[{background(FOR if n > 0 else AGAINST, abs(n) / 0.25, number)}m" for n in NUMBERS if n}
    end = "\x1b[0m"
    assert text == (
        f"That was {look[0.05]}SO{end} {look[0.12]}funny{end} {look[-0.03]},{end} \x1b[4mzzyzx{end} "
        f"{look[0.25]}lol{end} !"
    )
    assert (
        ESCAPE.sub("", meaning) == "   for  against  😂 tears of joy, unknown" and f"{look[0.25]} for {end}" in meaning
    )
    assert f"+25.0 {look[0.25]}lol{end}  +12.0" in classes[0] and len(classes) == 2
    assert f"−25.0 \x1b[{background(AGAINST, 1, number)}mlol{end}" in classes[1]


def test_attention_instead():
    e = explained("so good so", [0.1, -0.2, 0.3])
    assert shown(e, 1, by="attention")[1:] == [
        "  attention, in percent:",
        "    so     100.0",
        "    good   200.0",
        "    so     300.0",
        "  😂  tears of joy  50.0 %  +30.0 so  +10.0 so  −20.0 good",
    ]
    text, meaning, _ = shown(e, 1, Style(TRUE, 80), "attention")
    assert [pair(look)[1] for look in re.findall(r"\[([\d;]+;[\d;]+)m", text)] == [
        colours.shade(ATTENTION, strength / 3) for strength in (1, 2, 3)
    ]
    assert ESCAPE.sub("", meaning) == "  attention:  weak  strong "
    with pytest.raises(InputError, match="no attention layer, expected"):
        render([explained(attention=False)], by="attention")
    assert len(shown(explained(attention=False))) == 12


def test_what_is_beyond_the_limit():
    e = explained("so good " * 20, [0.1], maxlen=5)
    assert shown(e)[7:8] == ["    and 35 beyond the limit, which count for nothing"]
    text, meaning, *_ = shown(e, style=Style(256, 400))
    assert text.count("\x1b[2m") == 35 and text.count("\x1b[38;5;16;48;5;39m") == 5 and "…" not in text
    assert meaning.endswith(", \x1b[2mbeyond the limit\x1b[0m") and "unknown" not in meaning
    long = shown(explained("so good " * 2000, [0.1], maxlen=5))
    assert len(long[0]) == len("so good so good so") + terminal.REST + 1 and long[0].endswith("…")


def test_the_target_has_a_line_anyway():
    e = explained(target=40)
    assert "  for (+) or against (−) 👏 clapping, in percentage points:" in shown(e)
    best = [line.split()[0] for line in shown(e)[-3:]]
    assert best == ["😂", "😒", "👏"]
    assert [line.split()[0] for line in shown(explained(target=1))[-2:]] == ["😂", "😒"]


@pytest.mark.parametrize("text", ["", "  \n\t "])
@pytest.mark.parametrize("style", [Style(), Style(TRUE, 80), Style(0, 80, True)])
def test_an_empty_text(text, style):
    assert shown(explained(text), 1, style) == ["(empty text)", "  😂  tears of joy  50.0 %"]


def test_classes_of_ones_own():
    e = explained(classes=Classes(["calm", "an\x1bgry"], ["calm", "an\x1bgry"], own=True))
    found = shown(e, 5)
    assert found[1] == "  for (+) or against (−) calm, in percentage points:"
    assert found[-2].startswith("  calm    50.0 %  +25.0 lol  +12.0 funny") and found[-1].startswith(
        "  an gry  25.0 %  "
    )
    e = explained(classes=Classes(["שמח", "x" * 200], ["שמח", "x" * 200], own=True))
    assert shown(e)[1] == "  for (+) or against (−) \u2068שמח\u2069, in percentage points:"
    assert shown(e)[-2].startswith(f"  \u2068שמח\u2069{' ' * 37}  50.0 %") and f"  {'x' * 39}…  25.0 %" in shown(e)[-1]


# Words and lines are whole --------------------------------------------------------------------------------------------

FAMILY = "👩\u200d👩\u200d👧"
TEXTS = [
    TEXT,
    f"so {FAMILY} good 👍🏽 ❤\ufe0f\u200d🔥 🇫🇷 lol",
    "日本語はとてもおもしろいですね so funny",
    "e\u0301ا so a\u0301\u0302 cafe\u0301 न्क्षि",
    "שלום so funny my friend, מה שלומך? lol",
    "مرحبا 123 so good! كيف الحال",
    "so\nfunny\\nlol<br>!\r\n",
    "loooooooooooooooooooooooooooooooooooooooooooooooong http://example.com/" + "a" * 100,
    "so good " * 30,
    "\x1b[31mred\x1b]0;title\x07 \x9b2J so\u202efunny\u2066 \x08\x00 lol",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("number", [TRUE, 256, 16, 0])
@pytest.mark.parametrize("width", [0, 200, 80, 33, 20])
def test_lines_fit_and_nothing_is_taken_apart(text, number, width):
    numbers = [0.02, -0.3, 0.05, 0.12, -0.03]
    for by in ("contribution", "attention"):
        lines = shown(explained(text, numbers, maxlen=20), 3, Style(number, width, not number), by)
        if width:
            assert max(columns(ESCAPE.sub("", line)) for line in lines) <= width
        for line in lines:
            bare = ESCAPE.sub("", line)
            pieces = re.split(r"\x1b\[[\d;]*m", line)
            assert [c for piece in pieces for c in clusters(piece)] == list(clusters(bare))
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", bare)
            assert line.count("\x1b[0m") * 2 == line.count("\x1b[") and not (number == 0 and "\x1b" in line)
            assert bare.count("\u2069") <= sum(map(bare.count, "\u2066\u2067\u2068"))


@pytest.mark.parametrize("text", TEXTS[:7])
@pytest.mark.parametrize("number", [TRUE, 0])
def test_the_whole_text_is_there(text, number):
    for width in (10, 30, 1000):
        lines = shown(explained(text), 1, Style(number, width))
        end = next(i for i, line in enumerate(lines) if line.startswith("  "))
        found = "".join(ESCAPE.sub("", line) for line in lines[:end])
        assert re.sub(r"[\s↵\u2066\u2067\u2069]|<br>|\\n", "", found) == re.sub(r"\s|<br>|\\n", "", text)


def test_words_from_right_to_left():
    """Each line is kept in the text's direction, each word in its own; texts of other scripts have nothing added."""
    lines = shown(explained(TEXTS[4]), 1, Style(0, 20))
    end = next(i for i, line in enumerate(lines) if line.startswith("  "))
    assert end >= 2 and all(line[0] == "\u2067" and line[-1] == "\u2069" for line in lines[:end])
    assert f"    \u2068ש\u2069{' ' * 9}+2.0 …" in lines
    lines = shown(explained(f"so {TEXTS[4]}"), 1)
    assert lines[0] == f"\u2066so {TEXTS[4]}\u2069"
    for text in TEXTS[:3]:
        assert not re.search("[\u2066-\u2069]", "".join(shown(explained(text), 3)))


def test_joined_emojis_have_one_colour():
    """That of the strongest of the words they are; alone these words are shown as what they are."""
    e = explained(f"so {FAMILY} lol", [0.1, 0.01, 0, -0.2, 0, 0.03, 0.1])
    text = shown(e, 1, Style(256, 80))[0]
    assert f"\x1b[4;{background(AGAINST, 1, 256)}m{FAMILY}\x1b[0m" in text
    assert [line.split()[0] for line in shown(e)[2:9]] == ["so", "👩", "U+200D", "👩", "U+200D", "👧", "lol"]


def test_line_breaks_are_shown_as_what_they_are():
    e = explained("so\nfunny<br>lol", [0.1])
    assert [line.split()[0] for line in shown(e)[2:7]] == ["so", "↵", "funny", "<br>", "lol"]
    assert shown(e)[0] == "so↵ funny<br>lol"


def test_lines_are_broken_between_words():
    def lines(text, width):
        return ["".join(span.text for span in line) for line in wrapped(map(Span, clusters(text)), width)]

    assert lines("the quick brown fox", 10) == ["the quick", "brown fox"]
    assert lines("the  quick   brown", 9) == ["the", "quick", "brown"]
    assert lines("abcdefghij k", 4) == ["abcd", "efgh", "ij k"]
    assert lines("日本語です", 5) == ["日本", "語で", "す"] and lines(FAMILY * 3, 1) == [FAMILY] * 3
    assert lines(" a b ", 0) == ["a b"] and lines("", 9) == [""]


def test_lines_are_cut_with_their_colours():
    line = [Span("so "), Span("日本", "4"), Span("!")]
    assert painted(cut(line, 8)) == painted(line) == painted(cut(line, 0)) == "so \x1b[4m日本\x1b[0m!"
    assert painted(cut(line, 7)) == "so \x1b[4m日\x1b[0m…" and painted(cut(line, 3)) == "so…"
    assert painted(cut(line, 1)) == "…"


def test_as_many_words_as_there_is_room_for():
    numbers = [0.3 - 0.01 * i for i in range(30)]
    e = explained("so good " * 15, numbers)
    found = {}
    for width in (0, 30, 40, 60, 80, 200, 1000):
        line = shown(e, 1, Style(0, width))[-1]
        found[width] = line.count("+")
        assert line.endswith(" …") is (found[width] < 30) or found[width] == 0
    assert (
        found[0] == terminal.MOST and found[1000] == 30 and list(found.values())[1:] == sorted(list(found.values())[1:])
    )
    assert found[30] == 0 and found[40] == 1
