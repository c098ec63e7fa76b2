"""`python -m npmoji.compat.torchmoji SCRIPT [ARGUMENTS]`: run a script that imports torchmoji, unchanged."""

from __future__ import annotations

import os
import runpy
import sys

from . import install

USAGE = "usage: python -m npmoji.compat.torchmoji SCRIPT [ARGUMENTS]"


def main() -> None:
    """Run the script as Python would, with torchmoji installed."""
    script = next(iter(sys.argv[1:]), "")
    if not os.path.isfile(script):
        sys.exit(f"{USAGE}\n{script}: no such file" if script else USAGE)
    install()
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))  # what the script imports from beside it
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
