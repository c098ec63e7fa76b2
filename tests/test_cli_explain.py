"""`npmoji explain`: terminals of all kinds, pipes, formats, and what is refused."""

import io
import json
import os
import re
import sys

import numpy as np
import pytest
from test_cli import run
from test_cli_streams import Terminal, on_a_terminal, start
from test_own_classes import own
from test_package import modules_after

import npmoji
from npmoji import Embedding, initialisers
from npmoji.cli import explain as explain_command
from npmoji.graph import Graph
from npmoji.layers.base import ancestors
from npmoji.learn import heads

TEXT = "I love mom's cooking zzyzx"
ENVIRONMENT = "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"


@pytest.fixture(scope="module")
def mine(folder, tmp_path_factory):
    """A model of three classes of one's own."""
    path = tmp_path_factory.mktemp("own") / "own.safetensors"
    heads.save(own(npmoji.load(folder / "weights.hdf5", engine="numpy")), path)
    return "--weights", path, "--engine", "numpy"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Sets variables like ``TERM=xterm NO_COLOR=1``; none is set before."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)

    def set_to(settings):
        for setting in settings.split():
            monkeypatch.setenv(*setting.split("="))

    return set_to


@pytest.fixture
def explain(capfd, weights):
    """What the command prints when all goes well."""

    def result(*arguments, model=weights):
        assert run("explain", *model, *arguments) == 0
        out, err = capfd.readouterr()
        assert err == ""
        return out

    return result


# What it prints -------------------------------------------------------------------------------------------------------


def test_text_for_people(explain, model):
    texts = [TEXT, "", "lol"]
    found = model.explain(texts)
    assert explain(*texts) == "\n\n".join(map(str, found)) + "\n"
    assert "\x1b" not in explain(*texts) and "    zzyzx" in explain(*texts) and "unknown" in explain(*texts)


@pytest.mark.parametrize("emoji", ["😂", "joy", ":joy:", "0", "tears of joy"])
def test_an_emoji_by_any_name(explain, model, emoji):
    found = explain(TEXT, "--emoji", emoji, "--top", 2)
    assert "for (+) or against (−) 😂 tears of joy, in" in found
    assert found.splitlines()[-1].startswith("  😂") and len(found.splitlines()) == 2 + 5 + 3
    assert json.loads(explain(TEXT, "--emoji", emoji, "--format", "json"))["target"]["id"] == 0


def test_json_is_what_the_library_gives(explain, model):
    texts = [TEXT, "שלום \ud83d \x1b", ""]
    lines = explain(*texts, "--format", "json", "--top", 3).splitlines()
    assert [json.loads(line) for line in lines] == [e.as_dict(3) for e in model.explain(texts)]
    assert "\x1b" not in lines[1]


def test_attention(explain, model):
    (e,) = model.explain([TEXT])
    lines = explain(TEXT, "--by", "attention").splitlines()
    assert lines[1] == "  attention, in percent:"
    found = [float(line.split()[1]) for line in lines[2:7]]
    assert found == pytest.approx([100 * word.attention for word in e.words], abs=0.051)


def test_texts_of_files_and_standard_input(explain, tmp_path, monkeypatch):
    texts = [f"love {i} lol" for i in range(70)]
    (tmp_path / "in.txt").write_text("".join(f"{text}\n" for text in texts))
    (tmp_path / "in.csv").write_text("id,message\n" + "".join(f"{i},{text}\n" for i, text in enumerate(texts)))
    wanted = explain(*texts, "--format", "json")
    assert wanted.count("\n") == 70
    assert explain("-i", tmp_path / "in.txt", "--format", "json") == wanted
    assert explain("-i", tmp_path / "in.csv", "--column", "message", "--format", "json") == wanted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "in.txt").read_bytes())))
    assert explain("--format", "json") == wanted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert explain() == ""


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX systems")
def test_a_line_is_answered_while_others_may_follow(weights):
    with start("explain", *weights, "--format", "json") as process:
        process.stdin.write(b"lol\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == "lol"
        out, err = process.communicate(b"so funny\n")
    assert (json.loads(out)["text"], err, process.returncode) == ("so funny", b"", 0)


def test_classes_of_ones_own(explain, mine):
    found = explain(TEXT, "--emoji", "ü 😋", model=mine)
    assert "  for (+) or against (−) ü 😋, in percentage points:" in found and len(found.splitlines()) == 2 + 5 + 3
    found = json.loads(explain(TEXT, "--emoji", "b", "--format", "json", model=mine))
    assert found["target"]["label"] == "b" and {e["label"] for e in found["emojis"]} == {"a", "b", "ü 😋"}


# Pages ----------------------------------------------------------------------------------------------------------------


def test_a_page(explain, tmp_path):
    page = explain(TEXT, "<b>lol</b>", "--format", "html")
    assert page.startswith("<!DOCTYPE html>") and "<b>lol" not in page and page.count("<!DOCTYPE") == 1
    path = tmp_path / "page.html"
    assert explain(TEXT, "<b>lol</b>", "--html", path) == ""
    assert path.read_text(encoding="utf-8") == page and os.listdir(tmp_path) == ["page.html"]
    assert explain(TEXT, "--html", path, "--format", "json") == explain(TEXT, "--format", "json")
    assert "lol" not in path.read_text(encoding="utf-8")
    assert explain(TEXT, "<b>lol</b>", "--html", "-") == page
    assert explain(TEXT, "<b>lol</b>", "--html", "-", "--format", "html") == page


def test_no_page_of_what_failed(capfd, weights, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"lol\n" * 40 + b"\xff\n")
    assert run("explain", *weights, "-i", tmp_path / "in.txt", "--html", tmp_path / "page.html") == 2
    assert os.listdir(tmp_path) == ["in.txt"]
    assert run("explain", *weights, TEXT, "--html", tmp_path / "nowhere" / "page.html") == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 2 and "page.html: cannot be written" in err


# Terminals ------------------------------------------------------------------------------------------------------------

needs_terminals = pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX systems")


@needs_terminals
@pytest.mark.parametrize(
    "settings, look",
    [
        ("TERM=xterm-256color COLORTERM=truecolor", "48;2;"),
        ("TERM=screen-256color", "48;5;"),
        ("TERM=xterm", ";4"),
        ("TERM=xterm NO_COLOR=1", ""),
        ("TERM=dumb", ""),
        ("", ""),
    ],
)
def test_a_terminal_has_its_colours(weights, environment, settings, look):
    environment(settings)
    code, out, err = on_a_terminal("explain", *weights, TEXT, "--top", 2, stream="stdout")
    assert (code, err) == (0, "")
    lines = re.sub(r"\x1b\[[\d;]*m", "", out).splitlines()
    assert lines[0] == TEXT and lines[-1][0] == " "
    if look:
        assert look in out and "\x1b[4m" in out and len(lines) == 4  # an unknown word is underlined
        assert out.count("\x1b[") == 2 * out.count("\x1b[0m")
    else:
        assert "\x1b" not in out and len(lines) == 4 + 5
        assert ("█" in out) is (settings != "TERM=dumb")


@needs_terminals
def test_lines_fit_the_terminal(weights, environment):
    environment("TERM=xterm-256color COLUMNS=40")
    texts = ["I love mom's cooking " * 5, "日本" * 40, "👩\u200d👩\u200d👧 " * 30, "שלום " * 20]
    for settings in ("", "NO_COLOR=1"):
        environment(settings)
        code, out, _ = on_a_terminal("explain", *weights, *texts, stream="stdout")
        lines = re.sub(r"\x1b\[[\d;]*m", "", out).splitlines()
        assert code == 0 and 38 <= max(map(npmoji.display.columns, lines)) <= 40


@needs_terminals
def test_a_text_does_nothing_to_the_terminal(weights, environment):
    environment("TERM=xterm-256color")
    text = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \u202eevil\u2066 lol\x08\x08"
    for arguments in ([], ["--by", "attention"]):
        _, out, _ = on_a_terminal("explain", *weights, text, *arguments, stream="stdout")
        bare = re.sub(r"\x1b\[[\d;]*m", "", out).replace("\n", "")
        assert "\x1b[31m" not in out and bare.isprintable() and "evil" in bare


def test_colours_where_they_are_asked_for(explain, environment):
    environment("FORCE_COLOR=1 TERM=xterm-256color COLUMNS=30")
    assert "\x1b[38;5;16;48;5;" in explain(TEXT) and explain(TEXT).splitlines()[0].startswith("\x1b")
    environment("NO_COLOR=1")
    assert "\x1b" not in explain(TEXT)


def test_progress_is_not_shown_among_the_results(weights, tmp_path, monkeypatch):
    (tmp_path / "in.txt").write_text("lol\n" * 100)
    clock = iter(range(1000))
    monkeypatch.setattr(npmoji.display.time, "monotonic", lambda: next(clock))
    for to_terminal in (True, False):
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setattr(sys, "stdout", Terminal() if to_terminal else io.StringIO())
        assert run("explain", *weights, "-i", tmp_path / "in.txt", "--format", "json") == 0
        assert ("npmoji: 100 texts in" in sys.stderr.getvalue()) is not to_terminal
        assert sys.stdout.getvalue().count("\n") == 100


# What is refused ------------------------------------------------------------------------------------------------------


def refused(capfd, *arguments):
    assert run("explain", *arguments) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("npmoji: error: ") and err.count("\n") == 1
    return err


def test_an_unknown_emoji(capfd, weights, mine):
    err = refused(capfd, *weights, TEXT, "--emoji", "tears of jo")
    assert "'tears of jo'" in err and "😂 tears of joy" in err
    assert "from 0 to 63" in refused(capfd, *weights, TEXT, "--emoji", "64")
    err = refused(capfd, *mine, TEXT, "--emoji", "😂")
    assert "ü 😋" in err
    err = refused(capfd, *weights, TEXT, "--emoji", "\x1b[31m")
    assert "\x1b" not in err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--top", "0"], "--top"),
        (["--by", "hope"], "--by"),
        (["--by", "attention", "--format", "json"], "--by applies to --format text only"),
        (["--by", "contribution", "--html", "x.html"], "--by applies to --format text only"),
        (["--html", ""], "cannot be written"),
        (["--html", "-", "--format", "json"], "both go to standard output"),
        (["--html", "-", "--format", "text"], "both go to standard output"),
        (["-i", "file"], "not both"),
        (["--column", "a"], "--column does not apply"),
    ],
)
def test_wrong_usage(capfd, weights, arguments, words):
    assert words in refused(capfd, *weights, TEXT, *arguments)
    assert not os.path.exists("x.html")


def test_what_is_read_is_not_written_over(capfd, weights, tmp_path):
    path, link = tmp_path / "in.txt", tmp_path / "link.html"
    path.write_text("lol\n")
    link.symlink_to(path)
    for page in (path, link, f"file://{path}"):
        assert "is the input and the output" in refused(capfd, *weights, "-i", path, "--html", page)
    assert path.read_text() == "lol\n"


def test_a_network_without_attention(capfd, model, monkeypatch):
    rng = np.random.default_rng(0)
    words = Embedding(npmoji.Input(vocabulary_size=60), *initialisers.embedding(rng, 60, 8), mask_zero=True)
    net = npmoji.Dense(npmoji.MaskedMean(words), *initialisers.dense(rng, 8, 3), activation="softmax")
    graph = Graph([*ancestors([net])], [net])
    monkeypatch.setattr(explain_command, "load", lambda _: npmoji.Model(graph, model.tokenizer, engine="numpy"))
    assert "no attention layer" in refused(capfd, TEXT, "--by", "attention")
    assert run("explain", TEXT, "--emoji", "2") == 0
    assert "(−) class 2, in" in capfd.readouterr().out


def test_a_model_without_a_vocabulary(capfd, small):
    assert "vocabulary" in refused(capfd, "--weights", small[0], TEXT)


def test_it_starts_without_what_it_does_not_need():
    """As little as `npmoji score` does, which a test of the package looks at."""
    names = modules_after("from npmoji import cli; cli.main(['explain', 'so funny lol'])")
    assert "npmoji.explain.terminal" in names
    assert not names & {"numba", "torch", "npmoji.explain.page", "npmoji.pages", "npmoji.learn", "npmoji.corpora"}
    assert not names & {"csv", "starlette", "pandas", "npmoji.cli.score", "npmoji.batch.writers", "ctypes.util"}
