"""What stands around the whole application: who may ask, the headers of every answer, and what errors become."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import WeightsError
from .hosts import Hosts
from .refusals import Refusal

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: of every answer
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_PAIRS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
JSON = "application/json"
TEXTS = "npmoji.texts"  # where a scope says how many texts the request has
PATH = "npmoji.path"  # and which of the server's paths it asked for
ARRIVED = "npmoji.arrived"  # and when, `time.monotonic`


class Left(Exception):
    """The client has gone: there is nobody to answer."""


class Guard:
    """An ASGI application around another.

    Args:
        log: write a line for each request to standard error: method, path, status, milliseconds, number of texts.
    """

    def __init__(self, app: App, hosts: Hosts, log: bool = False):
        self.app, self.hosts, self.log = app, hosts, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        scope[ARRIVED] = time.monotonic()
        answer = Answer(send)
        try:
            self._check(scope)
            await self.app(scope, receive, answer)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Left:
            answer.status = 499  # as others log it; it is not sent
        except Exception as error:  # noqa: BLE001  the next request is to be answered
            report(error, f"{scope['method']} {scope.get(PATH, 'request')}")
            await answer.refuse(Refusal(500, "the server failed to answer; its log says where"))
        finally:
            if self.log:
                self._line(scope, answer.status)

    def _check(self, scope: Scope) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            label, text = name.decode("latin-1"), value.decode("latin-1")
            headers[label] = f"{headers[label]}, {text}" if label in headers else text
        host = headers.get("host", "")
        if not self.hosts.allows(host, scope["server"]):
            wanted = "expected the server's own name; npmoji serve --allow-host NAME allows another"
            raise Refusal(400, f"Host is {host!r:.80}, {wanted}")
        if scope["method"] not in ("GET", "HEAD") and not self.hosts.same_origin(headers, host):
            raise Refusal(403, "the request comes from a page of another server")

    def _line(self, scope: Scope, status: int) -> None:
        """Nothing that a client wrote, but for the method, if it is one."""
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "-"
        milliseconds = 1000 * (time.monotonic() - scope[ARRIVED])
        texts = f" {scope[TEXTS]} texts" if TEXTS in scope else ""
        say(f"{method} {scope.get(PATH, '-')} {status} {milliseconds:.1f} ms{texts}")


class Answer:
    """A `Send` that adds the headers of every answer, and knows how far the answer has come."""

    def __init__(self, send: Send):
        self._send, self.status = send, 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", []))
            if not any(name == b"cache-control" for name, _ in own):
                own.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*own, *_PAIRS]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with an error, unless an answer has begun."""
        if self.status:
            return
        body = refusal.body
        headers = {"content-type": JSON, "content-length": str(len(body)), **refusal.headers}
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": refusal.status, "headers": pairs})
        await self({"type": "http.response.body", "body": body})


def report(error: BaseException, what: str) -> None:
    """Say in one line on standard error what went wrong and where in the code, with nothing of any request: an error's
    message may quote a text, unless it is about the weights."""
    message = f": {error}" if isinstance(error, WeightsError) else ""
    place = ""
    if frames := traceback.extract_tb(error.__traceback__):
        place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}"
    say(f"error: {what}: {type(error).__name__}{message or place}")


def say(line: str) -> None:
    """A line on standard error, if there is one."""
    if sys.stderr is not None:
        print(f"npmoji: {line}", file=sys.stderr, flush=True)
