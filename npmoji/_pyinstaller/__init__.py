"""For PyInstaller, which finds this by npmoji's entry point `pyinstaller40` when it freezes an application that uses
npmoji."""

from __future__ import annotations

import os


def hook_dirs() -> list[str]:
    """Where PyInstaller finds `hook-npmoji.py`."""
    return [os.path.dirname(os.path.abspath(__file__))]
