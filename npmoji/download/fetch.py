"""One file from the web, or from a folder, into a part file. What breaks off is resumed; nothing that comes is trusted.

A part file `X.part` has a note `X.part.json` beside it: which address it is from and the ETag (or date) the server gave
for it. A later request asks for the rest on the condition that the file there is still that one (Range and If-Range);
a server that cannot tell, or has another file now, sends it from the beginning, and the part starts anew.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ..errors import InputError
from ..files.paths import local, scheme
from .web import CHUNK, FetchError, TransientError, printable, receive, refusal, request

RETRIES = 4  # in a row, with no more than CHUNK gained by any
PAUSE = 1.0  # s before trying again; doubled each time


def fetch(url: str, part: str, most: int) -> None:
    """Bring all of a file into the part file, which is kept for a later call if the network fails.

    Args:
        url: http://, https://, file:// or a path.
        part: name of the part file. What it holds is used again only if it came from that address.
        most: bytes; a larger file is refused.

    Raises:
        FetchError: there is no such file, the network fails for good, or what the server sends cannot be right.
        InputError: the address is none.
        OSError: the part cannot be written.
    """
    path = local_path(url)
    if path is not None:
        copy(path, part, most)
        return
    failures, largest = 0, size_of(part)
    while True:
        try:
            attempt(url, part, most)
            return
        except TransientError as error:
            size = size_of(part)
            failures = 0 if size > largest + CHUNK else failures + 1
            largest = max(size, largest)
            if failures > RETRIES:
                raise
            tell(f"{error}; trying again")
        time.sleep(PAUSE * 2**failures)


def local_path(url: str) -> str | None:
    """The path that an address stands for; None if it is on the web.

    Raises:
        InputError: the address is of another kind, damaged, or holds a user name or password.
    """
    if scheme(url) in ("", "file"):
        return local(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError(f"{url}: not an address: {error}") from None
    if "@" in parts.netloc:
        raise InputError(f"an address at {parts.hostname} with a user name or password in it: these are not taken")
    if parts.scheme in ("http", "https") and parts.netloc:
        return None
    raise InputError(f"{url}: expected an address that begins with http://, https:// or file:///, or a path")


def copy(path: str, part: str, most: int) -> None:
    """The same for a file of this computer: all or nothing."""
    if not os.path.isfile(path):  # nor a device, which may have no end
        raise FetchError("no such file")
    try:
        file = open(path, "rb")  # noqa: SIM115  (before the part is discarded: it may be the part)
    except OSError as error:
        raise FetchError(f"cannot be read: {error.strerror}") from error
    with file:
        check_size(os.fstat(file.fileno()).st_size, most)
        try:
            discard(part)
            with open(part, "wb") as out:
                shutil.copyfileobj(file, out)
        except BaseException:
            discard(part)
            raise


def attempt(url: str, part: str, most: int) -> None:
    """One request for the file, or for what the part file lacks of it."""
    start, validator = known(url, part)
    try:
        response = request(url, start, validator)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            if error.code == 416 and start:
                if error.headers.get("Content-Range", "").strip() == f"bytes */{start}":
                    return  # all of it is there
                raise restart(part) from None
            raise refusal(error) from None
    with response:
        encoding = response.headers.get("Content-Encoding") or "identity"
        if encoding.lower() != "identity":
            raise FetchError(f"the server sends it compressed ({printable(encoding)}), which was not asked for")
        if response.status == 206:
            total = resumed(response, start, validator, part)
        elif response.status == 200:
            total, start = response.length, 0
        else:
            raise FetchError(f"the server answers HTTP {response.status}")
        check_size(total or 0, most)
        first = receive(response)
        if not start and looks_like_a_page(first):  # before the part is lost to it
            raise FetchError("a web page came in place of the file: the link is dead, or asks for a login")
        with open(part, "ab" if start else "wb") as file:
            if not start:
                note(url, part, response)
            save(response, first, file, total, most)
    size = size_of(part)
    if size > most or (total is not None and size > total):
        discard(part)
        raise FetchError(f"more came than {total or most} bytes")
    if total is not None and size < total:
        raise TransientError(f"the connection ended after {size} of {total} bytes")


def save(response: http.client.HTTPResponse, chunk: bytes, file: BinaryIO, total: int | None, most: int) -> None:
    """The chunk that came first and all others, to the end of the file."""
    bar, done = Bar(total), file.tell()
    try:
        while chunk and done <= most:
            file.write(chunk)
            file.flush()  # a killed process leaves what it had
            done += len(chunk)
            bar.show(done)
            chunk = b"" if done == total else receive(response)
        os.fsync(file.fileno())
    finally:
        bar.close()


def resumed(response: http.client.HTTPResponse, start: int, validator: str, part: str) -> int:
    """The size of the whole file, of which the rest comes; TransientError if something else comes."""
    said = response.headers.get("Content-Range", "").strip()
    match = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", said)
    changed = mark(response) not in ("", validator)  # there are servers that know Range and not If-Range
    if not start or not match or int(match[1]) != start or changed:
        raise restart(part)
    return int(match[2]) + 1 if match[3] == "*" else int(match[3])


def restart(part: str) -> TransientError:
    """Forget the part, as the server's answer does not go with it; the error to raise."""
    discard(part)
    return TransientError("the server does not send what is missing")


def looks_like_a_page(first: bytes) -> bool:
    """Whether the first bytes are those of HTML or XML; neither weights nor vocabularies begin so."""
    return first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def check_size(size: int, most: int) -> None:
    """Refuse what is too large to be meant."""
    if size > most:
        raise FetchError(f"{size} bytes, expected at most {most}")


# Part files -------------------------------------------------------------------------------------------------------


def note(url: str, part: str, response: http.client.HTTPResponse) -> None:
    """Write down which file the part is of."""
    with open(note_path(part), "w", encoding="ascii") as file:
        json.dump({"url": url, "validator": mark(response)}, file)


def mark(response: http.client.HTTPResponse) -> str:
    """What tells this version of the file from others: a strong ETag, else the date of the last change, else
    nothing."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def known(url: str, part: str) -> tuple[int, str]:
    """How many bytes the part has of that file, and the server's mark of it; (0, "") if they cannot be relied on."""
    try:
        with open(note_path(part), encoding="ascii") as file:
            found: Any = json.load(file)
    except (OSError, ValueError, RecursionError):
        return 0, ""
    noted = isinstance(found, dict) and found.get("url") == url
    validator = str(found.get("validator", "")) if noted else ""
    size = size_of(part)
    return (size, validator) if size and validator.isascii() and validator.isprintable() and validator else (0, "")


def discard(part: str) -> None:
    """Remove the part and its note."""
    for path in (part, note_path(part)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def note_path(part: str) -> str:
    """The name of a part's note."""
    return part + ".json"


def size_of(path: str) -> int:
    """Bytes of a file, 0 if it is not there."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


# To the person ----------------------------------------------------------------------------------------------------


class Bar:
    """How far a file has come: one line on standard error, on a terminal only."""

    def __init__(self, total: int | None):
        self.total, self.next, self.width = total, time.monotonic() + 0.5, 0
        self.enabled = sys.stderr is not None and sys.stderr.isatty()

    def show(self, done: int) -> None:
        """``done`` bytes are there."""
        if not self.enabled or time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 0.2
        share = done / self.total if self.total else 0
        bar = f"[{'#' * round(30 * share):30}] {100 * share:3.0f} %  " if self.total else ""
        line = f"{bar}{done / 1e6:,.1f} MB"
        sys.stderr.write(f"\r{line:{self.width}}")
        sys.stderr.flush()
        self.width = max(self.width, len(line))

    def close(self) -> None:
        """Take the line away."""
        if self.width:
            sys.stderr.write(f"\r{' ' * self.width}\r")
            sys.stderr.flush()


def tell(message: str) -> None:
    """A line on standard error."""
    if sys.stderr is not None:
        print(f"npmoji: {message}", file=sys.stderr, flush=True)
