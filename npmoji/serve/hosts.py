"""Whom a request says it is for, and which page sent it: a page elsewhere must reach nothing here, neither by asking a
name of its own that leads to this machine (DNS rebinding) nor by sending a form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import InputError

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
DEFAULT_PORTS = {"http": "80", "https": "443"}


class Hosts:
    """The names that a server answers to.

    Args:
        bound: the address it is bound to.
        more: others, ``NAME`` or ``NAME:PORT``.

    Raises:
        InputError: one of them is no name of a host.
    """

    def __init__(self, bound: str, more: Iterable[str] = ()):
        self.names = {"localhost", "127.0.0.1", "[::1]", bracketed(bound)}
        self.more = {name.lower() for name in more}
        for name in self.more:
            if not _HOST.fullmatch(name):
                raise InputError(f"{name!r:.80} is not the name of a host, such as example.org or example.org:8443")

    def allows(self, host: str, server: tuple[str, int]) -> bool:
        """Whether a ``Host`` header is right.

        Args:
            server: the address and port that the request came in by, which always may be asked for.

        >>> hosts = Hosts("127.0.0.1", ["example.org"])
        >>> [hosts.allows(host, ("127.0.0.1", 8000)) for host in ("localhost:8000", "localhost:80", "a.b")]
        [True, False, False]
        """
        host = host.lower()
        if host in self.more:
            return True
        found = _HOST.fullmatch(host)
        if not found or found[2] not in (None, str(server[1])):
            return False
        return found[1] in self.names or found[1] in self.more or found[1] == bracketed(server[0])

    def same_origin(self, headers: Mapping[str, str], host: str) -> bool:
        """Whether a request that is not only for reading comes from a page of this server, or from no page at all."""
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        scheme, _, place = origin.lower().partition("://")
        usual = f":{DEFAULT_PORTS.get(scheme)}"
        place = place.removesuffix(usual)
        return place != "" and (place in self.more or place == host.lower().removesuffix(usual))


def bracketed(address: str) -> str:
    """An address as it stands in a URL: that of IPv6 in brackets.

    >>> bracketed("::1"), bracketed("127.0.0.1")
    ('[::1]', '127.0.0.1')
    """
    address = address.lower().removeprefix("::ffff:")
    return f"[{address}]" if ":" in address else address
