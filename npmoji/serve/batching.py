"""Micro-batching: rows of requests that arrive together are computed together, by one thread.

A request is a `Job`: rows of token ids, and which results it needs of each. The thread, when it is free, takes rows of
what waits, runs the network once, and hands each job its results. Each job gets an equal share of a batch first, so
that one text does not wait for a request of hundreds that came before it; a job with more rows than fit is computed in
several batches.

When fewer rows wait than a batch takes, the thread gives others ``max_wait`` to join; but only after a batch of several
jobs, so a client that is alone never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

#: token ids (N, T) and names of results -> the results by name, each of N rows
Compute = Callable[[np.ndarray, Sequence[str]], dict[str, np.ndarray]]


class Full(Exception):
    """The queue takes no more; ``seconds``: when it may."""

    def __init__(self, seconds: int):
        super().__init__(seconds)
        self.seconds = seconds


class Closed(Exception):
    """The batcher has been closed: this was not computed."""


class Job:
    """The rows of a request.

    Args:
        tokens: ids (N, T).
        what: the names of the results that are needed.

    Attributes:
        results: by name, once all rows are done.
        error: why there are none.
    """

    def __init__(self, tokens: np.ndarray, what: Sequence[str]):
        self.tokens, self.what = tokens, what
        self.results: dict[str, np.ndarray] = {}
        self.error: Exception | None = None
        self.arrived = 0.0
        self._taken = self._stored = 0

    @property
    def waiting(self) -> int:
        """How many rows have not been taken."""
        return len(self.tokens) - self._taken

    def take(self, rows: int) -> slice:
        """The next rows, so many at most."""
        start, self._taken = self._taken, min(self._taken + rows, len(self.tokens))
        return slice(start, self._taken)

    def store(self, rows: slice, found: dict[str, np.ndarray], place: slice) -> bool:
        """Keep these rows of the results of a batch; whether it was the last of them."""
        for name in self.what:
            values = found[name][place]
            if name not in self.results:
                self.results[name] = np.zeros((len(self.tokens), *values.shape[1:]), values.dtype)
            self.results[name][rows] = values
        self._stored += rows.stop - rows.start
        return self._stored == len(self.tokens)


class Part(NamedTuple):
    """Some rows of a job."""

    job: Job
    rows: slice


class Figures(NamedTuple):
    """What a batcher has done, and what waits."""

    waiting_requests: int
    waiting_rows: int
    batches: int
    rows: int
    rows_per_second: float


class Batcher:
    """The queue and its thread.

    Args:
        compute: runs the network; called from one thread only.
        finished: called from that thread with the jobs that a batch finished.
        max_batch: rows of a batch.
        max_wait: seconds that the first row of a batch waits for others.
        queue: rows that may wait.
        alone: compute each job by itself and as a whole, for engines whose bits depend on the batch.
    """

    def __init__(
        self,
        compute: Compute,
        finished: Callable[[list[Job]], object],
        max_batch: int,
        max_wait: float,
        queue: int,
        alone: bool = False,
    ):
        self._compute, self._finished, self._alone = compute, finished, alone
        self.max_batch, self.max_wait, self.queue = max_batch, max_wait, queue
        self._jobs: list[Job] = []  # those with rows that wait
        self._waiting = 0  # rows
        self._changed = threading.Condition()
        self._closed = False
        self._together = False  # whether the last batch was of several jobs
        self._batches = self._rows = 0
        self._rate = 0.0  # rows a second, of late
        self._thread = threading.Thread(target=self._work, name="npmoji-serve", daemon=True)

    def start(self) -> None:
        """Begin to compute."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job. One without rows must not be: there is nothing to wait for.

        Raises:
            Full: too many rows wait already.
            Closed: it was closed.
        """
        rows = len(job.tokens)
        with self._changed:
            if self._closed:
                raise Closed
            if self._waiting + rows > self.queue:
                raise Full(self._seconds_for(self._waiting + rows - self.queue))
            job.arrived = time.monotonic()
            self._jobs.append(job)
            self._waiting += rows
            self._changed.notify()

    def drop(self, job: Job) -> None:
        """Forget a job: what has not been taken is not computed."""
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
                self._waiting -= job.waiting

    def close(self, wait: float = 5) -> None:
        """End the thread after the batch it is at, ``wait`` seconds at most; whatever waits fails with `Closed`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(wait)

    def figures(self) -> Figures:
        """What it has done so far."""
        with self._changed:
            return Figures(len(self._jobs), self._waiting, self._batches, self._rows, round(self._rate, 1))

    def _seconds_for(self, rows: int) -> int:
        """How long so many rows take about: between a second and a minute."""
        return int(min(60, max(1, -(-rows // max(1.0, self._rate)))))

    # The thread ----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while parts := self._next():
            start = time.monotonic()
            self._run(parts)
            rows, seconds = _size(parts), time.monotonic() - start
            with self._changed:
                self._batches += 1
                self._rows += rows
                now = rows / max(seconds, 1e-6)
                self._rate = 0.8 * self._rate + 0.2 * now if self._rate else now
        self._fail(self._jobs, Closed())

    def _next(self) -> list[Part]:
        """The parts of the next batch, as soon as there is one; none once it is closed."""
        with self._changed:
            while not self._closed:
                if not self._jobs:
                    self._changed.wait()
                elif (left := self._left()) > 0:
                    self._changed.wait(left)
                else:
                    parts = self._take()
                    self._together = len({id(part.job) for part in parts}) > 1
                    return parts
        return []

    def _left(self) -> float:
        """The seconds that others still have to join."""
        if self._alone or not self._together or self._waiting >= self.max_batch:
            return 0
        return self._jobs[0].arrived + self.max_wait - time.monotonic()

    def _take(self) -> list[Part]:
        """Rows of the jobs that wait: an equal share of each first, then in order of arrival."""
        if self._alone:
            job = self._jobs[0]
            parts = [Part(job, job.take(job.waiting))]
        else:
            share, room, parts = max(1, self.max_batch // len(self._jobs)), self.max_batch, []
            for most in (share, self.max_batch):
                for job in self._jobs:
                    if rows := min(job.waiting, most, room):
                        parts.append(Part(job, job.take(rows)))
                        room -= rows
        self._waiting -= _size(parts)
        self._jobs = [job for job in self._jobs if job.waiting]
        return parts

    def _run(self, parts: list[Part]) -> None:
        """Compute a batch and finish the jobs that are complete with it."""
        what = sorted({name for part in parts for name in part.job.what})
        try:
            found = self._compute(np.concatenate([part.job.tokens[part.rows] for part in parts]), what)
        except Exception as error:  # noqa: BLE001  whoever waits is told
            jobs = list({id(part.job): part.job for part in parts}.values())
            for job in jobs:
                self.drop(job)
            self._fail(jobs, error)
            return
        start, finished = 0, []
        for job, rows in parts:
            stop = start + rows.stop - rows.start
            if job.store(rows, found, slice(start, stop)):
                finished.append(job)
            start = stop
        self._finished(finished)

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        for job in jobs:
            job.error = error
        self._finished(jobs)


def _size(parts: list[Part]) -> int:
    return sum(part.rows.stop - part.rows.start for part in parts)
