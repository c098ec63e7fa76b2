"""`npmoji train` and `npmoji evaluate`: what they print, what they write, and that bad input is one clear line."""

import csv
import functools
import gzip
import importlib
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
from conftest import ROOT
from test_cli import run

import npmoji

EXAMPLE, TEST = (ROOT / "docs" / "examples" / name for name in ("messages.csv", "messages_test.csv"))
KEYS = ["classes", "texts", "accuracy", "macro_f1", "per_class", "baseline_accuracy", "confusion"]
TWO = "text,label\n" + "".join(f"so good {i},glad\nso bad {i},sad\n" for i in range(6))
#: words of the toy vocabulary, some that it lacks
WORDS = "text,label\n" + "".join(
    f"wow i love mom's cooking {i},glad\nugh the worst day meh {i},sad\n" for i in range(20)
)


def sklearn():
    return pytest.importorskip("sklearn", reason="needs scikit-learn")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(place, capfd):
    """The error of a command that fails in one line and leaves nothing behind."""

    def line(*arguments, files=()):
        before = sorted(place.rglob("*"))
        assert run(*arguments) == 2
        out, err = capfd.readouterr()
        *notes, last, end = err.split("\n")
        assert out == "" and end == "" and last.startswith("npmoji: error: ")
        assert all(note.startswith("npmoji: note: ") for note in notes), err
        assert sorted(place.rglob("*")) == before
        return last.removeprefix("npmoji: error: ")

    return line


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The example, trained as the page says: the folder, and what was printed."""
    sklearn()
    import contextlib
    import io

    folder, out = tmp_path_factory.mktemp("trained"), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run("train", EXAMPLE, "-o", folder / "mine.safetensors", "--engine", "numpy") == 0
    return folder, out.getvalue()


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output, said",
    [
        ("mine", "-o mine: expected a name that ends in .safetensors, .hdf5, .h5"),
        ("mine.csv", "-o mine.csv: expected a name that ends in"),
        ("missing/mine.h5", "missing/mine.h5: cannot be written: No such file"),
        ("folder.hdf5", "folder.hdf5: cannot be written: Is a directory"),
    ],
)
def test_the_output_is_looked_at_first(refused, place, output, said):
    (place / "folder.hdf5").mkdir()
    assert said in refused("train", "missing.csv", "-o", output)


def test_the_output_may_not_be_the_input(refused, place):
    (place / "data.h5").write_text(TWO)
    assert "is FILE as well" in refused("train", "data.h5", "--input-format", "csv", "-o", "data.h5")
    shutil.copy(npmoji.load().path, place / "base.hdf5")
    assert "is --weights as well" in refused("train", "data.h5", "--weights", "base.hdf5", "-o", "./base.hdf5")


@pytest.mark.parametrize(
    "options, said",
    [
        (("--epochs", "3"), "--epochs does not apply to --method last"),
        (("--resume",), "--resume does not apply to --method last"),
        (("--validation", "0.2"), "--validation does not apply to --method last"),
        (("--extend-with", "0"), "--extend-with does not apply to --method last"),
        (("--method", "full", "--folds", "2", "--resume"), "--resume does not apply to --folds"),
        (("--method", "full", "--C", "1"), "--C applies to --method last only"),
        (("--folds", "1"), "--folds 1: expected 2 or more"),
        (("--folds", "0"), "argument --folds"),
        (("--C", "0"), "argument -C/--C: '0' is not a number above 0"),
        (("--C", "nan"), "argument -C/--C: 'nan' is not a number above 0"),
        (("--seed", "-1"), "argument --seed: '-1' is not an integer from 0 to 2147483647"),
        (("--method", "best"), "argument --method: invalid choice: 'best'"),
        (("--class-weight", "heavy"), "argument --class-weight: invalid choice"),
    ],
)
def test_options_that_do_not_fit(refused, place, options, said):
    (place / "data.csv").write_text(TWO)
    assert said in refused("train", "data.csv", "-o", "mine.h5", *options)


@pytest.mark.parametrize(
    "module, options, said",
    [
        ("sklearn", (), "npmoji train needs scikit-learn: pip install 'npmoji[learn]'"),
        ("torch", ("--method", "full"), "npmoji train --method full needs PyTorch: pip install 'npmoji[torch]'"),
    ],
)
def test_a_package_that_is_not_installed(refused, place, monkeypatch, module, options, said):
    (place / "data.csv").write_text(TWO)
    monkeypatch.setitem(sys.modules, module, None)
    assert refused("train", "data.csv", "-o", "mine.h5", *options) == said


def test_a_package_that_is_broken(refused, place, monkeypatch):
    (place / "torch.py").write_text("raise ImportError('libsomething.so is missing')\n")
    (place / "data.csv").write_text(TWO)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    said = refused("train", "data.csv", "-o", "mine.h5", "--method", "full")
    assert said.endswith("pip install 'npmoji[torch]'; what is there cannot be imported: libsomething.so is missing")


@pytest.mark.parametrize(
    "content, said",
    [
        ("text,label\na,x\nb,x\n", "data.csv: one class only, 'x'"),
        ("text,label\na,folds\nb,folds\n", "'folds': expected labels of two classes or more\n"),
        ("text,label\na,x\n,y\n", "data.csv, line 3: the text is empty"),
        ("text,label\na,x\nb,\n", "data.csv, line 3: no label"),
        ("text,label\na,x\nb,nan\n", "data.csv, line 3: the label is NaN"),
        ("text,label\na,x\nb\n", "data.csv, line 3: too few columns, 1, expected 2"),
        ("text,label\n", "data.csv: no rows with a text and a label"),
        ("", "data.csv: no columns 'text' (--text) and 'label' (--label), there are: none"),
        ("id,tweet,mood\n1,a,x\n", "there are: ['id', 'tweet', 'mood']"),
        (TWO + "a,rare\n", "data.csv: class 'rare' has 1 text, fewer than the 5 folds; expected more texts, or fewer"),
    ],
)
def test_tables_that_cannot_be_used(refused, place, content, said):
    sklearn()
    (place / "data.csv").write_text(content)
    assert said in refused("train", "data.csv", "-o", "mine.safetensors") + "\n"


def test_standard_input_is_called_so(refused, monkeypatch):
    sklearn()
    content = io.TextIOWrapper(io.BytesIO(b"text,label\na,x\nb,x\n"))
    monkeypatch.setattr(sys, "stdin", content)
    said = refused("train", "-", "--input-format", "csv", "-o", "mine.safetensors")
    assert said == "standard input: one class only, 'x': expected labels of two classes or more"


def test_a_file_that_is_not_there(refused):
    sklearn()
    assert "missing.csv: cannot be read" in refused("train", "missing.csv", "-o", "mine.h5")
    assert "expected --weights FILE" in refused("evaluate", "missing.csv")
    assert "missing.csv: cannot be read" in refused("evaluate", "missing.csv", "--weights", "mine.h5")


def test_weights_that_cannot_be_used(refused, place, small):
    sklearn()
    (place / "data.csv").write_text(TWO)
    assert "none.hdf5" in refused("train", "data.csv", "-o", "mine.h5", "--weights", "none.hdf5")
    shutil.copy(small[0], place / "bare.hdf5")
    assert "vocabulary" in refused("train", "data.csv", "-o", "mine.h5", "--weights", "bare.hdf5")


# Training ------------------------------------------------------------------------------------------------------------


def test_what_people_see(trained):
    folder, out = trained
    assert [path.name for path in folder.iterdir()] == ["mine.safetensors"]
    for words in ("300 texts", "3 classes", "5 folds", "complaint", "praise", "question", "most frequent", "accuracy"):
        assert words in out
    assert f"wrote {folder / 'mine.safetensors'}" in out and "npmoji evaluate" in out and "npmoji score" in out
    assert max(map(len, out.splitlines())) <= 120 and "nan" not in out


def test_the_file_is_a_model_like_any_other(trained, capfd):
    path = trained[0] / "mine.safetensors"
    model = npmoji.load(path, engine="numpy")
    assert model.class_names == ["complaint", "praise", "question"]
    assert [best[0].label for best in model.top(["I hate this", "thank you, lovely!", "Where is it?"], 1)] == [
        "complaint",
        "praise",
        "question",
    ]
    assert run("verify", "--weights", path, "--engine", "numpy") == 0
    assert run("score", "--weights", path, "--engine", "numpy", "Where is my parcel?") == 0
    assert "question" in capfd.readouterr().out


def test_the_file_says_where_it_comes_from(place, capfd):
    sklearn()
    (place / "data.csv").write_text(TWO)
    assert run("train", "data.csv", "-o", "mine.hdf5", "--maxlen", "3", "--engine", "numpy", "--seed", "4") == 0
    assert "of 12 texts only the first 3 tokens are used (--maxlen)" not in capfd.readouterr().err
    model = npmoji.load("mine.hdf5")
    assert model.tokenizer.maxlen == 3 and npmoji.load("mine.hdf5", maxlen=8).tokenizer.maxlen == 8
    told = model.provenance
    assert (told["method"], told["seed"], told["maxlen"], told["texts"]) == ("last", 4, 3, 12)
    assert len(told["data_sha256"]) == 64 and told["scores"]["baseline_accuracy"] == 0.5
    assert run("train", "data.csv", "-o", "mine.hdf5", "--maxlen", "2", "--engine", "numpy") == 0
    assert "note: of 12 texts only the first 2 tokens are used (--maxlen)" in capfd.readouterr().err
    assert npmoji.load("mine.hdf5").provenance["data_sha256"] == told["data_sha256"]


def test_json(place, capfd):
    sklearn()
    options = ("--format", "json", "--engine", "numpy", "--folds", "3", "--seed", "7", "--C", "0.1")
    assert run("train", EXAMPLE, "-o", "mine.safetensors", *options) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert err == "" and out.count("\n") == 1 and list(found)[: len(KEYS)] == KEYS
    assert found["classes"] == ["complaint", "praise", "question"] and found["texts"] == 300
    confusion = np.array(found["confusion"])
    assert confusion.shape == (3, 3) and confusion.sum(1).tolist() == [100, 100, 100]
    assert found["accuracy"] == pytest.approx(np.trace(confusion) / 300, abs=1e-12)
    assert found["baseline_accuracy"] == pytest.approx(1 / 3)
    assert list(found["per_class"]) == found["classes"]
    assert found["accuracy"] > 0.85 and found["macro_f1"] > 0.85
    first = (place / "mine.safetensors").read_bytes()
    assert run("train", EXAMPLE, "-o", "mine.safetensors", *options) == 0
    assert json.loads(capfd.readouterr().out) == found and (place / "mine.safetensors").read_bytes() == first


def test_formats_columns_and_compression(place, capfd):
    sklearn()
    with open(EXAMPLE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = "".join(json.dumps({"note": row["text"], "kind": row["label"]}) + "\n" for row in rows)
    with gzip.open(place / "data.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(lines)
    base = ("--format", "json", "--engine", "numpy", "--folds", "2", "--C", "1")
    assert run("train", EXAMPLE, "-o", "a.safetensors", *base) == 0
    one = json.loads(capfd.readouterr().out)
    assert run("train", "data.jsonl.gz", "-o", "b.safetensors", "--text", "note", "--label", "kind", *base) == 0
    two = json.loads(capfd.readouterr().out)
    assert [one[key] for key in KEYS] == [two[key] for key in KEYS]


def test_several_labels_in_a_cell(place, capfd):
    sklearn()
    rows = [("so good", "glad"), ("so bad", "sad"), ("good and bad", "glad|sad"), ("a stone", "")]
    table = "text,label\n" + "".join(f"{text} {i},{label}\n" for i in range(6) for text, label in rows)
    (place / "data.csv").write_text(table)
    options = ("--label-separator", "|", "--delimiter", ",", "--engine", "numpy")
    assert run("train", "data.csv", "-o", "mine.safetensors", "--format", "json", *options) == 0
    assert json.loads(capfd.readouterr().out)["classes"] == ["glad", "sad"]
    assert npmoji.load("mine.safetensors").multi_label
    assert run("evaluate", "data.csv", "--weights", "mine.safetensors", "--format", "json", *options) == 0
    assert json.loads(capfd.readouterr().out)["texts"] == 24


def test_rows_left_out_are_counted(place, capfd):
    sklearn()
    (place / "data.csv").write_text(TWO + ",sad\nfine,\n")
    options = ("-o", "mine.h5", "--on-error", "skip", "--engine", "numpy", "--folds", "2")
    assert run("train", "data.csv", *options) == 0
    out, err = capfd.readouterr()
    assert "12 texts" in out and "rows left out: 2; the first: data.csv, line 14: the text is empty" in err


def test_doubts_are_told(place, capfd):
    sklearn()
    (place / "data.csv").write_text(TWO)
    assert run("train", "data.csv", "-o", "mine.h5", "--engine", "numpy", "--folds", "2") == 0
    err = capfd.readouterr().err
    assert "note: class 'glad' has 6 texts, from which scores are a rough guess" in err
    assert "note: all texts were got right, which is rare" in err
    assert run("train", EXAMPLE, "-o", "mine.h5", "--engine", "numpy", "--folds", "2", "--C", "1") == 0
    assert capfd.readouterr().err == ""


def test_texts_with_two_labels_are_told(place, capfd):
    sklearn()
    (place / "data.csv").write_text(TWO + "So  good 1,sad\nso bad 1,sad\n")
    assert run("train", "data.csv", "-o", "mine.h5", "--engine", "numpy", "--folds", "2", "--C", "1") == 0
    said = "note: data.csv: texts that stand there twice with different labels: 1; the first in line 4 and line 14"
    assert said in capfd.readouterr().err


def test_interrupted(place, capfd, monkeypatch):
    sklearn()
    (place / "data.csv").write_text(TWO)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("npmoji.model.Model.encode", interrupted)
    monkeypatch.setattr("npmoji.model.Model.predict", interrupted)
    assert run("train", "data.csv", "-o", "mine.h5") == 130
    assert os.listdir() == ["data.csv"] and capfd.readouterr().out == ""


# Training the network ------------------------------------------------------------------------------------------------


@pytest.fixture
def tune(place, folder, capfd, monkeypatch):
    """Train a small network, two batches an epoch: what is printed, on standard output and standard error."""
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    module = importlib.import_module("npmoji.learn.finetuning")
    monkeypatch.setattr(module, "finetune", functools.partial(module.finetune, epoch_size=500))
    (place / "data.csv").write_text(WORDS)

    def run_it(*options, code=0):
        weights = ("--weights", folder / "weights.hdf5", "--maxlen", "6", "--engine", "numpy")
        assert run("train", "data.csv", "-o", "mine.safetensors", *weights, "--method", "full", *options) == code
        return capfd.readouterr()

    return run_it


def test_the_network(tune, place):
    out, _ = tune("--epochs", "1", "--extend-with", "3")
    assert "scored on 8 of the 40 texts, held out from training" in out
    assert sorted(os.listdir()) == ["data.csv", "mine.safetensors"]
    model = npmoji.load("mine.safetensors")
    assert model.class_names == ["glad", "sad"] and model.provenance["method"] == "full"
    assert model.provenance["added_words"] == 3 and 0 <= model.provenance["scores"]["accuracy"] <= 1


def test_a_validation_file_and_folds(tune, place):
    (place / "valid.jsonl").write_text(
        '{"text": "lol you", "label": "glad"}\n{"text": "tired . day", "label": "sad"}\n'
    )
    out, err = tune("--epochs", "1", "--folds", "2", "--validation", "valid.jsonl", "--format", "json")
    found = json.loads(out)
    assert list(found)[: len(KEYS)] == KEYS and found["texts"] == 40 and len(found["folds"]) == 2
    assert err.index("fold 2 of 2") < err.index("all texts") < err.index("Ctrl-C ends training and keeps")
    assert npmoji.load("mine.safetensors").provenance["texts"] == 40
    (place / "valid.jsonl").write_text('{"text": "lol you", "label": "gald"}\n')
    os.unlink("mine.safetensors")
    _, err = tune("--validation", "valid.jsonl", code=2)
    assert "valid.jsonl, line 1: unknown label 'gald'; the classes of data.csv are 'glad', 'sad'" in err
    assert sorted(os.listdir()) == ["data.csv", "valid.jsonl"]


def test_interrupted_and_resumed(tune, monkeypatch):
    """Ctrl-C in the second epoch keeps the first one's weights; resumed it gives what an unbroken run gives."""
    from npmoji.learn.trainer import Trainer

    out, _ = tune("--epochs", "2", "--seed", "5")
    with open("mine.safetensors", "rb") as file:
        whole = file.read()
    step, count = Trainer.step, iter(range(1000))

    def interrupted(*arguments, **options):
        if next(count) == 3:
            raise KeyboardInterrupt
        return step(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        said, _ = tune("--epochs", "2", "--seed", "5")
    assert "interrupted" in said and "--resume" in said
    assert sorted(os.listdir()) == ["data.csv", "mine.safetensors", "mine.safetensors.checkpoint"]
    assert npmoji.load("mine.safetensors").provenance["interrupted"]
    _, err = tune("--epochs", "2", "--seed", "6", "--resume", code=2)
    assert "seed is 5 there, 6 here" in err and os.path.exists("mine.safetensors.checkpoint")
    again, _ = tune("--epochs", "2", "--seed", "5", "--resume")
    assert again == out and sorted(os.listdir()) == ["data.csv", "mine.safetensors"]
    with open("mine.safetensors", "rb") as file:
        assert file.read() == whole


def test_there_must_be_something_to_resume(tune):
    _, err = tune("--resume", code=2)
    assert "--resume: there is no mine.safetensors.checkpoint" in err or "mine.safetensors.checkpoint" in err
    assert os.listdir() == ["data.csv"]


# Evaluation ----------------------------------------------------------------------------------------------------------


def test_evaluate(trained, capfd):
    options = ("--weights", trained[0] / "mine.safetensors", "--engine", "numpy")
    assert run("evaluate", TEST, *options) == 0
    out, err = capfd.readouterr()
    assert err == "" and "45 texts" in out and "most frequent" in out
    assert run("evaluate", TEST, "--format", "json", *options) == 0
    found = json.loads(capfd.readouterr().out)
    assert list(found)[: len(KEYS)] == KEYS and found["texts"] == 45 and found["accuracy"] > 0.85


def test_evaluate_needs_no_scikit_learn(trained, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    options = ("--weights", trained[0] / "mine.safetensors", "--engine", "numpy")
    assert run("evaluate", TEST, *options) == 0
    assert "45 texts" in capfd.readouterr().out


def test_an_unknown_label(trained, refused, place):
    (place / "test.csv").write_text("text,label\nso good,praise\nhello,Praise\n")
    said = refused("evaluate", "test.csv", "--weights", trained[0] / "mine.safetensors")
    assert said.startswith("test.csv, line 3: unknown label 'Praise'; ") and "'complaint', 'praise', 'question'" in said
    (place / "test.jsonl").write_text('{"text": "so good", "label": ["praise"]}\n')
    said = refused("evaluate", "test.jsonl", "--weights", trained[0] / "mine.safetensors")
    assert "several labels a text" in said


def test_some_of_the_classes_are_enough(trained, place, capfd):
    (place / "test.csv").write_text("text,label\nthank you so much,praise\n")
    options = ("--weights", trained[0] / "mine.safetensors", "--engine", "numpy", "--format", "json")
    assert run("evaluate", "test.csv", *options) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["classes"] == ["complaint", "praise", "question"] and found["accuracy"] == 1
    assert found["confusion"] == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
