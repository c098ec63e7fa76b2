"""Threads that help with a single text: one for each text at a time, woken once for all of its layers."""

from __future__ import annotations

import functools
import os
import threading
import time

import numpy as np

from .one_text import CALLER, HELPER, HELPING, JOINING, STOP, WANTED, run

NAP = 5e-5  # seconds; for a thread that has looked in vain: the one that it waits for may be waiting for its core


class Helper:
    """A thread that sleeps until it is wanted. It is a daemon: it has nothing of its own to finish."""

    def __init__(self) -> None:
        self._wake = threading.Lock()
        self._wake.acquire()
        self._program: np.ndarray | None = None
        threading.Thread(target=self._work, name="npmoji one text", daemon=True).start()

    def ask(self, program: np.ndarray) -> None:
        """Let it help with a text that is ready to run; it may come too late, or not at all."""
        program[HELPER] = WANTED
        self._program = program
        if self._wake.locked():  # else it was woken before, and did not come yet
            self._wake.release()

    def _work(self) -> None:
        while True:
            self._wake.acquire()
            program, self._program = self._program, None
            who = JOINING
            while program is not None and run(program, who):
                who = HELPING
                time.sleep(NAP)


@functools.cache
def helpers(most: int) -> Helpers:
    """Those of all engines with so many threads besides the caller's."""
    return Helpers(most)


class Helpers:
    """So many helpers at most, made when they are first wanted; after a fork the child makes its own."""

    def __init__(self, most: int):
        self._most = most
        self._forget()

    def _forget(self) -> None:
        self._idle: list[Helper] = []
        self._lock, self._made = threading.Lock(), 0
        self._owner = os.getpid()

    def run(self, program: np.ndarray, shared: bool) -> None:
        """Run the program of a text, with a helper if one is idle and there is something that it can do.

        Raises:
            BaseException: what a signal raised; the program must not be used again.
        """
        helper = self._take() if shared and self._most else None
        try:
            if helper is not None:
                helper.ask(program)
            while run(program, CALLER):
                time.sleep(NAP)
        except BaseException:
            program[STOP] = 1
            raise
        finally:
            if helper is not None:
                self._idle.append(helper)

    def _take(self) -> Helper | None:
        if self._owner != os.getpid():  # threads do not survive a fork
            self._forget()
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def _make(self) -> Helper | None:
        with self._lock:
            if self._made >= self._most:
                return None
            try:
                helper = Helper()
            except RuntimeError:  # no threads any more: there are too many, or Python is about to end
                return None
            self._made += 1
            return helper
