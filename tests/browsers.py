"""A real browser for tests of pages and for the documentation's pictures: a Chromium of the system, driven by
playwright."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
NEEDED = f"needs a browser on PATH: {', '.join(NAMES[:-1])} or {NAMES[-1]}"
#: it knows no name but this machine's
ARGUMENTS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-dev-shm-usage"]


def found() -> str | None:
    """The system's Chromium; not a stand-in that asks to install one."""
    for name in NAMES:
        path = shutil.which(name)
        if path and not subprocess.run([path, "--version"], check=False, capture_output=True).returncode:
            return path
    return None


@contextlib.contextmanager
def launched(path: str) -> Iterator[Any]:
    """That browser, running."""
    from playwright.sync_api import sync_playwright

    root = not hasattr(os, "geteuid") or os.geteuid() == 0
    with sync_playwright() as playwright:
        arguments = [*ARGUMENTS, "--no-sandbox"] if root else ARGUMENTS
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """The same for a test, which is skipped where there is none."""
    import pytest

    pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not (path := found()):
        pytest.skip(NEEDED)
    with launched(path) as running:
        yield running
