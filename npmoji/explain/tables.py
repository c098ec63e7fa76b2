"""Predictions and models as HTML tables, for notebooks; and how classes are shown, there and on a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..pages import asset, escape, isolated
from ..text.emojis import Prediction, named
from .scales import percent

if TYPE_CHECKING:
    from ..model import Model


def emoji(prediction: Prediction) -> str:
    """The emoji as HTML, which screen readers pass over: its name stands beside it. Empty for one's own classes."""
    if not prediction.emoji:
        return ""
    # those from before there were emojis are drawn in black and white unless a selector follows
    selector = "\ufe0f" if len(prediction.emoji) == 1 and prediction.emoji in "❤☺✌♥" else ""
    return f'<span class="emoji" aria-hidden="true">{escape(prediction.emoji)}{selector}</span>'


def bar(probability: float) -> str:
    """A bar of that share of its width; for the eye only."""
    share = min(max(0.0, probability), 1.0)  # 0 for what is no number
    return f'<span class="bar" aria-hidden="true"><span style="--p:{share:.3f}"></span></span>'


def scoped(content: str, style: str = "") -> str:
    """Content for a notebook with the style it needs, which reaches nothing else on the page."""
    return f'<div class="npmoji"><style>\n{asset("words.css")}{style}</style>\n{content}\n</div>'


def predictions(one: Sequence[Prediction]) -> str:
    """The most likely classes of one text, a row each, as a notebook's fragment.

    >>> "59.9\\xa0%" in predictions([Prediction(36, "😋", 0.599, "😋")])
    True
    """
    rows = [
        f'<tr><th scope="row">{emoji(p)} {isolated(named(p))}</th><td>{percent(p.probability)}</td>'
        f'<td class="wide">{bar(p.probability)}</td></tr>'
        for p in one
    ]
    head = _head("class", '<th scope="col" colspan="2">probability</th>')
    return scoped(_table("The most likely classes", head, rows))


def table(all_: Sequence[Sequence[Prediction]], texts: Sequence[str] | None = None) -> str:
    """The most likely classes of several texts, a row for each text, as a notebook's fragment.

    Args:
        texts: to show them too; else the rows are numbered from 0, as the list is.

    >>> 'scope="row">0<' in table([[Prediction(36, "😋", 0.599, "😋")]])
    True
    """
    rows = []
    for i, one in enumerate(all_):
        cells = "".join(f"<td>{emoji(p) or isolated(p.label)}{_spoken(p)} {percent(p.probability)}</td>" for p in one)
        rows.append(f'<tr><th scope="row">{isolated(texts[i]) if texts else i}</th>{cells}</tr>')
    ranks = range(1, max(map(len, all_), default=0) + 1)
    columns = "".join(f'<th scope="col">{rank}.</th>' for rank in ranks)
    return scoped(_table("The most likely classes of each text", _head("text", columns), rows))


def model(model: Model) -> str:
    """What a model is, as a notebook's fragment; it may be closed.

    >>> "deepmoji_small.hdf5" in model(npmoji.load(engine="numpy"))
    True
    """
    facts = [("file", isolated(os.fspath(model.path)) if model.path else "none: made by hand")]
    facts += [("classes", _classes(model))]
    facts += [("features", f"{model.features:,}")] if model.features else []
    if model.tokenizer is None:
        own = "its own: it splits texts itself"
        facts += [("vocabulary", own if model.takes_texts else "none: it takes token ids only")]
    else:
        known, most = len(model.tokenizer.vocabulary), model.tokenizer.maxlen
        facts += [("vocabulary", f"{known:,} words; the first {most:,} of a text are read")]
    facts += [("engine", escape(f"{model.engine}, precision {model.precision}"))]
    rows = [f'<tr><th scope="row">{key}</th><td>{value}</td></tr>' for key, value in facts]
    return scoped(_table("Model", "", rows))


def _classes(model: Model) -> str:
    if not model.classes:
        return "none: for features only"
    if not model.own_classes:
        return f"{model.classes:,} emojis" if model.class_names else f"{model.classes:,}"
    listed, most = model.class_names, 12
    shown = ", ".join(isolated(class_name) for class_name in listed[:most])
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    several = "; each has a probability of its own" if model.multi_label else ""
    return f"{len(listed):,}: {shown}{more}{several}"


def _spoken(prediction: Prediction) -> str:
    """The name of an emoji that stands alone."""
    return f'<span class="hidden"> {escape(named(prediction))}</span>' if prediction.emoji else ""


def _head(first: str, others: str) -> str:
    return f'<thead><tr><th scope="col">{first}</th>{others}</tr></thead>'


def _table(caption: str, head: str, rows: list[str]) -> str:
    lines = "\n".join(rows)
    return (
        f'<div class="scroll"><table>\n<caption>{caption}</caption>\n{head}<tbody>\n{lines}\n</tbody>\n</table></div>'
    )
