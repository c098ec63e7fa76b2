"""docs/porting.md tells a port's author everything: its forward pass, its rules and its figures are tried."""

import json
import re
import runpy

import numpy as np
import pytest
from conftest import DATA, ROOT
from test_cli import run
from test_docs import blocks

import npmoji

PAGE = ROOT / "docs" / "porting.md"
ORDINARY = "I love mom's cooking\nthe worst day ever!\nso tired, going to bed\n"
PADMAX = DATA / "models" / "keras205_padmax" / "weights.hdf5"
EPSILON, MAXIMUM = " + np.float32(1e-7)", "attention_logits.max(axis=1, keepdims=True)"


@pytest.fixture
def port(monkeypatch, tmp_path):
    """Runs the page's program, with its text changed or not, on a model and golden outputs; the exit code of
    `compare`."""
    monkeypatch.chdir(tmp_path)
    (program,) = blocks(PAGE, "python")
    (tmp_path / "texts.txt").write_text(ORDINARY)

    def result(weights=ROOT / "weights" / "deepmoji_small.hdf5", texts="--builtin", precision="fp32", change=None):
        assert run("convert", str(weights), "model.safetensors", "--precision", precision) == 0
        assert run("golden", texts, "golden", "--weights", "model.safetensors") == 0
        old, new = change or ("", "")
        assert old in program
        (tmp_path / "page.py").write_text(program.replace(old, new) if old else program)
        with np.errstate(all="ignore"):
            runpy.run_path("page.py")
        return run("compare", "golden", "port.npz", "--weights", "model.safetensors")

    return result


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_program_agrees_with_all_tensors(port, precision, capsys):
    assert port(precision=precision) == 0
    assert "8 tensors compared, all within tolerance" in capsys.readouterr().out


def test_it_agrees_where_padding_has_the_largest_logit(port):
    assert port(PADMAX) == 0


@pytest.mark.parametrize(
    "change, name",
    [
        ((EPSILON, ""), "the attention's sum lacks Keras' epsilon"),
        ((MAXIMUM, "attention_logits.max()"), "the maximum over the whole batch"),
        (("mask = tokens != 0", "mask = np.arange(30) < (tokens != 0).sum(axis=1)[:, None]"), "made from a length"),
    ],
    ids=["epsilon", "maximum", "length"],
)
def test_what_ordinary_texts_do_not_show(port, change, name, capsys):
    assert port(texts="texts.txt", change=change) == 0
    for weights in ({}, {"weights": PADMAX}):
        capsys.readouterr()
        assert port(**weights, change=change) == 1
        assert name in capsys.readouterr().out


def test_which_rows_catch_a_missing_epsilon(port):
    assert port(change=(EPSILON, "")) == 1
    wrong = np.isnan(np.load("port.npz")["attention"]).any(axis=1)
    assert np.flatnonzero(wrong).tolist() == [6, 7, 8, 9, 80]
    error = np.abs(np.load("port.npz")["attention"] - np.load("golden/attention.npy"))
    assert np.nanmax(error) < 1e-6


def test_a_maximum_over_words_shows_only_where_padding_is_above(port):
    over_words = "np.where(mask, attention_logits, -1e30).max(axis=1, keepdims=True)"
    change = MAXIMUM, f"np.where(mask.any(axis=1, keepdims=True), {over_words}, 0)"
    assert port(change=change) == 0
    assert port(PADMAX, change=change) == 1


def test_names_of_arrays_and_the_vocabulary(port):
    assert port(texts="texts.txt") == 0
    model = npmoji.load(engine="numpy")
    page = PAGE.read_text(encoding="utf-8")
    arrays, metadata = runpy.run_path("page.py")["read"]("model.safetensors")
    table = page[page.index("| array | shape |") :].split("\n\n")[0]
    for name in arrays:
        layer, array = name.split("/")
        assert f"`{name}`" in table or (layer.startswith("bi_lstm_") and f"`{array}`" in table)
    words = metadata["vocabulary"][1:-1].split(" ")
    assert {word: i for i, word in enumerate(words)} == model.tokenizer.vocabulary
    assert json.loads(metadata["classes"]) == list(model.labels)
    assert all(f"`{key}`" in page for key in ("vocabulary", "classes", "compat", "keras_version", "config"))


def test_the_hard_cases_of_the_tokenizer():
    cases = re.findall(r'^(".*") → (\[.*\])$', PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(cases) > 10
    tokenizer = npmoji.load(engine="numpy").tokenizer
    for text, words in cases:
        assert tokenizer.words(json.loads(text)) == json.loads(words), text
