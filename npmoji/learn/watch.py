"""What a training run shows on the way."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator

from ..display import NotedLine, shown
from .run import At


@contextlib.contextmanager
def watching(progress: bool | Callable[[At], object]) -> Iterator[Callable[[At], object] | None]:
    """The function to call after every step: a line on a terminal, lines elsewhere, the caller's own, or None.

    Raises:
        InputError: ``progress`` is neither a bool nor a function.
    """
    with shown(progress, _Line, _Lines, "where training is") as told:
        yield told


def described(at: At) -> list[str]:
    """Where training is, in pieces, what matters most first."""
    found = [f"epoch {at.epoch}", *([] if at.ended else [f"batch {at.batch}/{at.batches}"]), f"loss {at.loss:.4f}"]
    if at.stages > 1:
        found[0] = f"stage {at.place + 1}/{at.stages} {at.stage}  {found[0]}"
    return found if math.isnan(at.val_loss) else [*found, f"val {at.val_loss:.4f} ({at.val_score:.1%})"]


class _Line:
    """On a terminal: one line, rewritten. The bar is of all epochs there may be, and so is the time left."""

    def __init__(self) -> None:
        self.line: NotedLine | None = None

    def update(self, at: At) -> None:
        """Show where training is."""
        if at.ended:
            return
        done = ((at.place * at.epochs) + at.epoch - 1) * at.batches + at.batch
        self.line = self.line or NotedLine(at.stages * at.epochs * at.batches)
        self.line.note(done, *described(at))

    def close(self) -> None:
        """Remove it."""
        if self.line is not None:
            self.line.close()


class _Lines:
    """Elsewhere: a line for each epoch."""

    def update(self, at: At) -> None:
        """Show an epoch that has ended."""
        if at.ended and sys.stderr:
            print(f"npmoji: {'  '.join(described(at))}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to remove."""
