"""Which file a caller means: text, bytes, a `pathlib.Path` or a file:// address to a plain path."""

from __future__ import annotations

import os
import re

from ..errors import InputError

LONGEST = 32_767 if os.name == "nt" else 4_096  # characters; systems take no longer paths
SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]+)://|(file):/", re.IGNORECASE)  # of one letter: a drive of Windows


def local(path: str | bytes | os.PathLike, what: str = "path") -> str:
    """The path of a file as text, with ``~`` replaced by the home directory, and ``file://`` addresses as the path in them.

    Args:
        what: the argument's name, for messages.

    Raises:
        InputError: it is no path, but the content of a file, an address on the web, or of another type.
    """
    try:
        name = os.fspath(path)
    except TypeError as error:
        raise InputError(f"{what}: expected the path of a file, got {type(path).__name__}") from error
    if len(name) > LONGEST or (isinstance(name, bytes) and b"\0" in name):
        content = "bytes" if isinstance(name, bytes) else "characters"
        raise InputError(
            f"{what}: expected the path of a file, got {len(name):,} {content}, which look like its content: "
            "write them to a file and give its name"
        )
    name = os.fsdecode(name)
    found = SCHEME.match(name)
    return _from_address(name, what) if found else os.path.expanduser(name)


def scheme(path: str) -> str:
    """The scheme of an address, in lower case; empty for a path."""
    found = SCHEME.match(path)
    return (found[1] or found[2]).lower() if found else ""


def _from_address(address: str, what: str) -> str:
    """The path in a ``file:`` address: ``file:///home/a%20b``, ``file://localhost/...``, ``file:///C:/...``."""
    kind = scheme(address)
    if kind != "file":
        raise InputError(
            f"{what}: {address:.200}: a {kind}:// address, expected a path or file:///...; "
            "download the file first, and give the name that it has here"
        )
    from urllib.parse import unquote  # of no use to a plain path

    rest = address[len("file:") :]
    host, _, path = rest[2:].partition("/") if rest.startswith("//") else ("", "", rest[1:])
    if host not in ("", "localhost"):
        raise InputError(f"{what}: {address:.200}: a file on the computer {host:.60}, expected file:///... of this one")
    path = "/" + unquote(path, errors="surrogateescape")
    if os.name == "nt":
        path = re.sub("^/([A-Za-z])[:|]", r"\1:", path).replace("/", "\\")
    return path
