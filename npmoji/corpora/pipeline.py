"""Work in steps that overlap: each has threads of its own, and there are short queues between them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

DEPTH = 2  # results that wait between two steps, finished or not
PATIENCE = 0.1  # seconds between two looks whether all is over
FAREWELL = 2.0  # seconds for a thread to end when it is no longer needed,
SHORT = 0.5  # and for that of the items, which may wait for input


class Step(NamedTuple):
    """A function, and how many threads may run it at a time."""

    work: Callable[[Any], Any]
    threads: int = 1


class Stopped(Exception):
    """The results are not wanted any more: raised in the pipeline's threads, and by a step that has noticed it."""


class _Slot:
    """A result to come, or an error in its place; `_END` after the last one."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None

    def set(self, value: Any = None, error: BaseException | None = None) -> _Slot:
        """Say what it is."""
        self.value, self.error = value, error
        self.ready.set()
        return self


_END = object()


class _Link:
    """A queue of slots between two steps."""

    def __init__(self, stop: threading.Event):
        self._queue: queue.Queue[_Slot] = queue.Queue(DEPTH)
        self._stop = stop

    def put(self, slot: _Slot) -> None:
        """Add one; waits while the queue is full."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                return self._queue.put(slot, timeout=PATIENCE)
        raise Stopped

    def get(self) -> _Slot:
        """The next one, once it is known what it is."""
        slot = None
        while not self._stop.is_set():
            with contextlib.suppress(queue.Empty):
                slot = slot or self._queue.get(timeout=PATIENCE)
                if slot.ready.wait(PATIENCE):
                    return slot
        raise Stopped


class _Stage:
    """A step between two links; `run` is what each of its threads does."""

    def __init__(self, work: Callable[[Any], Any], source: _Link, target: _Link):
        self._work, self._source, self._target = work, source, target
        self._turn, self._over = threading.Lock(), False

    def run(self) -> None:
        """Take items in turn with the other threads, until the end or an error, which is passed on."""
        with contextlib.suppress(Stopped):
            while (taken := self._take()) is not None:
                item, slot = taken
                try:
                    slot.set(self._work(item))
                except BaseException as error:  # noqa: BLE001  raised again where the result is asked for
                    slot.set(error=error)

    def _take(self) -> tuple[Any, _Slot] | None:
        """The next item, and the slot for its result; None after the last one."""
        with self._turn:
            if self._over:
                return None
            given = self._source.get()
            self._over = given.value is _END or given.error is not None
            slot = given if self._over else _Slot()
            self._target.put(slot)
            return None if self._over else (given.value, slot)


def _feed(items: Iterable[Any], target: _Link) -> None:
    """Put the items, and the end or an error. What has to be closed is closed in this thread."""
    with contextlib.suppress(Stopped):
        try:
            iterator = iter(items)
            with contextlib.closing(iterator) if hasattr(iterator, "close") else contextlib.nullcontext():
                for item in iterator:
                    target.put(_Slot().set(item))
            target.put(_Slot().set(_END))
        except Stopped:
            raise
        except BaseException as error:  # noqa: BLE001  raised again where the item is asked for
            target.put(_Slot().set(error=error))


def overlapped(items: Iterable[Any], *steps: Step, stop: threading.Event | None = None) -> Generator[Any, None, None]:
    """The items, each after all steps, in order.

    The items are taken from their iterable in a thread of its own, and each step has its own. An error in any of them
    comes in the place of its item: what was before it is still given. When the generator ends, is closed or has raised
    an error, all threads are stopped; one that still waits for input is left to itself.

    Args:
        stop: is set when that happens, for steps that take long.

    >>> from npmoji.corpora.pipeline import Step, overlapped
    >>> list(overlapped(range(4), Step(lambda x: x + 1), Step(str, threads=2)))
    ['1', '2', '3', '4']
    """
    stop = stop or threading.Event()
    links = [_Link(stop) for _ in range(len(steps) + 1)]
    threads = [threading.Thread(target=_feed, args=(items, links[0]), daemon=True)]
    for step, source, target in zip(steps, links, links[1:]):
        stage = _Stage(step.work, source, target)
        threads += [threading.Thread(target=stage.run, daemon=True) for _ in range(step.threads)]
    try:
        for thread in threads:
            thread.start()
        while (slot := links[-1].get()).value is not _END:
            if slot.error is not None:
                raise slot.error
            yield slot.value
            del slot  # the caller may hold the only reference, and let go of it
    finally:
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join(SHORT if thread is threads[0] else FAREWELL)
