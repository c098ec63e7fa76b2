"""The port of docs/ports/javascript: the same layers, the same tokens, and a page that runs in a browser."""

import functools
import http.server
import json
import random
import re
import runpy
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import LAYERS, ROOT, SHARED, model_cases, needs_shared
from test_tokenizer import GOLDENS, KNOWN, MANY, PARTS, compat_of, read

import npmoji
from npmoji.checks import golden as goldens
from npmoji.checks.compare import compare
from npmoji.export.convert import convert
from npmoji.formats import npmoji_file
from npmoji.text._unicode52 import INERT

PORT = ROOT / "docs" / "ports" / "javascript"
NODE = shutil.which("node")
FULL_SIZE = SHARED / "goldens" / "models" / "full_size" / "golden.npz" if SHARED else None


def node_version():
    found = subprocess.run([NODE, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout if NODE else ""
    return tuple(map(int, re.findall(r"\d+", found)))


needs_node = pytest.mark.skipif(node_version() < (16, 9), reason="needs Node 16.9 or later as `node` on the PATH")


def check(*arguments, given=""):
    """Standard output of check.mjs."""
    command = [NODE, PORT / "check.mjs", *arguments]
    return subprocess.run(command, input=given.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()


def test_tables_are_generated():
    made = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_javascript_tables.py"], stdout=subprocess.PIPE, check=True
    )
    assert made.stdout == (PORT / "unicode52.js").read_bytes()


# Layers ---------------------------------------------------------------------------------------------------------------


def agrees(weights, source, folder):
    """All layers of the port within the tolerances, for a .safetensors file."""
    model = npmoji.load(weights, engine="numpy")
    goldens.write(model, source, folder / "golden")
    check("layers", weights, folder / "golden", folder / "port")
    result = compare(goldens.read(folder / "golden"), goldens.read(folder / "port"), lambda: model)
    print(result.text())
    assert result.passed
    return result


@needs_node
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_bundled_model(tmp_path, precision):
    convert(npmoji.load(engine="numpy").path, tmp_path / "model.safetensors", precision=precision)
    result = agrees(tmp_path / "model.safetensors", goldens.BUILTIN, tmp_path)
    assert result.missing == result.extra == []
    assert result.top1 == result.ranked[0] > 100
    layers = [tensor for tensor in result.tensors if tensor.dtype == "float32"]
    assert len(layers) == len(LAYERS) and all(tensor.max_absolute_error < 1e-4 for tensor in layers)  # int8's too


def agrees_with_genuine(golden, folder):
    """All layers that the golden has, for the folder's model.safetensors."""
    np.save(folder / "tokens.npy", golden["tokens"].astype(np.int64))
    check("layers", folder / "model.safetensors", folder, folder / "port")
    for name, layer in LAYERS.items():
        if name in golden:
            found = np.load(folder / "port" / f"{layer}.npy")[: len(golden[name])]  # some keep the first rows only
            assert found.shape == golden[name].shape
            np.testing.assert_allclose(found, golden[name], rtol=0, atol=2e-6 if name == "probs" else 5e-6)


@needs_node
@pytest.mark.parametrize("weights, golden", model_cases(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_genuine_layers(tmp_path, weights, golden):
    """What the genuine software computed, of each Keras and each behaviour at masked steps."""
    golden = dict(np.load(golden))
    convert(weights, tmp_path / "model.safetensors")
    agrees_with_genuine(golden, tmp_path)


@needs_node
@needs_shared
def test_genuine_layers_of_the_original_size(tmp_path, full_size_weights):
    golden = {name: array[:6] for name, array in np.load(FULL_SIZE).items()}
    convert(full_size_weights, tmp_path / "model.safetensors")
    agrees_with_genuine(golden, tmp_path)


@needs_node
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_zeros_anywhere(tmp_path, small, steps):
    """Rows of any width, with zeros before, between and after the words, or nothing else."""
    convert(small[0], tmp_path / "model.safetensors")
    ids = np.random.default_rng(steps).integers(0, 400, (60, steps)) * np.random.default_rng(0).integers(0, 2, (60, 1))
    ids[np.random.default_rng(1).random(ids.shape) < 0.4] = 0
    assert (ids == 0).all(axis=1).any() and (ids[:, 0] > 0).any()
    agrees(tmp_path / "model.safetensors", ids, tmp_path)


@needs_node
@pytest.mark.parametrize("classes, multi_label", [(None, False), (["no", "yes"], False), (["a", "b", "c"], True)])
def test_other_last_layers(tmp_path, small, toy_vocabulary, classes, multi_label):
    """No last layer, one column with a sigmoid, and classes with a probability each."""
    contents = npmoji.load(small[0]).contents
    layers = dict(contents.layers)
    columns = 1 if classes and not multi_label else 3
    last = layers.pop("softmax")
    if classes:
        layers["softmax"] = {name: array[..., :columns] for name, array in last.items()}
    file = contents._replace(layers=layers, classes=classes, multi_label=multi_label)
    with open(tmp_path / "model.safetensors", "wb") as target:
        npmoji_file.write(target, file, toy_vocabulary)
    texts = ["I love mom's cooking", "", "worst day ever!!"]
    result = agrees(tmp_path / "model.safetensors", texts, tmp_path)
    assert len(result.tensors) == (9 if classes else 7)
    if classes:
        best = "m.top(process.argv[2], 9).map(({label, probability}) => [label, probability])"
        wanted = [(p.label, p.probability) for p in npmoji.load(tmp_path / "model.safetensors").top(texts[:1], k=9)[0]]
        found = script(f"console.log(JSON.stringify({best}))", tmp_path / "model.safetensors", texts[0])
        assert [name for name, _ in json.loads(found)] == [name for name, _ in wanted]
        np.testing.assert_allclose([p for _, p in json.loads(found)], [p for _, p in wanted], rtol=0, atol=2e-6)


def script(code, weights, *arguments):
    """Standard output of a program in which ``m`` is the model of a file."""
    module = json.dumps((PORT / "npmoji.js").as_uri())
    head = (
        f'import {{ readFileSync }} from "node:fs"; import {{ Model }} from {module};'
        "const m = new Model(readFileSync(process.argv[1]));"
    )
    command = [NODE, "--input-type=module", "-e", head + code, "--", weights, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_node
def test_files_that_cannot_be_used(tmp_path, small):
    convert(small[0], tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")

    def changed(old, new):
        return whole[:size].replace(old, new) + whole[size:]

    for content, message in [
        (b"", "not a safetensors file, or a truncated one"),
        (whole[:100], "not a safetensors file, or a truncated one"),
        (whole[:-4], "truncated: tensor"),
        (changed(b'"npmoji 1"', b'"npmoji 9"'), "format is not npmoji 1"),
        (changed(b"bi_lstm_0/forward_kernel", b"bi_lstm_9/forward_kernel"), "no tensor bi_lstm_0/forward_kernel"),
        (changed(b'"F32"', b'"F64"'), "is of type F64, expected"),
    ]:
        (tmp_path / "damaged").write_bytes(content)
        with pytest.raises(AssertionError, match=message):
            script("", tmp_path / "damaged")
    for rows, message in [("[[1, 400]]", "token id 400, expected 0 to 399"), ("[[1, 2], [1]]", "expected one length")]:
        with pytest.raises(AssertionError, match=message):
            script(f"m.forward({rows})", tmp_path / "model.safetensors")


# Tokens ---------------------------------------------------------------------------------------------------------------


def tokenized(records, compat, vocabulary):
    """What the port makes of the records' texts."""
    lines = check("words", compat, vocabulary, given="".join(json.dumps(record) + "\n" for record in records))
    return [json.loads(line) for line in lines.splitlines()]


def same_as(records, compat, vocabulary):
    found = tokenized(records, compat, vocabulary)
    wrong = [
        ascii((record, ours))
        for record, ours in zip(records, found, strict=True)
        if ours["words"] != record.get("words", []) or ours["ids"] != record.get("ids", ours["ids"])
    ]
    assert not wrong, f"{len(wrong)} of {len(records)}, the first: {wrong[0]}"


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "vocabulary.json"
    path.write_text(json.dumps(KNOWN))
    return path


@needs_node
@pytest.mark.parametrize("name", GOLDENS)
def test_token_goldens(name, known):
    same_as(GOLDENS[name], compat_of(name), known)


@needs_node
@needs_shared
@pytest.mark.parametrize("name", ["curated", "fuzz", "torchmoji_curated", "torchmoji_fuzz"])
def test_token_goldens_with_the_vocabulary_file(name):
    records = read(SHARED / "goldens" / "tokenizer" / f"{name}.jsonl")
    same_as(records, compat_of(name), SHARED / "data" / "vocabulary.json")


@needs_node
@needs_shared
def test_every_kind_of_code_point(known):
    same_as(read(SHARED / "goldens" / "tokenizer" / "codepoints.jsonl.gz"), "deepmoji", known)


#: parts of words besides ASCII; the last line is not for torchMoji, which follows the running language's Unicode data
FOREIGN = (
    "İıſ\u212aΣσςßẞéÉe\u0301ñ ½²٣५①❤️👍🏽€£§´ˇ°“”’—…ə〒⠟┼→™𝐇𝐂ﬁﷺ漢字ひらカ゛한\u200d\u00a0\u2003\u0085\u001c\u3000\u0f0b",
    "\u180e\u1885\u19da\u3248\u13a3\uab70\u1c92\u0528\u1ab0\U0001f9d0\u20b9\u2b50\U00012432\u0620\u08a0\U0001d7cc",
)


def random_texts(compat, count):
    draw = random.Random(14)
    inert = re.compile(INERT)
    letters = FOREIGN[0] + (FOREIGN[1] if compat == "deepmoji" else "")
    every = [c for c in map(chr, range(0x80, 0x3000)) if compat == "deepmoji" or not inert.match(c)]
    every.remove("\u0295")  # a lower-case letter or none: the versions of Unicode differ
    plain = [part for parts in PARTS for part in parts] + ["\n", "\\n", "<br>", "\r", "\t", "www.", "ooo", "LOL"]
    pools = [plain] * 6 + [letters] * 3 + [every]
    return ["".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(1, 40))) for _ in range(count)]


@needs_node
@pytest.mark.parametrize("compat", ["deepmoji", "torchmoji"])
def test_random_texts(known, compat):
    tokenizer = npmoji.Tokenizer(KNOWN, compat=compat)
    texts = random_texts(compat, 8000)
    same_as([{"text": t, "words": tokenizer.words(t), "ids": tokenizer.ids(t)} for t in texts], compat, known)


@needs_node
def test_long_texts(known):
    """With anything quadratic these take minutes."""
    parts = ["a", "<3", "1.", "_-", "a.", "a@", "a@b.c,", "aaab", "a'", "www.", "é", "\U0001f600", "ab ", "\n"]
    texts = [part * MANY for part in parts] + ["1." * MANY + "@x.y", "x@" + "1." * MANY, "_." * MANY + "@"]
    tokenizer = npmoji.Tokenizer(KNOWN)
    same_as([{"text": t, "words": tokenizer.words(t), "ids": tokenizer.ids(t)} for t in texts], "deepmoji", known)


# The page -------------------------------------------------------------------------------------------------------------

TEXT = "Soooo tired of this xyzzyx <b>:(</b> worst day ever!!! @you"
ARRIVED, FIRST, ONE = "npmoji: arrived", "npmoji: first result", "npmoji: one text"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, and a Chromium on the PATH")
    names = map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    path = next(filter(None, names), None)
    with sync_api.sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"needs a Chromium that starts: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The files as they lie on a static host, and the one page that build.py makes of them."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("index.html", "npmoji.js", "unicode52.js"):
        shutil.copy(PORT / name, folder)
    convert(npmoji.load(engine="numpy").path, folder / "model.safetensors", precision="fp16")
    page = runpy.run_path(str(PORT / "build.py"))["page"]((folder / "model.safetensors").read_bytes())
    (folder / "one.html").write_text(page, encoding="utf-8")
    return folder


def wait_for(page, expression):
    """Wait until an expression is true: playwright's own function for that does not get past the page's policy."""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"not true in a minute: {expression}; the page says {page.inner_text('#state')!r}")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(params=["disk", "host"])
def opened(request, browser, site):
    """The page with its first result, and what it had to complain about."""
    page = browser.new_page(viewport={"width": 375, "height": 700})
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        host = f"http://127.0.0.1:{server.server_port}/"
        page.goto((site / "one.html").as_uri() if request.param == "disk" else host)
        wait_for(page, f"performance.getEntriesByName({FIRST!r}).length > 0")
        yield page, complaints
    finally:
        page.close()
        server.shutdown()
        thread.join()
        server.server_close()


def shown(page):
    """The emojis with their percentages, as texts."""
    pairs = page.locator("#emojis li")
    return [tuple(pairs.nth(i).locator("span").all_text_contents()[::2]) for i in range(pairs.count())]


def test_the_page(opened, site):
    page, complaints = opened
    model = npmoji.load(site / "model.safetensors")
    for text in (page.input_value("#text"), TEXT, "so " * 31):
        page.fill("#text", text)
        assert shown(page) == [(p.label, f"{100 * p.probability:.1f} %") for p in model.top([text])[0]]
        assert page.locator("#words span").all_text_contents() == model.tokenizer.words(text)
        share = [float(one.split(":")[1].strip(" ;")) for one in attributes(page, "#words span", "style")]
        attention = model.attention([text])[0]
        used = attention[: len(share)] / attention.max()
        np.testing.assert_allclose(share[:30], used, atol=1e-4)
    assert attributes(page, "#words span", "class") == ["known"] * 30 + ["unread"]
    page.fill("#text", TEXT)
    assert page.locator(".unknown").all_text_contents()[0] == "xyzzyx" and page.locator("b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.fill("#text", " ")
    assert shown(page) == [] and page.inner_text("#words") == ""
    assert complaints == []


def attributes(page, selector, name):
    return page.eval_on_selector_all(selector, f"all => all.map((one) => one.getAttribute({name!r}))")


def test_another_model_can_be_opened(opened, site, folder, tmp_path):
    page, complaints = opened
    convert(folder / "weights.hdf5", tmp_path / "other.safetensors")
    page.set_input_files("#file", tmp_path / "other.safetensors")
    wait_for(page, f"performance.getEntriesByName({FIRST!r}).length > 1")
    best = npmoji.load(tmp_path / "other.safetensors").top([page.input_value("#text")])[0]
    assert [percent for _, percent in shown(page)] == [f"{100 * p.probability:.1f} %" for p in best]
    (tmp_path / "not.safetensors").write_text("not one")
    page.set_input_files("#file", tmp_path / "not.safetensors")
    wait_for(page, "document.getElementById('state').textContent.startsWith('not a safetensors file')")
    assert complaints == []


def test_times(opened, capsys):
    """What this machine needs from the files' arrival to the first result, and for a text after that."""
    page, _ = opened
    page.fill("#text", TEXT)
    again = "for (let i = 0; i < 100; i++) document.getElementById('text').dispatchEvent(new Event('input'))"
    page.evaluate(f"() => {{ {again} }}")
    durations = "performance.getEntriesByName({!r}).map((one) => one.duration)"
    (first,), each = (page.evaluate(durations.format(name)) for name in (FIRST, ONE))
    assert len(each) == 102
    with capsys.disabled():
        print(f"\nfirst result {first:.0f} ms after the files' arrival, a text {np.median(each):.1f} ms (of 102)")


def test_the_page_that_needs_a_host_says_so(browser, site):
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    wait_for(page, "document.getElementById('state').textContent.includes('opened from a disk')")
    page.close()
