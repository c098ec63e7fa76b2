"""HTML: the frame, escaping, and explanations as a page, a notebook's fragment and tables."""

import contextlib
import dataclasses
import doctest
import html
import importlib
import json
import random
import re
from html.parser import HTMLParser

import pytest
from browsers import browser

import npmoji
from npmoji.explain import marking, scales, tables
from npmoji.explain import page as pages
from npmoji.pages import asset, data, escape, isolated
from npmoji.pages import page as document
from npmoji.pages.escaping import balanced
from npmoji.text.emojis import EMOJIS, Prediction, named

MODULES = ("npmoji.pages.escaping", "npmoji.pages.frame", "npmoji.explain.marking", "npmoji.explain.tables")
PIECES = [
    *("<script>alert(1)</script>", "</style>", "</p>", "<!--", "-->", "]]>", "<img src=x onerror=alert(1)>"),
    *("&", "&lt;", "&#0;", "&amp", '"', "'", "`", "=", "' onclick='x", '" autofocus onfocus="x', "<svg/onload=x>"),
    *("\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\ud83d", "\udc00", "\ufffe", "\uffff", "\ufdd0", "\U0010ffff"),
    *("\u202e", "\u202d", "\u202b", "\u202c", "\u2066", "\u2067", "\u2068", "\u2069", "\u200f", "\u200b"),
    *("\u2028", "\u2029", "javascript:x", "{{x}}"),
    *("😭", "❤\ufe0f", "👩\u200d👩\u200d👧", "שלום", "مرحبا", "e\u0301\u0301", "SOOOO", "love", "x" * 200, "½"),
]  # fmt: skip
SPACES = [" ", "", "\n", "\r\n", "\t", "  ", "\u00a0"]
VOID = {"meta", "link", "input", "br"}


@dataclasses.dataclass(frozen=True)
class Explained:
    """As an `Explanation`, but of any words and numbers."""

    text: str
    plain: tuple
    numbers: dict
    probabilities: dict
    target: Prediction
    has_attention: bool = True

    @property
    def words(self):
        column = self.numbers[self.target.id]
        return [word._replace(contribution=value) for word, value in zip(self.plain, column)]

    def top(self, k):
        return sorted(self.probabilities.values(), key=lambda p: -p.probability)[:k]

    def toward(self, target):
        return dataclasses.replace(self, target=target)


def explained(words, spaces=(), maxlen=30, names=None, attention=True, seed=0, read=""):
    """One of these words, with random numbers; ``read``: what the words end in as they are looked up."""
    from npmoji.explain.explanation import Word

    chance, text, found = random.Random(seed), "", []
    for i, word in enumerate(words):
        text += spaces[i] if spaces else " "
        share = (chance.random() / 5 if i < maxlen else 0.0) if attention else None
        found.append(Word(word + read, len(text), len(text) + len(word), share, 0.0, i % 4 != 1, i < maxlen))
        text += word
    labels = names or EMOJIS
    classes = {i: Prediction(i, "" if names else label, chance.random() / 2, label) for i, label in enumerate(labels)}
    numbers = {i: [chance.uniform(-0.3, 0.3) * (j < maxlen) for j in range(len(words))] for i in classes}
    best = max(classes.values(), key=lambda p: p.probability)
    return Explained(text, tuple(found), numbers, classes, best, attention)


def hostile(seed):
    """Words and the spaces before them, of what is hard to show."""
    chance = random.Random(seed)
    number = chance.randint(0, 12)
    return chance.choices(PIECES, k=number), [chance.choice(SPACES) for _ in range(number)]


class Checked(HTMLParser):
    """Parses a document and fails unless each tag is closed where it must be and each id is unique.

    Attributes:
        shape: the tags in order, with the names of their attributes.
        paragraphs: the text of each paragraph of words, without numbers and what is for screen readers.
    """

    def __init__(self, content):
        super().__init__()
        self.open, self.ids, self.shape, self.attributes, self.paragraphs, self.texts = [], [], [], [], [], []
        self.feed(content)
        self.close()
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names)
        assert not [name for name in names if name.startswith("on")], "a handler"
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.attributes.append((tag, attributes))
        self.shape.append((tag, *names))
        if tag not in VOID:
            self.open.append((tag, attributes.get("class", "")))
            self.paragraphs += [""] if attributes.get("class") == "words" else []

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag
        self.shape.append(f"/{tag}")

    def handle_data(self, text):
        self.texts.append(text)
        classes = [name for _, name in self.open]
        if "words" in classes and self.open[-1][0] != "small" and not {"hidden", "limit"} & set(classes):
            self.paragraphs[-1] += text

    def handle_comment(self, text):
        raise AssertionError(f"a comment: {text}")

    def handle_pi(self, text):
        raise AssertionError(f"an instruction: {text}")


# Escaping ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_print_what_they_say(name):
    result = doctest.testmod(importlib.import_module(name), extraglobs={"npmoji": npmoji})
    assert result.failed == 0 and result.attempted


def test_escaped_text_reads_as_it_was():
    """But for what HTML cannot hold."""
    chance = random.Random(13)
    for _ in range(500):
        text = "".join(chance.choices(PIECES + SPACES, k=8))
        found = escape(text)
        assert not re.search("[<>\"'\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", found)
        shown = re.sub("[\x80-\x9f\ud800-\udfff\ufdd0\ufffe\uffff\U0010ffff]", "\ufffd", text.replace("\r\n", "\n"))
        shown = re.sub("[\x00-\x08\x0b-\x1f]", lambda control: chr(0x2400 + ord(control[0])), shown)
        assert html.unescape(found) == shown.replace("\x7f", "␡")
        found.encode()


def test_lone_carriage_returns_are_line_breaks_as_in_a_browser():
    assert escape("a\rb\r\nc\nd") == "a\nb\nc\nd"


def nesting(text):
    """What is left open after a text, and how many closing marks belonged to nothing."""
    open_, stray = [], 0
    for character in text:
        if character in "\u202a\u202b\u202d\u202e":
            open_.append("\u202c")
        elif character in "\u2066\u2067\u2068":
            open_.append("\u2069")
        elif character == "\u202c":
            stray += not (open_ and open_.pop() == character)
        elif character == "\u2069":
            while open_ and open_.pop() != character:
                stray += 1
    return open_, stray


def test_directions_end_where_the_text_ends():
    chance = random.Random(14)
    marks = "a\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    for _ in range(2000):
        text = "".join(chance.choices(marks, k=9))
        found = balanced(text)
        assert nesting(found) == ([], 0), ascii(text)
        openings = [c for c in text if c not in "a\u202c\u2069"]
        assert [c for c in found if c not in "a\u202c\u2069"] == openings  # nothing that matters is lost
        assert balanced(found) == found and found.count("a") == text.count("a")
    assert isolated("\u202eabc") == "<bdi>\u202eabc\u202c</bdi>"


def test_values_for_scripts_come_back():
    value = {"texts": [*PIECES, "</script><script>", "<!--", "\u2028"], "x": [0.5, None, True]}
    found = data("points", value)
    assert found.count("<") == 2 and not re.search("[\u2028\u2029\ud800-\udfff]", found)
    found.encode()
    assert (
        json.loads(found.removeprefix('<script type="application/json" id="points">').removesuffix("</script>"))
        == value
    )
    with pytest.raises(ValueError):
        data("points", float("nan"))


# The frame -----------------------------------------------------------------------------------------------------------


def test_the_frame():
    found = document("A <title> & \x00", "<main>x</main>", "p { color: red }", "let x = '</script><!--'; a('&')")
    checked = Checked(found)
    assert found.startswith("<!DOCTYPE html>") and "A <title> & ␀" in checked.texts
    assert asset("style.css") in found and "p { color: red }" in found
    assert found.count("<script>") == found.count("</script>") == 1 and "<!--" not in found
    policy = next(a["content"] for _, a in checked.attributes if a.get("http-equiv"))
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy and "unsafe-inline'; img" in policy
    assert "script" not in document("", "")


@pytest.mark.slow
def test_a_pages_script_is_allowed_to_run():
    with browser() as chromium:
        page = chromium.new_page()
        page.set_content(document("before", "<p>x</p>", script="document.title = '</script>' + 'after'"))
        assert page.title() == "</script>after"
        page.set_content(document("before", "<p>x</p><script>document.title = 'other'</script>", script="1"))
        assert page.title() == "before"


# Explanations --------------------------------------------------------------------------------------------------------


def test_hostile_texts_change_nothing_but_the_text():
    """Elements and attributes are those of a harmless text with as many words; the words read as they are."""
    for seed in range(500):
        words, spaces = hostile(seed)
        found = explained(words, spaces, seed=seed, maxlen=8, read="'")
        harmless = explained(["x"] * len(words), spaces, seed=seed, maxlen=8, read="'")
        made = pages.fragment if seed % 10 == 0 else lambda e: pages.page([e], top=2)
        content = made(found)
        checked, wanted = Checked(content), Checked(made(harmless))
        assert checked.shape == wanted.shape, seed
        content.encode()
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", content)
        if words:
            read = "".join(f"{space}{marking.seen(word)}" for word, space in list(zip(words, spaces))[:8])
            for paragraph in checked.paragraphs:
                shown = re.sub("[\u200e\u200f]", "", paragraph)  # which keep numbers at their words
                assert shown.startswith(html.unescape(escape(read)).replace("\u200f", "")), seed


def test_hostile_names_of_classes():
    names = [*PIECES, ""]
    e = explained(["some", "words"], names=names)
    found = pages.page([e.toward(p) for p in e.probabilities.values()], top=2)
    harmless = explained(["some", "words"], names=["x"] * len(names))
    wanted = pages.page([harmless.toward(p) for p in harmless.probabilities.values()], top=2)
    assert Checked(found).shape == Checked(wanted).shape
    assert f"class {len(names) - 1}" in found


def test_a_page_needs_nothing_else():
    e = explained(["so", "happy", "today"])
    for found in (pages.page([e, e]), pages.fragment(e), pages.predictions(e.top(5)), pages.table([e.top(5)])):
        assert not re.search(r"https?:|//|@import|url\(|src=|<script", found)
    policy = next(a["content"] for _, a in Checked(pages.page([e])).attributes if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'") and "script-src" not in policy


def test_the_same_input_gives_the_same_bytes():
    words, spaces = hostile(3)
    e = explained(words, spaces)
    assert pages.page([e]) == pages.page([explained(words, spaces)]) and pages.fragment(e) == pages.fragment(e)
    other = e.toward(e.top(2)[1])
    assert pages.fragment(e) != pages.fragment(other)


def test_what_a_page_says():
    words = ["SOOOO", "good", "zorblax", "bad", "later", "words"]
    e = explained(words, maxlen=4)
    word = e.plain[0]._replace(text="soo")
    e = dataclasses.replace(
        e, plain=(word, *e.plain[1:]), numbers={i: [0.25, -0.1, 0.0, 1e-6, 0, 0] for i in e.numbers}
    )
    found = pages.page([e])
    assert (
        '<span class="word for" style="--a:1.00" title="+25 points; read as soo">SOOOO<small>\xa0+25</small></span>'
        in found
    )
    assert (
        'class="word against unknown" style="--a:0.40" title="−10 points; unknown"' in found
    )  # every fourth from 1 on
    assert 'title="0 points">zorblax</span>' in found
    assert f'title="attention {scales.percent(e.words[3].attention)}"' in found
    assert "2 words beyond the limit of 4: not read" in found and '<s class="unused"> later words</s>' in found
    checked = Checked(found)
    assert checked.paragraphs == [" SOOOO good zorblax bad   later words"] * 6
    rows = re.findall(r'<th scope="row">(.*?)</th>', found)
    assert rows == [
        "<bdi>SOOOO</bdi>; <bdi>read as soo</bdi>",
        "<bdi>good</bdi>; <bdi>unknown</bdi>",
        "<bdi>zorblax</bdi>",
        "<bdi>bad</bdi>",
    ]
    assert found.count('<input type="radio"') == found.count('class="view"') == 5 and found.count(" checked>") == 1


def test_the_class_that_was_asked_for_is_there_and_checked():
    e = explained(["so", "happy", "today"])
    last = e.top(64)[-1]
    found = pages.fragment(e.toward(last))
    assert found.count('<input type="radio"') == 6
    assert f"checked><span>{tables.emoji(last)}" in found
    assert ".view:nth-of-type(6)" in found and ".view:nth-of-type(7)" not in found


def test_without_attention_there_is_none():
    found = pages.page([explained(["so", "happy"], attention=False)])
    assert "ttention" not in found.partition("<body>")[2]


def test_no_words_and_no_texts():
    for words, spaces in ([], []), (["\u200b"], ["\n"]):
        Checked(pages.page([explained(words, spaces)]))
    assert "The text has no words." in pages.page([explained([])])
    assert "0 texts" in pages.page([])


def test_numbers_that_are_none():
    e = explained(["so", "happy"])
    broken = float("nan")
    word = e.plain[0]._replace(attention=broken)
    e = dataclasses.replace(e, plain=(word, e.plain[1]), numbers={i: [broken, float("inf")] for i in e.numbers})
    found = pages.fragment(e.toward(e.target._replace(probability=broken)))
    Checked(found)
    assert "nan" not in found and "inf" not in found and "? points" in found


def test_words_that_share_a_character_show_it_once():
    e = explained(["½", "½"], ["", ""])
    first, second = (word._replace(text=text, start=0, end=1) for word, text in zip(e.plain, ("1/", "2")))
    e = dataclasses.replace(e, text="½ up", plain=(first, second))
    assert Checked(pages.fragment(e)).paragraphs[0] == "½2 up"


def test_of_a_model(folder):
    """What a model explains, with a line break, a number of several words, and more words than it reads."""
    model = npmoji.load(folder / "weights.hdf5", engine="numpy")
    texts = ["I love\nmom's COOKING ½", "so " * 31 + "tired", "", "❤\ufe0f \x00"]
    found = pages.page(model.explain(texts))
    checked = Checked(found)
    assert checked.paragraphs[0] == "I love↵\nmom's COOKING ½⁄CUSTOM_NUMBER"
    assert "2 words beyond the limit of 30: not read" in found and "read as CUSTOM_BREAK" in found
    assert len(checked.paragraphs) == 3 * 6 and checked.paragraphs[-1] == "❤\ufe0f U+0000"
    one = model.explain(texts[:1])[0]
    assert one.html() == pages.page([one]) and one._repr_html_() == pages.fragment(one)
    for shown in (model, model.top(texts), model.top(texts)[0], one, model.explain(texts)):
        Checked(shown._repr_html_())


def test_a_page_of_hundreds_of_texts_stays_small():
    e = explained(["this", "is", "a", "text", "of", "twelve", "words", "that", "are", "not", "very", "long"])
    long = explained(["words"] * 20_000)
    assert len(pages.page([e] * 300).encode()) < 300 * 13_000
    assert len(pages.page([long]).encode()) < 60_000


# Notebooks -----------------------------------------------------------------------------------------------------------


def test_a_fragment_styles_only_itself():
    style = re.search("<style>(.*?)</style>", pages.fragment(explained(["so"])), re.DOTALL)[1]
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    selectors = [s.strip() for group in re.findall(r"([^{}]+)\{", style) for s in group.split(",\n")]
    selectors = [s for group in selectors for s in group.split(", ")]
    assert len(selectors) > 30
    assert not [s for s in selectors if not s.startswith((".npmoji", "@media", "@supports"))]


def test_a_fragment_has_no_ids_and_no_headings():
    """The same one may be shown twice in a notebook, whose outline is made of headings."""
    checked = Checked(pages.fragment(explained(["so", "happy"])))
    assert checked.ids == [] and not [tag for tag, *_ in checked.shape if re.fullmatch("h[1-6]", str(tag))]


def test_predictions_as_tables():
    e = explained(["so"])
    one = Checked(pages.predictions(e.top(3)))
    assert sum(tag == "tr" for tag, _ in one.attributes) == 4 and named(e.top(1)[0]) in one.texts
    several = pages.table([e.top(2), e.top(3), []], ["<a>", "b", "c"])
    assert sum(tag == "tr" for tag, _ in Checked(several).attributes) == 4
    assert several.count('scope="col"') == 4 and "<bdi>&lt;a&gt;</bdi>" in several
    assert 'scope="row">2<' in pages.table([[], [], []])
    own = explained(["so"], names=["<b>", "c"])
    assert "<bdi>&lt;b&gt;</bdi>" in pages.predictions(own.top(2)) and "&lt;b&gt;" in pages.table([own.top(2)])


def test_a_model_as_a_table(folder):
    model = npmoji.load(folder / "weights.hdf5", engine="numpy")
    words, found = len(model.tokenizer.vocabulary), pages.model(model)
    Checked(found)
    assert f"{words:,} words" in found and "64 emojis" in found and "engine" in found and "weights.hdf5" in found
    model.close()
    assert pages.model(model) == found
    model.path, model.class_names, model.own_classes = "/x/<b>.hdf5", ["<i>"] * 20, True
    found = pages.model(model)
    Checked(found)
    assert "/x/&lt;b&gt;.hdf5" in found and "&lt;i&gt;" in found and "and 8 more" in found
    model.tokenizer = None
    assert "none: it takes token ids only" in pages.model(model)
    model.takes_texts = True
    assert "its own: it splits texts itself" in pages.model(model)


# Colours -------------------------------------------------------------------------------------------------------------

#: backgrounds and text of notebooks that a fragment may stand in: JupyterLab, VS Code and GitHub, light and dark
NOTEBOOKS = [("#ffffff", "#212121"), ("#111111", "#e0e0e0"), ("#ffffff", "#3b3b3b"), ("#1f1f1f", "#cccccc")]
NOTEBOOKS += [("#ffffff", "#1f2328"), ("#0d1117", "#e6edf3")]


def colours(dark):
    """The custom properties of a page."""
    light, _, night = asset("style.css").partition("prefers-color-scheme: dark")
    found = dict(re.findall(r"(--[\w-]+): (#\w{6});", light))
    return found | dict(re.findall(r"(--[\w-]+): (#\w{6});", night)) if dark else found


def rgb(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def over(colour, alpha, background):
    return [alpha * a + (1 - alpha) * b for a, b in zip(colour, background)]


def contrast(one, other):
    """As WCAG 2 reckons it."""

    def luminance(colour):
        linear = [c / 3294.6 if c <= 10.31 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_reckoned_right():
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast(rgb("#777777"), rgb("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_of_a_page_can_be_read(dark):
    page = {name: rgb(colour) for name, colour in colours(dark).items()}
    for background in ("--page", "--card"):
        for text in ("--text", "--quiet", "--accent", "--error"):
            assert contrast(page[text], page[background]) >= 4.5, (text, background)
    assert contrast(page["--on-accent"], page["--accent"]) >= 4.5


def grounds():
    for dark in (False, True):
        page = colours(dark)
        yield page["--card"], page["--text"]
        yield page["--page"], page["--text"]
    yield from NOTEBOOKS


@pytest.mark.parametrize("background, text", list(grounds()))
def test_text_on_each_step_of_the_scales_can_be_read(background, text):
    style = asset("words.css")
    tints = {name: list(map(int, value.split())) for name, value in re.findall(r"--([\w]+): (\d+ \d+ \d+);", style)}
    deepest = float(re.search(r"--deepest: ([\d.]+);", style)[1])
    assert "background: rgb(var(--tint) / calc(var(--a, 0) * var(--deepest)));" in style
    background, text = rgb(background), rgb(text)
    for kind in ("for", "against", "attention"):
        for step in range(21):
            shown = over(tints[kind], deepest * step / 20, background)
            assert contrast(text, shown) >= 4.5, (kind, step)
        assert contrast(tints[kind], background) >= 3, kind  # the line below
    unused = float(re.search(r"\.unused \{ opacity: ([\d.]+)", style)[1])
    assert contrast(over(text, unused, background), background) >= 4.5
    chosen = over(tints["attention"], 0.12, background)
    assert "background: rgb(var(--attention) / 0.12)" in style and contrast(text, chosen) >= 4.5


def test_speaking_for_and_against_differ_to_the_colour_blind():
    """Along the axis from blue to yellow, which those who confuse red and green see; and by dashes, to everyone."""
    style = asset("words.css")
    tints = {name: list(map(int, value.split())) for name, value in re.findall(r"--([\w]+): (\d+ \d+ \d+);", style)}
    blueness = {kind: tints[kind][2] - (tints[kind][0] + tints[kind][1]) / 2 for kind in ("for", "against")}
    assert blueness["for"] > 80 and blueness["against"] < -80
    assert re.search(r"\.against \{[^}]*border-bottom-style: dashed", style)


# In a browser --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(chromium, content, tmp_path, **settings):
    """A page of that content. Afterwards: nothing went wrong in it, and nothing was fetched."""
    path = tmp_path / "page.html"
    path.write_text(content, encoding="utf-8")
    context, wrong, requests = chromium.new_context(**settings), [], []
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert wrong == [] and [url for url in requests if not url.startswith("data:")] == [path.as_uri()]


#: where the pieces of each word begin, where the attention is shown
PLACES = """[...document.querySelector("section .words").querySelectorAll(".word")].map(
  (word) => [...word.getClientRects()].map((rect) => rect.x))"""


@pytest.mark.slow
def test_in_a_browser(tmp_path):
    e = explained(["so", "happy", "today"])
    first, second, third = e.top(3)
    notebook = "<!DOCTYPE html><meta charset=utf-8>" + 2 * pages.fragment(e)
    nasty = [explained(*hostile(seed), seed=seed) for seed in range(60)]
    size, phone = {"width": 1100, "height": 800}, {"width": 390, "height": 844}
    with browser() as chromium:
        with opened(chromium, pages.page([e]), tmp_path, viewport=size) as page:
            shown = page.locator(".view:visible .title")
            assert named(first) in shown.inner_text() and shown.count() == 1
            page.locator("label", has_text=named(second)).click()
            assert page.get_by_role("radio", name=named(second)).is_checked()
            assert named(second) in shown.inner_text() and shown.count() == 1
            page.keyboard.press("ArrowDown")
            assert named(third) in shown.inner_text() and shown.count() == 1
            page.keyboard.press("Enter")  # sends nothing
            assert named(third) in shown.inner_text()
            page.get_by_text("All numbers").click()
            assert page.get_by_role("rowheader").all_inner_texts() == ["so", "happy; unknown", "today"]
        with opened(chromium, notebook, tmp_path, viewport=size) as page:
            page.locator(".explained").nth(1).locator("label", has_text=named(second)).click()
            titles = page.locator(".view:visible .title").all_inner_texts()
            assert named(first) in titles[0] and named(second) in titles[1] and len(titles) == 2
        both = explained(["אני", "אוהב", "I", "love", "it", "סוף"])
        both = dataclasses.replace(both, plain=tuple(word._replace(attention=0.1) for word in both.plain))
        with opened(chromium, pages.page([both]), tmp_path, viewport=size) as page:
            places = page.evaluate(PLACES)
            assert [len(rects) for rects in places] == [1] * 6  # words and their numbers are in one piece
            starts = [rects[0] for rects in places]
            assert [starts.index(x) for x in sorted(starts)] == [5, 2, 3, 4, 1, 0]  # from left to right
        for scheme in ("light", "dark"):
            with opened(chromium, pages.page(nasty), tmp_path, viewport=phone, color_scheme=scheme) as page:
                assert page.evaluate("document.documentElement.scrollWidth") <= 390
                assert page.locator("article").count() == 60 and page.locator("script").count() == 0
                background = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert background == "rgb({}, {}, {})".format(*rgb(colours(scheme == "dark")["--page"]))
