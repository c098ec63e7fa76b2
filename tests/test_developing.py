"""What docs/developing.md says: its diffs work on a copy of the package, and its arrows are the checked ones."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT
from test_package import CHAIN

import npmoji

PAGE = ROOT / "docs" / "developing.md"
if not PAGE.is_file():
    pytest.skip("needs the checkout's docs", allow_module_level=True)
TEXT = PAGE.read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))


def blocks(text, kind):
    """The page's blocks of code of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def patch(root, diff):
    """Apply a unified diff. Where a hunk belongs is found by its lines, of which there must be one place."""
    for part in re.split(r"^(?=--- )", diff, flags=re.MULTILINE)[1:]:
        head, *hunks = re.split(r"^@@.*\n", part, flags=re.MULTILINE)
        old, new = (line.split(" ")[1] for line in head.splitlines())
        path = root / new.partition("/")[2]
        assert (old == "/dev/null") is not path.exists(), path
        text = "" if old == "/dev/null" else path.read_text(encoding="utf-8")
        for hunk in hunks:
            lines = hunk.splitlines(keepends=True)
            before, after = ("".join(line[1:] or line for line in lines if line[0] != sign) for sign in "+-")
            assert text.count(before) == 1 or not text, f"{path}: no single place for\n{before}"
            text = text.replace(before, after) if text else after
        path.write_text(text, encoding="utf-8")


def run(folder, *command):
    """The output of Python in the folder, on the package in it."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture()
def copy(tmp_path):
    """A folder with a copy of the package."""
    package = Path(npmoji.__file__).parent
    shutil.copytree(package, tmp_path / "npmoji", ignore=shutil.ignore_patterns("__pycache__"))
    if not (package / "weights").is_dir():  # of a checkout
        shutil.copytree(package.parent / "weights", tmp_path / "weights")
    return tmp_path


def test_the_four_recipes_are_there():
    assert list(RECIPES) == ["A layer", "A file format", "A command", "An engine"]
    assert all(len(blocks(text, "diff")) == 1 for text in RECIPES.values())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_works(name, copy):
    for diff in blocks(RECIPES[name], "diff"):
        patch(copy, diff)
    snippets, sessions = blocks(RECIPES[name], "python"), blocks(RECIPES[name], "console")
    assert snippets or sessions
    for snippet in snippets:
        run(copy, "-c", snippet)
    for session in sessions:
        for line, output in re.findall(r"^\$ npmoji (.*)\n((?:(?!\$ ).*\n)*)", session, flags=re.MULTILINE):
            assert run(copy, "-m", "npmoji", *shlex.split(line)) == output


def test_without_its_diff_a_recipe_fails(copy):
    """The examples below the diffs show something."""
    for text in RECIPES.values():
        for snippet in blocks(text, "python"):
            with pytest.raises(AssertionError):
                run(copy, "-c", snippet)


def test_all_of_them_together_keep_the_rules(copy):
    """Imports go one way, everything has a docstring, and the linter has nothing to say."""
    for text in RECIPES.values():
        for diff in blocks(text, "diff"):
            patch(copy, diff)
    rules = "one_way or docstring or in_the_chain or names"
    tests = [str(ROOT / "tests" / "test_package.py"), "-v", "-p", "no:cacheprovider", "-k", rules]
    output = run(copy, "-m", "pytest", "-c", str(ROOT / "setup.cfg"), *tests)
    assert "one_way[npmoji.layers.upsampling] PASSED" in output
    if find_spec("ruff") and (ROOT / "pyproject.toml").is_file():
        shutil.copy(ROOT / "pyproject.toml", copy)
        new = re.findall(r"^--- /dev/null\n\+\+\+ b/(.+)", TEXT, flags=re.MULTILINE)
        run(copy, "-m", "ruff", "check", *new)
        run(copy, "-m", "ruff", "format", "--check", *new)


def test_the_arrows_are_those_that_are_checked():
    section = TEXT.split("## Which room may import which")[1]
    assert tuple(tuple(line.split()) for line in blocks(section, "")[0].splitlines()) == CHAIN
