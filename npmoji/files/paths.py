"""Paths as callers give them (text, bytes, a `pathlib.Path` or a file:// address) to plain ones."""

from __future__ import annotations

import os
import re

from ..errors import InputError

LONGEST = 32_767 if os.name == "nt" else 4_096  # characters; no system accepts longer paths


def local(path: str | bytes | os.PathLike, what: str = "path") -> str:
    """The path of a file as text, with ``~`` replaced by the home directory and ``file://`` addresses by their path.

    Args:
        what: the argument's name, for messages.

    Raises:
        InputError: it is not a path, but the content of a file, a web address, or of another type.
    """
    try:
        name = os.fspath(path)
    except TypeError as error:
        raise InputError(f"{what}: expected the path of a file, got {type(path).__name__}") from error
    if len(name) > LONGEST or (isinstance(name, bytes) and b"\0" in name):
        content = "bytes" if isinstance(name, bytes) else "characters"
        raise InputError(
            f"{what}: expected the path of a file, got {len(name):,} {content}, which look like a file's content: "
            "write them to a file and give its name"
        )
    name = os.fsdecode(name)
    return _from_address(name, what) if scheme(name) else os.path.expanduser(name)


def same(path: str, other: str) -> bool:
    """Whether both are there and are one file, whatever it is called. Standard input or output, ``"-"``, is none."""
    return "-" not in (path, other) and all(map(os.path.exists, (path, other))) and os.path.samefile(path, other)


def scheme(path: str) -> str:
    """The scheme of an address, in lower case; empty for a path."""
    if ":/" not in path:  # as in most: the pattern takes a while to compile
        return ""
    found = re.match("([A-Za-z][A-Za-z0-9+.-]+)://|(file):/", path, re.IGNORECASE)  # one letter is a Windows drive
    return (found[1] or found[2]).lower() if found else ""


def _from_address(address: str, what: str) -> str:
    """The path in a ``file:`` address: ``file:///home/a%20b``, ``file://localhost/...``, ``file:///C:/...``."""
    kind = scheme(address)
    if kind != "file":
        raise InputError(
            f"{what}: {address:.200}: a {kind}:// address, expected a path or file:///...; "
            "download the file first, then give its local name"
        )
    from urllib.parse import unquote  # not needed for a plain path

    rest = address[len("file:") :]
    host, _, path = rest[2:].partition("/") if rest.startswith("//") else ("", "", rest[1:])
    if host not in ("", "localhost"):
        raise InputError(f"{what}: {address:.200}: a file on the computer {host:.60}, expected file:///... on this one")
    path = "/" + unquote(path, errors="surrogateescape")
    if os.name == "nt":
        path = re.sub("^/([A-Za-z])[:|]", r"\1:", path).replace("/", "\\")
    return path
