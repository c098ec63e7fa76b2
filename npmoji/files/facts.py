"""What is known of a file that something was loaded from, also when it is there no more."""

from __future__ import annotations

import contextlib
import os
from typing import Any


class FileFacts:
    """A file's path, size and SHA-256, for as long as it stays as it was when this was made.

    The digest is computed when it is first asked for, and kept. Both go along in a pickle.

    Attributes:
        path: of the file; empty if there was none.
        size: in bytes; None if there was no such file.
    """

    def __init__(self, path: str):
        self.path = path
        self._then = state(path)
        self.size = None if self._then is None else self._then[0]
        self._sha256: str | None = None

    @property
    def sha256(self) -> str | None:
        """In hexadecimal; None if the file was gone, replaced or written to before this was first asked for."""
        if self._sha256 is None and self._then is not None and self._then == state(self.path):
            from .digest import sha256

            with contextlib.suppress(OSError):
                self._sha256 = sha256(self.path)
        return self._sha256

    def __getstate__(self) -> dict[str, Any]:
        self.sha256  # noqa: B018  where a pickle goes there may be no such file, or another one
        return {**self.__dict__, "_then": None}


def state(path: str | bytes) -> tuple[int, int] | None:
    """Size and time of the last change, or None without such a file."""
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns
    return None
