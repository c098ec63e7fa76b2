"""`npmoji map`: features to points, and texts to a page."""

import csv
import doctest
import importlib
import json
import os
import re
import sys
import types
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
from test_cli import run
from test_peer_files import headless, keras_file

import npmoji
from npmoji import InputError, formats
from npmoji.explain import map_data, map_page, projection
from npmoji.explain.map_data import GROUPS, Texts
from npmoji.pages import asset
from npmoji.text.emojis import EMOJIS, Prediction

HOSTILE = [
    *("</script><script>alert(1)</script>", "<!--<script>", "]]>", "<img src=x onerror=alert(1)>", "&lt;b&gt;"),
    *("\u2028\u2029", "\x00\x1b[31m", "\ud83d", "\u202eabc", "'\"`", "שלום", "{data}", "😭" * 300, ""),
]
VOID = {"meta", "link", "input", "br"}


@pytest.mark.parametrize("name", ["projection", "map_data", "map_page"])
def test_the_examples_print_what_they_say(name):
    module = importlib.import_module(f"npmoji.explain.{name}")
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted and not result.failed


# Points ---------------------------------------------------------------------------------------------------------------


def spread(rows, columns, seed=0):
    """Features with some directions larger than others, not around 0."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(rows, columns)) * np.linspace(2, 0.1, columns)
    return (mixed @ rng.normal(size=(columns, columns)) + rng.normal(size=columns)).astype(np.float32)


@pytest.mark.parametrize("rows, columns", [(3, 4), (40, 7), (7, 40), (2500, 12), (12, 12), (13, 12)])
def test_components_are_those_of_a_singular_value_decomposition(rows, columns):
    x = spread(rows, columns)
    found = projection.pca(x)
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    for i in range(2):
        axis = axes[i] * np.sign(axes[i][np.abs(axes[i]).argmax()])
        np.testing.assert_allclose(found.points[:, i], centred @ axis, atol=1e-9 * np.abs(centred).max() * columns)
        assert found.shares[i] == pytest.approx(values[i] ** 2 / (values**2).sum())
    assert found.method == "pca" and all(f"{100 * share:.1f} %" in found.about for share in found.shares)


def test_components_are_those_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition", reason="needs scikit-learn: pip install '.[learn]'")
    for x in (spread(200, 30).astype(np.float64), spread(20, 30).astype(np.float64)):
        theirs = decomposition.PCA(2, svd_solver="full").fit(x)
        found = projection.pca(x)
        np.testing.assert_allclose(np.abs(found.points), np.abs(theirs.transform(x)), rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.shares, theirs.explained_variance_ratio_)


@pytest.mark.parametrize("rows, columns", [(50, 8), (8, 50)])
def test_the_same_features_give_the_same_points(rows, columns):
    x = spread(rows, columns)
    first = projection.pca(x)
    assert np.array_equal(first.points, projection.pca(x.copy()).points)
    mirrored = projection.pca(-x)  # the sign is fixed by the axes, not by the texts
    np.testing.assert_allclose(first.points, -mirrored.points, atol=1e-9)
    order = np.random.default_rng(1).permutation(rows)
    np.testing.assert_allclose(projection.pca(x[order]).points, first.points[order], atol=1e-9)


@pytest.mark.parametrize("columns", [1, 5, 3000])
@pytest.mark.parametrize("rows", [0, 1, 2, 30])
def test_where_nothing_differs_all_is_in_one_place(rows, columns):
    x = np.full((rows, columns), 0.3, np.float32)
    found = projection.pca(x)
    assert found.points.shape == (rows, 2) and not found.points.any() and found.shares == (0, 0)
    if rows > 1:  # on one line
        x[0] += 1
        found = projection.pca(x)
        assert found.points[0, 0] and not found.points[:, 1].any() and found.shares == (pytest.approx(1), 0)


@pytest.mark.parametrize(
    "x, words",
    [
        (np.zeros(3), "shape"),
        (np.zeros((2, 2, 2)), "shape"),
        ([["a", "b"]], "numbers"),
        (np.where(np.arange(9000).reshape(3000, 3) == 4501, np.nan, 1.0), "row 1500 holds NaN"),
        ([[1.0, np.inf]], "row 0 holds NaN or infinity"),
    ],
)
def test_features_that_are_none(x, words):
    with pytest.raises(InputError, match=words):
        projection.project(x)


class Umap:
    """In place of umap-learn's class: the first two features."""

    made: dict | None = None

    def __init__(self, **settings):
        type(self).made = settings

    def fit_transform(self, x):
        warnings.warn("as the real one does", stacklevel=1)
        if not x.any():
            raise ValueError("nothing to see")
        return x[:, :2].astype(np.float32)


@pytest.fixture
def umap(monkeypatch):
    """A stand-in for the package."""
    module = types.ModuleType("umap")
    module.UMAP, module.__version__ = Umap, "1.2"
    module.__spec__ = importlib.machinery.ModuleSpec("umap", None)
    monkeypatch.setitem(sys.modules, "umap", module)


def test_umap_is_used_where_it_is(umap):
    x = spread(30, 4)
    found = projection.project(x, seed=7)
    assert found.method == "umap" and found.shares is None and "umap-learn 1.2, 15 neighbours, seed 7" in found.about
    assert Umap.made == {"n_neighbors": 15, "random_state": 7, "n_jobs": 1}
    assert np.array_equal(found.points, x[:, :2])
    assert projection.project(x, "pca").method == "pca"
    assert projection.project(x[:6]).method == "umap" and Umap.made["n_neighbors"] == 5
    assert projection.project(x[:4]).method == "pca"
    with pytest.raises(InputError, match="4 texts, expected at least 5"):
        projection.project(x[:4], "umap")
    with pytest.raises(InputError, match="nothing to see; PCA takes any"):
        projection.umap(np.zeros((9, 2)))


def test_without_umap(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setattr(projection.importlib.util, "find_spec", lambda name: None)
    assert projection.project(spread(30, 4)).method == "pca"
    for call in (projection.check_umap, lambda: projection.project(spread(30, 4), "umap")):
        with pytest.raises(InputError, match=r"UMAP needs umap-learn: pip install 'npmoji\[map\]'"):
            call()
    with pytest.raises(InputError, match="'tsne': expected one of auto, pca, umap"):
        projection.project(spread(3, 3), "tsne")


@pytest.mark.slow
def test_the_real_umap():
    pytest.importorskip("umap", reason="needs umap-learn: pip install '.[map]'")
    x = np.concatenate([spread(40, 8), spread(40, 8) + 50])
    found = projection.project(x, seed=3)
    assert found.method == "umap" and np.array_equal(found.points, projection.umap(x, 3).points)
    middles = found.points[:40].mean(axis=0), found.points[40:].mean(axis=0)
    assert np.linalg.norm(middles[0] - middles[1]) > 3  # two groups stay two


# The page -------------------------------------------------------------------------------------------------------------


class Parsed(HTMLParser):
    """A page's elements, its text outside scripts, and the contents of its scripts."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.text, self.scripts = [], [], [], "", []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID and self.get_starttag_text()[-2] != "/":
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "path":
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data

    @property
    def data(self):
        return json.loads(self.scripts[0])


def likely(*classes):
    return [Prediction(i, EMOJIS[i], 0.5 / (n + 1), EMOJIS[i]) for n, i in enumerate(classes)]


def points(count):
    return projection.pca(spread(count, 5))


def test_a_page_holds_what_it_shows():
    texts = ["one", "two", "one", "a " * 150]
    top = [likely(0, 1, 2, 3), likely(4), likely(0), []]
    html = map_page.page(points(4), texts, top, title="A <b>", notes=["Of & by."])
    page = Parsed(html)
    data = page.data
    assert data["text"][:3] == texts[:3] and len(data["text"][3]) <= 200 and data["text"][3].endswith("…")
    assert data["group"] == [0, 1, 0, 2] and [group["name"] for group in data["groups"]][1:] == ["heart eyes", "none"]
    assert data["top"] == [[0, 500, 1, 250, 2, 167], [4, 500], [0, 500], []]
    assert data["classes"]["4"] == ["😍", "heart eyes"]
    assert "4 texts, a point for each; colour and shape show its most likely emoji. Of & by." in page.text
    assert "A <b>" in page.text and "b" not in page.tags and "cut at 200 characters" in page.text
    assert "Principal components" in page.text and page.text.count("heart eyes") == 1
    assert re.search("heart eyes.*?1.*?25.0 %", page.text, re.DOTALL)
    assert (min(data["x"]), max(data["x"])) == (0, map_data.GRID) and 0 <= min(data["y"]) <= max(data["y"])


def test_the_page_may_run_its_own_script_only():
    html = map_page.page(points(3), ["a"] * 3)
    page = Parsed(html)
    policy = next(value for _, value in page.attributes if value and "default-src" in value)
    assert "default-src 'none'" in policy and re.search("script-src 'sha256-[^']+'", policy)
    assert "unsafe-inline" not in re.search("script-src[^;]*", policy)[0]
    assert page.tags.count("script") == 2
    assert not [value for name, value in page.attributes if name in ("src", "href") and value != "data:,"]
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]


def test_the_script_writes_texts_as_text():
    script = "".join(asset(name) for name in map_page._SCRIPTS)
    assert "textContent" in script
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|fetch\(|https?:", script)


def test_markers_are_the_same_on_the_page_and_in_the_script():
    assert len(re.findall(r"^  \(x, y\) =>", asset("map_pixels.js"), re.MULTILINE)) == len(map_page.SHAPES)
    styles = asset("map.css")
    for name in (*range(GROUPS), "other"):
        assert styles.count(f"--g-{name}: #") == 2 and f".g-{name} {{ fill: var(--g-{name}); }}" in styles
    assert f"GRID = {map_data.GRID:.0e}".replace("+0", "") in asset("map_drawing.js")


@pytest.mark.parametrize("own", [False, True])
def test_whatever_texts_and_labels_hold_the_page_is_well_formed(own):
    top = [[Prediction(i, "", 0.5, text)] for i, text in enumerate(HOSTILE)] if own else None
    html = map_page.page(
        points(len(HOSTILE)), HOSTILE, top, HOSTILE[::-1], title=HOSTILE[0], label=HOSTILE[3], notes=HOSTILE
    )
    html.encode()  # no lone surrogates
    plain, page = Parsed(map_page.page(points(1), ["a"], top and top[:1], ["b"])), Parsed(html)
    assert set(page.tags) == set(plain.tags) and page.tags.count("script") == 2
    assert {name for name, _ in page.attributes} == {name for name, _ in plain.attributes}
    assert page.data["text"][:12] == HOSTILE[:12] and page.data["labels"][0] == ""
    assert "<" not in page.scripts[0] and not re.search("[\u2028\u2029]", page.scripts[0])
    assert page.text.count("<img src=x onerror=alert(1)>") >= 3


def test_the_most_frequent_classes_have_colours():
    sizes = [5, 9, 1, *range(10, 22)]
    labels = [f"class {i}" for i, size in enumerate(sizes) for _ in range(size)] + ["", ""]
    found = Texts.of(["x"] * len(labels), None, labels)
    assert [group.texts for group in found.groups] == [*range(21, 9, -1), 15, 2]
    assert [group.rank for group in found.groups] == [*range(12), -1, -1]
    assert [group.name for group in found.groups][-2:] == ["3 others", "none"]
    assert np.bincount(found.members).tolist() == [group.texts for group in found.groups]
    alike = Texts.of(["x", "y"], None, ["b", "a"])
    assert [group.name for group in alike.groups] == ["b", "a"]  # as often: in the order of the texts
    long = Texts.of(["x", "y"], None, ["long " * 50 + "a", "long " * 50 + "b"])
    assert len(long.groups) == 2 and all(len(group.name) <= 60 for group in long.groups)


def test_few_texts_and_texts_in_one_place():
    assert Parsed(map_page.page(points(0), [], [], [])).data["x"] == []
    for count in (1, 2, 3):
        same = projection.pca(np.ones((count, 4)))
        page = Parsed(map_page.page(same, ["t"] * count))
        assert page.data["x"] == page.data["y"] == [map_data.GRID // 2] * count
        assert f"{count} text{'s' * (count > 1)}, a point for each." in page.text and "all texts" in page.text


def test_the_table_of_texts_is_bounded():
    count = map_page.ROWS + 20
    page = Parsed(map_page.page(points(count), [f"text {i}" for i in range(count)]))
    assert page.tags.count("tr") == 1 + 1 + 1 + map_page.ROWS  # the heads, one group
    assert f"The first {map_page.ROWS} of {count} texts as a table" in page.text and len(page.data["text"]) == count


def test_one_of_each_for_every_point():
    for arguments in ((["a"],), (["a", "b"], [[]]), (["a", "b"], None, ["x"])):
        with pytest.raises(InputError, match="expected one for each"):
            map_page.page(points(2), *arguments)


# The command ----------------------------------------------------------------------------------------------------------

TEXTS = ["I love mom's cooking", "this is so funny", "lol", "", "the worst day ever !", "<b>bed</b>", "best day"]


@pytest.fixture
def table(tmp_path):
    """A file of texts with a column to colour by."""
    path = tmp_path / "texts.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = [(text, f" {'long' if len(text) > 8 else 'short'} ", i) for i, text in enumerate(TEXTS)]
        csv.writer(file).writerows([("text", "kind", "n"), *rows])
    return path


def written(path):
    return Parsed(path.read_text(encoding="utf-8"))


def test_a_table_becomes_a_page(capfd, weights, folder, table, tmp_path):
    assert run("map", table, "--html", tmp_path / "map.html", "--method", "pca", *weights) == 0
    assert capfd.readouterr() == ("", "")
    page = written(tmp_path / "map.html")
    model = npmoji.load(folder / "weights.hdf5", engine="numpy")
    assert page.data["text"] == TEXTS and "Map of texts.csv" in page.text
    for p, top in zip(model.top(TEXTS, 3), page.data["top"], strict=True):
        assert top[::2] == [some.id for some in p] and top[1] == round(1000 * p[0].probability)
    wanted = projection.pca(model.encode(TEXTS))
    assert (np.float64([page.data["x"], page.data["y"]]).T == map_data.on_grid(wanted.points)).all()
    assert sorted(os.listdir(tmp_path)) == ["map.html", "texts.csv"]
    first = (tmp_path / "map.html").read_bytes()
    assert run("map", table, "--html", tmp_path / "map.html", "--method", "pca", *weights) == 0
    assert (tmp_path / "map.html").read_bytes() == first


def test_colours_by_a_column(capfd, weights, table, tmp_path):
    (tmp_path / "more.jsonl").write_text('{"text": "lol", "kind": 5}\n{"text": "bed"}\n')
    both = (table, tmp_path / "more.jsonl")
    assert run("map", *both, "--label", "kind", "--html", tmp_path / "map.html", "--method", "pca", *weights) == 0
    page = written(tmp_path / "map.html")
    assert [(group["name"], group["rank"]) for group in page.data["groups"]] == [
        *(("long", 0), ("short", 1), ("5", 2), ("none", -1)),
    ]
    assert page.data["label"] == "kind" and len(page.data["top"]) == len(TEXTS) + 2
    assert "Map of texts.csv, more.jsonl" in page.text and "colour and shape show its kind." in page.text


def test_the_texts_column_may_be_the_label(weights, table, tmp_path):
    arguments = ("--column", "kind", "--label", "kind", "--html", tmp_path / "map.html", "--method", "pca")
    assert run("map", table, *arguments, *weights) == 0
    assert {group["name"] for group in written(tmp_path / "map.html").data["groups"]} == {"long", "short"}


def test_of_many_texts_a_sample_is_shown(capfd, weights, tmp_path):
    (tmp_path / "texts.txt").write_text("".join(f"day {i}\n" for i in range(100)))

    def sample(seed):
        options = ("--limit", 20, "--seed", seed, "--method", "pca", "--html", "-")
        assert run("map", tmp_path / "texts.txt", *options, *weights) == 0
        out, err = capfd.readouterr()
        assert err == "npmoji: note: A sample of 20 of 100 texts.\n" and "A sample of 20 of 100 texts." in out
        return [int(text.split()[1]) for text in Parsed(out).data["text"]]

    one = sample(0)
    assert one == sorted(one) and len(set(one)) == 20 and one == sample(0) != sample(1)
    counts = np.zeros(100)
    for seed in range(40):
        counts[sample(seed)] += 1
    assert counts[:50].sum() == pytest.approx(400, abs=60)  # from everywhere


def test_without_classes_points_have_no_colours(folder, table, tmp_path):
    cut = tmp_path / "cut.hdf5"
    keras_file(cut, headless(formats.read(folder / "weights.hdf5")))
    options = ("--weights", cut, "--vocabulary", folder / "vocabulary.json", "--engine", "numpy", "--method", "pca")
    assert run("map", table, "--html", tmp_path / "map.html", *options) == 0
    data = written(tmp_path / "map.html").data
    assert "top" not in data and [group["name"] for group in data["groups"]] == ["all texts"]


def test_what_is_read_is_not_written_over(capfd, folder, table):
    before = table.read_bytes()
    assert run("map", table, "--html", table, "--weights", folder / "weights.hdf5", "--engine", "numpy") == 2
    assert "is the input and the output" in capfd.readouterr().err and table.read_bytes() == before


def test_a_network_without_features_is_refused(capfd, folder, table, tmp_path):
    layers = {"words": {"0": np.ones((400, 4), np.float32)}, "out": {"0": np.ones((4, 3), np.float32), "1": np.ones(3)}}
    embedding = {"name": "words", "batch_input_shape": [None, 30]}
    config = [
        {"class_name": "Embedding", "config": embedding},
        {"class_name": "GlobalAveragePooling1D", "config": {"name": "mean"}},
        {"class_name": "Dense", "config": {"name": "out", "activation": "softmax"}},
    ]
    path = keras_file(
        tmp_path / "m.h5", formats.Contents("x", layers, "2.0.5", {"class_name": "Sequential", "config": config})
    )
    options = ("--weights", path, "--vocabulary", folder / "vocabulary.json", "--engine", "numpy")
    assert run("map", table, "--html", tmp_path / "map.html", *options) == 2
    err = capfd.readouterr().err
    assert "m.h5: this network has no layer AttentionWeightedAverage" in err and err.count("\n") == 1
    assert not (tmp_path / "map.html").exists()


WRONG = {
    "no label": (["texts.csv", "--label", "mood"], ["'mood' (--label)", "'kind'"]),
    "no column": (["texts.csv", "--column", "body"], ["'body' (--column)"]),
    "label of plain text": (["plain.txt", "--label", "kind"], ["--label does not apply", "--input-format"]),
    "label in no row": (["rows.jsonl", "--label", "mood"], ["no row has a column 'mood' (--label)"]),
    "no texts": (["empty.txt"], ["empty.txt", "no texts"]),
    "no file": (["missing.csv"], ["missing.csv"]),
    "no text in a row": (["bad.csv"], ["bad.csv, line 3", "--on-error skip"]),
    "unknown format": (["texts.xlsx"], [".xlsx"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_mapped_is_one_line_and_leaves_nothing(capfd, weights, table, tmp_path, monkeypatch, name):
    (tmp_path / "plain.txt").write_text("lol\n")
    (tmp_path / "rows.jsonl").write_text('{"text": "lol"}\n')
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "bad.csv").write_text("text,n\nlol,1\nlol,1,2\n")
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir())
    arguments, words = WRONG[name]
    assert run("map", *arguments, "--html", "map.html", *weights) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("npmoji: error: ") and err.count("\n") == 1, err
    assert all(word in err for word in words), err
    assert sorted(os.listdir()) == before


def test_rows_without_a_text_can_be_skipped(capfd, weights, tmp_path):
    (tmp_path / "bad.csv").write_text("text,n\nlol,1\nlol,1,2\nbed,3\n")
    options = ("--on-error", "skip", "--method", "pca", "--html", tmp_path / "map.html")
    assert run("map", tmp_path / "bad.csv", *options, *weights) == 0
    assert "rows without a text, skipped: 1" in capfd.readouterr().err
    assert written(tmp_path / "map.html").data["text"] == ["lol", "bed"]


@pytest.mark.parametrize("place", ["missing/map.html", "."])
def test_a_page_that_cannot_be_written_is_told_before_the_work(capfd, table, tmp_path, place):
    arguments = ("map", table, "--html", tmp_path / place, "--weights", tmp_path / "none.hdf5")
    assert run(*arguments) == 2
    assert "cannot be written" in capfd.readouterr().err


def test_a_page_is_replaced_whole(capfd, weights, table, tmp_path):
    page = tmp_path / "map.html"
    page.write_text("before")
    assert run("map", table, "--label", "mood", "--html", page, *weights) == 2
    assert page.read_text() == "before"
    assert run("map", "--html", page, "--method", "pca", table, *weights) == 0
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_umap_is_asked_for_before_the_work(capfd, weights, table, tmp_path, monkeypatch):
    monkeypatch.setattr(projection.importlib.util, "find_spec", lambda name: None)
    assert run("map", table, "--html", tmp_path / "map.html", "--method", "umap", *weights) == 2
    assert "pip install 'npmoji[map]'" in capfd.readouterr().err
