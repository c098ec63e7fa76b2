"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ..errors import InputError


class Unfinished(InputError):
    """The input ends early with an error, but the results of the ``rows`` before it are complete and worth keeping."""

    def __init__(self, message: str, rows: int):
        super().__init__(message)
        self.rows = rows


@contextlib.contextmanager
def whole_file(path: str | bytes | os.PathLike) -> Iterator[BinaryIO]:
    """A binary file to be written in the ``with`` block: it takes its name only if the block succeeds.

    It is written beside the target and renamed, so that processes that have mapped the old file keep it. Devices and
    pipes, which cannot be replaced by renaming, are written directly. If the block raises `Unfinished`, the file is
    kept with ``.partial`` appended to its name. What killed processes have left of earlier attempts is removed.

    Raises:
        InputError: the file cannot be written.
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
            kept = f"the results before it, {error.rows:,} rows, are in {target}.partial"
            raise InputError(f"{error}; {kept}") from error
        os.replace(part, target)


class _OnlyTried(Exception):
    """Nothing is to be written."""


def check_writable(path: str | bytes | os.PathLike) -> None:
    """Raise now, before long work, the InputError that `whole_file` would raise after it."""
    with contextlib.suppress(_OnlyTried), whole_file(path):
        raise _OnlyTried


def check_other(path: str, output: str) -> None:
    """Raise an InputError if what is to be read is the file that is to be written."""
    from .paths import local, same

    if output != "-" and same(path, local(output)):
        raise InputError(f"{path}: is the input and the output; write to another file")


@contextlib.contextmanager
def whole_folder(path: str, may_replace: Callable[[str], None]) -> Iterator[str]:
    """A new folder to be filled in the ``with`` block: it takes its name only if the block succeeds.

    It is made beside the target and renamed. An empty folder of that name is replaced; for any other one
    ``may_replace`` is called with its path, and raises unless it may be replaced.

    Raises:
        InputError: the folder cannot be written, or something else has that name.
    """
    from . import parts

    target = os.path.realpath(path)
    with reporting(path):
        _check_gives_way(target, may_replace)  # before the work that fills the new one
        with scratch_folder(target) as part:
            yield part
            _check_gives_way(target, may_replace)
            _take_place(part, target)
        parts.sweep(target)  # not before: a process killed in `_take_place` leaves the old folder there


@contextlib.contextmanager
def scratch_folder(target: str) -> Iterator[str]:
    """An empty folder beside the target, which exists during the ``with`` block."""
    import shutil

    from . import parts

    with contextlib.ExitStack() as cleanup:
        part, _ = parts.begin(target, cleanup, os.mkdir, lambda part: shutil.rmtree(part, ignore_errors=True))
        yield part


def _check_gives_way(target: str, may_replace: Callable[[str], None]) -> None:
    if os.path.isdir(target):
        if os.path.samefile(target, os.curdir):  # the user would be left in a deleted folder
            raise InputError(f"{target}: this is the current folder, which cannot be replaced; give another name")
        if os.listdir(target):
            may_replace(target)
    elif os.path.lexists(target):
        raise InputError(f"{target}: exists and is not a folder, expected a folder or a new name")


def _take_place(part: str, target: str) -> None:
    """Rename the part to the target; if that fails, the old target is put back."""
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
    """Turn errors in writing into an InputError, except for a closed pipe, which is not an error."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"{name}: cannot be written: {error.strerror or error}") from error
