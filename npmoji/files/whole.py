"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ..errors import InputError


class Unfinished(InputError):
    """The input ends early with an error, and what was made of the ``rows`` before is whole in itself."""

    def __init__(self, message: str, rows: int):
        super().__init__(message)
        self.rows = rows


@contextlib.contextmanager
def whole_file(path: str | bytes | os.PathLike) -> Iterator[BinaryIO]:
    """A binary file to be filled in the ``with`` block: it takes its name only if the block ends well.

    It is written beside the target and renamed, so that whoever has mapped the old one keeps it. Devices and pipes, which
    cannot be renamed over, are written directly. If the block ends with `Unfinished`, what it wrote is kept under the name
    with ``.partial`` behind it. What killed processes have left of earlier attempts is removed.

    Raises:
        InputError: the place cannot be written to.
    """
    from .paths import local

    path = local(path)
    if os.path.exists(path) and not os.path.isfile(path):
        with reporting(path), open(path, "wb") as file:
            yield file
        return
    from . import parts

    target = os.path.realpath(path)  # a link stays one
    with reporting(path), contextlib.ExitStack() as cleanup:
        parts.sweep(target)
        part, file = parts.begin(target, cleanup, lambda part: open(part, "xb"), _remove)  # noqa: SIM115
        try:
            with file:
                yield file
        except Unfinished as error:
            os.replace(part, f"{target}.partial")
            kept = f"what was done before it, {error.rows:,} rows, is in {target}.partial"
            raise InputError(f"{error}; {kept}") from error
        os.replace(part, target)


@contextlib.contextmanager
def whole_folder(path: str, may_replace: Callable[[str], None]) -> Iterator[str]:
    """A new folder to be filled in the ``with`` block: it takes its name only if the block ends well.

    It is made beside the target and renamed. An empty folder of that name gives way; for any other ``may_replace`` is
    called with its path, and raises unless it may go.

    Raises:
        InputError: the place cannot be written to, or holds something else.
    """
    from . import parts

    target = os.path.realpath(path)
    with reporting(path):
        _check_gives_way(target, may_replace)  # before the work that fills the new one
        with scratch_folder(target) as part:
            yield part
            _check_gives_way(target, may_replace)
            _take_place(part, target)
        parts.sweep(target)  # not before: a process killed in `_take_place` has left the old folder there


@contextlib.contextmanager
def scratch_folder(target: str) -> Iterator[str]:
    """An empty folder beside the target, for the time of the ``with`` block."""
    import shutil

    from . import parts

    with contextlib.ExitStack() as cleanup:
        part, _ = parts.begin(target, cleanup, os.mkdir, lambda part: shutil.rmtree(part, ignore_errors=True))
        yield part


def _check_gives_way(target: str, may_replace: Callable[[str], None]) -> None:
    if os.path.isdir(target):
        if os.path.samefile(target, os.curdir):  # whoever stands in it would be left in a folder that has gone
            raise InputError(f"{target}: is the current folder, which cannot be replaced; give the name of another")
        if os.listdir(target):
            may_replace(target)
    elif os.path.lexists(target):
        raise InputError(f"{target}: there is something else of that name, expected to make a folder")


def _take_place(part: str, target: str) -> None:
    """Rename one folder to another, which is put back if that fails."""
    if not os.path.isdir(target):
        os.rename(part, target)
        return
    with scratch_folder(target) as aside:
        old = os.path.join(aside, "old")
        try:
            os.rename(target, old)
            os.rename(part, target)
        finally:
            if not os.path.lexists(target):
                os.rename(old, target)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@contextlib.contextmanager
def reporting(name: str) -> Iterator[None]:
    """Turn what goes wrong in writing into an InputError; a closed pipe is not wrong."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"{name}: cannot be written: {error.strerror or error}") from error
