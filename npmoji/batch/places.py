"""Files, folders and patterns as users give them, to a list of files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

from ..errors import InputError
from ..files.paths import local
from . import names

#: what is looked for in a folder: files of tables and texts by a suffix that says so, not notes and logs
_SUFFIXES = {suffix for suffix in (*names.INPUTS, *names.TABLES) if suffix not in ("", ".log", ".md")}
_SHOWN = 5  # names of ignored files


def expanded(places: Iterable[str]) -> tuple[list[str], list[str]]:
    """The files meant, and what to tell about those of folders that are not.

    A folder stands for the files in it that have a known suffix, by name, without those of folders in it. A pattern
    with ``*``, ``?`` or ``[`` stands for what fits it, by name, unless there is a file of just that name; ``**`` is any
    folders. ``"-"`` is standard input.

    Raises:
        InputError: nothing fits a pattern, or a folder has no such file.

    >>> from npmoji.batch.places import expanded
    >>> expanded(["-", "texts.csv"])
    (['-', 'texts.csv'], [])
    """
    found: list[str] = []
    ignored: list[str] = []
    for place in places:
        for path in _fitting(place):
            found += _in_folder(path, ignored) if path != "-" and os.path.isdir(path) else [path]
    return found, ignored


def _fitting(place: str) -> list[str]:
    """What a pattern stands for; anything else stands for itself."""
    path = place if place == "-" else local(place)
    if path == "-" or not glob.has_magic(path) or os.path.lexists(path):
        return [path]
    fitting = sorted(glob.glob(path, recursive=True))
    if not fitting:
        raise InputError(f"{place}: no file fits this pattern")
    return fitting


def _in_folder(folder: str, ignored: list[str]) -> list[str]:
    try:
        here = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error
    chosen = [entry.path for entry in here if entry.is_file() and _is_table(entry.name)]
    others = [entry.name + "/" * entry.is_dir() for entry in here if entry.path not in set(chosen)]
    if not chosen:
        kinds = ", ".join(sorted(_SUFFIXES))
        raise InputError(
            f"{folder}: no files of texts in this folder, expected {kinds}{_some(others, '; there are: ')}"
        )
    if others:
        ignored.append(f"{folder}: ignored {_some(others)}")
    return chosen


def _is_table(name: str) -> bool:
    if name.startswith((".", "_")):  # Spark's and other systems' own
        return False
    stem, suffix = os.path.splitext(name.lower())
    if suffix in names.COMPRESSIONS:
        return os.path.splitext(stem)[1] in _SUFFIXES - names.TABLES.keys()
    return suffix in _SUFFIXES


def _some(found: list[str], before: str = "") -> str:
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return found and before + ", ".join(found[:_SHOWN]) + more or ""
