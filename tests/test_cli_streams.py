"""The command line among other programs: devices, pipes, signals and terminals."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from test_cli import run

import npmoji
from npmoji import display
from npmoji.cli import inputs as cli_inputs
from npmoji.cli import models

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, pipes, devices and terminals of POSIX systems")

LAUNCH = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from npmoji.cli import main; sys.exit(main())"
)
PATH = os.pathsep.join([str(Path(npmoji.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])


def start(*arguments, before="", **options):
    """The command line in a process of its own, where Ctrl-C works even if the tests run in the background."""
    command = [sys.executable, "-c", before + LAUNCH, *map(str, arguments)]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | options
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": PATH, "PYTHONUNBUFFERED": ""}, **streams)


@pytest.fixture(scope="module")
def weights(small, toy_vocabulary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    (folder / "vocabulary.json").write_text(json.dumps(toy_vocabulary))
    return "--weights", shutil.copy(small[0], folder / "weights.hdf5"), "--engine", "numpy"


# Devices -------------------------------------------------------------------------------------------------------------


def test_pipes_and_devices_are_written_to_and_stay(weights, tmp_path):
    """A named pipe stands for all that is no plain file: a test must not risk a true device."""
    os.mkfifo(tmp_path / "fifo")
    with start("score", *weights, "lol", "-o", tmp_path / "fifo") as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        process.wait()
        guard.cancel()
        assert (process.returncode, os.read(reader, 4)) == (0, b"lol\n")
        os.close(reader)
    assert os.listdir(tmp_path) == ["fifo"] and (tmp_path / "fifo").is_fifo()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_standard_output_may_be_named(weights, tmp_path):
    (tmp_path / "link").symlink_to("/proc/self/fd/1")  # as /dev/stdout is, and for a pipe leads to no path
    with start("score", *weights, "lol", "-o", tmp_path / "link") as process:
        out, err = process.communicate()
    assert (process.returncode, out[:4], err) == (0, b"lol\n", b"")


def one_error(process, *words):
    out, err = process.communicate()
    assert (process.returncode, out or b"") == (2, b"")
    assert err.startswith(b"npmoji: error: ") and err.count(b"\n") == 1 and all(word in err for word in words), err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_standard_output_is_one_line(weights):
    with open("/dev/full", "wb") as full, start("score", *weights, "lol", stdout=full) as process:
        one_error(process, b"standard output", b"No space")


@pytest.mark.parametrize("command", ["score", "encode"])
def test_a_full_disk_is_one_line_and_leaves_nothing(weights, tmp_path, command):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50)); "
    name = "out.npy" if command == "encode" else "out.txt"
    with start(command, *weights, "lol", "-o", tmp_path / name, before=limit) as process:
        one_error(process, name.encode() + b": cannot be written: File too large")
    assert os.listdir(tmp_path) == []


# Streams and signals -------------------------------------------------------------------------------------------------


def test_results_come_while_texts_still_arrive(weights):
    with start("score", *weights, "--format", "jsonl") as process:
        guard = threading.Timer(60, process.kill)  # a command that waits for the end would hang here
        guard.start()
        process.stdin.write(b"first\n" * cli_inputs.BLOCK)
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(cli_inputs.BLOCK)]
        assert all(json.loads(line)["text"] == "first" for line in lines)
        out, err = process.communicate(b"second\n")
        guard.cancel()
    assert (json.loads(out)["text"], err, process.returncode) == ("second", b"", 0)


@pytest.mark.parametrize("number, read", [(3000, True), (1, False)])
def test_a_closed_pipe_ends_quietly(weights, number, read):
    with start("score", *weights) as process:
        if not read:
            process.stdout.close()
        process.stdin.write(b"lol\n" * number)
        process.stdin.close()
        if read:
            assert process.stdout.readline() == b"lol\n"
            process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (0, b"")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing(weights, tmp_path, number, code):
    with start("score", *weights, "-o", tmp_path / "out.txt") as process:
        process.stdin.write(b"lol\n" * cli_inputs.BLOCK)
        process.stdin.flush()
        while not os.listdir(tmp_path):
            assert process.poll() is None
        assert os.listdir(tmp_path)[0].endswith(".part")
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (code, b"", b"")
    assert os.listdir(tmp_path) == []


# Terminals -----------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def on_a_terminal(*arguments, stream):
    """Exit code, standard output and standard error of a process for which `stream` is a terminal, the other a pipe."""
    import pty

    ours, theirs = pty.openpty()
    with start(*arguments, stdin=subprocess.DEVNULL, **{stream: theirs}) as process:
        os.close(theirs)
        shown = b""
        try:
            while some := os.read(ours, 65536):
                shown += some
        except OSError:  # how Linux tells that the other end is closed
            pass
        os.close(ours)
        piped = (process.stderr if stream == "stdout" else process.stdout).read()
    texts = shown.decode().replace("\r\n", "\n"), piped.decode()
    return process.returncode, *(texts if stream == "stdout" else texts[::-1])


def test_text_on_a_terminal_fits_and_has_bars(weights):
    texts = ["lol", "I love mom's cooking " * 20, "日本" * 60, "e\u0301" * 200]
    code, out, err = on_a_terminal("score", *weights, *texts, stream="stdout")
    assert (code, err) == (0, "")
    blocks = [block.splitlines() for block in out.removesuffix("\n").split("\n\n")]
    for text, (title, *lines) in zip(texts, blocks, strict=True):
        assert title == text or title.endswith("…") and text.startswith(title[:-1])
        assert all(re.fullmatch(r"  \S+ +[a-z, ]+ \d+\.\d %  █+", line) for line in lines)
        bars = [line.count("█") for line in lines]
        assert len(bars) == 5 and bars == sorted(bars, reverse=True) and bars[0] <= 20
        assert all(display.columns(line) <= 80 for line in (title, *lines))
    assert [display.columns(block[0]) for block in blocks] == [3, 80, 79, 80]


@pytest.mark.parametrize(
    "text, width, wanted",
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本", 3, "日…"), ("", 3, ""), ("a\u0301\u0302", 1, "a\u0301\u0302")],
)
def test_shorten(text, width, wanted):
    assert display.shorten(text, width) == wanted


def test_the_bundled_model_says_what_it_is_on_a_terminal_only(capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "home"))
    code, out, err = on_a_terminal("score", "I love mom's cooking", stream="stderr")
    assert (code, err) == (0, models.BUNDLED_NOTE + "\n")
    assert out.startswith("I love mom's cooking\n") and "█" not in out
    assert run("score", "I love mom's cooking") == 0
    assert capfd.readouterr() == (out, "")


def test_other_weights_need_no_note(weights, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert run("score", *weights, "lol", "-o", tmp_path / "out.txt") == 0
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("to_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(weights, tmp_path, monkeypatch, terminal, to_terminal):
    """And not where the results themselves appear."""
    (tmp_path / "in.txt").write_text("lol\n" * (2 * cli_inputs.BLOCK))
    clock = iter(range(1000))
    monkeypatch.setattr(display.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setattr(sys, "stdout", Terminal() if to_terminal else io.StringIO())
    assert run("score", *weights, "-i", tmp_path / "in.txt", "--format", "jsonl") == 0
    shown = sys.stderr.getvalue()
    if terminal and not to_terminal:
        assert re.search(r"\r\[#{15} {15}\]   50 %  512 texts  \d+ texts/s  0:0\d left", shown), shown
        assert re.search(r"\r +\rnpmoji: 1,024 texts in \d+\.0 s, \d+ texts/s, none cut at 30 tokens\n$", shown), shown
    else:
        assert shown == ""
    assert sys.stdout.getvalue().count("\n") == 2 * cli_inputs.BLOCK
