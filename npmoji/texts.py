"""Many texts, some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice


def chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of up to ``size`` items."""
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block
