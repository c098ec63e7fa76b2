"""The application: its paths, and a request's way from its body to its answer.

body ── parsed, checked, tokenized ── queued, computed with others ── answer
        (in another thread if large)  (the batcher's thread)          (in another thread if large)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .answers import Answers, Results, Task
from .batching import Batcher, Closed, Full, Job
from .docs_page import docs_page
from .guards import ARRIVED, JSON, PATH, TEXTS, App, Guard, Left
from .hosts import Hosts
from .limits import Limits
from .openapi import description
from .refusals import Refusal, error_body, unavailable
from .requests import FIELDS, check_type, wanted
from .static import HTML, File, files

T = TypeVar("T")
LARGE = 16 << 10  # bytes of a body, and numbers of an answer, from which on another thread makes them
HELD = 64  # largest bodies that are held at a time


class Service:
    """What answers: a model behind a queue.

    Args:
        answers: what makes answers, of one model.
        limits: what it takes at most.
    """

    def __init__(self, answers: Answers, limits: Limits):
        self.answers, self.limits = answers, limits
        alone = answers.model.engine != "numba"  # others' bits depend on the batch
        self.batcher = Batcher(
            answers.compute, self._computed, limits.max_batch, limits.max_wait_ms / 1000, limits.queue, alone
        )
        self._futures: dict[Job, asyncio.Future[Results]] = {}
        self._helpers = ThreadPoolExecutor(2, "npmoji-serve-texts")
        self._held = 0  # bytes of bodies
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to compute."""
        self.batcher.start()

    def close(self) -> None:
        """Stop: whatever waits is refused."""
        self.batcher.close()
        self._helpers.shutdown(wait=False, cancel_futures=True)

    # A request -----------------------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Response:
        """The answer to a POST."""
        path = request.scope[PATH] = request.scope["path"]
        check_type(request.headers.get("content-type", ""), request.headers.get("content-encoding", ""))
        pieces: list[bytes] = []
        try:
            body = await self._body(request, pieces)
            task, texts = await self._off(len(body) > LARGE, lambda: self._task(path, body))
            request.scope[TEXTS] = texts
            results = await self._results(request, task) if len(task.tokens) else {}
            numbers = sum(values.size for values in results.values())
            content = await self._off(numbers > LARGE, lambda: task.body(results))
        finally:
            self._held -= sum(map(len, pieces))
        return Response(content, media_type=JSON)

    def _task(self, path: str, body: bytes) -> tuple[Task, int]:
        asked = wanted(body, path, self.limits)
        return self.answers.task(path, asked), len(asked.texts)

    async def _off(self, large: bool, work: Callable[[], T]) -> T:
        """Do some work, in another thread if it is large: the loop answers others meanwhile."""
        if not large:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._helpers, work)

    async def _body(self, request: Request, pieces: list[bytes]) -> bytes:
        """All of the body; its ``pieces`` count as held until the caller says otherwise."""
        most, size = self.limits.max_body, 0
        if int(request.headers.get("content-length", 0)) > most:
            raise Refusal(413, f"the body is larger than {most:,} bytes")
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Left
            pieces.append(message["body"])
            size += len(pieces[-1])
            self._held += len(pieces[-1])
            if size > most:
                raise Refusal(413, f"the body is larger than {most:,} bytes")
            if self._held > HELD * most:
                raise Refusal(429, "too many large requests at a time", {"Retry-After": "1"})
            if not message["more_body"]:
                return b"".join(pieces)

    async def _results(self, request: Request, task: Task) -> Results:
        """What the network gives for all rows of a task, unless it takes too long, or nobody waits for it any more."""
        loop = self._loop = asyncio.get_running_loop()
        job = Job(task.tokens, task.what)
        future: asyncio.Future[Results] = loop.create_future()
        late = unavailable(f"computing took more than {self.limits.timeout} s")
        left = request.scope[ARRIVED] + self.limits.timeout - time.monotonic()
        timer = loop.call_later(left, self._give_up, future, late)
        watcher = loop.create_task(self._watch(request, future))
        self._futures[job] = future
        try:
            self.batcher.submit(job)
            return await future
        except Full as full:
            raise Refusal(429, "too much is waiting to be computed", {"Retry-After": str(full.seconds)}) from None
        except Closed:
            raise unavailable("the server is shutting down") from None
        finally:
            timer.cancel()
            watcher.cancel()
            self.batcher.drop(job)
            del self._futures[job]

    async def _watch(self, request: Request, future: asyncio.Future[Results]) -> None:
        """Wait for the client to go."""
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._give_up(future, Left())

    @staticmethod
    def _give_up(future: asyncio.Future[Results], error: Exception) -> None:
        if not future.done():
            future.set_exception(error)

    def _computed(self, jobs: list[Job]) -> None:
        """Called by the batcher's thread: have the loop hand out what is finished."""
        if jobs and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                self._loop.call_soon_threadsafe(self._hand_out, jobs)

    def _hand_out(self, jobs: list[Job]) -> None:
        for job in jobs:
            future = self._futures.get(job)
            if future is None or future.done():
                continue
            if job.error is None:
                future.set_result(job.results)
            else:
                future.set_exception(job.error)

    # What is only looked at ----------------------------------------------------------------------------------------

    async def health(self, request: Request) -> Response:
        """Whether it runs."""
        request.scope[PATH] = request.scope["path"]
        return JSONResponse({"status": "ok"})

    async def info(self, request: Request) -> Response:
        """The model, the limits and what the queue has done."""
        request.scope[PATH] = request.scope["path"]
        queue = self.batcher.figures()._asdict()
        return JSONResponse({**self.answers.info(), "limits": self.limits._asdict(), "queue": queue})


def application(service: Service, hosts: Hosts, log: bool = False) -> App:
    """The whole ASGI application."""
    text = json.dumps(description(service.limits), ensure_ascii=False, indent=1)
    static = {**files(), "/openapi.json": File.of(text, JSON), "/docs": File.of(docs_page(service.limits), HTML)}
    app = Starlette(
        routes=[
            *(Route(path, service.answer, methods=["POST"]) for path in FIELDS),
            Route("/health", service.health),
            Route("/info", service.info),
            *(Route(path, _sending(path, file)) for path, file in static.items()),
        ],
        middleware=[Middleware(Guard, hosts=hosts, log=log)],
        exception_handlers={HTTPException: _refused},
    )
    app.router.redirect_slashes = False
    return app


def _sending(path: str, file: File) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a file: not sent again to whoever has it."""

    async def send(request: Request) -> Response:
        request.scope[PATH] = path
        headers = {"ETag": file.tag, "Cache-Control": "no-cache", "Content-Type": file.kind}
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers)

    return send


async def _refused(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: paths that are not there, and methods that a path does not take."""
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow", "")
    why = f"expected the method {allowed}" if allowed else "there is no such path; /docs says which there are"
    return Response(error_body(why), error.status_code, headers=error.headers, media_type=JSON)
