"""Draws what `bench.py --plots FOLDER` has measured, and prints it: `python tools/draw_plots.py FOLDER`.

From FOLDER/performance.json it makes performance_one_text.svg and performance_batches.svg with matplotlib
(`pip install '.[bench]'`). One version of matplotlib always writes the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MEASURED = "performance.json"
BASE = "onnxruntime fp32"
TOO_FINE = re.compile(r"(\d\.\d\d)\d+")  # places, in points
#: side -> colour, of Okabe and Ito's, which colour-blind people tell apart; marker; whether the line is dashed
STYLES = {
    "npmoji numpy fp32": ("#000000", "D", False),
    "npmoji numba fp32": ("#0072b2", "o", False),
    "npmoji numba fp16": ("#56b4e9", "s", False),
    "npmoji numba int8": ("#009e73", "^", False),
    "onnxruntime fp32": ("#d55e00", "o", True),
    "onnxruntime int8": ("#e69f00", "^", True),
}
SETTINGS = {
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "npmoji",  # otherwise names of marks are random
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.size": 0,  # the grid is enough
    "ytick.major.size": 0,
    "grid.color": "#e0e0e0",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.5,
    "lines.markeredgewidth": 0,
}


class View(NamedTuple):
    """What a row of panels shows: of the milliseconds of a call, the texts in it, and the milliseconds of BASE."""

    label: str
    of: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


TIME = View("milliseconds a call", lambda ms, texts, base: ms)
RATE = View("texts per second", lambda ms, texts, base: 1e3 * texts / ms)
SPEED = View(f"times as fast as {BASE}", lambda ms, texts, base: base / ms)
#: plot -> its rows of panels; its file is named after it
PLOTS = {"one text": (TIME, SPEED), "batches": (RATE, TIME, SPEED)}


def panel(report: dict[str, Any], plot: str, threads: int, view: View) -> Iterator[tuple[str, list[int], np.ndarray]]:
    """Each side's name, points and values."""
    rows = [row for row in report["rows"] if (row["plot"], row["threads"]) == (plot, threads)]
    base = next(np.array(row["median"]) for row in rows if row["side"] == BASE)
    for row in rows:
        texts = np.array(row["at"]) if plot == "batches" else np.ones(len(row["at"]))
        yield row["side"], row["at"], view.of(np.array(row["median"]), texts, base)


def numbers_of_threads(report: dict[str, Any]) -> list[int]:
    """Those that were measured."""
    return sorted({row["threads"] for row in report["rows"]})


def as_text(report: dict[str, Any]) -> str:
    """The figures of all panels."""
    out = [f"{name:10}{value}" for name, value in (report["machine"] | report["work"]).items()]
    for plot, views in PLOTS.items():
        for view in views:
            for threads in numbers_of_threads(report):
                lines = list(panel(report, plot, threads, view))
                heads = "".join(f"{at:8}" for at in lines[0][1])
                out += ["", f"{plot}, threads {threads}: {view.label}", f"  {report['axes'][plot]:32}{heads}"]
                out += [f"  {side:32}{''.join(f'{plain(value):>8}' for value in values)}" for side, _, values in lines]
    return "\n".join(out)


def plain(value: float) -> str:
    """Three figures, without an exponent."""
    return np.format_float_positional(value, 3, fractional=False, trim="-")


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Write the pictures -> their paths.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    paths = []
    for plot in PLOTS:
        made = io.StringIO()
        with matplotlib.rc_context(SETTINGS):
            figure(report, plot).savefig(made, format="svg", metadata={"Date": None, "Creator": None})
        paths.append(folder / f"performance_{plot.replace(' ', '_')}.svg")
        paths[-1].write_text(TOO_FINE.sub(r"\1", made.getvalue()), encoding="utf-8", newline="\n")
    return paths


def figure(report: dict[str, Any], plot: str) -> Any:
    """One row of panels for each view, one column for each number of threads."""
    from matplotlib.figure import Figure

    views, threads = PLOTS[plot], numbers_of_threads(report)
    made = Figure(figsize=(9.2, 0.9 + 2.9 * len(views)), layout="constrained")
    panels = made.subplots(len(views), len(threads), sharex=True, sharey="row", squeeze=False)
    for row, view in zip(panels, views):
        for axes, n in zip(row, threads):
            for side, at, values in panel(report, plot, n, view):
                colour, marker, dashed = STYLES[side]
                axes.plot(at, values, color=colour, marker=marker, linestyle="--" if dashed else "-", label=side)
            scales(axes, at)
        row[0].set_ylabel(view.label)
    for axes, n in zip(panels[0], threads):
        axes.set_title(f"{n} thread{'s' if n > 1 else ''}")
    for axes in panels[-1]:
        axes.set_xlabel(report["axes"][plot])
    made.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return made


def scales(axes: Any, at: list[int]) -> None:
    """Both axes are logarithmic, with plain numbers: the points below, and 1, 2, 5, 10, ... at the side."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, ticks in ((axes.xaxis, FixedLocator(at)), (axes.yaxis, LogLocator(subs=(1, 2, 5)))):
        axis.set_major_locator(ticks)
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))


def write(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON, with one row a line."""
    rows = ",\n".join(f"  {json.dumps(row)}" for row in report["rows"])
    others = json.dumps({name: value for name, value in report.items() if name != "rows"}, indent=1)
    path.write_text(f'{others[:-2]},\n "rows": [\n{rows}\n ]\n}}\n', encoding="utf-8")


def main() -> None:
    """Draw what a folder has, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help=f"that has {MEASURED}; the pictures are written there too")
    folder = parser.parse_args().folder
    try:
        report = json.loads((folder / MEASURED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"{folder / MEASURED}: {error}")
    print(as_text(report))
    draw(report, folder)


if __name__ == "__main__":
    main()
