"""The map in a browser: 5,000 texts, pointed at, moved, searched; on a screen, on a phone, and without a mouse."""

import re

import numpy as np
import pytest
from browsers import browser

from npmoji.explain import map_page
from npmoji.explain.projection import Projection
from npmoji.text.emojis import EMOJIS, NAMES, Prediction

COUNT = 5000
SCRIPT = "<img src=x onerror=document.title='run'><script>document.title='run'</script>"


def made(count=COUNT, **settings):
    """A page of texts around the middle, and four at one place by themselves: right of all others, half way up."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(count, 2)).clip(-2, 2)
    points[-4:] = [6, 0]
    texts = [f"text {i} {'needle' if i % 100 == 0 else 'hay'}" for i in range(count - 4)]
    texts += [SCRIPT, "second", "third", "\u202eright to left שלום"]
    classes = rng.integers(0, 20, count)
    top = [[Prediction(int(c), EMOJIS[c], 0.5, EMOJIS[c]), Prediction(0, EMOJIS[0], 0.25, EMOJIS[0])] for c in classes]
    projection = Projection(points, "pca", (0.5, 0.25), "About it.")
    return map_page.page(projection, texts, top, **settings), classes


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "map.html"
    path.write_text(made()[0], encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def shown(chromium, file):
    """Opens the page; nothing may be complained about on its console."""
    pages = []

    def show(address=file, width=1280, height=900, **settings):
        page = chromium.new_context(viewport={"width": width, "height": height}, **settings).new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.complaints.append(request.url) if "file:" not in request.url else None)
        page.goto(address)
        until(page, "document.querySelector('#zoom').textContent !== ''")
        pages.append(page)
        return page

    yield show
    for page in pages:
        assert [text for text in page.complaints if not text.startswith("data:")] == []
        page.context.close()


def until(page, condition):
    """Wait for it; playwright's own waiting evaluates text, which the page forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def four(page):
    """Where the four texts at one place are: at the right edge, half way up."""
    box = page.locator("#canvas").bounding_box()
    return box["x"] + box["width"] - 24, box["y"] + box["height"] / 2


def middle(page):
    box = page.locator("#canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def pixels(page):
    """The picture's pixels; waits until what was asked for is drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate("document.getElementById('canvas').toDataURL()")


def zoom(page):
    pixels(page)
    return float(page.locator("#zoom").text_content().removesuffix("×"))


def test_a_text_is_shown_where_the_mouse_is(shown):
    page = shown()
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.mouse.move(*four(page))
    tip.wait_for()
    lines = tip.locator("> div").all_text_contents()
    assert lines[0] == "\u202eright to left שלום" and lines[-1] == "and 3 more at this point"
    assert re.fullmatch(r"\S+ .+ 50\.0 %", lines[1]) and lines[2] == "😂 tears of joy 25.0 %"
    until(page, "document.querySelector('#live').textContent.includes('25.0 %')")
    bounds, plot = tip.bounding_box(), page.locator("#plot").bounding_box()
    assert plot["x"] <= bounds["x"] and bounds["x"] + bounds["width"] <= plot["x"] + plot["width"]
    page.mouse.move(10, 10)
    tip.wait_for(state="hidden")


def test_texts_at_one_place_are_shown_in_turn_and_as_text(shown):
    page = shown()
    seen = []
    for _ in range(5):
        page.mouse.click(*four(page), delay=1)
        page.wait_for_timeout(600)  # no double click
        seen.append(page.locator("#tip .tip-text").text_content())
    assert seen[0] == seen[4] and set(seen) == {SCRIPT, "second", "third", "\u202eright to left שלום"}
    assert page.title() == "A map of texts" and not page.locator("#tip img").count()
    page.mouse.move(*middle(page))
    assert page.locator("#tip .tip-text").text_content() == seen[4]  # it stays until another is chosen


def test_the_legend_shows_one_class_alone(shown):
    _, classes = made()
    page = shown()
    before = pixels(page)
    button = page.locator("#legend button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    number = np.bincount(classes).max()
    assert page.locator("#found").text_content() == f"{number} of 5,000 texts"
    alone = pixels(page)
    assert alone != before
    group = page.evaluate("JSON.parse(document.getElementById('map-data').textContent).group")
    page.mouse.move(*four(page))
    page.wait_for_timeout(100)
    assert page.locator("#tip").is_visible() is (0 in group[-4:])  # what is not shown cannot be pointed at
    page.locator("#legend button").nth(1).click()
    assert button.get_attribute("aria-pressed") == "false"
    page.locator("#legend button").nth(1).click()
    page.mouse.move(10, 10)
    assert page.locator("#found").text_content() == "5,000 texts" and pixels(page) == before


def test_search(shown):
    page = shown()
    before = pixels(page)
    page.locator("#search").fill("NEEDLE")
    assert page.locator("#found").text_content() == "50 of 5,000 texts" and pixels(page) != before
    page.locator("#search").fill("no such text")
    assert page.locator("#found").text_content() == "0 of 5,000 texts"
    page.mouse.move(*middle(page))
    assert page.locator("#tip").is_hidden()
    page.locator("#search").fill("")
    assert page.locator("#found").text_content() == "5,000 texts"


def test_zooming_and_moving(shown):
    page = shown()
    assert zoom(page) == 1
    x, y = four(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    until(page, "document.querySelector('#zoom').textContent !== '1.0×'")
    assert 2 < zoom(page) < 4
    page.mouse.move(x - 1, y)
    assert page.locator("#tip").is_visible()  # what is under the mouse stays there
    page.mouse.move(10, 10)
    before = pixels(page)
    page.mouse.move(*middle(page))
    page.mouse.down()
    page.mouse.move(middle(page)[0] + 90, middle(page)[1] + 40, steps=4)
    page.mouse.up()
    page.mouse.move(10, 10)
    assert pixels(page) != before
    page.locator("#in").click()
    nearer = zoom(page)
    page.locator("#out").click()
    assert zoom(page) < nearer
    page.locator("#reset").click()
    assert zoom(page) == 1
    page.mouse.move(*four(page))
    assert page.locator("#tip").is_visible()
    page.mouse.dblclick(*middle(page))
    assert zoom(page) == 2


def test_the_keyboard(shown):
    page = shown()
    page.locator("#canvas").focus()
    page.keyboard.press("+")
    assert zoom(page) == 1.5 and page.locator("#cross").count() == 1 and page.locator("#tip").is_visible()
    first = page.locator("#tip").text_content()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator("#tip").text_content() != first
    until(page, "document.querySelector('#live').textContent.startsWith('text ')")
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden() and zoom(page) == 1.5
    page.keyboard.press("-")
    assert zoom(page) == 1
    for _ in range(40):
        page.keyboard.press("=")
    assert zoom(page) == 400
    page.keyboard.press("0")
    assert zoom(page) == 1


def test_emojis_instead_of_dots(shown):
    page = shown()
    dots = pixels(page)
    page.locator("#glyphs").check()
    emojis = pixels(page)
    assert emojis != dots
    page.locator("#glyphs").uncheck()
    assert pixels(page) == dots


def test_a_phone(shown):
    page = shown(width=390, height=844, has_touch=True, is_mobile=True, device_scale_factor=3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.touchscreen.tap(*four(page))
    page.locator("#tip").wait_for()
    bounds, plot = page.locator("#tip").bounding_box(), page.locator("#plot").bounding_box()
    assert plot["x"] <= bounds["x"] and bounds["x"] + bounds["width"] <= plot["x"] + plot["width"]
    # two fingers
    events = page.context.new_cdp_session(page)
    x, y = middle(page)

    def touch(kind, *places):
        touches = [{"x": x + dx, "y": y + dy, "id": i} for i, (dx, dy) in enumerate(places)]
        events.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    touch("touchStart", (-20, 0), (20, 0))
    for spread in (30, 40, 60):
        touch("touchMove", (-spread, 0), (spread, 0))
    touch("touchEnd")
    assert zoom(page) == pytest.approx(3, abs=0.2)


def test_dark_colours_and_a_change_of_them(shown):
    page = shown(color_scheme="dark")
    dark = pixels(page)
    page.emulate_media(color_scheme="light")
    light = pixels(page)
    page.emulate_media(color_scheme="dark")
    assert pixels(page) == dark != light


def test_without_javascript(chromium, file):
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(file)
    assert page.locator("#plot").is_hidden() and page.locator("#controls").is_hidden()
    assert page.locator("noscript p").is_visible()
    row = page.locator("#legend tbody tr").first
    assert row.is_visible() and any(name in row.text_content() for name in NAMES[:20])
    page.locator("summary").click()
    assert page.locator("details tbody tr").count() == map_page.ROWS and page.get_by_text("text 1 hay").is_visible()
    page.context.close()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_texts(shown, tmp_path, count):
    points = Projection(np.zeros((count, 2)), "pca", (0, 0), "About it.")
    (tmp_path / "few.html").write_text(map_page.page(points, ["lol"] * count), encoding="utf-8")
    page = shown((tmp_path / "few.html").as_uri())
    page.mouse.move(*middle(page))
    assert page.locator("#tip").is_visible() is (count > 0)
    page.mouse.wheel(0, -400)
    assert page.locator("#glyphs-choice").is_hidden()


def test_an_injected_script_may_not_run(chromium, tmp_path):
    html = made(10)[0].replace("<noscript>", "<script>document.title = 'run'</script><noscript>")
    (tmp_path / "bad.html").write_text(html, encoding="utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "bad.html").as_uri())
    page.locator("#canvas").wait_for()
    assert page.title() == "A map of texts"
    page.close()
