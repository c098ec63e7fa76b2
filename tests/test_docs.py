"""The documentation's Python examples do what it says: each page's blocks are run in order."""

import re
import runpy
import shlex
import shutil
import sys

import pytest
from conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md")) + [ROOT / "README.md"]


def blocks(page, language):
    """The contents of a page's blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def run_blocks(blocks, folder):
    script = folder / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(script))


def test_examples_run(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    found = blocks(ROOT / "docs" / "networks.md", "python")
    assert len(found) > 5
    run_blocks(found, tmp_path)


def test_explaining_examples_run(monkeypatch, tmp_path):
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install '.[learn]'")
    monkeypatch.chdir(tmp_path)
    found = blocks(ROOT / "docs" / "explaining.md", "python")
    assert len(found) > 5
    run_blocks(found, tmp_path)


def test_the_explanation_is_what_the_page_shows(capfd):
    from test_cli import run

    (block,) = blocks(ROOT / "docs" / "explaining.md", "console")
    command, shown = re.fullmatch(r"\$ npmoji (.*)\n((?s:.*))", block).groups()
    assert run(*shlex.split(command)) == 0
    assert capfd.readouterr().out == shown


@pytest.fixture
def messages(monkeypatch, tmp_path):
    """A folder with the example data of training.md; the page."""
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install '.[learn]'")
    for path in (ROOT / "docs" / "examples").iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return ROOT / "docs" / "training.md"


@pytest.mark.slow
@pytest.mark.parametrize("torch", [False, True], ids=["learn", "torch"])
def test_training_examples_run(messages, tmp_path, torch):
    if torch:
        pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    found = blocks(messages, "python")
    needy = [block for block in found if block.startswith("# with PyTorch\n")]
    assert len(needy) > 2 and len(found) > len(needy) + 2
    run_blocks(found if torch else [block for block in found if block not in needy], tmp_path)


def test_training_commands_print_what_the_page_shows(messages, capfd):
    """But for the figures, which differ a little from machine to machine."""
    from test_cli import run

    for block in blocks(messages, "console"):
        for command, shown in re.findall(r"^\$ npmoji (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
            assert run(*shlex.split(command)) == 0
            printed = capfd.readouterr().out
            end = shown.find("most wrong")
            same = [re.sub(r"[\d.]+|\s+", " ", text[:end]) for text in (printed, shown)]
            assert same[0] == same[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)[)#]", prose):
        assert (page.parent / target).exists(), target


def test_the_picture_is_what_a_terminal_shows(monkeypatch):
    """The README's first example, with its output."""
    from test_cli import run
    from test_cli_streams import Terminal

    found = blocks(ROOT / "README.md", r"\w*")
    text = re.search(r'npmoji score "([^"]+)"', found[0])[1]
    monkeypatch.setattr("sys.stdout", Terminal())
    assert run("score", "--engine", "numpy", text) == 0
    assert sys.stdout.getvalue() == found[1]
