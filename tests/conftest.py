"""Shared by all tests: where the optional reference material lies, and the small goldens that travel with the project."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"


def _find_shared() -> "Path | None":
    """The folder of goldens and data sets that are too large to ship, or None: NPMOJI_SHARED, else `shared` beside the checkout."""
    place = Path(os.environ.get("NPMOJI_SHARED") or ROOT.parent / "shared")
    return place if (place / "goldens").is_dir() else None


SHARED = _find_shared()

needs_shared = pytest.mark.skipif(
    SHARED is None, reason="needs the reference folder `shared` beside the checkout, or NPMOJI_SHARED pointing at it"
)
