"""The page of `npmoji serve` in a real browser: a Chromium of the system, driven by playwright."""

import json
import re

import pytest
from browsers import browser
from serving import served

import npmoji

pytest.importorskip("starlette", reason="needs the server: pip install '.[serve]'")
pytest.importorskip("uvicorn", reason="needs the server: pip install '.[serve]'")
TEXT = "I love mom's cooking, zorblax! so good"
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
#: the text that the words are shown in, without the numbers in it
SHOWN = r"""() => {
  const copy = document.getElementById("words").cloneNode(true);
  copy.querySelectorAll("small, .hidden").forEach((number) => number.remove());
  return copy.textContent.replace(/[\u200e\u200f]/g, "");
}"""
#: Chromium's own line for a request that fails
FAILED = "Failed to load resource"


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def model():
    return npmoji.load(engine="numpy")


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


class Pages:
    """Opens the page in a new context of the browser, and keeps what goes wrong in it."""

    def __init__(self, chromium, server):
        self.chromium, self.server = chromium, server
        self.contexts, self.errors, self.requests = [], [], []

    def __call__(self, **settings):
        settings.setdefault("viewport", {"width": 1100, "height": 800})
        context = self.chromium.new_context(**settings)
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request))
        page.goto(self.server.address)
        return page

    @property
    def asked(self) -> list[str]:
        """The texts that the server was asked about."""
        posts = [request for request in self.requests if request.method == "POST"]
        return [request.post_data_json["texts"][0] for request in posts]


@pytest.fixture()
def open_page(chromium, server):
    """Afterwards: no error on the console (such as a violation of the Content-Security-Policy), no other host asked."""
    pages = Pages(chromium, server)
    yield pages
    for context in pages.contexts:
        context.close()
    assert pages.errors == []
    others = [r.url for r in pages.requests if not r.url.startswith((pages.server.address + "/", "data:"))]
    assert others == []


def enter(page, text):
    """Put a text there and wait for its answer."""
    with page.expect_response("**/explain"):
        page.fill("#text", text)
    page.wait_for_function("text => found && found.text === text && !element('results').hidden", arg=text)


def emojis(page) -> list[str]:
    return page.locator("#emojis .glyph").all_text_contents()


def word(page, text):
    """The place of a word."""
    return page.locator("#words .word", has_text=re.compile(rf"^{re.escape(text)}(?![a-z])"))


def strengths(page) -> list[float]:
    script = "marks => marks.map(mark => Number(mark.style.getPropertyValue('--a')))"
    return page.locator("#words .word").evaluate_all(script)


def kinds(page) -> list[str | None]:
    script = "marks => marks.map(m => ['for', 'against', 'attention'].find(kind => m.classList.contains(kind)) ?? null)"
    return page.locator("#words .word").evaluate_all(script)


def test_typing_shows_emojis_as_the_model_has_them(open_page, model):
    page = open_page()
    page.locator("#text").press_sequentially(TEXT, delay=5)
    page.wait_for_function("text => found?.text === text", arg=TEXT)
    top = model.top([TEXT])[0]
    assert emojis(page) == [p.emoji for p in top]
    shown = page.locator("#emojis .p").all_text_contents()
    assert shown == [f"{100 * p.probability:.1f}\N{NO-BREAK SPACE}%" for p in top]
    page.wait_for_timeout(400)  # the bars move
    script = "bars => bars.map(bar => bar.firstChild.offsetWidth / bar.offsetWidth)"
    widths = page.locator("#emojis .bar").evaluate_all(script)
    assert widths == pytest.approx([p.probability for p in top], abs=0.02)
    assert len(open_page.asked) < len(TEXT) / 2  # not at each letter, but at pauses
    assert top[0].emoji in page.locator("[role=status]").text_content()
    assert re.search("bundled|small", page.locator("#info").text_content())


def test_words_show_their_contributions(open_page, model):
    page = open_page()
    enter(page, TEXT)
    (expected,) = model.explain([TEXT])
    assert page.evaluate(SHOWN) == TEXT
    used = [word for word in expected.words if word.used]
    full = max(expected.target.probability / 10, *(abs(word.contribution) for word in used))
    wanted = [abs(word.contribution) / full for word in used]
    assert strengths(page) == pytest.approx([a if a >= 0.04 else 0 for a in wanted], abs=0.001)
    signs = ["for" if word.contribution > 0 else "against" for word in used]
    assert kinds(page) == [sign if a >= 0.04 else None for sign, a in zip(signs, wanted)]
    assert "unknown" in word(page, "zorblax").get_attribute("class").split()
    assert "unknown word" in page.locator("#legend").text_content()
    for number in page.locator("#words .word").all_text_contents():
        assert re.search(r"\d", number)  # each is there for those who see no colour
    page.click("summary")
    assert page.locator("#numbers tbody tr").count() == len(used)
    assert page.locator("#numbers tbody th").all_text_contents() == [TEXT[w.start : w.end] for w in used]


def test_another_emoji_shows_its_words_without_asking_again(open_page, model):
    page = open_page()
    enter(page, TEXT)
    first, asked = strengths(page), len(open_page.asked)
    page.locator("#emojis label").nth(1).click()
    second = strengths(page)
    assert second != first and emojis(page)[1] in page.locator("#words-title").text_content()
    (expected,) = model.explain([TEXT], target=model.top([TEXT])[0][1].id)
    full = max(expected.target.probability / 10, *(abs(word.contribution) for word in expected.words))
    wanted = [abs(word.contribution) / full for word in expected.words]
    assert second == pytest.approx([a if a >= 0.04 else 0 for a in wanted], abs=0.001)
    page.keyboard.press("ArrowUp")  # radio buttons
    assert strengths(page) == first
    page.keyboard.press("ArrowDown")
    assert strengths(page) == second and len(open_page.asked) == asked
    kept = emojis(page)[1]
    enter(page, TEXT + "!")
    checked = page.locator("#emojis label:has(:checked) .glyph").text_content()
    assert checked == (kept if kept in emojis(page) else emojis(page)[0])  # the choice stays while there is text


def test_attention(open_page, model):
    page = open_page()
    enter(page, TEXT)
    before = strengths(page)
    page.get_by_role("radio", name="Attention").check()
    (expected,) = model.explain([TEXT])
    attention = [word.attention for word in expected.words]
    wanted = [a / max(attention) for a in attention]
    assert strengths(page) == pytest.approx([a if a >= 0.04 else 0 for a in wanted], abs=0.001)
    assert set(kinds(page)) <= {"attention", None}
    page.get_by_role("radio", name="Contribution").check()
    assert strengths(page) == before


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)> nice",
        "</p><script>alert(1)</script> ok",
        "&lt;b&gt; &amp; \"quotes\" 'too' `x` ${1+1}",
        "see http://a.example/?a&lt;b=<img/src=x/onerror=alert(1)> there",
        "a\tb  c   d  ",
        "one line\nand two",
        "\u202eevil\u202c \u2066x\u2069 fine",
        "a pair\u200dof \u00adwords",
        "e\u0301te\u0301 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    ],
)
def test_text_stays_text(open_page, text):
    page = open_page()
    enter(page, text)
    shown = page.evaluate(SHOWN)
    assert re.sub(r"↵|U\+([0-9A-F]{4})", lambda found: found[1] and chr(int(found[1], 16)) or "", shown) == text
    assert page.locator("#words img, #words script, #words b").count() == 0


def test_a_character_that_becomes_several_words_is_shown_once(open_page):
    page = open_page()
    enter(page, "½ cup")
    assert page.evaluate(SHOWN).startswith("½") and page.evaluate(SHOWN).count("½") == 1


def test_offsets_are_code_points(open_page):
    text = "😂😂 I love 👍🏽 this 🇫🇷 food"
    page = open_page()
    enter(page, text)
    assert page.evaluate(SHOWN) == text
    assert {"love", "this", "food"} <= set(page.evaluate("found.words.map(typed)"))
    assert word(page, "love").count() == word(page, "food").count() == 1


def test_right_to_left(open_page):
    page = open_page()
    enter(page, "שלום עולם")
    assert page.locator("#words").evaluate("words => getComputedStyle(words).direction") == "rtl"
    boxes = [box.bounding_box() for box in page.locator("#words .word").all()]
    assert boxes[0]["x"] > boxes[-1]["x"] + boxes[-1]["width"]
    frame = page.locator("#words").bounding_box()
    assert frame["x"] + frame["width"] - boxes[0]["x"] - boxes[0]["width"] < 20  # begins at the right


def test_words_beyond_the_limit(open_page, model):
    text = " ".join(["good"] * model.tokenizer.maxlen + ["bad", "worse"])
    page = open_page()
    enter(page, text)
    assert page.locator("#words .word").count() == model.tokenizer.maxlen
    assert page.locator("#words .unused").text_content().strip() == "bad worse"
    assert "2 words beyond the limit" in page.locator("#words .limit").text_content()


def test_no_known_word(open_page):
    page = open_page()
    enter(page, "zorblax qwrtzp")
    assert "knows none of these words" in page.locator("#meaning").text_content()


def test_examples_and_an_empty_text(open_page):
    page = open_page()
    assert page.locator("#results").is_hidden() and page.locator("#clear").is_hidden()
    page.locator("#examples button").first.click()
    page.wait_for_selector("#words .word")
    assert page.locator("#examples").is_hidden() and page.input_value("#text")
    page.click("#clear")
    page.wait_for_selector("#examples", state="visible")
    assert page.locator("#results").is_hidden() and page.input_value("#text") == ""
    page.fill("#text", "  \n ")
    page.wait_for_timeout(500)
    assert page.locator("#results").is_hidden() and len(open_page.asked) == 1


def test_numbers_of_a_word_beside_it(open_page):
    page = open_page()
    enter(page, "SOOOO zorblax")
    word(page, "SOOOO").hover()
    tip = page.locator("#tip").text_content()
    assert "read as soo" in tip and "points for" in tip and "of the attention" in tip
    word(page, "zorblax").hover()
    assert "not in the vocabulary" in page.locator("#tip").text_content()
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    word(page, "SOOOO").hover()
    page.locator("#text").press("x")
    assert page.locator("#tip").is_hidden()


def test_the_last_text_wins(open_page):
    """An answer that is late is dropped, and its request with it."""
    page = open_page()
    held = []
    page.route("**/explain", lambda route: held.append(route) if not held else route.continue_())
    failed = []
    page.on("requestfailed", lambda request: failed.append(request.post_data_json["texts"]))
    page.fill("#text", "first")
    page.wait_for_function("() => request !== null")
    page.fill("#text", "second")
    page.wait_for_selector("#words .word")
    assert page.evaluate(SHOWN) == "second"
    assert failed == [["first"]]
    assert page.locator("#problem").text_content() == ""  # nor was it ever taken for an error


def test_what_the_server_refuses_is_shown(open_page):
    page = open_page()
    enter(page, TEXT)
    page.fill("#text", "a" * 10_001)
    page.wait_for_selector("#problem", state="visible")
    assert "10,001" in page.locator("#problem").text_content()
    assert page.locator("#results").evaluate("results => results.classList.contains('old')")
    enter(page, TEXT)
    assert page.locator("#problem").is_hidden()
    assert len(open_page.errors) == 1 and FAILED in open_page.errors.pop()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(open_page, status):
    page, refusals = open_page(), [status]

    def answer(route):
        if refusals:
            body = json.dumps({"error": "the queue is full"})
            route.fulfill(status=refusals.pop(), body=body, headers={"Retry-After": "1"})
        else:
            route.continue_()

    page.route("**/explain", answer)
    page.fill("#text", "so good")
    page.wait_for_selector("#problem", state="visible")
    assert "The queue is full" in page.locator("#problem").text_content()
    page.wait_for_selector("#words .word")  # by itself, after a second
    assert page.locator("#problem").is_hidden() and page.evaluate(SHOWN) == "so good"
    assert len(open_page.errors) == 1 and FAILED in open_page.errors.pop()


def test_the_server_goes_and_comes_back(open_page):
    page = open_page()
    with served() as server:
        open_page.server = server
        page.goto(server.address)
        open_page.requests.clear()
        enter(page, TEXT)
    page.fill("#text", "so happy today")
    page.wait_for_selector("#problem", state="visible")
    assert "server does not answer" in page.get_by_role("alert").text_content()
    with served(server.port):
        page.wait_for_function("() => found.text === 'so happy today'")
        assert page.locator("#problem").is_hidden() and page.evaluate(SHOWN) == "so happy today"
    assert open_page.errors and all(FAILED in error for error in open_page.errors)
    open_page.errors.clear()


def test_own_classes_have_their_names(open_page, model):
    """As `/explain` answers for them: no emoji, a label."""
    page = open_page()
    answer = {
        "text": "late again",
        "target": {"id": 1, "emoji": "", "label": "<complaint>", "p": 0.9},
        "emojis": [
            {"id": 1, "emoji": "", "label": "<complaint>", "p": 0.9, "contributions": [0.3, -0.1]},
            {"id": 0, "emoji": "", "label": "שבח", "p": 0.1, "contributions": [-0.3, 0.1]},
        ],
        "words": [
            {"text": w, "start": s, "end": e, "attention": None, "contribution": c, "known": True, "used": True}
            for w, s, e, c in (("late", 0, 4, 0.3), ("again", 5, 10, -0.1))
        ],
    }
    page.route("**/explain", lambda route: route.fulfill(json={"results": [answer]}))
    enter(page, "late again")
    assert page.locator("#emojis .called").all_text_contents() == ["<complaint>", "שבח"]
    assert page.locator("#by").is_hidden()  # a network without attention
    assert "<complaint>" in page.locator("#words-title").text_content()
    assert kinds(page) == ["for", "against"]


def test_screen_readers(open_page):
    page = open_page()
    enter(page, TEXT)
    assert page.get_by_role("textbox", name="Your text").count() == 1
    group = page.get_by_role("radiogroup", name="Emojis")
    names = group.get_by_role("radio").evaluate_all("radios => radios.map(radio => radio.labels[0].textContent)")
    assert all(re.search(r"[a-z]{3}.*\d %", name.replace("\N{NO-BREAK SPACE}", " ")) for name in names)
    assert page.get_by_role("button", name="Clear the text").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    page.keyboard.press("Tab")  # the button, then the group
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "emoji"


def test_nothing_is_kept(open_page):
    page = open_page()
    enter(page, TEXT)
    kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")
    assert kept == [0, 0, "", open_page.server.address + "/"]
    assert page.context.cookies() == []
    page.reload()
    assert page.input_value("#text") == "" and page.locator("#results").is_hidden()
    assert page.locator("#text").get_attribute("spellcheck") == "false"  # browsers may ask others about spelling


def test_motion_is_reduced_where_asked_for(open_page):
    page = open_page(reduced_motion="reduce")
    enter(page, TEXT)
    script = "bar => getComputedStyle(bar).transitionDuration"
    assert page.locator("#emojis .bar > *").first.evaluate(script) == "0s"


@pytest.mark.parametrize(
    "name, settings", [("light", {}), ("dark", {"color_scheme": "dark"}), ("phone", PHONE), ("small", PHONE)]
)
def test_pictures(open_page, tmp_path, name, settings):
    """Light, dark and on a phone: written to the folder of the test; nothing is wider than the screen."""
    settings = dict(settings)
    if name == "small":
        settings["viewport"] = {"width": 320, "height": 568}
    page = open_page(**settings)
    page.screenshot(path=tmp_path / f"{name}-empty.png")
    enter(page, TEXT + " Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrik" + " and then some" * 10)
    page.click("summary")
    page.wait_for_timeout(400)
    page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness < 60 if name == "dark" else brightness > 200
    if "has_touch" in settings:
        low = page.locator("#emojis label").evaluate_all("rows => Math.min(...rows.map(row => row.offsetHeight))")
        assert low >= 44  # wide enough for a finger
        page.locator("#words .word").first.tap()
        box = page.locator("#tip").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= settings["viewport"]["width"]
