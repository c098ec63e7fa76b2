"""Running the server: the socket, uvicorn, signals, and what is written to standard error."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from ..errors import InputError
from .answers import Answers
from .app import Service, application
from .connections import Connection
from .guards import report, say
from .hosts import Hosts, bracketed
from .limits import Limits

if TYPE_CHECKING:
    from ..model import Model


def serve(model: Model, listener: socket.socket, hosts: Hosts, limits: Limits, log: bool = False) -> None:
    """Answer requests until a signal says to stop, and then what has been asked already.

    Args:
        listener: a socket that is bound, as by `bound`.
        log: a line on standard error for each request.

    Raises:
        InputError, VocabularyError: the model takes something else than texts.
    """
    Server(model, hosts, limits, log).run(sockets=[listener])


def bound(host: str, port: int) -> socket.socket:
    """A socket at this address; port 0: at any that is free.

    Raises:
        InputError: there is no such address here, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":  # elsewhere this would let two programs have the same port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        hint = "; --port 0 takes any that is free" if getattr(error, "errno", 0) == errno.EADDRINUSE else ""
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot listen on {bracketed(host)}:{port}: {reason}{hint}") from None
    return listener


def url(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{bracketed(local)}:{port}/"


class Server(uvicorn.Server):
    """uvicorn, which says when it is ready, ends with exit code 0, and writes no tracebacks; see `serve`."""

    def __init__(self, model: Model, hosts: Hosts, limits: Limits, log: bool = False):
        answers = Answers(model, limits)
        answers.warm_up()
        self.service, self._drain = Service(answers, limits), limits.drain
        config = uvicorn.Config(
            application(self.service, hosts, log),
            loop="asyncio",
            http=type("Connection", (Connection,), {"limits": limits}),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.keep_alive,
            timeout_graceful_shutdown=limits.drain + 2,
            backlog=1024,
        )
        super().__init__(config)
        logger = logging.getLogger("uvicorn.error")
        logger.handlers, logger.propagate = [_OneLine(logging.ERROR)], False

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer until told to stop."""
        self.service.start()
        try:
            super().run(sockets)
        finally:
            self.service.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        asyncio.get_running_loop().set_exception_handler(_unexpected)
        await super().startup(sockets)
        for listener in sockets or []:
            say(f"serving on {url(listener)}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in, answer what is queued, and refuse what is not computed in time."""
        timer = asyncio.get_running_loop().call_later(self._drain, self.service.batcher.close, 0)
        await super().shutdown(sockets)
        timer.cancel()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A signal: stop; a second one: without waiting."""
        self.force_exit, self.should_exit = self.should_exit, True


class _OneLine(logging.Handler):
    """What uvicorn reports, without anything that a client sent."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            report(error, "uvicorn")
        else:
            say(f"error: uvicorn: {record.msg.split('%')[0].strip()}")


def _unexpected(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio would write a traceback of."""
    error = context.get("exception")
    with contextlib.suppress(OSError):
        if isinstance(error, Exception):
            report(error, "asyncio")
        else:
            say(f"error: asyncio: {context['message']}")
