"""What a person should know of compilation: that it takes place now, once, or that every process will do it again."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

from numba.core import event as events

from ..patience import check_patience

COMPILING = "npmoji: compiling the kernels, once per machine: some seconds ..."
NOT_KEPT = "compiled kernels cannot be kept, so every process will compile them, for some seconds: "
NO_FOLDER = "no cache folder can be written to; let the environment variable NUMBA_CACHE_DIR name one that can"
FROZEN = "the user's cache folder cannot be written to"
ARCHIVE = "npmoji is in an archive, and Numba keeps them for files on disk only; unpack it, or take engine='numpy'"


class Notices(events.Listener):
    """One line on standard error, on a terminal only, when the first kernel is compiled; none if all are in the
    cache."""

    told = False
    kept = True  # as far as is known: each process finds what another compiled

    def on_start(self, event: events.Event) -> None:
        """Numba compiles something, perhaps not ours."""
        if not event.data["dispatcher"].py_func.__module__.startswith("npmoji."):
            return
        check_patience()
        if self.told:
            return
        self.told = True
        if sys.stderr is not None and sys.stderr.isatty():
            print(COMPILING, file=sys.stderr, flush=True)

    def on_end(self, event: events.Event) -> None:
        """Nothing to be said."""

    def not_cached(self, function: Callable) -> None:
        """A warning that this kernel, and so all others, will be compiled by every process."""
        self.kept = False
        if not self.told:
            self.told = True
            on_disk, frozen = os.path.exists(function.__code__.co_filename), getattr(sys, "frozen", False)
            why = NO_FOLDER if on_disk else FROZEN if frozen else ARCHIVE
            warnings.warn(NOT_KEPT + why, RuntimeWarning, stacklevel=3)


notices = Notices()
events.register("numba:compile", notices)
