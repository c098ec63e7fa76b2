"""A map of many texts as one HTML page: a point for each text, which shows the text when pointed at.

It is drawn by scripts of `pages/` from what `map_data` puts into the page as JSON. Without JavaScript the legend's
table and the table of texts remain.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..pages import asset, data, escape, isolated
from ..pages import page as whole_page
from ..text.emojis import Prediction
from .map_data import LONGEST, LONGEST_NAME, Group, Texts, class_name, cut
from .projection import Projection

ROWS = 500  # texts in the table below the map
#: markers around 0, of some size 1: the groups' one after the other; the first one is that of the others too
SHAPES = (
    "M-.9 0a.9 .9 0 1 0 1.8 0a.9 .9 0 1 0 -1.8 0Z",
    "M-.8-.8H.8V.8H-.8Z",
    "M0-1.1L1.15 .85H-1.15Z",
    "M0-1.15L1.15 0L0 1.15L-1.15 0Z",
)


def page(
    projection: Projection,
    texts: Sequence[str],
    predictions: Sequence[Sequence[Prediction]] | None = None,
    labels: Sequence[str] | None = None,
    *,
    title: str = "A map of texts",
    label: str = "label",
    notes: Sequence[str] = (),
) -> str:
    """The page, which needs nothing else: an HTML document.

    Args:
        projection: N points, as `projection.project` gives them.
        texts: N texts; the page holds the first 200 characters of each.
        predictions: of each text its most likely classes, best first, as `Model.top` gives them; up to three are shown.
        labels: of each text a label, "" for none: the points then have the labels' colours. Otherwise they have those
            of the most likely classes. The twelve most frequent have a colour each.
        title: of the page.
        label: what the labels are called.
        notes: sentences about the texts, such as where they come from.

    Raises:
        InputError: not as many texts, predictions or labels as points.

    >>> from npmoji.explain import map_page, projection
    >>> html = map_page.page(projection.pca([[0.0], [1.0], [2.0]]), ["one", "two", "<3"], labels=["a", "a", "b"])
    >>> "&lt;3" in html, "<3" in html
    (True, False)
    """
    if len(texts) != len(projection.points):
        raise InputError(f"{len(texts):,} texts for {len(projection.points):,} points, expected one for each")
    found = Texts.of(texts, predictions, labels, label)
    body = _BODY.format(
        title=isolated(title),
        intro=escape(" ".join([_intro(found), *notes])),
        about=escape(projection.about + (_CUT if any(len(text) > LONGEST for text in texts) else "")),
        legend=_legend(found),
        table=_table(found),
        data=data("map-data", found.columns(projection.points)),
    )
    return whole_page(title, body, asset("map.css"), "".join(map(asset, _SCRIPTS)))


_SCRIPTS = ("map_pixels.js", "map_drawing.js", "map.js")
_CUT = f" Texts are cut at {LONGEST} characters here; the search looks at what is shown."

_BODY = """\
<main class="map">
<h1>{title}</h1>
<p>{intro}</p>
<noscript><p>The picture needs JavaScript. The counts and the texts are here without it.</p></noscript>
<div class="layout">
<div class="plot" id="plot" hidden>
<div class="sheet">
<canvas id="canvas" tabindex="0" role="application" aria-label="Map of the texts" aria-describedby="keys"></canvas>
<div class="cross" id="cross" hidden></div>
<div class="tip" id="tip" hidden></div>
</div>
<div class="tools">
<button type="button" id="in" aria-label="Zoom in">+</button>
<button type="button" id="out" aria-label="Zoom out">−</button>
<button type="button" id="reset">All</button>
<output id="zoom" aria-label="Zoom"></output>
</div>
</div>
<div class="side">
<div class="controls" id="controls" hidden>
<label for="search">Texts that contain</label>
<input type="search" id="search" autocomplete="off" spellcheck="false">
<output id="found" for="search"></output>
<label id="glyphs-choice" hidden><input type="checkbox" id="glyphs"> draw the emojis</label>
</div>
{legend}
</div>
</div>
<p class="quiet" id="keys" hidden>Drag to move; wheel, pinch or double-click to zoom. Point at a text or tap it to read
it; tap again for the next one at the same place. With the keyboard: arrows, + and −, 0 for all, Esc; the text nearest
to the cross is shown. A click on a name of the list shows its texts alone.</p>
<p class="quiet">{about}</p>
{table}
<p class="hidden" role="status" id="live"></p>
</main>
{data}
"""


def _intro(found: Texts) -> str:
    """What is seen, in one sentence."""
    texts = "1 text" if len(found.texts) == 1 else f"{len(found.texts):,} texts"
    colours = ""
    if found.labels is not None:
        colours = f"; colour and shape show its {found.label}"
    elif found.predictions is not None:
        colours = f"; colour and shape show its most likely {_kind(found)}"
    return f"{texts}, a point for each{colours}."


def _kind(found: Texts) -> str:
    emojis = any(p.emoji for some in found.predictions or () for p in some[:1])
    return "emoji" if emojis else "class"


def _legend(found: Texts) -> str:
    """The legend as a table; `map.js` makes buttons of its names."""
    rows = "\n".join(
        f'<tr><td>{_marker(group.rank)}</td><th scope="row">{_name(group)}</th><td class="number">{group.texts:,}</td>'
        f'<td class="number">{100 * group.texts / len(found.texts):.1f} %</td></tr>'
        for group in found.groups
    )
    by = found.label if found.labels is not None else "most likely" if found.predictions is not None else "texts"
    head = "<td></td>" + "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>'
        for name, kind in ((by, ""), ("texts", ' class="number"'), ("share", ' class="number"'))
    )
    return f'<table class="legend" id="legend">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'


def _marker(rank: int) -> str:
    shape = SHAPES[0 if rank < 0 else rank % len(SHAPES)]
    colour = "other" if rank < 0 else rank
    return f'<svg class="g-{colour}" viewBox="-1.25 -1.25 2.5 2.5" aria-hidden="true"><path d="{shape}"/></svg>'


def _name(group: Group) -> str:
    return f"{group.emoji} {isolated(group.name)}" if group.emoji else isolated(group.name)


def _table(found: Texts) -> str:
    """The first texts as a table."""
    heads = ["text"]
    heads += [] if found.labels is None else [found.label]
    heads += [] if found.predictions is None else ["most likely"]
    rows = []
    for i, text in enumerate(found.texts[:ROWS]):
        cells = [isolated(text)]
        cells += [] if found.labels is None else [isolated(cut(found.labels[i], LONGEST_NAME))]
        cells += [] if found.predictions is None else [", ".join(map(_likely, found.predictions[i]))]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    more = f"first {ROWS:,} of {len(found.texts):,} texts" if len(found.texts) > ROWS else "texts"
    return (
        f'<details>\n<summary>The {more} as a table</summary>\n<div class="scroll"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table></div>\n</details>"
    )


def _likely(p: Prediction) -> str:
    name = p.emoji or isolated(class_name(p))
    return f'<span class="likely">{name} {100 * p.probability:.0f} %</span>'
