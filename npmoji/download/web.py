"""Requests to web servers by the standard library: what is followed, what is refused, which failures may pass."""

from __future__ import annotations

import functools
import http.client
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlsplit

from .. import __version__

TIMEOUT = 30.0  # s, for connecting and for each wait for more
CHUNK = 1 << 16  # bytes
REDIRECTS = 10


class FetchError(Exception):
    """The file could not be had; the message says why."""


class TransientError(FetchError):
    """It could not be had now: worth trying again."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, some, to the web only, and never out of https."""

    max_redirections = REDIRECTS

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        fp.close()  # the body, which may have no end, would be read
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old == "https" and new.scheme == "http") or "@" in new.netloc:
            raise FetchError(f"the server redirects to {printable(f'{new.scheme}://{new.hostname}')}, which is refused")
        return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # Python 3.10 lacks it


@functools.cache  # reading the system's certificates takes a while
def opener() -> urllib.request.OpenerDirector:
    """http and https, through the proxies of the environment; no other scheme, no cookies, no passwords."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        Redirects,
    ):
        director.add_handler(handler())
    return director


def request(url: str, start: int, validator: str) -> http.client.HTTPResponse:
    """Ask for the file from byte ``start`` on; HTTPError for an answer that is no success."""
    headers = {"User-Agent": f"npmoji/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        address = urllib.request.Request(quote(url, safe="%/:=&?~#+!$,;'@()*[]"), headers=headers)
        return opener().open(address, timeout=TIMEOUT)
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:  # not connected at all
        reason = error.reason
        again = isinstance(reason, ConnectionError) and not isinstance(reason, ConnectionRefusedError)
        raise (TransientError if again else FetchError)(words(reason)) from None
    except (http.client.InvalidURL, ValueError) as error:
        raise FetchError(f"not an address that can be asked: {printable(str(error))}") from None
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(words(error)) from None


def receive(response: http.client.HTTPResponse) -> bytes:
    """Some more bytes, as soon as there are any; none at the end."""
    try:
        return response.read1(CHUNK)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TransientError(words(error)) from None


def refusal(error: urllib.error.HTTPError) -> FetchError:
    """What an answer that is no success means for us."""
    reason = printable(str(error.reason))
    if 300 <= error.code < 400:
        return FetchError(f"a redirection that cannot be followed: HTTP {error.code} {reason}")
    kind = TransientError if error.code >= 500 or error.code in (408, 429) else FetchError
    return kind(f"the server answers HTTP {error.code} {reason}")


def words(error: Any) -> str:
    """An error of the network in words."""
    if isinstance(error, TimeoutError):
        return f"the server is silent for {TIMEOUT:g} s"
    return printable(getattr(error, "strerror", None) or str(error)) or type(error).__name__


def printable(text: str) -> str:
    """What another computer sent, safe to be shown."""
    return "".join(c if c.isprintable() else " " for c in text)[:200]
