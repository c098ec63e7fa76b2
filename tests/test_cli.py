"""The command line: formats, files and usage. `test_cli_streams` has signals, pipes, devices and terminals."""

import csv
import gc
import hashlib
import io
import json
import os
import signal
import sys
import tracemalloc

import numpy as np
import pytest

import npmoji
from npmoji import cli
from npmoji.batch.records import Inputs
from npmoji.cli import inputs as cli_inputs
from npmoji.text.emojis import NAMES

TEXTS = ["I love mom's cooking", 'this, is "so" funny', "lol", "", "the worst day ever !", "naïve 😋 ⅻ"]


def run(*arguments):
    """The exit code of the command line, run in this process."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code
    finally:
        signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def stdin(monkeypatch):
    """Let standard input hold these bytes."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def score(capfd, weights):
    """What `npmoji score` prints, as parsed JSON lines, when all goes well."""

    def result(*arguments):
        assert run("score", *weights, "--format", "jsonl", *arguments) == 0
        out, err = capfd.readouterr()
        assert err == ""
        return [json.loads(line) for line in out.split("\n")[:-1]]

    return result


def texts_of(results):
    return [result["text"] for result in results]


def test_only_the_process_own_command_puts_off_collections(monkeypatch, capfd):
    def state():
        return gc.get_threshold(), gc.get_freeze_count(), list(gc.callbacks)

    before = usual, frozen, callbacks = state()
    monkeypatch.setattr(sys, "argv", ["npmoji"])
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert (run(), state()) == (0, before)  # given, though there are none
        assert cli.main() == 0
        (first, *_), now, _ = state()
        assert first > usual[0] and now > frozen
        gc.collect()
        assert (gc.get_threshold(), gc.callbacks) == (usual, callbacks)
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)
        signal.signal(signal.SIGTERM, handler)


# Formats -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 5, 100])
def test_jsonl(score, model, k):
    results = score("--top", k, *TEXTS)
    for text, wanted, result in zip(TEXTS, model.top(TEXTS, k), results, strict=True):
        assert list(result) == ["text", "emojis"] and result["text"] == text
        assert [(e["id"], e["emoji"]) for e in result["emojis"]] == [p[:2] for p in wanted]
        assert [np.float32(e["p"]) for e in result["emojis"]] == [np.float32(p.probability) for p in wanted]
        assert all(len(str(e["p"])) <= 14 for e in result["emojis"])  # float32 digits, not float64's


@pytest.mark.parametrize("k", [2, 5, 100])
def test_csv(capfd, weights, model, k):
    texts = [*TEXTS, "two\nlines"]
    assert run("score", *weights, "--format", "csv", "--top", k, *texts) == 0
    k = min(k, 64)  # there are no more classes
    header, *rows = csv.reader(io.StringIO(capfd.readouterr().out, newline=""), strict=True)
    ranks = [str(i + 1) for i in range(k)]
    assert header == ["Text", f"Top{k}%", *("Emoji_" + i for i in ranks), *("Pct_" + i for i in ranks)]
    for text, wanted, row in zip(texts, model.top(texts, k), rows, strict=True):
        assert row[0] == text
        assert [int(x) for x in row[2 : 2 + k]] == [p.id for p in wanted]
        assert [np.float32(x) for x in row[2 + k :]] == [np.float32(p.probability) for p in wanted]
        assert float(row[1]) == pytest.approx(sum(p.probability for p in wanted), abs=1e-6)


def test_text_is_plain_when_not_on_a_terminal(capfd, weights, model):
    assert run("score", *weights, *TEXTS) == 0
    out, err = capfd.readouterr()
    blocks = [block.split("\n") for block in out.removesuffix("\n").split("\n\n")]
    for text, wanted, (title, *lines) in zip(TEXTS, model.top(TEXTS), blocks, strict=True):
        assert title == text
        for p, line in zip(wanted, lines, strict=True):
            assert line.split() == [p.emoji, *NAMES[p.id].split(), f"{100 * p.probability:.1f}", "%"]
    assert err == "" and "█" not in out and "\x1b" not in out


def test_text_output_shows_no_control_characters(capfd, weights):
    assert run("score", *weights, "a\x1b[31m\r\nb\u202e") == 0
    assert capfd.readouterr().out.split("\n")[0] == "a [31m  b "


@pytest.mark.parametrize("number", [0, 3, cli_inputs.BLOCK + 90])
def test_encode_writes_what_numpy_reads(weights, model, tmp_path, number):
    texts = [f"I love {'the ' * (i % 7)}worst {'day' if i % 3 else 'bed'}" for i in range(number)]
    (tmp_path / "in.txt").write_text("".join(text + "\n" for text in texts))
    assert run("encode", *weights, "-i", tmp_path / "in.txt", "-o", tmp_path / "out.npy") == 0
    features = np.load(tmp_path / "out.npy")
    assert features.dtype == np.float32 and features.flags.c_contiguous and features.shape == (number, 96)
    np.testing.assert_allclose(features, model.encode(texts), rtol=0, atol=1e-6)
    assert len(os.listdir(tmp_path)) == 2


# Inputs --------------------------------------------------------------------------------------------------------------

FILES = {
    "plain.txt": ("one\n\n two \nthree", ["one", "", " two ", "three"]),
    "crlf.txt": ("one\r\n\r\ntwo\r\n", ["one", "", "two"]),
    "bom.txt": ("\ufeffone\n\ufefftwo\n", ["one", "\ufefftwo"]),
    "separators.txt": ("a\u2028b\x0bc\x0cd\x85e\n", ["a\u2028b\x0bc\x0cd\x85e"]),
    "empty.txt": ("", []),
    "no_suffix": ("text\none", ["text", "one"]),
    "some.csv": ('\ufefftext,n\r\n"a, ""b""",1\r\n"two\nlines",2\r\n', ['a, "b"', "two\nlines"]),
    "named.CSV": ("n,body\n1,one\n2,\n", ["one", ""]),
    "some.jsonl": ('{"text": "one"}\n\n{"n": 1, "text": "tw\\u00f6"}\r\n', ["one", "twö"]),
    "named.jsonl": ('{"body": "one", "text": 5}', ["one"]),
    "empty.jsonl": ("", []),
}


@pytest.mark.parametrize("name", FILES)
def test_texts_come_from_files(score, model, tmp_path, name):
    content, texts = FILES[name]
    (tmp_path / name).write_bytes(content.encode())
    results = score("-i", tmp_path / name, *(["--column", "body"] if "named" in name else []))
    assert texts_of(results) == texts
    wanted = model.top(texts)
    assert [[e["id"] for e in result["emojis"]] for result in results] == [[p.id for p in top] for top in wanted]


@pytest.mark.parametrize("arguments", [[], ["-i", "-"]])
def test_texts_come_from_standard_input(score, stdin, arguments):
    stdin("one\r\nzwö\n".encode())
    assert texts_of(score(*arguments)) == ["one", "zwö"]


def test_a_text_may_begin_with_a_dash(score):
    assert texts_of(score("--", "-x", "--top")) == ["-x", "--top"]


BAD_FILES = {
    "latin1.txt": (b"\xe9\none\n", ["line 1", "UTF-8"]),
    "utf16.txt": ("one".encode("utf-16"), ["line 1", "UTF-8"]),
    "other.csv": (b"a,b\n1,2\n", ["'text'", "['a', 'b']"]),
    "empty.csv": (b"", ["'text'"]),
    "short.csv": (b"a,text\n3\n", ["line 2", "'text'"]),
    "open.csv": (b'text\n"one\n', ["not CSV"]),
    "not.jsonl": (b'\n{"text": \n', ["line 2", "not JSON"]),
    "deep.jsonl": (b"[" * 100_000, ["line 1", "not JSON"]),
    "array.jsonl": (b'["one"]\n', ["line 1", "'text'"]),
    "lacking.jsonl": (b'\n{"txt": "one"}\n', ["line 2", "'text'"]),
    "number.jsonl": (b'{"text": 5}\n', ["line 1", "number"]),
}


@pytest.mark.parametrize("form", ["csv", "encode"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_told_with_their_line_and_leave_nothing(capfd, weights, tmp_path, name, form):
    content, words = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    command = ["encode", "-o", tmp_path / "o.npy"] if form == "encode" else ["score", "--format", form]
    assert run(*command, *weights, "-i", tmp_path / name) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("npmoji: error: ") and err.count("\n") == 1
    assert all(word in err for word in (name, *words)), err
    assert os.listdir(tmp_path) == [name]


def test_large_files_are_read_line_by_line(tmp_path):
    line = "some text of some length " * 8 + "\n"
    (tmp_path / "large.txt").write_text(line * 100_000)
    texts = Inputs([str(tmp_path / "large.txt")])
    tracemalloc.start()
    try:
        number = sum(len(block) for block in texts.blocks(cli_inputs.BLOCK))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (number, texts.done, texts.size) == (100_000, 20_100_000, 20_100_000)
    assert peak < 2_000_000


# Outputs -------------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_only_once_all_is_done(capfd, weights, tmp_path):
    target, texts = tmp_path / "out.csv", tmp_path / "in.txt"
    target.write_text("before")
    texts.write_bytes(b"bad \xff\n")
    assert run("score", *weights, "-i", texts, "-o", target) == 2
    assert "line 1" in capfd.readouterr().err
    assert target.read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.csv"]
    texts.write_text("good\n")
    assert run("score", *weights, "-i", texts, "-o", target) == 0
    assert target.read_text(encoding="utf-8").startswith("Text,Top5%,")
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.csv"]
    assert capfd.readouterr() == ("", "")


def test_the_input_may_be_replaced(weights, tmp_path):
    path = tmp_path / "both.txt"
    path.write_text("lol\n")
    assert run("score", *weights, "-i", path, "-o", path, "--format", "jsonl") == 0
    assert json.loads(path.read_text(encoding="utf-8"))["text"] == "lol"


@pytest.mark.skipif(os.name != "posix", reason="links need no permission on POSIX systems only")
def test_a_link_stays_a_link(weights, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert run("score", *weights, "lol", "-o", tmp_path / "link") == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text(encoding="utf-8").startswith("lol")


@pytest.mark.parametrize("place", ["missing/out.npy", "file/out.npy", "folder.npy", "/proc/out.npy", "locked/out.npy"])
@pytest.mark.parametrize("command", ["score", "encode"])
def test_places_that_cannot_be_written(capfd, weights, tmp_path, place, command):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "locked").mkdir(mode=0o500)
    if place.startswith("locked") and os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write anywhere")
    before = sorted(tmp_path.rglob("*"))
    form = ["--format", "text"] if command == "score" else []
    assert run(command, *weights, "lol", "-o", tmp_path / place, *form) == 2
    out, err = capfd.readouterr()
    assert (
        out == "" and err.startswith(f"npmoji: error: {tmp_path / place}: cannot be written: ") and err.count("\n") == 1
    )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_a_closed_stream_is_one_line(capfd, weights, monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    assert run("score", *weights) == 2
    assert "is closed" in capfd.readouterr().err


# Usage and information -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["scor"],
        ["score", "--frmat", "csv"],
        ["score", "--format", "xml", "lol"],
        ["score", "--top", "0", "lol"],
        ["score", "--top", "many", "lol"],
        ["score", "--maxlen", "-1", "lol"],
        ["score", "--maxlen", "9" * 30, "lol"],
        ["score", "--threads", "1.5", "lol"],
        ["score", "--engine", "tensorflow", "lol"],
        ["score", "--precision", "fp99", "lol"],
        ["score", "-i", "in.txt", "lol"],
        ["score", "-i", ""],
        ["score", "-i"],
        ["encode", "lol"],
        ["encode", "lol", "-o", "-"],
        ["encode", "lol", "-o", "out.csv"],
        ["info", "two\nlines"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line(capfd, stdin, arguments):
    stdin(b"lol\n")
    assert run(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("npmoji: error: ") and err.count("\n") == 1, err


def test_help_and_version(capfd):
    assert run("--version") == 0
    assert capfd.readouterr().out == f"npmoji {npmoji.__version__}\n"
    assert run("--help") == 0
    out = capfd.readouterr().out
    assert all(command in out for command in ("score", "encode", "info"))
    assert run("score", "--help") == 0
    assert "--column" in capfd.readouterr().out


def test_info_tells_files_and_digests(capfd, weights, folder):
    assert run("info", *weights) == 0
    out, err = capfd.readouterr()
    for name in ("weights.hdf5", "vocabulary.json"):
        assert str(folder / name) in out
        assert f"sha256 {hashlib.sha256((folder / name).read_bytes()).hexdigest()}" in out
    for word in ("features 96", "classes 64", "vocabulary 400", "numpy", "bi_lstm_1/backward_bias (80,)", "threads"):
        assert word in out
    assert err == ""
