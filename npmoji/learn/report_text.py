"""A `Report` as text: classes and scores as a table, the most frequent class beside it, what was got most wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from ..text.widths import columns, shorten

Report: TypeAlias = Any  # a `Report`: its module uses this one

NAME = 30  # columns for a class' name
TEXT = 100  # columns for a text
CONFUSED = 12  # classes of the largest confusion matrix shown


def as_text(report: Report) -> str:
    """The report for people."""
    return "\n".join([*_head(report), "", *_table(report), "", *_scores(report), *_confusion(report), *_worst(report)])


def _head(report: Report) -> Iterator[str]:
    folds = f", {len(report.folds)} folds" if report.part is not None else ""
    several = ", several a text" if report.multi_label else ""
    yield f"{len(report.labels):,} texts, {len(report.classes)} classes{several}{folds}"


def _table(report: Report) -> Iterator[str]:
    names = [shorten(name, NAME) for name in report.names]
    width = max(map(columns, [*names, "class"]))
    yield f"{'class':{width}}  {'texts':>7}  {'precision':>9}  {'recall':>6}  {'F1':>5}"
    for name, scores in zip(names, report.per_class.values()):
        yield (
            f"{_padded(name, width)}  {scores['count']:7,}  {scores['precision']:9.3f}  {scores['recall']:6.3f}  "
            f"{scores['f1']:5.3f}"
        )


def _scores(report: Report) -> Iterator[str]:
    yield f"accuracy          {report.accuracy:.3f}{_spread(report, 'accuracy')}"
    always = " + ".join(report.baseline) or "no class" if report.multi_label else report.baseline
    yield f"  most frequent   {report.baseline_accuracy:.3f}  (always {shorten(always, NAME)})"
    yield f"macro F1          {report.macro_f1:.3f}{_spread(report, 'macro_f1')}"
    if report.class_average_f1 is not None:
        which = "a threshold for each class" if report.threshold is None else f"of {shorten(report.names[1], NAME)}"
        yield f"class-average F1  {report.class_average_f1:.3f}  ({which}, searched on the other folds)"


def _spread(report: Report, score: str) -> str:
    values = [getattr(fold, score) for fold in report.folds]
    return f" ± {report.spread(score):.3f}  ({min(values):.3f} to {max(values):.3f} by fold)" if values else ""


def _confusion(report: Report) -> Iterator[str]:
    """Rows are classes, columns what they were taken for."""
    if report.multi_label or len(report.classes) > CONFUSED:
        return
    names = [shorten(name, NAME) for name in report.names]
    width = max(map(columns, names))
    digits = max(5, len(f"{report.confusion.max():,}"))
    yield ""
    yield f"{'':{width}}  taken for"
    yield f"{'':{width}}  " + " ".join(f"{f'({number})':>{digits}}" for number in range(1, len(names) + 1))
    for number, (name, row) in enumerate(zip(names, report.confusion), 1):
        yield f"{_padded(name, width)}  " + " ".join(f"{count:{digits},}" for count in row) + f"  ({number})"


def _worst(report: Report) -> Iterator[str]:
    if not report.worst or report.texts is None:
        return
    yield ""
    yield "most wrong"
    for mistake in report.worst:
        yield (
            f"  {_joined(mistake.label)} at {mistake.probability:.3f}, taken for {_joined(mistake.guess)}: "
            f"{shorten(' '.join(mistake.text.split()), TEXT)}"
        )


def _joined(label: Any) -> str:
    return shorten(label if isinstance(label, str) else " + ".join(label) or "no class", NAME)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))
