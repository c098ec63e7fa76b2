"""docs/api.md is what `python tools/make_api_page.py` makes of the docstrings."""

import runpy

import pytest
from conftest import ROOT

import npmoji

MAKER = ROOT / "tools" / "make_api_page.py"
PAGE = ROOT / "docs" / "api.md"
pytestmark = pytest.mark.skipif(not (MAKER.is_file() and PAGE.is_file()), reason="needs the checkout's tools and docs")


def test_the_page_is_up_to_date():
    made = runpy.run_path(str(MAKER))["page"]()
    assert PAGE.read_text(encoding="utf-8") == made, "run: python tools/make_api_page.py"


def test_everything_public_is_on_the_page():
    headings = [line.strip("# `") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("###")]
    assert len(set(headings)) == len(headings)
    assert set(npmoji.__all__) - {"init", "learn"} <= set(headings)
    assert {f"learn.{name}" for name in npmoji.learn.__all__} <= set(headings)
    assert {"Model.predict", "Tokenizer.__call__", "init.glorot_uniform", "Classifier.decision_function"} <= set(
        headings
    )
