"""Text into HTML and values into scripts, whatever they hold."""

from __future__ import annotations

import html
import json
import re
from typing import Any

# What HTML does not allow or does not show: control characters get their picture (␀), if they have one, else, as what
# is no character at all, the replacement character.
_SHOWN = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {127: 0x2421}
_SHOWN |= dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000), *range(0xFDD0, 0xFDF0)), 0xFFFD)
_SHOWN |= dict.fromkeys((plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF)), 0xFFFD)

_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_POP_EMBEDDING, _POP_ISOLATE = "\u202c", "\u2069"


def escape(text: str) -> str:
    """The text as it may stand between tags, and between the quotes of an attribute.

    Control characters are shown as their pictures, lone surrogates and what is no character as U+FFFD; tabs and line
    breaks stay. Directions that the text does not close are left to `isolated`.

    >>> escape("<b>\\x00 'you' & \\ud83d</b>")
    '&lt;b&gt;␀ &#x27;you&#x27; &amp; \ufffd&lt;/b&gt;'
    """
    return html.escape(text.replace("\r\n", "\n").replace("\r", "\n").translate(_SHOWN))


def isolated(text: str, attributes: str = "") -> str:
    """The text in a `<bdi>` of its own: its direction does not change how anything around it is ordered.

    Directions that are opened in it are closed, and closing marks that belong to nothing are left out: one would end
    the `<bdi>` too early.

    Args:
        attributes: of the tag, escaped already.

    >>> isolated("<3", 'class="word"')
    '<bdi class="word">&lt;3</bdi>'
    """
    return f"<bdi{attributes and ' '}{attributes}>{escape(balanced(text))}</bdi>"


def balanced(text: str) -> str:
    """The text with each direction closed that it opens, and without closing marks that belong to nothing.

    >>> balanced("a\\u202eb\\u2069")
    'a\\u202eb\\u202c'
    """
    if not _DIRECTIONS.search(text):
        return text
    open_: list[str] = []  # what closes them
    pieces = []
    for character in text:
        if not _DIRECTIONS.match(character):
            pieces.append(character)
        elif character not in (_POP_EMBEDDING, _POP_ISOLATE):
            open_.append(_POP_ISOLATE if character >= "\u2066" else _POP_EMBEDDING)
            pieces.append(character)
        elif character in open_ and (character == _POP_ISOLATE or open_[-1] == character):
            while True:  # the end of an isolate ends the embeddings in it
                last = open_.pop()
                pieces.append(last)
                if last == character:
                    break
    return "".join(pieces) + "".join(reversed(open_))


def data(name: str, value: Any) -> str:
    """A script element of JSON, for a page's script: ``JSON.parse(document.getElementById(name).textContent)``.

    No value ends the element early, and none has to be valid Unicode.

    Raises:
        ValueError: a number is not finite.

    >>> data("points", ["</script>"])
    '<script type="application/json" id="points">["\\\\u003c/script>"]</script>'
    """
    content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    content = re.sub("[<\u2028\u2029\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", content)
    return f'<script type="application/json" id="{escape(name)}">{content}</script>'
