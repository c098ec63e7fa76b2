"""The files of the page: a fixed table, read once. No path of a request ever becomes the name of a file."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ..pages import asset

HTML, _CSS, _JS, _SVG = (
    f"{kind}; charset=utf-8" for kind in ("text/html", "text/css", "text/javascript", "image/svg+xml")
)
#: path -> the package with the file, its name, its type
TABLE = {
    "/": ("npmoji.serve", "page.html", HTML),
    "/page.css": ("npmoji.serve", "page.css", _CSS),
    "/page.js": ("npmoji.serve", "page.js", _JS),
    "/explanation.js": ("npmoji.serve", "explanation.js", _JS),
    "/favicon.svg": ("npmoji.serve", "favicon.svg", _SVG),
    "/style.css": ("npmoji.pages", "style.css", _CSS),
    "/words.css": ("npmoji.pages", "words.css", _CSS),
    "/docs.css": ("npmoji.serve", "docs.css", _CSS),
}


class File(NamedTuple):
    """What a path is answered with."""

    content: bytes
    kind: str
    tag: str

    @classmethod
    def of(cls, text: str, kind: str) -> File:
        """A file of this text."""
        content = text.encode()
        return cls(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def files() -> dict[str, File]:
    """All of them, by path."""
    return {path: File.of(asset(name, package), kind) for path, (package, name, kind) in TABLE.items()}
