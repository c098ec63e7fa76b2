"""Makes the documentation's pictures again, in docs/pictures: `python tools/make_pictures.py [NAME ...]`.

They show what the commands give with the bundled model, in a Chromium of the system that playwright drives
(`pip install playwright`). Fonts differ from machine to machine, and so do the pictures.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
TEXT = "I love mom's cooking"
MESSAGES = ROOT / "docs" / "examples" / "messages.csv"
LARGEST = 100_000  # bytes of a picture

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def explain(chromium: Any, path: Path) -> None:
    """The page of `npmoji explain "I love mom's cooking" --html why.html`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "why.html"
        npmoji("explain", TEXT, "--html", file)
        page = opened(chromium, file.as_uri(), width=820)
        page.locator("article").screenshot(path=path)


def map_(chromium: Any, path: Path) -> None:
    """The page of `npmoji map messages.csv --label label --html map.html`, with one of the texts pointed at."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "map.html"
        npmoji("map", MESSAGES, "--label", "label", "--method", "pca", "--html", file)
        page = opened(chromium, file.as_uri(), width=900, height=520)
        box = page.locator("#canvas").bounding_box()
        page.mouse.move(box["x"] + 0.44 * box["width"], box["y"] + 0.14 * box["height"])
        page.locator("#tip").wait_for()
        page.locator(".layout").screenshot(path=path)


def serve(chromium: Any, path: Path) -> None:
    """The page of `npmoji serve`, with a text typed."""
    from serving import served

    with served() as server:
        page = opened(chromium, server.address, width=960, height=530, scale=1.15)
        page.fill("#text", "soooo funny, I can't stop laughing")
        page.locator("#words .word").first.wait_for()
        page.wait_for_timeout(500)  # the bars move
        page.screenshot(path=path)


#: picture -> what makes it
MADE: dict[str, Callable[[Any, Path], None]] = {"explain": explain, "map": map_, "serve": serve}


def npmoji(*arguments: object) -> None:
    """Run a command of this checkout."""
    command = [sys.executable, "-m", "npmoji", *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def opened(chromium: Any, address: str, width: int = 900, height: int = 600, scale: float = 1.5) -> Any:
    """The page at that address, in light colours."""
    size = {"width": width, "height": height}
    page = chromium.new_page(viewport=size, color_scheme="light", device_scale_factor=scale)
    page.goto(address)
    return page


def main() -> None:
    """Make those that are named, or all."""
    from browsers import NEEDED, found, launched

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MADE)}; default: all")
    names = parser.parse_args().names or list(MADE)
    if unknown := set(names) - set(MADE):
        parser.error(f"no picture {', '.join(sorted(unknown))}: expected of {', '.join(MADE)}")
    if not (browser := found()):
        parser.error(NEEDED)
    PICTURES.mkdir(exist_ok=True)
    with launched(browser) as chromium:
        for name in names:
            path = PICTURES / f"{name}.png"
            MADE[name](chromium, path)
            size = path.stat().st_size
            print(f"{path.relative_to(ROOT)}: {size:,} bytes")
            if size > LARGEST:
                sys.exit(f"{path}: more than {LARGEST:,} bytes")


if __name__ == "__main__":
    main()
