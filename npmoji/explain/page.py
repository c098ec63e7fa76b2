"""Explanations as HTML: a page that stands alone, and a notebook's fragment. No script is needed to look at one class
after the other: each is a radio button, and the words of the one that is checked are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..pages import asset, escape, isolated
from ..pages import page as document
from ..text.emojis import Prediction, named
from ..text.widths import printable, shorten
from .marking import attending, contributing, notes, pieces, seen
from .scales import percent, points
from .tables import bar, emoji, model, predictions, scoped, table

if TYPE_CHECKING:
    from .explanation import Explanation

__all__ = ["fragment", "model", "page", "predictions", "table"]

TITLE = 80  # columns of a text that stands as a heading
KEY = """\
<dl class="key">
<div><dt><span class="word for" style="--a:1">word<small>&nbsp;+12</small></span></dt>
<dd>speaks for the class: without the word it is 12 percentage points less likely</dd></div>
<div><dt><span class="word against" style="--a:1">word<small>&nbsp;−12</small></span></dt>
<dd>speaks against it: without the word it is 12 points more likely</dd></div>
<div><dt><span class="word unknown">word</span></dt>
<dd>is not in the vocabulary: the model knows only that some word stands there</dd></div>
"""
ATTENTION = """\
<div><dt><span class="word attention" style="--a:1">word<small>&nbsp;31</small></span></dt>
<dd>has 31 % of the model’s attention. It says where the model looked, and is the same for every class; it does not say
whether a word speaks for or against one</dd></div>
"""


def page(explanations: Sequence[Explanation], top: int = 5) -> str:
    """One HTML document for any number of texts, that needs no other file and no script.

    Args:
        top: how many of a text's most likely classes can be looked at, besides its target.

    >>> page([]).startswith("<!DOCTYPE html>")
    True
    """
    number, found = len(explanations), [_classes(e, top) for e in explanations]
    title = f"Why this {'emoji' if all(e.target.emoji for e in explanations) else 'class'}?"
    several = f"<p>{number:,} texts.</p>\n" if number != 1 else ""
    key = f"{KEY}{ATTENTION if any(e.has_attention for e in explanations) else ''}</dl>"
    texts = [_article(e, i, classes, number > 1) for i, (e, classes) in enumerate(zip(explanations, found), 1)]
    body = f'<main class="npmoji">\n<h1>{title}</h1>\n{several}{key}\n{"".join(texts)}</main>'
    return document(title, body, asset("words.css") + _switches(max(map(len, found), default=0)))


def fragment(explanation: Explanation, top: int = 5) -> str:
    """The same for one text, to be put into a notebook. Where styles or buttons are taken out, as some viewers of
    notebooks do, everything stands one below the other."""
    classes = _classes(explanation, top)
    content = _explained(explanation, classes, "npmoji", "p")  # not headings, which would be in the notebook's outline
    return scoped(content, _switches(len(classes)))


def _classes(e: Explanation, top: int) -> list[Prediction]:
    """Those that can be looked at: the most likely ones, and the one that was asked for."""
    found = e.top(top)
    return found if any(p.id == e.target.id for p in found) else [*found, e.target]


def _article(e: Explanation, i: int, classes: list[Prediction], numbered: bool) -> str:
    """One text of a page."""
    text = shorten(printable(e.text).strip(), TITLE)
    title = f"{i:,}. " * numbered + isolated(text or "(nothing to read)")
    content = _explained(e, classes, f"t{i}", "h3")
    return f'<article class="card" aria-labelledby="t{i}">\n<h2 id="t{i}">{title}</h2>\n{content}\n</article>\n'


def _explained(e: Explanation, classes: list[Prediction], group: str, heading: str) -> str:
    """A radio button for each class; the words that speak for and against each, of which `_switches` shows those of
    the class that is checked; the attention, which is the same for all; the numbers.

    A form of its own keeps the buttons apart from those of another explanation, or of the same one shown twice.
    """
    buttons = "\n".join(_button(p, group, p.id == e.target.id) for p in classes)
    toward = [e.toward(p) for p in classes]
    views = [f'<div class="view">{_words(_title(one.target), contributing(one), heading)}</div>' for one in toward]
    if e.has_attention and e.words:
        views.append(f"<section>{_words('Attention', attending(e), heading)}</section>")
    lines = "\n".join(views)
    return f"""<form method="dialog" class="explained">
<fieldset><legend class="hidden">Class to explain</legend>
{buttons}
</fieldset>
<div>
{lines}
{_numbers(e, toward)}
</div>
</form>"""


def _button(p: Prediction, group: str, checked: bool) -> str:
    radio = f'<input type="radio" name="{group}"{" checked" * checked}>'
    shown = f'<span>{emoji(p)} {isolated(named(p))}</span> <span class="p">{percent(p.probability)}</span>'
    return f"<label>{radio}{shown}{bar(p.probability)}</label>"


def _title(p: Prediction) -> str:
    return f"Words for and against {emoji(p)} {isolated(named(p))}"


def _words(title: str, words: str, heading: str) -> str:
    content = f'<p class="words" dir="auto">{words}</p>' if words.strip() else "<p>The text has no words.</p>"
    return f'<{heading} class="title">{title}</{heading}>\n{content}'


def _numbers(e: Explanation, toward: list[Explanation]) -> str:
    """All numbers, as a table that opens: a row for each used word, a column for each class."""
    views = [[word for word in one.words if word.used] for one in toward]
    columns = [f'<th scope="col">{_column(one.target)}</th>' for one in toward]
    columns += ['<th scope="col">attention</th>'] if e.has_attention else []
    rows = []
    for row, (_, word, piece) in enumerate(pieces(e)):
        cells = [points(view[row].contribution) for view in views]
        cells += [percent(word.attention)] if word.attention is not None else []
        told = "".join(f"; {isolated(note)}" for note in notes(word, piece))
        numbers = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{isolated(seen(piece))}{told}</th>{numbers}</tr>\n')
    if not rows:
        return ""
    return f"""<details><summary>All numbers</summary>
<div class="scroll" role="region" aria-label="All numbers" tabindex="0"><table class="numbers">
<caption>What each word contributes to each class, in percentage points</caption>
<thead><tr><th scope="col">word</th>{"".join(columns)}</tr></thead>
<tbody>
{"".join(rows)}</tbody>
</table></div>
</details>"""


def _column(p: Prediction) -> str:
    """The head of a class's column: its emoji, whose name is read out, or its name."""
    return f'{emoji(p)}<span class="hidden">{escape(named(p))}</span>' if p.emoji else isolated(named(p))


def _switches(most: int) -> str:
    """CSS that shows the words of the class that is checked, and hides those of the others."""
    shown = [
        f".npmoji .explained:has(label:nth-of-type({i}) > :checked) .view:nth-of-type({i})" for i in range(1, most + 1)
    ]
    if not shown:
        return ""
    rules = [".npmoji .view { display: none; }", ",\n".join(shown) + " { display: block; }"]
    return "\n".join(["@supports selector(:has(*)) {", *rules, "}", ""])  # without it, all are shown
