"""Files and folders being written beside their targets as `NAME.xxxxxxxx.part`, and what killed processes leave of
them.

The process that writes a part holds a lock on it, which the system releases when the process ends, however it ends.
Windows does not rename open files, so there a part counts as abandoned if nothing has been written to it for an hour.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable
from typing import TypeVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

Made = TypeVar("Made")

LONG = 60 * 60  # seconds


def begin(
    target: str, cleanup: contextlib.ExitStack, make: Callable[[str], Made], remove: Callable[[str], None]
) -> tuple[str, Made]:
    """Make a part for the target. It is locked until ``cleanup`` is closed, and then removed if it still exists.

    Args:
        make: makes it, given its name.
        remove: removes it; also called if it was never made, or is gone.

    Returns:
        Its name, and what ``make`` returned.
    """
    while True:
        part = f"{target}.{os.urandom(4).hex()}.part"
        cleanup.callback(remove, part)  # before it exists: an interruption may come at any time
        made = make(part)
        if _held(part, cleanup):
            return part, made


def _held(part: str, cleanup: contextlib.ExitStack) -> bool:
    """Lock the part; False if another process has removed it before it was locked."""
    if fcntl is None:
        return True
    try:
        lock = os.open(part, os.O_RDONLY)
    except FileNotFoundError:
        return False
    cleanup.callback(os.close, lock)
    with contextlib.suppress(OSError):  # a file system without locks, where nothing is ever removed
        fcntl.flock(lock, fcntl.LOCK_EX)
    return os.path.exists(part)


def sweep(target: str) -> None:
    """Remove a target's parts that no process is writing any more. What cannot be removed stays."""
    folder, name = os.path.split(target)
    pattern = re.compile(re.escape(name) + r"\.[0-9a-f]{8}\.part")
    with contextlib.suppress(OSError), os.scandir(folder or os.curdir) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and not entry.is_symlink():
                with contextlib.suppress(OSError):
                    _remove_if_left(entry)


def _remove_if_left(entry: os.DirEntry) -> None:
    """Remove a part unless it is in use; OSError if it is, or cannot be removed."""
    remove = shutil.rmtree if entry.is_dir() else os.unlink
    if fcntl is None:
        if time.time() - entry.stat().st_mtime > LONG:
            remove(entry.path)
        return
    lock = os.open(entry.path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(entry.path)
    finally:
        os.close(lock)
