"""What killed processes leave beside their targets, and that nobody takes away what is still being written."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from npmoji.files import parts, whole

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
PROGRAM = """
import sys
from npmoji.files import whole
with getattr(whole, sys.argv[1])(*sys.argv[2:3], *([print] if sys.argv[1] == "whole_folder" else [])) as made:
    print("begun", flush=True)
    sys.stdin.readline()
    if sys.argv[1] == "whole_file":
        made.write(b"by the other")
"""


def start(kind, target):
    """Another process that writes the target, and is in the middle of it."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind, str(target)],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"begun\n"
    return process


def write(kind, target, content=b"ours"):
    """Write it in this process."""
    if kind == "whole_file":
        with whole.whole_file(str(target)) as file:
            file.write(content)
    else:
        with whole.whole_folder(str(target), print) as folder, open(os.path.join(folder, "a"), "wb") as file:
            file.write(content)


@posix
@pytest.mark.parametrize("kind", ["whole_file", "whole_folder"])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, kind):
    with start(kind, tmp_path / "out") as process:
        os.kill(process.pid, signal.SIGKILL)
    (left,) = os.listdir(tmp_path)
    assert re.fullmatch(r"out\.[0-9a-f]{8}\.part", left)
    others = ["other.0123abcd.part", "out.csv", "out.part", "out.xyz.part"]
    for name in others:
        (tmp_path / name).touch()
    write(kind, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "out"])


@posix
def test_what_another_process_is_writing_stays(tmp_path):
    target = tmp_path / "out"
    with start("whole_file", target) as process:
        write("whole_file", target)
        assert target.read_bytes() == b"ours" and len(os.listdir(tmp_path)) == 2
        process.communicate(b"\n")
    assert process.returncode == 0
    assert target.read_bytes() == b"by the other" and os.listdir(tmp_path) == ["out"]


def test_what_this_process_is_writing_stays(tmp_path):
    target = tmp_path / "out"
    with whole.scratch_folder(str(target)) as folder, whole.whole_file(str(target)) as file:
        parts.sweep(str(target))
        assert os.path.isdir(folder)
        write("whole_file", target)
        file.write(b"outer")
    assert target.read_bytes() == b"outer" and os.listdir(tmp_path) == ["out"]


@posix
def test_a_part_swept_away_before_it_was_locked_is_made_again(tmp_path):
    made = []

    def make(part):
        made.append(part)
        open(part, "xb").close()
        if len(made) == 1:
            parts.sweep(str(tmp_path / "out"))

    with contextlib.ExitStack() as cleanup:
        part, _ = parts.begin(
            str(tmp_path / "out"), cleanup, make, lambda part: os.path.exists(part) and os.unlink(part)
        )
        assert made[1:] == [part] and os.listdir(tmp_path) == [os.path.basename(part)]
    assert os.listdir(tmp_path) == []


def test_without_locks_only_old_ones_are_removed(tmp_path, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr(parts, "fcntl", None)
    old, new = tmp_path / "out.00000000.part", tmp_path / "out.00000001.part"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    write("whole_file", tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["out", new.name]


def test_links_and_places_that_cannot_be_read_are_left_alone(tmp_path):
    if os.name == "posix":
        (tmp_path / "out.00000000.part").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").touch()
        parts.sweep(str(tmp_path / "out"))
        assert len(os.listdir(tmp_path)) == 2
    parts.sweep(str(tmp_path / "no folder" / "out"))
