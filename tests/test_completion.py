"""Completion in the shells themselves, and what `npmoji` says to those who do not know its options yet."""

import io
import os
import random
import select
import shutil
import subprocess
import sys
import time
import warnings

import pytest
from test_cli import run

from npmoji import cli
from npmoji.cli import completion, models, parsers, score
from npmoji.cli.plain import read

COMMANDS = [
    "score",
    "encode",
    "info",
    "inspect",
    "train",
    "evaluate",
    "explain",
    "map",
    "serve",
    "verify",
    "golden",
    "compare",
    "parity",
    "convert",
    "download",
    "completion",
]
#: what is typed -> what is offered; the folder holds the file `features.npy`
OFFERED = {
    "npmoji sc": ["score"],
    "npmoji --vers": ["--version"],
    "npmoji score --forma": ["--format"],
    "npmoji score --format js": ["jsonl"],
    "npmoji score lol --prec": ["--precision"],
    "npmoji encode --engine num": ["numba", "numpy"],
    "npmoji explain lol --by att": ["attention"],
    "npmoji explain lol --html fea": ["features.npy"],
    "npmoji parity --engine numpy --engine t": ["torch"],
    "npmoji info --weights orig": ["original"],
    "npmoji info --weights fea": ["features.npy"],
    "npmoji inspect fea": ["features.npy"],
    "npmoji convert a --pre": ["--precision"],
    "npmoji download tor": ["torchmoji"],
    "npmoji score fea": [],  # texts, not files
    "npmoji completion f": ["fish"],
}
#: which bash completes by itself
FILES = {"npmoji info --weights fea", "npmoji inspect fea", "npmoji explain lol --html fea"}


def shell(name):
    return pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"needs {name}"))


@pytest.fixture
def script(capfd, tmp_path, monkeypatch):
    """The script for a shell as a file, in a folder to work in."""

    def write(name):
        assert run("completion", name) == 0
        out, err = capfd.readouterr()
        (tmp_path / f"script.{name}").write_text(out)
        (tmp_path / "features.npy").touch()
        assert err == ""
        return str(tmp_path / f"script.{name}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return write


@pytest.mark.parametrize("name", [shell("bash")])
def test_bash(script, name):
    lines = [f"source {script(name)}"]
    for line in OFFERED:
        lines += [f"COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _npmoji; echo ${{COMPREPLY[@]}}"]
    # --format=js as bash splits it
    lines += ["COMP_WORDS=(npmoji score --format = js); COMP_CWORD=4; _npmoji; echo ${COMPREPLY[@]}"]
    result = subprocess.run(["bash", "--norc", "-c", "\n".join(lines)], stdout=subprocess.PIPE, check=True)
    *found, equals = [sorted(line.split()) for line in result.stdout.decode().split("\n")[:-1]]
    assert found == [[] if line in FILES else words for line, words in OFFERED.items()]
    assert equals == ["jsonl"]


@pytest.mark.parametrize("name", [shell("fish")])
def test_fish(script, name):
    path = script(name)
    for line, words in OFFERED.items():
        command = ["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"]
        result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        found = sorted(row.split("\t")[0] for row in result.stdout.decode().splitlines())
        assert found == words, line


@pytest.mark.parametrize("name", [shell("zsh")])
def test_zsh(script, name):
    """In a terminal, as completion runs nowhere else: the line after the tab key is printed between << and >>."""
    import pty

    path = script(name)
    process, terminal = pty.fork()
    if not process:
        os.environ |= {"TERM": "dumb", "PS1": ""}
        os.execlp("zsh", "zsh", "-f", "-i")

    def read(until):
        shown, end = b"", time.monotonic() + 60
        while until not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 4096)
        return shown

    widget = r"""show() { zle complete-word; print -r -- "<<$BUFFER>>"; BUFFER=; }; zle -N show; bindkey '^I' show"""
    os.write(terminal, f"autoload -Uz compinit; compinit -u -D; source {path}; {widget}; echo rea''dy\n".encode())
    read(b"ready\r\n")
    try:
        for line, words in OFFERED.items():
            os.write(terminal, line.encode() + b"\t")
            completed = read(b">>").decode().split("<<")[1].split(">>")[0].split()
            if len(words) == 1:
                assert completed == [*line.split()[:-1], words[0]]
            else:  # as far as all of them go
                assert completed == [*line.split()[:-1], os.path.commonprefix(words) or line.split()[-1]]
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def test_every_command_and_option_is_there(capfd):
    found = {command.name: command for command in completion.commands(cli.parser())}
    assert list(found) == ["", *COMMANDS]
    for name in ("bash", "zsh", "fish"):
        script = completion.script(cli.parser(), name)
        for command in found.values():
            assert f"{command.name}" in script and command.options
            for option in command.options:
                assert all(word.lstrip("-") in script for word in option.names)
    assert run("completion", "tcsh") == 2 and "npmoji completion --help" in capfd.readouterr().err


# Usage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_comes_first_has_the_same_parser(command, capfd):
    with pytest.raises(SystemExit):
        cli.parser(command).parse_args([command, "--help"])
    wanted = capfd.readouterr().out
    with pytest.raises(SystemExit):
        cli.parsed([command, "--help"])
    assert capfd.readouterr().out == wanted and wanted.startswith(f"usage: npmoji {command} ")


def read_by_argparse(words):
    """The arguments of `npmoji score`; None for wrong usage."""
    try:
        return vars(parsers.parsed(["score", *words], cli.COMMANDS))
    except SystemExit:
        return None


@pytest.mark.parametrize(
    "line, plain",
    [
        ("", True),
        ("lol so", True),
        ("lol --weights x.hdf5 --top 3", True),
        ("--emojis -o x.csv --format csv lol", True),
        ("--keep a,b --threads 2 --delimiter ;", True),
        ("--top 1 --top 2 lol", True),
        ("--top=3 lol", False),
        ("--wei x.hdf5 lol", False),
        ("lol -i x.txt", False),
        ("-ox.csv lol", False),
        ("--top 3 -- lol -o -1 --top", True),
        ("--", True),
        ("lol -- so", False),
        ("-- lol -- so", False),
        ("-1 lol", False),
        ("lol -o -", False),
        ("lol --top", False),
        ("lol --top 0", False),
        ("lol --format xml", False),
        ("lol --top 3 so", False),
        ("lol --no-such", False),
        ("--help", False),
    ],
)
def test_a_plain_line_is_read_as_argparse_reads_it(line, plain):
    found = read(score, line.split())
    assert (found is not None) is plain
    assert not plain or vars(found) == read_by_argparse(line.split())


def test_any_line_is_read_as_argparse_reads_it_or_not_at_all():
    command = next(one for one in completion.commands(cli.parser("score")) if one.name == "score")
    names = [name for option in command.options for name in option.names]
    others = "--", "-x", "-1", "--top=3", "--form", "-ofile", "3", "0", "csv", "all", "a,b", "auto", "é", "fail", "W=x"
    words = [*names, *names, *others, "-", "lol", "a b", ""]
    rng, plain = random.Random(2), 0
    for _ in range(3000):
        line = rng.choices(words, k=rng.randint(0, 6))
        if (found := read(score, line)) is not None:
            assert vars(found) == read_by_argparse(line), line
            plain += 1
    assert plain > 500


def test_alone_it_prints_help_with_three_examples(capfd):
    assert run() == 0
    out, err = capfd.readouterr()
    assert err == "" and all(f"\n    {command}" in out for command in COMMANDS)
    examples = [line for line in out.splitlines() if line.startswith("  npmoji ")]
    assert len(examples) == 3
    for example in examples:  # they are right
        cli.parser().parse_args(example.split()[1:])


@pytest.mark.parametrize(
    "arguments, page",
    [
        (["score", "--tpo", "3", "lol"], "npmoji score --help"),
        (["info", "extra"], "npmoji info --help"),
        (["--tpo"], "npmoji --help"),
    ],
)
def test_what_is_not_known_points_to_the_right_help(capfd, arguments, page):
    assert run(*arguments) == 2
    err = capfd.readouterr().err
    assert err.startswith("npmoji: error: unrecognized arguments: ") and err.endswith(f" (see {page})\n")


def test_help_names_all_that_weights_may_be(capfd):
    assert run("score", "--help") == 0
    text = " ".join(capfd.readouterr().out.split())
    kinds = (".hdf5", ".h5", ".keras", ".weights.h5", ".bin", ".safetensors")
    assert all(word in text for word in (*kinds, "`original`", "`torchmoji`", "bundled"))


def test_warnings_are_one_line(capfd, monkeypatch):
    monkeypatch.setattr(models, "load", lambda *_, **__: warnings.warn("first\nsecond", RuntimeWarning, stacklevel=1))
    monkeypatch.setattr("npmoji.cli.info.load", models.load)
    monkeypatch.setattr("npmoji.describe.lines", lambda *_: [])
    shown = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("info") == 0
    assert capfd.readouterr().err == "npmoji: warning: first second\n" and warnings.showwarning is shown


# The note on the bundled model ---------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def note(monkeypatch, tmp_path):
    """What is said on a terminal when the bundled model is used; npmoji's folder is `home`."""
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "home"))

    def shown():
        monkeypatch.setattr(sys, "stderr", Terminal())
        assert run("score", "lol", "-o", os.devnull) == 0
        return sys.stderr.getvalue()

    return shown


def test_the_note_comes_once_a_day(note, tmp_path):
    said = note()
    assert said == models.BUNDLED_NOTE + "\n" and "npmoji download" in said and len(said) < 120
    assert note() == ""
    (file,) = (tmp_path / "home").iterdir()
    then = time.time() - models.DAY
    os.utime(file, (then, then))
    assert note() == said and note() == ""
    os.utime(file, (time.time() + models.DAY,) * 2)  # the clock was wrong
    assert note() == said and note() == ""


def test_a_place_that_cannot_be_written_is_no_matter(note, tmp_path, monkeypatch):
    (tmp_path / "home").touch()
    assert note() == note() == models.BUNDLED_NOTE + "\n"
    for name in ("NPMOJI_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert note() == models.BUNDLED_NOTE + "\n"
