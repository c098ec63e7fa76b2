"""What a server takes at most: one set of numbers that the command line fills in and `/info` tells."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The bounds of a server.

    Attributes:
        max_batch: rows (texts, or a text's variants) that are computed together.
        max_wait_ms: how long the first of them waits for others.
        max_texts: of a request.
        max_length: characters of a text.
        max_body: bytes of a request's body.
        queue: rows that wait to be computed.
        timeout: seconds from a request's arrival to its answer.
        read_timeout: seconds for a client to send a whole request, and to take a part of the answer.
        keep_alive: seconds that an idle connection stays open.
        connections: how many are open at a time.
        drain: seconds that are left to what is queued when the server is told to stop.
    """

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
