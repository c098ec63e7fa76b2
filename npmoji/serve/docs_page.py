"""The page at `/docs`: the API for people, made of its description."""

from __future__ import annotations

import json
from typing import Any

from ..pages import escape
from .limits import MEANING, Limits
from .openapi import CALLS, ERRORS, description

HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>npmoji: the API</title>
<link rel="icon" type="image/svg+xml" href="favicon.svg">
<link rel="stylesheet" href="style.css">
<link rel="stylesheet" href="docs.css">
</head>
<body>
<main>
<p><a href="./">npmoji</a></p>
<h1>The API</h1>
<p>JSON in UTF-8, in both directions; no field beyond those below. The same for programs:
<a href="openapi.json">openapi.json</a>.</p>
"""
ERROR = '<p>Whatever is not answered with results is answered with <code>{"error": "one line"}</code>.</p>'
LIMITS = ("max_texts", "max_length", "max_body", "queue", "timeout", "read_timeout", "connections")  # a client's


def docs_page(limits: Limits) -> str:
    """The HTML of it; it needs the stylesheets that are served beside it."""
    api = description(limits)
    calls = "".join(_call(path, api["paths"][path]["post"]) for path in CALLS)
    looks = "".join(
        f'<section class="card"><h2><code>GET {path}</code></h2><p>{escape(call["get"]["summary"])}</p></section>\n'
        for path, call in api["paths"].items()
        if "get" in call
    )
    rows = [(MEANING[name], f"{getattr(limits, name):,}") for name in LIMITS]
    most = _table("Limits", ("limit", "at most"), rows)
    errors = _table("Errors", ("status", "when"), [(str(code), text) for code, text in ERRORS.items()])
    rest = f'<section class="card">{most}</section>\n<section class="card">{ERROR}{errors}</section>\n'
    return f"{HEAD}{calls}{looks}{rest}</main>\n</body>\n</html>\n"


def _call(path: str, call: dict[str, Any]) -> str:
    content = call["requestBody"]["content"]["application/json"]
    fields = [(name, _expected(field)) for name, field in content["schema"]["properties"].items()]
    return (
        f'<section class="card"><h2><code>POST {path}</code></h2>\n<p>{escape(call["summary"])}. '
        f"{_coded(call['description'])}</p>\n<pre>{escape(json.dumps(content['example'], ensure_ascii=False))}</pre>\n"
        f"{_table('Fields', ('field', 'expected'), fields)}</section>\n"
    )


def _expected(field: dict[str, Any]) -> str:
    if field["type"] == "array":
        return f"a list of at most {field['maxItems']:,} strings of at most {field['items']['maxLength']:,} characters"
    return f"{field['description']} (default {json.dumps(field['default'])})"


def _table(caption: str, names: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(f'<tr><th scope="row">{_coded(one)}</th><td>{_coded(other)}</td></tr>' for one, other in rows)
    return f'<div class="scroll"><table><caption>{caption}</caption><tr>{head}</tr>{body}</table></div>'


def _coded(text: str) -> str:
    """HTML of a text in which `code` stands between backticks."""
    parts = map(escape, text.split("`"))
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
