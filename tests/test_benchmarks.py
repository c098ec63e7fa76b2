"""The tool for the published benchmarks, on made-up ones: its figures are those that one gets by hand."""

import importlib.util
import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

import npmoji

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install '.[learn]'")

WORDS = {0: "awful sad bad hate", 1: "happy love great fun", 2: "tired sleep bed night"}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    return [(" ".join(rng.choice(WORDS[label].split(), 3)) + f" {n}", int(label)) for n, label in enumerate(labels)]


@pytest.fixture(scope="module")
def files(rows, tmp_path_factory):
    """One as the original has it, flags; one of lines, names of two classes."""
    folder = tmp_path_factory.mktemp("Olympic")
    texts, labels = zip(*rows)
    info = [{"label": np.arange(3) == label} for label in labels]
    parts = {"train_ind": list(range(60)), "val_ind": list(range(60, 75)), "test_ind": list(range(75, 90))}
    (folder / "raw.pickle").write_bytes(pickle.dumps({"texts": list(texts), "info": info, **parts}, 2))
    with open(folder / "own.jsonl", "w") as out:
        for n, (text, label) in enumerate(rows):
            split = "train" if n < 60 else "val" if n < 75 else "test"
            out.write(json.dumps({"text": text, "label": "b" if label == 1 else "a", "split": split}) + "\n")
    return [str(folder / "raw.pickle"), str(folder / "own.jsonl")]


def run(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "benchmarks.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_figures(files, rows):
    result = run(*files, "--format", "json")
    assert result.returncode == 0, result.stderr
    flags, names = json.loads(result.stdout)["benchmarks"]
    assert flags["name"].startswith("Olympic") and flags["measure"] == "F1" and flags["classes"] == 3
    assert names["name"] == "own" and names["measure"] == "accuracy" and names["classes"] == 2
    labels = np.array([label for _, label in rows])
    share = [np.mean(labels[75:] == number) for number in range(3)]
    assert flags["scores"]["constant"] == pytest.approx(np.mean([2 * x / (1 + x) for x in share]))
    assert names["scores"]["constant"] == pytest.approx(1 - share[1])
    for found in (flags, names):
        assert found["sizes"] == [60, 15, 15] and found["straddling"] == 0
        assert found["scores"]["last"] > found["scores"]["constant"]
        assert set(found["scores"]) == {"constant", "TF-IDF", "last"}


def test_the_network_itself_is_trained(files):
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    spec = importlib.util.spec_from_file_location("benchmarks_tool", ROOT / "tools" / "benchmarks.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    model, options = npmoji.load(maxlen=10), {"epochs": 1, "epoch_size": 40, "batch_size": 20}
    flags, names = map(tool.read, files)
    assert 0 < tool.finetuned(model, flags, "F1", "chain-thaw", options) <= 1
    score = tool.finetuned(model, names, "accuracy", "full", options)
    assert score * 15 == pytest.approx(round(score * 15))  # of the 15 rows of the test part


def test_the_table_has_the_articles_figures(files, tmp_path):
    shutil.copy(files[1], tmp_path / "SS-Youtube.jsonl")
    result = run(files[1], str(tmp_path / "SS-Youtube.jsonl"), "--only", "SS-Youtube")
    assert result.returncode == 0, result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("| SS-Youtube"))
    assert line.replace(" ", "").endswith("|0.86|0.75|0.88|0.92|0.93|") and "as quoted" in result.stdout
    assert "| own" not in result.stdout


def test_what_cannot_be_measured_is_told_in_a_line(files, tmp_path):
    (tmp_path / "bad.pickle").write_bytes(b"cos\nsystem\n.")
    (tmp_path / "plain.jsonl").write_text('{"text": "a", "label": 1}\n')
    for arguments, words in [
        ([str(tmp_path / "bad.pickle")], "nothing in the file was run"),
        ([str(tmp_path / "plain.jsonl")], "no part 'train'"),
        ([files[1], "--only", "SE0714"], "no data set is called SE0714"),
    ]:
        result = run(*arguments)
        assert result.returncode == 1 and not result.stdout
        assert result.stderr.startswith("benchmarks: ") and words in result.stderr and result.stderr.count("\n") == 1
