"""Whether a thread may wait for a compiler. Apart from `kernels`, which compiles when it is imported."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_thread = threading.local()


class NotCompiled(Exception):
    """A kernel is not in Numba's cache, and this thread may not wait until it is compiled."""


@contextlib.contextmanager
def no_patience() -> Iterator[None]:
    """Have a kernel that this thread would have to compile raise `NotCompiled` instead."""
    _thread.none = True
    try:
        yield
    finally:
        _thread.none = False


def check_patience() -> None:
    """Raise `NotCompiled` inside of `no_patience`; called before something is compiled."""
    if getattr(_thread, "none", False):
        raise NotCompiled
