"""`npmoji serve` in a process of its own, for tests in a browser and for the documentation's pictures."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Served(NamedTuple):
    """Where it is found, as ``http://127.0.0.1:8000``."""

    address: str
    port: int
    process: subprocess.Popen


@contextlib.contextmanager
def served(port: int = 0) -> Iterator[Served]:
    """It, with the bundled model, on that port or, if 0, on any that is free; at the end it is killed."""
    command = [sys.executable, "-m", "npmoji", "serve", "--port", str(port), "--engine", "numpy"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        try:
            first = process.stderr.readline()
            found = re.fullmatch(r"npmoji: serving on (http://127\.0\.0\.1:(\d+))/\n", first)
            assert found, f"expected an address, found {first!r}"
            yield Served(found[1], int(found[2]), process)
        finally:
            process.kill()
