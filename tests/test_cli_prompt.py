"""Texts that come one by one are answered one by one, whatever they come through; and what a terminal shows."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from test_cli_streams import on_a_terminal, start

from npmoji.batch import sources
from npmoji.batch.records import Inputs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes, sockets and terminals of POSIX systems")


@contextmanager
def scoring(*arguments, **options):
    """A process whose results come as JSON lines; one that waits where it should answer is killed."""
    with start("score", "--format", "jsonl", *arguments, **options) as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        yield process
        guard.cancel()


def answers(process, number):
    return [json.loads(process.stdout.readline())["text"] for _ in range(number)]


@contextmanager
def connected(kind, tmp_path):
    """Options and standard input of a process, and a function that sends bytes to it, or None for their end."""
    if kind == "fifo":
        os.mkfifo(tmp_path / "fifo")
        yield ["-i", tmp_path / "fifo"], subprocess.DEVNULL, lambda: os.open(tmp_path / "fifo", os.O_WRONLY), None
    elif kind == "socket":
        ours, theirs = socket.socketpair()
        yield [], theirs, ours.detach, theirs.close
    elif kind == "terminal":
        import pty

        ours, theirs = pty.openpty()
        yield [], theirs, lambda: ours, lambda: os.close(theirs)
    else:
        theirs, ours = os.pipe()
        if kind == "impatient pipe":
            os.set_blocking(theirs, False)
        yield [], theirs, lambda: ours, lambda: os.close(theirs)


@pytest.mark.parametrize("kind", ["pipe", "impatient pipe", "fifo", "socket", "terminal"])
def test_a_line_that_is_there_is_answered(weights, tmp_path, kind):
    with (
        connected(kind, tmp_path) as (options, stdin, ours, started),
        scoring(*weights, *options, stdin=stdin) as process,
    ):
        if started:
            started()
        end = ours()
        for text in ("one", "two"):
            os.write(end, text.encode() + b"\n")
            assert answers(process, 1) == [text]
        os.write(end, b"three\nfour\nfi")  # the last one has not ended
        assert answers(process, 2) == ["three", "four"]
        os.write(end, b"ve\n")
        assert answers(process, 1) == ["five"]
        if kind == "terminal":
            os.write(end, b"\x04")  # end of file
            assert process.wait() == 0
        os.close(end)
        assert (process.wait(), process.stdout.read()) == (0, b"")


@pytest.mark.parametrize("form, before", [("csv", "id,text\n"), ("jsonl", ""), ("tsv", "id\ttext\n")])
def test_rows_are_answered_though_the_next_is_half_there(weights, form, before):
    rows = {
        "csv": ["1,one\n", '2,"two\nlines', ' and three"\n3,end\n'],
        "tsv": ["1\tone\n", '2\t"two\nlines', ' and three"\n3\tend\n'],
        "jsonl": ['{"text": "one"}\n', '{"text": "two\\nlines', ' and three"}\n{"text": "end"}\n'],
    }[form]
    with scoring(*weights, "--input-format", form) as process:
        process.stdin.write((before + rows[0] + rows[1]).encode())
        process.stdin.flush()
        assert answers(process, 1) == ["one"]
        process.stdin.write(rows[2].encode())
        process.stdin.flush()
        assert answers(process, 2) == ["two\nlines and three", "end"]
        out, err = process.communicate()
    assert (out, err, process.returncode) == (b"", b"", 0)


def test_interrupted_while_waiting(weights):
    with scoring(*weights) as process:
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert answers(process, 1) == ["one"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (out, err, process.returncode) == (b"", b"", 130)


@pytest.mark.parametrize("kind", [sources.Polled, sources.Threaded])
def test_blocks_are_full_while_input_is_fast(monkeypatch, kind):
    """The same from a thread that does the waiting, as on systems where no call says what has come."""
    theirs, ours = os.pipe()
    monkeypatch.setattr(sources, "arrivals", kind)
    monkeypatch.setattr(sys, "stdin", open(theirs))  # noqa: SIM115
    os.write(ours, b"line\n" * 5000)
    blocks = Inputs(["-"]).blocks(512)
    first = next(blocks)
    assert len(first) == 512 or kind is sources.Threaded
    number = len(first)
    while number < 5000:
        number += len(next(blocks))
    os.write(ours, b"one\ntwo\nthr")
    assert [record.text for record in next(blocks)] == ["one", "two"]
    os.write(ours, b"ee")
    os.close(ours)
    assert [[record.text for record in block] for block in blocks] == [["three"]]
    sys.stdin.close()


def test_a_thread_hands_errors_on():
    class Broken:
        def read(self, size):
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        sources.Threaded(Broken()).read(1)


# Terminals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream, line", [("stderr", True), ("stdout", False)])
def test_a_summary_is_left_on_a_terminal_only(weights, tmp_path, stream, line):
    (tmp_path / "in.txt").write_text("lol\n" * 7 + "day " * 31 + "\n" + "day " * 30 + "\n")
    code, _, err = on_a_terminal(
        "score", *weights, "-i", tmp_path / "in.txt", "-o", tmp_path / "out.csv", stream=stream
    )
    assert code == 0
    assert bool(re.fullmatch(r"npmoji: 9 texts in \d+\.\d s, [\d,.]+ texts/s, 1 cut at 30 tokens\n", err)) is line
    assert line or err == ""


def test_no_summary_of_what_failed(weights, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"lol\n\xff\n")
    code, _, err = on_a_terminal(
        "score", *weights, "-i", tmp_path / "in.txt", "-o", tmp_path / "out.csv", stream="stderr"
    )
    assert code == 2 and err.startswith("npmoji: error: ") and err.count("\n") == 1
