"""`npmoji score --resume`: whenever a run is killed, the next one ends with the bytes of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from test_cli import run
from test_cli_streams import PATH

import npmoji
from npmoji import batch
from npmoji.cli import inputs
from npmoji.corpora import job, plans, store

POSIX = pytest.mark.skipif(os.name != "posix", reason="kills of POSIX systems")
#: the same sizes of blocks and parts as in this process
SMALL = "plans.BLOCK, batch.BLOCK, job.LEAST, job.PART_ROWS = 16, 16, 16, 32"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch, tmp_path_factory):
    for module in (plans, batch, inputs):
        monkeypatch.setattr(module, "BLOCK", 16)
    monkeypatch.setattr(job, "LEAST", 16)
    monkeypatch.setattr(job, "PART_ROWS", 32)
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path_factory.mktemp("home")))


ROWS = 150


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "in.jsonl"
    rows = [{"id": i, "text": f"I love {'the ' * (i % 40)}{'day' if i % 3 else 'bed'}"} for i in range(ROWS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Killed(Exception):
    """What stands for a kill in this process."""


def interrupted(monkeypatch, parts, arguments):
    """Run until so many parts are finished."""
    add = store.Store.add

    def stop(self, *given):
        if len(self.parts) == parts:
            raise Killed
        add(self, *given)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(store.Store, "add", stop)
        run(*arguments)


# Kills --------------------------------------------------------------------------------------------------------------

DRIVER = (
    """\
import os, shutil, signal, sys
from npmoji import cli
from npmoji import batch
from npmoji.corpora import job, plans
"""
    + SMALL
    + """
calls, at = 0, int(sys.argv[1])

def counted(module, name):
    function = getattr(module, name)
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    setattr(module, name, call)

for name in ("fsync", "replace", "unlink", "mkdir", "rmdir"):
    counted(os, name)
code = cli.main(sys.argv[2:])
sys.stdout.write(str(calls))
sys.exit(code)
"""
)


SETTINGS = {"PYTHONPATH": PATH, "OPENBLAS_NUM_THREADS": "1"}


def child(at, *arguments):
    """Run in a process of its own, which is killed at the call of that number that changes something on the disk."""
    command = [sys.executable, "-c", DRIVER, str(at), *map(str, arguments)]
    return subprocess.run(command, env=os.environ | SETTINGS, capture_output=True, check=False)


@POSIX
@pytest.mark.parametrize(
    "name, more", [("out.parquet", []), ("out.csv.gz", []), ("out.jsonl", ["--what", "top,tokens,attention"])]
)
def test_a_killed_job_goes_on_to_the_same_bytes(weights, texts, tmp_path, name, more):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="needs pyarrow: pip install '.[tables]'")
    wanted, out = tmp_path / f"wanted.{name}", tmp_path / name
    command = ["score", *weights, "-i", texts, *more, "-o"]
    assert child(0, *command, wanted).returncode == 0  # not in this process, where BLAS may have more threads
    found = child(0, *command, out, "--resume")
    assert found.returncode == 0 and out.read_bytes() == wanted.read_bytes(), found.stderr
    calls = int(found.stdout)
    assert calls > 6 * (ROWS // 32)  # each part is put on the disk and renamed, and the manifest too
    out.unlink()
    for at in (2, calls // 3, calls // 3):  # the second kill comes upon what the first has left, and so on
        assert child(at, *command, out, "--resume").returncode == -signal.SIGKILL
        assert not out.exists()
    found = child(0, *command, out, "--resume")
    assert found.returncode == 0 and out.read_bytes() == wanted.read_bytes(), found.stderr
    assert sorted(os.listdir(tmp_path)) == sorted(["in.jsonl", name, wanted.name])


@POSIX
def test_kills_at_the_very_end(weights, texts, tmp_path):
    """After the output has its name; what is there then is looked at, not replaced."""
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "-o", out, "--resume"]
    found = child(0, *command)
    wanted, calls = out.read_bytes(), int(found.stdout)
    for before in (0, 1, 2, 4, 6):
        for path in (out, tmp_path / "out.csv.parts"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        assert child(calls - before, *command).returncode == -signal.SIGKILL
        found = child(0, *command)
        assert found.returncode == 0 and out.read_bytes() == wanted, found.stderr
        assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.csv"]


@POSIX
def test_kills_at_any_time(weights, texts, tmp_path):
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "--what", "top", "-o"]
    assert child(0, *command, tmp_path / "wanted.csv").returncode == 0
    arguments = [sys.executable, "-c", DRIVER, "0", *map(str, [*command, out, "--resume"])]
    for delay in (0.0, 0.3, 0.02, 0.1):  # after the folder is there
        with subprocess.Popen(arguments, env=os.environ | SETTINGS, stderr=subprocess.PIPE) as process:
            while process.poll() is None and not (tmp_path / "out.csv.parts").exists():
                time.sleep(0.001)
            time.sleep(delay)
            process.kill()
    assert child(0, *command, out, "--resume").returncode == 0
    assert out.read_bytes() == (tmp_path / "wanted.csv").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.csv", "wanted.csv"]


# What is kept, and what is checked ------------------------------------------------------------------------------------


def test_finished_parts_are_not_computed_again(weights, texts, tmp_path, monkeypatch, capfd):
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "--what", "tokens", "-o", out, "--resume"]
    interrupted(monkeypatch, 3, command)
    assert sorted(os.listdir(f"{out}.parts")) == ["000000.txt", "000001.txt", "000002.txt", "lock", "manifest.json"]
    seen, prepare = [], plans.AsRows.prepare

    def counted(self, block):
        seen.append(len(block.texts))
        return prepare(self, block)

    monkeypatch.setattr(plans.AsRows, "prepare", counted)
    assert run(*command) == 0
    assert sum(seen) == ROWS - 96
    cut = sum(i % 40 > 27 for i in range(ROWS))  # I love … day
    assert capfd.readouterr().err == f"npmoji: {cut} of {ROWS} texts cut at 30 tokens\n"  # of finished parts, too


def test_damaged_parts_are_computed_again(weights, texts, tmp_path, monkeypatch, capfd):
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "--what", "tokens", "-o", out, "--resume"]
    assert run(*command[:-1]) == 0
    wanted = out.read_bytes()
    out.unlink()
    interrupted(monkeypatch, 3, command)
    with open(f"{out}.parts/000001.txt", "ab") as file:
        file.write(b"x")
    capfd.readouterr()
    assert run(*command) == 0
    assert "damaged parts are computed again: 2" in capfd.readouterr().err and out.read_bytes() == wanted


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda inputs, arguments: inputs.write_text(inputs.read_text().replace("bed", "sun")), "in.jsonl has changed"),
        (lambda inputs, arguments: inputs.write_text('{"text": "lol"}\n'), "in.jsonl has changed"),
        (lambda inputs, arguments: arguments.extend(["-i", inputs]), "the inputs have changed"),
        (lambda inputs, arguments: arguments.extend(["--top", "4"]), "--top was 5 and is 4"),
        (lambda inputs, arguments: arguments.extend(["--keep", "id"]), "--keep was all and is ['id']"),
        (lambda inputs, arguments: arguments.extend(["--what", "tokens"]), "--what was ['top'] and is ['tokens']"),
        (lambda inputs, arguments: arguments.extend(["--maxlen", "20"]), "--maxlen was 30 and is 20"),
        (lambda inputs, arguments: arguments.extend(["--engine", "numba"]), "--engine was numpy and is numba"),
        (lambda inputs, arguments: arguments.extend(["--format", "jsonl"]), "--format was csv and is jsonl"),
        (lambda inputs, arguments: arguments.__delitem__(slice(1, 3)), "the weights have changed"),
    ],
)
def test_what_has_changed_is_told(weights, texts, tmp_path, monkeypatch, capfd, change, words):
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "--what", "top", "-o", out, "--resume"]
    interrupted(monkeypatch, 1, command)
    time_then = os.stat(texts).st_mtime_ns
    change(texts, command)
    os.utime(texts, ns=(time_then, time_then))  # the digest is looked at
    before = sorted(os.listdir(f"{out}.parts"))
    capfd.readouterr()
    assert run(*command) == 2
    _, err = capfd.readouterr()
    assert words in err and "out.csv.parts" in err and err.count("\n") == 1
    assert sorted(os.listdir(f"{out}.parts")) == before and not out.exists()


def test_the_same_content_at_another_time_is_the_same(weights, texts, tmp_path, monkeypatch, capfd):
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "-o", out, "--resume"]
    interrupted(monkeypatch, 1, command)
    os.utime(texts, (1, 1))
    assert run(*command) == 0, capfd.readouterr().err


def test_an_interrupted_job_is_not_discarded_unasked(weights, texts, tmp_path, monkeypatch, capfd):
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "--what", "top", "-o", out]
    interrupted(monkeypatch, 1, [*command, "--resume"])
    assert run(*command) == 2
    assert "--resume goes on with it, --overwrite starts anew" in capfd.readouterr().err
    assert os.path.exists(f"{out}.parts/000000.txt")
    assert run(*command, "--overwrite") == 0
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.csv"]


def test_a_bad_row_loses_nothing_that_is_finished(weights, texts, tmp_path, capfd):
    out, wanted = tmp_path / "out.csv", tmp_path / "wanted.csv"
    lines = texts.read_text().splitlines(keepends=True)
    texts.write_text("".join([*lines[:70], '{"text": 5}\n', *lines[70:]]))
    command = ["score", *weights, "-i", texts, "--what", "top", "-o"]
    assert run(*command, wanted, "--on-error", "null") == 0
    capfd.readouterr()
    assert run(*command, out, "--resume") == 2
    _, err = capfd.readouterr()
    assert "in.jsonl, line 71: 'text' is a number" in err and err.count("\n") == 1
    assert "64 finished rows are kept" in err
    assert run(*command, out, "--resume", "--on-error", "null") == 0
    assert out.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize("on_error", ["null", "skip"])
def test_rows_without_a_text_are_counted_when_going_on(weights, tmp_path, monkeypatch, capfd, on_error):
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install '.[tables]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [None if i % 7 == 3 else f"lol {i}" for i in range(ROWS)]
    parquet.write_table(pa.table({"text": rows, "id": range(ROWS)}), tmp_path / "in.parquet", row_group_size=50)
    command = ["score", *weights, "-i", tmp_path / "in.parquet", "--on-error", on_error, "-o"]
    for name in ("out.parquet", "out.csv"):
        assert run(*command, tmp_path / f"wanted.{name}") == 0
        told = capfd.readouterr().err
        assert f": {sum(text is None for text in rows)}; the first: " in told and "row 3 (from 0)" in told
        interrupted(monkeypatch, 2, [*command, tmp_path / name, "--resume"])
        capfd.readouterr()
        assert run(*command, tmp_path / name, "--resume") == 0
        assert capfd.readouterr().err == told
        assert (tmp_path / name).read_bytes() == (tmp_path / f"wanted.{name}").read_bytes()


def test_a_finished_job_is_not_done_again(weights, texts, tmp_path, capfd):
    out = tmp_path / "out.csv"
    command = ["score", *weights, "-i", texts, "-o", out, "--resume"]
    assert run(*command) == 0
    before = os.stat(out)
    capfd.readouterr()
    assert run(*command) == 0 and "is finished already" in capfd.readouterr().err
    assert os.path.samestat(before, os.stat(out)) and os.stat(out).st_mtime_ns == before.st_mtime_ns
    for other in (["--top", "3"], ["--keep", "id"]):
        assert run(*command, *other) == 2
        assert "exists; --overwrite replaces it" in capfd.readouterr().err
    out.write_bytes(out.read_bytes() + b"\n")
    assert run(*command) == 2


@POSIX
@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=str)
def test_two_runs_on_one_output(weights, texts, tmp_path, capfd, resume):
    out = tmp_path / "out.csv"
    with store.Store(str(out))._lock:
        assert run("score", *weights, "-i", texts, "--what", "top", "-o", out, *resume) == 2
        _, err = capfd.readouterr()
        assert "out.csv: another process is writing it" in err and err.count("\n") == 1
    assert run("score", *weights, "-i", texts, "--what", "top", "-o", out, *resume) == 0
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.csv"]


@POSIX
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=str)
def test_an_interruption_ends_soon_and_leaves_what_is_wanted(weights, texts, tmp_path, number, code, resume):
    """Nothing, or finished parts."""
    texts.write_text(texts.read_text() * 300)
    command = ["score", *weights, "-i", texts, "--what", "features", "-o", tmp_path / "out.csv", *resume]
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + DRIVER
    arguments = [sys.executable, "-c", start, "0", *map(str, command)]
    sign = tmp_path / "out.csv.parts" / ("000001.txt" if resume else "lock")
    with subprocess.Popen(arguments, env=os.environ | SETTINGS, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not sign.exists():
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate()
    assert (process.returncode, err) == (code, b"")
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", *(["out.csv.parts"] if resume else [])]
    if resume:
        assert "manifest.json" in os.listdir(tmp_path / "out.csv.parts")


def test_an_input_that_changes_under_way(weights, texts, tmp_path, monkeypatch, capfd):
    add = store.Store.add

    def changing(self, *given):
        add(self, *given)
        os.utime(texts, (1, 1))

    monkeypatch.setattr(store.Store, "add", changing)
    out = tmp_path / "out.csv"
    assert run("score", *weights, "-i", texts, "-o", out, "--resume") == 2
    assert "was written to while it was read" in capfd.readouterr().err and not out.exists()


def test_what_depends_on_nothing_else(weights, texts, tmp_path, monkeypatch):
    """Neither the number of numba's threads nor the name of the output is part of a job."""
    out = tmp_path / "out.csv"
    weights = [*weights[:2], "--engine", "numba"]
    command = ["score", *weights, "-i", texts, "-o", out, "--resume"]
    interrupted(monkeypatch, 1, command)
    monkeypatch.chdir(tmp_path)
    command = ["score", *weights, "-i", "in.jsonl", "-o", "out.csv", "--resume", "--threads", "1"]
    assert run(*command) == 0
    assert npmoji.__version__ and sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.csv"]


def test_the_threads_of_numpy_are_part_of_a_job(weights, texts, tmp_path, monkeypatch, capfd):
    """BLAS rounds differently on more of them."""
    command = ["score", *weights, "-i", texts, "-o", tmp_path / "out.csv", "--resume", "--threads"]
    interrupted(monkeypatch, 1, [*command, "1"])
    assert run(*command, "2") == 2
    assert "--threads was 1 and is 2" in capfd.readouterr().err
