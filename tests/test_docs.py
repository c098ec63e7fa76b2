"""The documentation's Python examples do what it says: each page's blocks are run in order."""

import re
import runpy
import sys

import pytest
from conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md")) + [ROOT / "README.md"]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name == "networks.md"], ids=lambda page: page.name)
def test_examples_run(page, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(script))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)[)#]", prose):
        assert (page.parent / target).exists(), target


def test_the_picture_is_what_a_terminal_shows(monkeypatch):
    """The README's first example, with its output."""
    from test_cli import run
    from test_cli_streams import Terminal

    page = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    text = re.search(r'npmoji score "([^"]+)"', blocks[0])[1]
    monkeypatch.setattr("sys.stdout", Terminal())
    assert run("score", "--engine", "numpy", text) == 0
    assert sys.stdout.getvalue() == blocks[1]
