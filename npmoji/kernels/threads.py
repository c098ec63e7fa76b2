"""A small pool of Python threads for kernels that release the GIL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


class Pool:
    """Worker threads for nogil kernels: the caller computes the first task, the workers the others. Several Python
    threads may share one; after a fork the child starts its own workers."""

    def __init__(self, threads: int):
        self.threads = threads
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._owner = 0

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Runs the tasks, the most expensive ones first in the list, and returns when all are done."""
        if self.threads <= 1 or len(tasks) <= 1:
            for task in tasks:
                task()
            return
        pending = iter(tasks)
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    task = next(pending, None)
                if task is None:
                    return
                task()

        helpers = [self._workers().submit(work) for _ in range(min(self.threads, len(tasks)) - 1)]
        try:
            work()
        finally:
            for helper in helpers:
                if not helper.cancel():  # one still queued behind other callers' work has nothing left to do
                    helper.result()

    def _workers(self) -> ThreadPoolExecutor:
        if self._owner != os.getpid():  # never used here: threads do not survive a fork
            with self._lock:
                if self._owner != os.getpid():
                    self._executor = ThreadPoolExecutor(self.threads - 1, "npmoji")
                    self._owner = os.getpid()
        return self._executor
