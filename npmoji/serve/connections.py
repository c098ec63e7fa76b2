"""Connections: what uvicorn leaves open without end is closed here, and what it answers in plain text is JSON.

uvicorn has no bound for a client that sends its request slowly, or does not take the answer, and none for their number
that leaves room for those who are being served. All of this is per connection, below the application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from .guards import HEADERS, Answer
from .limits import Limits
from .refusals import error_body, unavailable

SWALLOWED = 64 << 20  # bytes of a refused request that are read, so that the client sees the answer to it
LINGER = 2  # seconds that a connection on which all has been said is left to the client to close
PIECE = 64 << 10  # bytes that a client must take in each `read_timeout`
PHRASES = {400: "Bad Request", 408: "Request Timeout"}


class Joined:
    """A transport that sends what is written one after the other together, and closes so that it is received.

    Each send is a call of the system, for which the computing thread may take the interpreter: the head of an answer
    goes with its body. And a connection that is closed with something unread is reset, and the client may never see
    the answer: if there is, it is read for nothing until the client closes, or `LINGER` has passed.

    Args:
        unread: whether the client may have sent something that has not been read.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, unread: Callable[[], bool]):
        self._transport, self._loop, self._unread = transport, loop, unread
        self._pieces: list[bytes] = []
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send this soon."""
        if data and not self._closing:
            if not self._pieces:
                self._loop.call_soon(self._flush)
            self._pieces.append(data)

    def _flush(self) -> None:
        if self._pieces:
            data, self._pieces = b"".join(self._pieces), []
            self._transport.write(data)

    def close(self) -> None:
        """Close, once all is sent, and the client knows that it is all."""
        if self._closing:
            return
        self._flush()
        self._closing = True
        if self._unread() and not self._transport.is_closing():
            self._transport.write_eof()
            self._transport.resume_reading()
            self._loop.call_later(LINGER, self._transport.close)
        else:
            self._transport.close()

    def is_closing(self) -> bool:
        """Whether nothing more is to be said."""
        return self._closing or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """How many bytes have not been sent."""
        return sum(map(len, self._pieces)) + self._transport.get_write_buffer_size()


class Connection(H11Protocol):
    """One client's connection, with `limits` of the class."""

    limits = Limits()

    def __init__(self, config: Config, *arguments: Any, **named: Any):
        super().__init__(config, *arguments, **named)
        self._reading: asyncio.TimerHandle | None = None  # set while a request comes in
        self._writing: asyncio.TimerHandle | None = None  # set while the client does not take the answer
        self._swallowed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come. Those beyond the limit get an answer, and those far beyond it none."""
        super().connection_made(Joined(transport, self.loop, self._unread))  # type: ignore[arg-type]
        if len(self.connections) > 2 * self.limits.connections:
            transport.abort()
        elif len(self.connections) > self.limits.connections:
            self.app = too_many
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Something of a request, or of several."""
        refused = self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY
        closing = self.transport.is_closing()
        if closing or refused:
            self._swallowed += len(data)
            if self._swallowed > SWALLOWED:
                self.transport.abort()
        if not closing:
            super().data_received(data)
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Have a request that has begun to come in end in time; a first one must begin at once."""
        incoming = self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing()
        if incoming and self._reading is None:
            self._reading = self.loop.call_later(self.limits.read_timeout, self._too_slow)
        elif not incoming and self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _unread(self) -> bool:
        """Whether a request has come in part only, or something that is none."""
        state = self.conn.their_state
        return state in (h11.SEND_BODY, h11.ERROR) or (state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _too_slow(self) -> None:
        late = f"the request took more than {self.limits.read_timeout} s to arrive"
        self._end(408, late if self._unread() else "")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in our own form."""
        self._end(400, "the request is not valid HTTP")

    def _end(self, status: int, message: str) -> None:
        """Answer below the application, if nothing has been answered yet, and close."""
        cycle = self.cycle
        if message and (cycle is None or cycle.response_complete or not cycle.response_started):
            body = error_body(message)
            lines = [f"HTTP/1.1 {status} {PHRASES[status]}", "content-type: application/json"]
            lines += [f"content-length: {len(body)}", "cache-control: no-store", "connection: close"]
            lines += [f"{name}: {value}" for name, value in HEADERS.items()]
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        if cycle is not None and not cycle.response_complete:  # the application must not answer any more
            cycle.disconnected = True
            cycle.message_event.set()
        self._close()

    def _close(self) -> None:
        """Close once the rest of the answer is taken."""
        self.transport.close()
        self._wait_for_client()

    def _wait_for_client(self) -> None:
        """Have the client take what there is of the answer, or at least a piece of it in each `read_timeout`."""
        if self._writing is None:
            left = self.transport.get_write_buffer_size()
            self._writing = self.loop.call_later(self.limits.read_timeout, self._taken, left)

    def _taken(self, before: int) -> None:
        self._writing = None
        left = self.transport.get_write_buffer_size()
        if left > before - PIECE:
            self.transport.abort()
        else:
            self._wait_for_client()

    def pause_writing(self) -> None:
        """The client does not take the answer as fast as it comes."""
        super().pause_writing()
        self._wait_for_client()

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._writing is not None and not self.transport.is_closing():
            self._writing.cancel()
            self._writing = None

    def on_response_complete(self) -> None:
        """An answer is on its way, and the next request may have come in part."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_client()
        elif self.cycle is not None and not self.cycle.response_complete:
            self._unset_keepalive_if_required()  # which early versions of uvicorn leave to end a request at work
            self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for a while."""
        if not self.transport.is_closing():
            self._close()

    def shutdown(self) -> None:
        """The server is about to end: close what waits for nothing."""
        if self.cycle is None or self.cycle.response_complete:
            self._close()
        else:
            self.cycle.keep_alive = False


async def too_many(scope: Any, receive: Any, send: Any) -> None:
    """The application of connections beyond the limit."""
    refusal = unavailable("too many connections")
    refusal.headers["connection"] = "close"
    await Answer(send).refuse(refusal)
