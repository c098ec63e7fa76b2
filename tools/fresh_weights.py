"""Untrained DeepMoji weights of any size, in Keras 2's layout: for measurements and tests of other programs.

    python tools/fresh_weights.py OUT.hdf5 [--seed 0] [--vocabulary 50000] [--embedding 256] [--units 512] [--classes
    64]

The numbers are those of `npmoji.init.deepmoji`, Keras' own initialisers from a seed.
"""

from __future__ import annotations

import argparse
import os
import sys

from npmoji import initialisers
from npmoji.files.whole import whole_file
from npmoji.formats import Contents, keras_write

KERAS_VERSION = "2.0.5"  # the original's: masked steps repeat the output before them


def write(path: str | os.PathLike, seed: int = 0, **sizes: int) -> None:
    """Write a weights file; ``sizes`` as `npmoji.init.deepmoji` takes them."""
    contents = Contents(os.fspath(path), initialisers.deepmoji(seed, **sizes), KERAS_VERSION)
    with whole_file(os.fspath(path)) as file:
        keras_write.write(file, contents)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", metavar="OUT.hdf5")
    for name, size in (("seed", 0), ("vocabulary", 50_000), ("embedding", 256), ("units", 512), ("classes", 64)):
        parser.add_argument(f"--{name}", type=int, default=size, metavar="N", help=f"default: {size}")
    options = vars(parser.parse_args(argv))
    write(options.pop("path"), **options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
