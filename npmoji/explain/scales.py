"""How strong the words of a text are shown, and how the numbers behind that are written: the same on a page and in a
terminal. (`serve/explanation.js` does it in the same way.)"""

from __future__ import annotations

import math
from collections.abc import Iterable

FAINT = 0.1  # of the probability: where all words contribute less, none is shown as strong


def contributing(contributions: Iterable[float], probability: float) -> list[float]:
    """The strengths, from 0 to 1, of contributions to a class of that probability; relative to the strongest one.

    >>> contributing([0.2, -0.1, 0.0], 0.6), contributing([0.02], 0.8)
    ([1.0, 0.5, 0.0], [0.25])
    """
    return _relative(map(abs, contributions), FAINT * probability)


def attending(weights: Iterable[float]) -> list[float]:
    """The strengths of attention, in the same way.

    >>> attending([0.1, 0.4])
    [0.25, 1.0]
    """
    return _relative(weights, 0.0)


def _relative(sizes: Iterable[float], least: float) -> list[float]:
    """Relative to the largest, or to ``least`` if none is as large; 0 for what is no number."""
    least, *sizes = (size if math.isfinite(size) else 0.0 for size in (least, *sizes))
    most = max([least, *sizes])
    return [size / most if most else 0.0 for size in sizes]


def points(value: float, digits: int | None = None) -> str:
    """A difference of probabilities in percentage points, with its sign.

    Args:
        digits: behind the point; by default as many as say something.

    >>> points(0.241), points(-0.0213), points(0.00001), points(0.241, 1), points(0.00001, 1)
    ('+24', '−2.1', '0', '+24.1', '0.0')
    """
    value *= 100
    if not math.isfinite(value):
        return "?"
    wanted = digits
    if wanted is None:
        wanted = 0 if abs(value) >= 9.95 else 1 if abs(value) >= 0.995 else 2
    shown = f"{value:+.{wanted}f}"
    if float(shown):
        return shown.replace("-", "−")
    return "0" if digits is None else shown[1:]


def percent(value: float) -> str:
    """A probability or a share of attention.

    >>> percent(0.5991), percent(0.0004)
    ('59.9\\xa0%', '0.0\\xa0%')
    """
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%" if math.isfinite(value) else "?"
