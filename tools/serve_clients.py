"""Clients of `npmoji serve` that cost next to nothing themselves, for `bench_serve.py`: raw sockets on one event loop.

    python tools/serve_clients.py PORT CLIENTS SECONDS < texts.json

Each client keeps one connection and asks for one text after the other, as soon as it has the answer to the last.
Prints JSON: requests answered, seconds it took, and the milliseconds of each.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


def request(body: bytes, port: int, path: str = "/score") -> bytes:
    """A whole request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """Asks for one request after the other until ``end``.

    Args:
        times: gets the seconds of each answer, if it began after ``start``.
    """

    def __init__(self, requests: list[bytes], first: int, start: float, end: float, times: list[float]):
        self.requests, self.at, self.start, self.end, self.times = requests, first, start, end, times
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for the first text."""
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        """Send the next request."""
        self.answer, self.size, self.sent = b"", 0, time.perf_counter()
        if self.sent >= self.end:
            self.transport.close()
            self.done.set_result(None)
            return
        self.transport.write(self.requests[self.at % len(self.requests)])
        self.at += 1

    def data_received(self, data: bytes) -> None:
        """A part of the answer."""
        self.answer += data
        if not self.size:
            head, end, _ = self.answer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self.connection_lost(ValueError(self.answer.decode(errors="replace")))
                return
            self.size = len(head) + 4 + int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(self.answer) >= self.size:
            now = time.perf_counter()
            if self.start <= self.sent and now <= self.end:
                self.times.append(now - self.sent)
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        """The server has closed: a failure, unless the time was over."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))


async def load(port: int, clients: int, seconds: float, texts: list[str]) -> dict[str, Any]:
    """So many clients for so long; the first tenth of it is not counted."""
    loop, times = asyncio.get_running_loop(), []
    requests = [request(json.dumps({"texts": [text]}).encode(), port) for text in texts]
    start = time.perf_counter() + seconds / 10
    end = start + seconds
    made = []
    for number in range(clients):
        first = number * len(requests) // clients
        _, client = await loop.create_connection(
            lambda first=first: Client(requests, first, start, end, times), "127.0.0.1", port
        )
        made.append(client.done)
    await asyncio.gather(*made)
    return {"requests": len(times), "seconds": seconds, "milliseconds": [round(1000 * t, 3) for t in times]}


if __name__ == "__main__":
    found = asyncio.run(load(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), json.load(sys.stdin)))
    print(json.dumps(found))
