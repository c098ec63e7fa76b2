"""The document around a body, and the files that lie beside this module."""

from __future__ import annotations

import pkgutil

from .escaping import escape


def asset(name: str, package: str = "npmoji.pages") -> str:
    """The text of a file that lies beside the modules of a package; in an archive and a frozen application too.

    >>> "--text" in asset("style.css")
    True
    """
    content = pkgutil.get_data(package, name)
    assert content is not None, f"{package}: its loader reads no files"
    return content.decode()


def page(title: str, body: str, style: str = "", script: str = "") -> str:
    """A whole HTML document that needs nothing else: the shared stylesheet is in it, and what it may load or run is
    limited to what is in it by a Content-Security-Policy.

    Args:
        title: plain text.
        body: HTML, in which all text is escaped.
        style: CSS besides the shared one.
        script: JavaScript that runs at the end of the body; without it the document may run none.

    >>> page("A <title>", "<main>A body</main>").startswith("<!DOCTYPE html>")
    True
    """
    script = script.replace("</", "<\\/").replace("<!--", "<\\!--")  # within strings, where it means the same
    allowed = f"; script-src '{_digest(script)}'" if script else ""
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:{allowed}; base-uri 'none'"
    policy += "; form-action 'none'"
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{asset('style.css')}{style}</style>",
    ]
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", body]
    lines += [f"<script>{script}</script>"] if script else []
    return "\n".join([*lines, "</body>", "</html>", ""])


def _digest(script: str) -> str:
    """What a Content-Security-Policy calls a script that may run."""
    import base64
    import hashlib

    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
