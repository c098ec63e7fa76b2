"""A real browser for tests of pages: a Chromium of the system, driven by playwright."""

import contextlib
import os
import shutil
import subprocess

import pytest


def _found() -> str | None:
    """The system's Chromium; not a stand-in that asks to install one."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path and not subprocess.run([path, "--version"], check=False, capture_output=True).returncode:
            return path
    return None


@contextlib.contextmanager
def browser():
    """It, running; the test is skipped where there is none. It knows no name but this machine's."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not (path := _found()):
        pytest.skip("needs a browser on PATH: chromium, chromium-browser or google-chrome")
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-dev-shm-usage"]
    arguments += ["--no-sandbox"] if not hasattr(os, "geteuid") or os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()
