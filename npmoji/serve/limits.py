"""What a server takes at most: one set of numbers that the command line fills in and `/info` tells."""

from __future__ import annotations

from typing import NamedTuple

#: what each is the most of
MEANING = {
    "max_batch": "texts that are computed together",
    "max_wait_ms": "milliseconds that the first of them waits for others",
    "max_texts": "texts of a request",
    "max_length": "characters of a text",
    "max_body": "bytes of a request's body",
    "queue": "texts that wait to be computed; for /explain each word counts as one more",
    "timeout": "seconds until a request is answered",
    "read_timeout": "seconds for a request to arrive",
    "keep_alive": "seconds that an idle connection stays open",
    "connections": "connections at a time",
    "drain": "seconds that what is queued is given when the server is told to stop",
}


class Limits(NamedTuple):
    """The bounds of a server; `MEANING` says of what. A client has ``read_timeout`` for a part of the answer, too."""

    max_batch: int = 64
    max_wait_ms: int = 2
    max_texts: int = 256
    max_length: int = 10_000
    max_body: int = 1 << 20
    queue: int = 4096
    timeout: int = 30
    read_timeout: int = 20
    keep_alive: int = 15
    connections: int = 512
    drain: int = 10
